//! Failures of a model, sorted by who can mend them.

use std::path::PathBuf;

use crate::{HubError, RemoteError};

/// The cause beneath an error, whatever type it has.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A model that can't be loaded or can't reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The folder isn't a model's, or a file in it is missing, torn or contradicts another.
    #[error("{path}: {problem}. {remedy}")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What the reader can do.
        remedy: String,
    },
    /// The conversation can't be taken: an image too many, longer than the context.
    #[error("{0}")]
    Conversation(String),
    /// An image that can't be processed.
    #[error("image: {0}")]
    Image(String),
    /// The chat template failed or refused the conversation.
    #[error("chat template: {0}")]
    Template(String),
    /// The request contradicts itself or can't be enforced: a schema that no grammar can be made of.
    #[error("{0}")]
    Request(String),
    /// The engine below failed: a device that can't be had, out of memory.
    #[error(transparent)]
    Engine(Cause),
    /// A remote model can't be asked, or doesn't answer.
    #[error(transparent)]
    Remote(RemoteError),
    /// A model of the Hub can't be fetched.
    #[error(transparent)]
    Hub(HubError),
    /// It was cancelled before its end.
    #[error("cancelled")]
    Cancelled,
    /// The reply ended without its end.
    #[error("the model stopped without finishing its reply")]
    Interrupted,
    /// A scripted model has no reply left.
    #[error("the script has no reply for turn {turn}")]
    ScriptOver {
        /// The turn asked for, from 1.
        turn: usize,
    },
}
