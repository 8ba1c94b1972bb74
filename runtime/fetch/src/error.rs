//! Why something could not be fetched: each says what, where, and what to do about it.

use std::{io, path::PathBuf};

/// Nothing was fetched, and nothing half-fetched is left to be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No variable names a folder for the cache.
    #[error(
        "no folder for the cache: neither PERCEPT_CACHE nor a home folder is set; set PERCEPT_CACHE to a folder that you may write to"
    )]
    NoCacheFolder,
    /// The cache can't be written to.
    #[error("the cache {} can't be written to ({source}); make it writable, or set PERCEPT_CACHE to a folder that is", path.display())]
    CacheNotWritable {
        /// The folder or file that was refused.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no space left for {package} in {}; free some, or set PERCEPT_CACHE to a folder on another disk", path.display())]
    DiskFull {
        /// What was being fetched.
        package: String,
        /// The cache.
        path: PathBuf,
    },
    /// The user has no client for the registry.
    #[error("{package} comes from {registry}, and no {client} was found on the PATH; {remedy}")]
    NoClient {
        /// What was to be fetched.
        package: String,
        /// The registry that has it.
        registry: &'static str,
        /// The program that speaks to it.
        client: &'static str,
        /// How to get one.
        remedy: &'static str,
    },
    /// The client could not reach its registry.
    #[error(
        "{client} can't reach its registry for {package} ({said}); connect this machine, or set the mirror or proxy that {client} is to use"
    )]
    NoNetwork {
        /// What was to be fetched.
        package: String,
        /// The program that tried.
        client: &'static str,
        /// The last line that it printed.
        said: String,
    },
    /// The client failed in another way.
    #[error("{client} could not fetch {package}: {said}")]
    ClientFailed {
        /// What was to be fetched.
        package: String,
        /// The program that tried.
        client: &'static str,
        /// The last lines that it printed.
        said: String,
    },
    /// The file is not the one that was pinned.
    #[error(
        "{package} has the checksum {found}, not {expected}: it was altered on the way, or the mirror serves another file; nothing of it is used"
    )]
    WrongChecksum {
        /// What was fetched.
        package: String,
        /// The pinned checksum.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The archive can't be unpacked, though its checksum is right.
    #[error("{package} can't be unpacked: {reason}")]
    Unpackable {
        /// What was fetched.
        package: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No file of the package was pinned for this kind of machine.
    #[error("{package} is not pinned for {platform}")]
    NotPinned {
        /// The package.
        package: String,
        /// The machine.
        platform: String,
    },
    /// A file of the cache could not be read or written.
    #[error("{what} {} failed", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether another way of getting the same thing could still work: the registry can't be asked here.
    pub fn is_out_of_reach(&self) -> bool {
        matches!(
            self,
            Self::NoClient { .. }
                | Self::NoNetwork { .. }
                | Self::ClientFailed { .. }
                | Self::NotPinned { .. }
        )
    }

    /// Sorts a failed write: a full disk and a read-only cache have remedies of their own.
    pub(crate) fn writing(package: &str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { package: package.to_owned(), path }
            }
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists => Self::CacheNotWritable { path, source },
            _ => Self::Io { what: "writing", path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_is_sorted_by_what_to_do() {
        let cases = [
            (io::ErrorKind::StorageFull, "no space left for a thing in /cache; free some"),
            (io::ErrorKind::QuotaExceeded, "no space left for a thing in /cache; free some"),
            (io::ErrorKind::PermissionDenied, "the cache /cache can't be written to"),
            (io::ErrorKind::ReadOnlyFilesystem, "the cache /cache can't be written to"),
            (io::ErrorKind::Other, "writing /cache failed"),
        ];
        for (kind, says) in cases {
            let error = FetchError::writing("a thing", "/cache", kind.into()).to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
