//! What a tool says of itself: its name, one sentence for the model, and what a call may change.

use serde::{Deserialize, Serialize};

/// What calling a tool does to the world; policy and journal go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks and leaves everything as it was.
    Reads,
    /// Changes something outside the run.
    Changes {
        /// Whether doing it twice leaves the same state as doing it once.
        idempotent: bool,
    },
}

/// A tool's name and description as the model reads them, and its [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCard {
    /// Unique within a toolbox; lower case letters, digits and `_`.
    pub name: String,
    /// One sentence that tells the model when to use the tool.
    pub description: String,
    /// What a call may change.
    pub effect: Effect,
}

impl ToolCard {
    /// A card of a tool that only looks.
    pub fn reads(name: &str, description: &str) -> Self {
        Self { name: name.into(), description: description.into(), effect: Effect::Reads }
    }

    /// A card of a tool that changes something; see [`Effect::Changes`].
    pub fn changes(name: &str, description: &str, idempotent: bool) -> Self {
        Self { name: name.into(), description: description.into(), effect: Effect::Changes { idempotent } }
    }
}
