//! How a model on the Hub is named: `org/name`, perhaps a folder in it, perhaps `@` and a branch, a tag or a commit.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::ModelError;

/// The branch that is meant where none is named.
pub(super) const MAIN: &str = "main";

/// A repository on the Hub, and which state of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubAddress {
    /// `org/name`.
    repository: String,
    /// The folder in it that is the model, where the repository holds several.
    folder: Option<String>,
    /// A branch, a tag or a commit; the main branch if none is named.
    revision: Option<String>,
}

impl HubAddress {
    /// `org/name`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The folder in it that is the model, if not all of it is.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
    }

    /// The repository at that revision.
    pub(super) fn without_folder(&self) -> Self {
        Self { folder: None, ..self.clone() }
    }

    /// The same at another revision, if that can be one.
    pub(super) fn at(&self, revision: &str) -> Option<Self> {
        let revision = is_revision(revision).then_some(revision)?;
        Some(Self {
            revision: Some(revision).filter(|name| *name != MAIN).map(str::to_owned),
            ..self.clone()
        })
    }

    /// The same with a folder in the repository.
    pub(super) fn with_folder(&self, folder: &str) -> Option<Self> {
        is_folder(folder).then(|| Self { folder: Some(folder.to_owned()), ..self.clone() })
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }
}

impl FromStr for HubAddress {
    type Err = ModelError;

    /// Reads `org/name`, `org/name/folder` or either with `@revision`, with or without `hub:` before it.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let bad = |problem: &str| {
            ModelError::Request(format!(
                "`{text}`: {problem}; a model on the Hub is `hub:ORGANISATION/NAME`, perhaps with the path of a folder in it, \
                 and perhaps with `@` and a branch, a tag or a commit after it"
            ))
        };
        let named = text.strip_prefix("hub:").unwrap_or(text);
        let (repository, revision) = match named.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (named, None),
        };
        let slash = repository.match_indices('/').nth(1).map(|(place, _)| place);
        let (repository, folder) = match slash {
            Some(place) => (&repository[..place], Some(&repository[place + 1..])),
            None => (repository, None),
        };
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2 || !parts.iter().all(|part| is_name(part)) {
            return Err(bad("no organisation and name of a model"));
        }
        if folder.is_some_and(|folder| !is_folder(folder)) {
            return Err(bad("no folder in a repository is named so"));
        }
        if revision.is_some_and(|revision| !is_revision(revision)) {
            return Err(bad("no branch, tag or commit can be named so"));
        }
        let revision = revision.filter(|revision| *revision != MAIN).map(str::to_owned);
        Ok(Self { repository: repository.into(), folder: folder.map(str::to_owned), revision })
    }
}

/// Whether this can be an organisation's or a model's name. Names become names of folders, so nothing else may pass.
fn is_name(name: &str) -> bool {
    let is_usual = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    name.chars().all(is_usual)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && !name.contains("--")
        && !name.contains("..")
        && name.len() <= 96
}

/// Whether this can be the path of a folder in a repository.
fn is_folder(folder: &str) -> bool {
    let is_usual = |character: char| character.is_ascii_alphanumeric() || "-_.+ ".contains(character);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_usual);
    folder.split('/').all(is_part) && folder.len() <= 255
}

/// Whether this can be a revision; like a name it becomes a path.
fn is_revision(revision: &str) -> bool {
    let is_usual = |character: char| character.is_ascii_alphanumeric() || "-_.+".contains(character);
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(is_usual);
    revision.split('/').all(is_part) && revision.len() <= 255
}

/// Whether a revision is a commit, which is never moved.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40
        && revision.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hub:{}", self.repository)?;
        if let Some(folder) = &self.folder {
            write!(f, "/{folder}")?;
        }
        self.revision.as_ref().map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

impl Serialize for HubAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_with_or_without_its_revision() {
        let cases = [
            ("org/name", "hub:org/name", "main"),
            ("hub:org/name", "hub:org/name", "main"),
            ("org/name@main", "hub:org/name", "main"),
            ("Org-1/Name_2.5@v1.0", "hub:Org-1/Name_2.5@v1.0", "v1.0"),
            ("org/name@refs/pr/7", "hub:org/name@refs/pr/7", "refs/pr/7"),
            ("org/name/cpu/cpu-int4@v1", "hub:org/name/cpu/cpu-int4@v1", "v1"),
        ];
        for (text, written, revision) in cases {
            let address: HubAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.revision()), (written, revision));
        }
    }

    #[test]
    fn what_could_leave_its_folder_is_no_name() {
        let names = [
            "", "name", "a/b/", "/name", "org/", "../name", "org/..", "org/.git", "a--b/c", "a\\b/c",
            "a/b c", "-a/b", "a/b/../c", "a/b//c", "a/b/c\\d", "a/b/.c",
        ];
        let revisions = [
            "a/b@",
            "a/b@../x",
            "a/b@x/../y",
            "a/b@/x",
            "a/b@x/",
            "a/b@.x",
            "a/b@x\\y",
            "a/b@x y",
            "a/b@x@y",
        ];
        for text in names.iter().chain(&revisions) {
            let error = text.parse::<HubAddress>().unwrap_err().to_string();
            assert!(error.contains("a model on the Hub is `hub:ORGANISATION/NAME`"), "{error}");
        }
    }
}
