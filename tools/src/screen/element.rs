//! What stands at a place of a screen, as the screen itself tells it.

use serde::{Deserialize, Serialize};

use crate::ScreenRegion;

/// A button, a link, a field, or whatever else a click at a place would reach. Its words are the page's own: data,
/// never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// Its role in the words of WAI-ARIA 1.2: `button`, `link`, `textbox`, `checkbox`, …; `generic` for what is
    /// nothing in particular.
    pub role: String,
    /// Its label or text, cut short; empty if it has none.
    pub name: String,
    /// Where it is, whatever covers it.
    pub region: ScreenRegion,
    /// Whether it is something that can be acted on, as far as can be told from outside.
    pub acts: bool,
    /// What a field holds, a password as dots; `None` where there is nothing to hold.
    pub value: Option<String>,
    /// Whether a box is ticked or an option chosen; `None` where there is nothing to tick.
    pub checked: Option<bool>,
    /// Whether it takes input.
    pub enabled: bool,
}
