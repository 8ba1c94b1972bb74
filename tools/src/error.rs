//! Failures, sorted by what happens next.

/// The cause beneath an error, whatever type it has.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failed tool call, sorted by what the loop does next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The arguments don't fit the schema. The model is told which field, and tries again.
    #[error("bad arguments: {0}")]
    BadArguments(String),
    /// Understood and declined: a policy, a missing file, a host that isn't allowed. The model is told why.
    #[error("refused: {reason}")]
    Refused {
        /// Why, in words that the model can act on.
        reason: String,
    },
    /// The deadline passed or the run was cancelled while the tool worked; its effect may have happened.
    #[error("{tool} was stopped before it finished")]
    Stopped {
        /// The tool's name.
        tool: String,
    },
    /// Something that the model can't influence broke. The run stops; where the tool changes something, its
    /// effect counts as unknown.
    #[error("{tool} broke: {source}")]
    Broken {
        /// The tool's name.
        tool: String,
        /// What happened.
        #[source]
        source: Cause,
    },
}

impl ToolError {
    /// The kind of failure in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadArguments(_) => "bad_arguments",
            Self::Refused { .. } => "refused",
            Self::Stopped { .. } => "stopped",
            Self::Broken { .. } => "broken",
        }
    }

    /// A [`ToolError::Refused`] with this reason.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    /// A [`ToolError::Broken`] of this tool.
    pub fn broken(tool: &str, source: impl Into<Cause>) -> Self {
        Self::Broken { tool: tool.into(), source: source.into() }
    }
}

/// A screen that can't be looked at or acted on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScreenError {
    /// The screen can't do that at all: a still image can't be clicked.
    #[error("this screen can't {what}")]
    Unsupported {
        /// The verb, as in "this screen can't scroll".
        what: String,
    },
    /// The request makes no sense here: a point outside the screen, an address that isn't one.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The page did not come to rest within the time that the screen allows.
    #[error("the page kept changing for {seconds:.1} s")]
    Unsettled {
        /// How long was waited.
        seconds: f64,
    },
    /// No browser, no display: what is missing and the command that brings it.
    #[error("{what}. {remedy}")]
    Missing {
        /// What is missing.
        what: String,
        /// What the reader can do.
        remedy: String,
    },
    /// The screen is gone: the page closed itself, the browser crashed, the display went away.
    #[error("the screen is gone: {reason}")]
    Gone {
        /// What was seen of it.
        reason: String,
    },
    /// Anything else that went wrong below.
    #[error("the screen broke: {0}")]
    Broken(#[source] Cause),
}

/// A toolbox that can't be put together or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolboxError {
    /// Two tools of one name.
    #[error("there are two tools named `{0}`: rename one, or offer only one of them")]
    NameClash(String),
    /// A name that no tool has.
    #[error("no tool is named `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// Every name there is.
        known: Vec<String>,
    },
    /// A name that models couldn't write reliably.
    #[error("`{0}` can't name a tool: use lower case letters, digits and `_`, and begin with a letter")]
    BadName(String),
}
