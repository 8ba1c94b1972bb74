//! How a model writes a call: what it was trained on, or was told.
//!
//! A dialect writes the functions into the prompt, says what a reply may be as a grammar, and reads the reply
//! back into a typed [`Call`]. Each is one file in `dialect/`. Tools and agents never see one.

mod grid;
mod json;
mod located;
mod native;
mod places;
mod schema;
mod words;

use percept_runtime::{Grammar, Marker};

use crate::{Call, Function, ModelError, Thought};
pub use json::JsonDialect;
pub use located::{Found, Located};
pub(crate) use native::{Declared, NativeDialect, THOUGHT};
pub(crate) use places::Places;

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

    /// What stands between a thought and the call.
    fn marker(&self) -> &Marker;

    /// Reads what follows the marker, its places brought to pixels of the screenshot.
    ///
    /// # Errors
    ///
    /// Why it isn't a call, in words for the model to read.
    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String>;

    /// Writes a call whose places are pixels of a screenshot as the model itself would, to be shown it as an example;
    /// `None` from a dialect that doesn't know how.
    ///
    /// # Errors
    ///
    /// Why it can't be written, in words: a place outside the screenshot, a schema that can't be followed.
    fn write(&self, _call: &Call, _function: &Function) -> Option<Result<String, String>> {
        None
    }
}

#[cfg(test)]
mod tests;
