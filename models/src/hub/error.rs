//! What goes wrong on the way to a model on the Hub, sorted by who can mend it.

use std::path::PathBuf;

/// A model that can't be fetched from the Hub. No text in it holds a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A variable of the environment, or what it names, can't be used.
    #[error("{problem}. {remedy}")]
    Setting {
        /// Which, and what about it.
        problem: String,
        /// What the reader can do.
        remedy: String,
    },
    /// No connection: the name, the port, the certificate.
    #[error("{host} can't be reached: {problem}. {remedy}")]
    Unreachable {
        /// The server.
        host: String,
        /// What happened.
        problem: String,
        /// What the reader can do.
        remedy: String,
    },
    /// Nothing came for too long.
    #[error(
        "{host} was silent for {seconds} s. Try again later: what was fetched stays, and only the rest is asked for"
    )]
    Silent {
        /// The server.
        host: String,
        /// How long nothing came.
        seconds: u64,
    },
    /// The server says no.
    #[error("{host} refuses {what} ({status}): {message}. {remedy}")]
    Refused {
        /// The server.
        host: String,
        /// What was asked for.
        what: String,
        /// HTTP's status.
        status: u16,
        /// In the server's words.
        message: String,
        /// What the reader can do.
        remedy: String,
    },
    /// The server can't answer now.
    #[error(
        "{host} can't answer now ({status}): {message}. Try again later: what was fetched stays, and only the rest is asked for"
    )]
    Busy {
        /// The server.
        host: String,
        /// HTTP's status.
        status: u16,
        /// In the server's words.
        message: String,
    },
    /// A download broke off, and again each time that it was taken up.
    #[error(
        "{host} broke off: {problem}. Try again later: what was fetched stays, and only the rest is asked for"
    )]
    Cut {
        /// The server.
        host: String,
        /// How.
        problem: String,
    },
    /// The answer isn't one of the Hub's.
    #[error("{host} answers otherwise than the Hub does: {problem}. Check HF_ENDPOINT, if it is set")]
    Malformed {
        /// The server.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file came twice, and neither time was it the one that the listing names.
    #[error(
        "`{path}` of {model} came twice with another content than its checksum names; it was deleted. Something on the \
             way changes files, or the repository is broken"
    )]
    Corrupt {
        /// The model's address.
        model: String,
        /// The file in the repository.
        path: String,
    },
    /// The repository isn't a model that can be taken.
    #[error("{model}: {problem}. {remedy}")]
    Unfit {
        /// The model's address.
        model: String,
        /// What is wrong with it.
        problem: String,
        /// What the reader can do.
        remedy: String,
    },
    /// It can't be removed while it is fetched.
    #[error("{model} is being fetched. Wait until that is done, or end it, and remove the model then")]
    InUse {
        /// The model's address.
        model: String,
    },
    /// It isn't in the cache, and nothing may be fetched.
    #[error(
        "{problem}, and HF_HUB_OFFLINE is set. Unset it to fetch, or name a model that is there: `percept models list`"
    )]
    Offline {
        /// What is missing.
        problem: String,
    },
    /// The cache can't be read or written.
    #[error("{path}: {problem}. {remedy}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        problem: String,
        /// What the reader can do.
        remedy: String,
    },
}

impl HubError {
    /// Whether asking differently mends it: a name, a token, a setting. The rest is the server's, the network's or the
    /// disk's.
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Setting { .. } | Self::Refused { .. } | Self::Unfit { .. } | Self::Offline { .. }
        )
    }

    /// What a system's error about the cache means.
    pub(super) fn disk(path: impl Into<PathBuf>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{
            FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        let remedy = match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => {
                "Make room, or name another place in HF_HUB_CACHE; what was fetched stays, and only the rest is asked for"
            }
            PermissionDenied | ReadOnlyFilesystem => "Name a place in HF_HUB_CACHE that may be written to",
            _ => "Look at that place, or name another in HF_HUB_CACHE",
        };
        Self::Disk { path: path.into(), problem: error.to_string(), remedy: remedy.into() }
    }
}
