//! What a person must approve before it happens.

use std::{convert::Infallible, fmt, str::FromStr};

use percept_tools::{Effect, ToolCard, Toolbox, ToolboxError};
use serde::{Deserialize, Serialize};

/// A kind of call that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Ask {
    /// Every call that changes something; `changes` in a task file.
    Changes,
    /// Every call of this tool.
    Tool(String),
}

impl From<String> for Ask {
    fn from(word: String) -> Self {
        if word == "changes" { Self::Changes } else { Self::Tool(word) }
    }
}

impl FromStr for Ask {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(Self::from(word.to_owned()))
    }
}

impl From<Ask> for String {
    fn from(ask: Ask) -> Self {
        ask.to_string()
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changes => "changes",
            Self::Tool(name) => name,
        })
    }
}

/// Which calls a person must approve. It is fixed before the run begins; nothing that the run sees or
/// that the model writes can change it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What to ask about; empty: nothing.
    pub ask: Vec<Ask>,
}

impl Policy {
    /// Whether a call of this tool must be approved.
    pub fn asks_about(&self, card: &ToolCard) -> bool {
        self.ask.iter().any(|ask| match ask {
            Ask::Changes => matches!(card.effect, Effect::Changes { .. }),
            Ask::Tool(name) => *name == card.name,
        })
    }

    /// # Errors
    ///
    /// [`ToolboxError::Unknown`] if the policy names a tool that isn't on offer: a typing error there would
    /// let through what it was meant to stop.
    pub(crate) fn checked(&self, toolbox: &Toolbox) -> Result<(), ToolboxError> {
        let names: Vec<_> = self
            .ask
            .iter()
            .filter_map(|ask| match ask {
                Ask::Tool(name) => Some(name),
                Ask::Changes => None,
            })
            .collect();
        toolbox.only(&names).map(drop)
    }
}

/// What a person says to a call that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Go on.
    Granted,
    /// Don't, and stop: with the reason that the result gives.
    Denied(String),
}
