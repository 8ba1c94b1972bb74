//! Which library this process runs, for `doctor` and the log.

use std::path::PathBuf;

use serde::Serialize;

/// The library that was loaded.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LibraryReport {
    /// The file.
    pub path: PathBuf,
    /// Where it came from.
    pub source: LibrarySource,
    /// What it says of its own build: branch, commit, flags. Empty before it is loaded.
    pub build: String,
}

/// Where a library came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LibrarySource {
    /// The user named the file in `ORT_DYLIB_PATH`.
    Named,
    /// A package from the user's cache, as `name version`.
    Package(String),
}
