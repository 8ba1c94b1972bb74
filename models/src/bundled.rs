//! The models that come inside the program: files in the binary, unpacked once into the user's cache, and
//! from then on a folder like any other.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use percept_runtime::Cache;
use sha2::{Digest, Sha256};

use crate::ModelError;

/// A bundled model's files, each with its path in the folder.
struct Bundle {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// Embeds the named files of a folder in `models/bundled/`.
macro_rules! bundle {
    ($name:literal: $($file:literal),+ $(,)?) => {
        Bundle {
            name: $name,
            files: &[$((
                $file,
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/bundled/", $name, "/", $file)),
            )),+],
        }
    };
}

static BUNDLES: [Bundle; 1] = [bundle!(
    "glance":
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "onnx/decoder_model_merged.onnx",
    "onnx/embed_tokens.onnx",
    "onnx/vision_encoder.onnx",
    "percept.toml",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
)];

/// The names of the bundled models.
pub fn bundled_names() -> Vec<&'static str> {
    BUNDLES.iter().map(|bundle| bundle.name).collect()
}

/// The folder of a bundled model in the user's cache, unpacked if it isn't there yet.
///
/// # Errors
///
/// [`ModelError::Request`] if there is no such model, [`ModelError::Folder`] if the cache can't be written.
pub fn bundled_folder(name: &str) -> Result<PathBuf, ModelError> {
    let cache = Cache::open().map_err(|error| ModelError::Engine(error.into()))?;
    unpack(name, cache.root())
}

/// Unpacks into `<root>/models/<name>-<hash of the content>`: another version of the program has another
/// folder, and one that is there is complete, because it got its name last.
fn unpack(name: &str, root: &Path) -> Result<PathBuf, ModelError> {
    let bundle = BUNDLES.iter().find(|bundle| bundle.name == name).ok_or_else(|| {
        ModelError::Request(format!(
            "there is no bundled model `{name}`; there is {}",
            bundled_names().join(", ")
        ))
    })?;
    let models = root.join("models");
    let folder = models.join(format!("{name}-{}", bundle.hash()));
    if bundle.is_whole(&folder) {
        return Ok(folder);
    }
    let unwritable = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| ModelError::Folder {
            path,
            problem: format!("the bundled model can't be unpacked here: {error}"),
            remedy: "Make room, or set PERCEPT_CACHE to a folder that can be written".into(),
        }
    };
    std::fs::create_dir_all(&models).map_err(unwritable(&models))?;
    // A torn one (a disk that filled up, a power cut) would stand in the way.
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).map_err(unwritable(&folder))?;
    }
    let staging = models.join(format!(".{name}-{}-{:?}", std::process::id(), std::thread::current().id()));
    let written = bundle.files.iter().try_for_each(|(file, bytes)| {
        let path = staging.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(&staging))?;
        let mut out = std::fs::File::create(path)?;
        out.write_all(bytes)?;
        // Without this a power cut after the rename could leave an empty file under the final name.
        out.sync_all()
    });
    let moved = written.and_then(|()| std::fs::rename(&staging, &folder));
    // Of two processes that unpack at once one comes second; the first one's folder is as good.
    if moved.is_err() {
        let _ = std::fs::remove_dir_all(&staging);
    }
    if bundle.is_whole(&folder) {
        return Ok(folder);
    }
    moved.map_err(unwritable(&folder))?;
    Ok(folder)
}

impl Bundle {
    /// Whether every file is in the folder, at its full length.
    fn is_whole(&self, folder: &Path) -> bool {
        self.files.iter().all(|(file, bytes)| {
            std::fs::metadata(folder.join(file)).is_ok_and(|found| found.len() == bytes.len() as u64)
        })
    }

    /// Sixteen digits of the SHA-256 of all names and contents.
    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (file, bytes) in self.files {
            hasher.update(file.as_bytes());
            hasher.update(bytes.len().to_le_bytes());
            hasher.update(bytes);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize()[..8]);
        format!("{:016x}", u64::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    fn files(folder: &Path, under: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, under, found);
            } else if path.extension().is_none_or(|extension| extension != "md") {
                found.insert(path.strip_prefix(under).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn a_torn_folder_is_unpacked_again() {
        let root = tempfile::tempdir().unwrap();
        let folder = unpack("glance", root.path()).unwrap();
        fs::write(folder.join("config.json"), "").unwrap();
        assert_eq!(unpack("glance", root.path()).unwrap(), folder);
        assert!(fs::metadata(folder.join("config.json")).unwrap().len() > 0);
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_bundle_and_comes_out_as_it_is() {
        for bundle in &BUNDLES {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundled").join(bundle.name);
            let mut expected = BTreeSet::new();
            files(&source, &source, &mut expected);
            let root = tempfile::tempdir().unwrap();
            let folder = unpack(bundle.name, root.path()).unwrap();
            let mut found = BTreeSet::new();
            files(&folder, &folder, &mut found);
            assert_eq!(found, expected);
            for file in &found {
                assert_eq!(
                    fs::read(folder.join(file)).unwrap(),
                    fs::read(source.join(file)).unwrap(),
                    "{file}"
                );
            }
            assert_eq!(unpack(bundle.name, root.path()).unwrap(), folder);
            assert_eq!(fs::read_dir(root.path().join("models")).unwrap().count(), 1, "nothing else is left");
        }
    }

    #[test]
    fn two_that_unpack_at_once_get_the_same_folder() {
        let root = tempfile::tempdir().unwrap();
        let folders: Vec<PathBuf> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..2).map(|_| scope.spawn(|| unpack("glance", root.path()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(folders[0], folders[1]);
        assert!(folders[0].join("config.json").is_file());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let root = tempfile::tempdir().unwrap();
        let error = unpack("gaze", root.path()).unwrap_err().to_string();
        assert_eq!(error, "there is no bundled model `gaze`; there is glance");
    }
}
