//! What goes wrong with a remote model, sorted by who can mend it.

use crate::http::BadKey;

/// A remote model that can't be asked, or that doesn't answer. No text in it holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// A key is missing, or can't be one.
    #[error("{problem}. {remedy}")]
    Key {
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
    #[error("{host} was silent for {seconds} s. Ask again later, or another model")]
    Silent {
        /// The server.
        host: String,
        /// How long nothing came.
        seconds: u64,
    },
    /// The server says that the request is wrong.
    #[error("{host} refused the request ({status}): {message}. {remedy}")]
    Refused {
        /// The server.
        host: String,
        /// HTTP's status.
        status: u16,
        /// In the server's words.
        message: String,
        /// What the reader can do.
        remedy: String,
    },
    /// The server can't answer now.
    #[error(
        "{host} can't answer now ({status}): {message}. It was asked {attempts} time(s); try again later"
    )]
    Busy {
        /// The server.
        host: String,
        /// HTTP's status.
        status: u16,
        /// In the server's words.
        message: String,
        /// How often it was asked.
        attempts: usize,
    },
    /// The answer isn't in the API's form.
    #[error(
        "{host} answered in another form than its API's: {problem}. Check that the address is that of such an API"
    )]
    Malformed {
        /// The server.
        host: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The answer broke off.
    #[error("the answer of {host} broke off: {problem}. What it had written by then is lost; ask again")]
    Cut {
        /// The server.
        host: String,
        /// How.
        problem: String,
    },
    /// The model, or a filter around it, declined to answer.
    #[error("{host} declined to answer: {reason}. Ask differently, or another model")]
    Declined {
        /// The server.
        host: String,
        /// In its words.
        reason: String,
    },
}

impl RemoteError {
    /// Whether asking differently mends it: an address, a key, a setting. The rest is the server's or the network's.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::Key { .. } | Self::Refused { .. })
    }
}

impl From<BadKey> for RemoteError {
    fn from(bad: BadKey) -> Self {
        Self::Key { problem: bad.problem(), remedy: BadKey::REMEDY.into() }
    }
}
