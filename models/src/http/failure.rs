//! An attempt that failed, and whether another may go better.

use std::time::Duration;

use super::PATIENCE;
use crate::ModelError;

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ModelError,
    pub(crate) again: Again,
}

/// Whether another attempt may go better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It won't.
    Never,
    /// After a while.
    Later,
    /// After as long as the server asks to be left alone.
    After(Duration),
}

impl Failure {
    pub(crate) fn for_good(error: impl Into<ModelError>) -> Self {
        Self { error: error.into(), again: Again::Never }
    }

    /// Another attempt may go better, unless the server asks for more patience than there is.
    pub(crate) fn passing(error: impl Into<ModelError>, after: Option<Duration>) -> Self {
        let again = match after {
            None => Again::Later,
            Some(after) if after <= PATIENCE => Again::After(after),
            Some(_) => Again::Never,
        };
        Self { error: error.into(), again }
    }
}
