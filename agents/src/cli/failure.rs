//! A command that failed: what went wrong, what helps, and the exit code.

use std::fmt::Write;

use percept::{AgentError, TaskError, is_bad_input, models::ModelError};

/// The exit code of something that broke.
pub(crate) const BROKEN: u8 = 1;
/// The exit code of something that was asked for wrongly.
pub(crate) const BAD_INPUT: u8 = 2;
/// The exit code of somebody's Ctrl-C: 128 and the signal's number.
pub(crate) const INTERRUPTED: u8 = 130;
/// The exit code of a program whose reader left, as `head` does: 128 and the signal's number.
pub(crate) const UNHEARD: u8 = 141;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) error: anyhow::Error,
    /// The line of a file that the error is about, if it is about one.
    pub(crate) excerpt: Option<String>,
    pub(crate) help: Option<String>,
}

impl Failure {
    /// Something that asking differently mends.
    pub(crate) fn bad_input(error: impl Into<anyhow::Error>) -> Self {
        Self { code: BAD_INPUT, error: error.into(), excerpt: None, help: None }
    }

    /// Something else.
    pub(crate) fn broken(error: impl Into<anyhow::Error>) -> Self {
        Self { code: BROKEN, error: error.into(), excerpt: None, help: None }
    }

    /// What a model couldn't be asked so is the caller's to mend.
    pub(crate) fn of_request(error: ModelError) -> Self {
        match error {
            ModelError::Request(problem) => Self::bad_input(anyhow::anyhow!(problem)),
            error => error.into(),
        }
    }

    pub(crate) fn interrupted() -> Self {
        Self { code: INTERRUPTED, error: anyhow::anyhow!("interrupted"), excerpt: None, help: None }
    }

    /// Nobody reads the result any more. There is nothing to say about it, and nobody to say it to.
    pub(crate) fn unheard() -> Self {
        Self { code: UNHEARD, error: anyhow::anyhow!("nobody reads on"), excerpt: None, help: None }
    }

    /// The same with a hint.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The error with all its causes, unless one repeats what the one before it said.
    pub(crate) fn message(&self) -> String {
        let mut message = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if message.is_empty() {
                message = cause;
            } else if !message.contains(&cause) {
                // Writing to a string can't fail.
                let _ = write!(message, ": {cause}");
            }
        }
        message
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        let excerpt = error.place.as_ref().map(|place| {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            let before = " ".repeat(place.column.saturating_sub(1));
            format!("{margin} |\n{number} | {}\n{margin} | {before}^", place.text)
        });
        let help = Some(error.remedy.clone());
        Self { excerpt, help, ..Self::bad_input(error) }
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        if is_bad_input(&error) { Self::bad_input(error) } else { Self::broken(error) }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        AgentError::from(error).into()
    }
}
