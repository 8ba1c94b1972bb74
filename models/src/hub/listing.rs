//! What a repository holds at one commit: the Hub's answer as written, and as meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{address::is_commit, checksum::Checksum};
use crate::folder::SETTINGS;

/// The most bytes of one file, so that no sum of a listing overflows.
const MOST_FILE: u64 = 1 << 40;
/// The most bytes of a file of settings; a tokenizer's are some tens of megabytes.
const MOST_SETTING: u64 = 256 << 20;
/// The most bytes of a licence that is fetched to lie beside its weights.
pub(super) const MOST_LICENCE: u64 = 1 << 20;

/// `GET /api/models/{repository}/revision/{revision}?blobs=true`.
#[derive(Debug, Deserialize)]
struct Written {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Debug, Deserialize)]
struct LargeFile {
    sha256: String,
    size: u64,
}

/// A commit and its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    pub(super) commit: String,
    files: BTreeMap<String, Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) bytes: u64,
    pub(super) checksum: Checksum,
}

impl Listing {
    /// Reads the Hub's answer. What is wrong with it is the error.
    pub(super) fn of_answer(text: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let mut files = BTreeMap::new();
        for Sibling { rfilename: path, size, blob_id, lfs } in written.siblings {
            let (bytes, checksum) = match &lfs {
                Some(large) => (Some(large.size), Checksum::sha256(&large.sha256)),
                None => (size, blob_id.as_deref().and_then(Checksum::git)),
            };
            let Some((bytes, checksum)) = bytes.zip(checksum) else {
                return Err(format!("`{}` has no size or no checksum in its listing", shown(&path)));
            };
            files.insert(path, Entry { bytes, checksum });
        }
        Self { commit: written.sha, files }.checked()
    }

    /// Reads what [`Listing::kept`] wrote; `None` if it can't be read, for then it is asked for again.
    pub(super) fn of_kept(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok()?.checked().ok()
    }

    /// To be kept beside the files: a commit's never changes.
    pub(super) fn kept(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Names become paths, so whatever could lead out of the model's folder is refused, and the rest with it.
    fn checked(self) -> Result<Self, String> {
        if !is_commit(&self.commit) {
            return Err(format!("`{}` is no commit", shown(&self.commit)));
        }
        if let Some(path) = self.files.keys().find(|path| !stays_inside(path)) {
            return Err(format!(
                "its listing names a file `{}`, which leads out of the model's folder",
                shown(path)
            ));
        }
        if !self.files.values().all(|entry| entry.checksum.is_well_formed()) {
            return Err("a checksum in its listing is none".into());
        }
        if let Some((path, _)) = self.files.iter().find(|(_, entry)| entry.bytes > MOST_FILE) {
            return Err(format!("`{}` can't be as large as its listing says", shown(path)));
        }
        // They are read whole.
        let is_huge = |(path, entry): &(&String, &Entry)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            SETTINGS.contains(&name) && entry.bytes > MOST_SETTING
        };
        if let Some((path, entry)) = self.files.iter().find(is_huge) {
            return Err(format!(
                "`{path}` has {} bytes in its listing: no file of settings is as large",
                entry.bytes
            ));
        }
        Ok(self)
    }

    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        self.files.get(path)
    }

    /// Every file's path and what is said of it.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Entry)> + Clone {
        self.files.iter().map(|(path, entry)| (path.as_str(), entry))
    }
}

/// Whether a path in a listing stays in the folder that it is put into, on any system.
fn stays_inside(path: &str) -> bool {
    let leads_out = |part: &str| matches!(part, "" | "." | "..") || (cfg!(windows) && part.contains(':'));
    !path.contains('\\') && !path.chars().any(char::is_control) && !path.split('/').any(leads_out)
}

/// A name from elsewhere, fit to be shown.
fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIT: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    fn answer(paths: &[&str]) -> Result<Listing, String> {
        let files =
            paths.iter().map(|path| serde_json::json!({ "rfilename": path, "size": 6, "blobId": GIT }));
        let answer = serde_json::json!({ "sha": GIT, "siblings": files.collect::<Vec<_>>(), "tags": ["x"] });
        Listing::of_answer(answer.to_string().as_bytes())
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        let paths =
            ["../x", "a/../../x", "/etc/passwd", "a\\b", "..\\x", "a//b", "./a", "a/", "", "a\nb", ".."];
        for path in paths {
            let error = answer(&["config.json", path]).unwrap_err();
            assert!(error.contains("leads out of the model's folder"), "{path}: {error}");
        }
        assert!(answer(&["config.json", "onnx/..hidden", "a b/ü.txt", ".gitattributes"]).is_ok());
    }

    #[test]
    fn a_listing_without_checksums_is_refused() {
        let cases = [
            (r#"{"sha":"main","siblings":[]}"#, "`main` is no commit"),
            (r#"{"sha":"ce013625030ba8dba906f756967f9e9ca394464a"}"#, "missing field `siblings`"),
            (
                r#"{"sha":"ce013625030ba8dba906f756967f9e9ca394464a","siblings":[{"rfilename":"x"}]}"#,
                "`x` has no size or no checksum",
            ),
            (
                r#"{"sha":"ce013625030ba8dba906f756967f9e9ca394464a","siblings":[{"rfilename":"x","size":1,"blobId":"../../x"}]}"#,
                "`x` has no size or no checksum",
            ),
            (
                r#"{"sha":"ce013625030ba8dba906f756967f9e9ca394464a","siblings":[{"rfilename":"x","size":18446744073709551615,"blobId":"ce013625030ba8dba906f756967f9e9ca394464a"}]}"#,
                "`x` can't be as large",
            ),
            ("<html>", "expected value"),
        ];
        for (text, problem) in cases {
            let error = Listing::of_answer(text.as_bytes()).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_kept_listing_is_read_back_unless_a_path_in_it_leads_elsewhere() {
        let listing = answer(&["config.json", "a.onnx"]).unwrap();
        assert_eq!(Listing::of_kept(&listing.kept()).unwrap(), listing);
        assert_eq!(Listing::of_kept(&listing.kept().replace("config.json", "../x")), None);
    }
}
