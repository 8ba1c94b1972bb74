//! Why there is no ONNX Runtime, and what to do about it.

use std::path::PathBuf;

use percept_fetch::FetchError;

/// ONNX Runtime's library can't be had, or doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// Neither way of fetching it works here.
    #[error(
        "ONNX Runtime's library is not here and could not be fetched.\n  \
         from PyPI: {pypi}\n  from npm: {npm}\n  \
         Or set ORT_DYLIB_PATH to a libonnxruntime of version 1.30 or newer."
    )]
    OutOfReach {
        /// Why the Python package index could not give it.
        pypi: Box<FetchError>,
        /// Why npm could not.
        npm: Box<FetchError>,
    },
    /// Fetching failed in a way that another registry wouldn't help with: a full disk, a wrong checksum.
    #[error("ONNX Runtime's library could not be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// The file isn't a library that this program can use.
    #[error("{} can't be used as ONNX Runtime's library: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
