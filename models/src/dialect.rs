//! How a model writes a call: what it was trained on, or was told.
//!
//! A dialect writes the functions into the prompt, says what a reply may be as a grammar, and reads the reply
//! back into a typed [`Call`]. Each is one file in `dialect/`. Tools and agents never see one.

mod actions;
mod choice;
mod computer_use;
pub(crate) mod florence2;
mod grid;
mod holo;
mod json;
mod keys;
mod located;
mod native;
mod places;
mod python;
mod schema;
mod smol;
mod spaced;
mod ui_tars;
mod vendors;
mod words;

use percept_runtime::{Form, Grammar, Marker};
use serde_json::Value;

use crate::{Call, Function, ModelError, Thought};
pub use choice::{ChosenDialect, DialectKind};
pub(crate) use choice::{names, of_folder};
pub use json::JsonDialect;
pub use located::{Found, Located};
pub(crate) use native::{Declared, Native, NativeDialect, THOUGHT};
pub(crate) use places::Places;
pub(crate) use vendors::{COMPUTER, Computer, Offering, PENDING, Vendor, unconfirmed};

/// A way of writing calls.
///
/// ```
/// use percept_models::{Dialect, FolderSettings, Function, JsonDialect};
///
/// let finish = Function {
///     name: "finish".into(),
///     description: "Says that the task is done.".into(),
///     schema: serde_json::json!({ "type": "object" }),
/// };
/// let dialect = JsonDialect::new(&FolderSettings::default(), |_| false);
/// assert_eq!(dialect.read(r#"{"tool":"finish"}"#, &[finish]).unwrap().function, "finish");
/// ```
pub trait Dialect: Send + Sync + std::fmt::Debug {
    /// What the system message says about the functions.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if a function's schema can't be followed.
    fn instructions(&self, functions: &[Function], thought: Thought) -> Result<String, ModelError>;

    /// The same for a chat template that has a place of its own for functions; `None` from a dialect that knows none.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if a function's schema can't be followed.
    fn declaration(
        &self,
        _functions: &[Function],
        _thought: Thought,
    ) -> Result<Option<Declaration>, ModelError> {
        Ok(None)
    }

    /// What a reply may be.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if a function's schema can't be followed.
    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError>;

    /// What stands between a thought and the call; `None` where the call holds its thought.
    fn marker(&self) -> Option<&Marker>;

    /// Reads what follows the marker, its places brought to pixels of the screenshot.
    ///
    /// # Errors
    ///
    /// Why it isn't a call, in words for the model to read.
    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String>;

    /// Writes a call whose places are pixels of a screenshot as the model itself would with these functions on offer, to be
    /// shown it as an example; [`Dialect::read`] reads it back with the same offer. `None` from a dialect that doesn't know
    /// how.
    ///
    /// # Errors
    ///
    /// Why it can't be written, in words: a function that isn't on offer, a place outside the screenshot, a schema that can't
    /// be followed.
    fn write(&self, _call: &Call, _offered: &[Function]) -> Option<Result<String, String>> {
        None
    }

    /// The thought of a reply, given what stood before the marker and the text after it.
    fn thought(&self, before: &str, _text: &str) -> String {
        before.trim().to_owned()
    }

    /// Where in that text the call begins, in bytes: what stands before is a thought's.
    fn call_begins(&self, _text: &str) -> usize {
        0
    }

    /// A reply as the model is shown it later: the thought, and the text that [`Dialect::read`] and [`Dialect::write`] are
    /// about, as it would have written them.
    fn said(&self, thought: &str, text: &str) -> String {
        match self.marker() {
            Some(Marker::Text(marker) | Marker::Special(marker)) if !thought.is_empty() => {
                format!("{thought}{marker}{text}")
            }
            _ => text.to_owned(),
        }
    }

    /// Special tokens of the tokenizer that a reply may be written with; anywhere else their names are read as text.
    fn special_tokens(&self) -> Vec<&str> {
        match self.marker() {
            Some(Marker::Special(marker)) => vec![marker.as_str()],
            _ => Vec::new(),
        }
    }
}

/// Functions as a chat template takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// A list of `{"type": "function", "function": {"name", "description", "parameters"}}`.
    pub tools: Value,
    /// What a template writes that means this dialect: another may have its own form for calls.
    pub form: &'static str,
    /// What the system message says beside.
    pub beside: Option<String>,
}

/// The function that is called.
///
/// # Errors
///
/// That it isn't on offer, in words.
fn called<'f>(call: &Call, offered: &'f [Function]) -> Result<&'f Function, String> {
    let found = offered.iter().find(|function| function.name == call.function);
    found.ok_or_else(|| format!("`{}` isn't on offer", call.function))
}

/// A marker as a part of a grammar.
fn marker_form(marker: &Marker) -> Form {
    match marker {
        Marker::Text(text) => Form::Text(text.clone()),
        Marker::Special(name) => Form::Special(name.clone()),
    }
}

#[cfg(test)]
mod tests;
