//! A grammar as data: what a dialect says a reply looks like.

use std::sync::Arc;

use llguidance::{Matcher, api::TopLevelGrammar};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Constraint, ConstraintError, Vocabulary, lark, prelude::RunningPrelude};

/// What a reply looks like: perhaps a thought, then a strict form.
///
/// ```
/// use percept_runtime::{Form, Grammar, Marker, Prelude};
///
/// // A thought of at most 40 tokens, the special token <act>, then one of two calls.
/// let grammar = Grammar {
///     prelude: Prelude::FreeText { marker: Marker::Special("<act>".into()), max_tokens: 40 },
///     form: Form::Json(serde_json::json!({ "anyOf": [
///         { "type": "object", "properties": { "tool": { "const": "wait" } }, "required": ["tool"],
///           "additionalProperties": false },
///         { "type": "object", "properties": { "tool": { "const": "click" },
///             "x": { "type": "integer", "minimum": 0, "maximum": 331 } },
///           "required": ["tool", "x"], "additionalProperties": false },
///     ]})),
/// };
/// # let _ = grammar;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grammar {
    /// What may come before the form.
    pub prelude: Prelude,
    /// The form itself. A reply ends where it is complete.
    pub form: Form,
}

/// What may come before the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prelude {
    /// Nothing.
    None,
    /// Any text but special tokens, up to the first marker.
    FreeText {
        /// What ends it. The form follows at once.
        marker: Marker,
        /// The most tokens of text. When they are written, the marker is forced; where the last one ends in the
        /// middle of a character, after the token that completes it.
        max_tokens: usize,
    },
}

/// What ends a free text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Marker {
    /// These characters, the first time they appear.
    Text(String),
    /// A special token of the tokenizer, by its name (`<act>`).
    Special(String),
}

/// A strict form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Form {
    /// JSON that fits this schema: compact (no white space outside strings), keys in the schema's order,
    /// `minimum` and `maximum` of numbers kept. Other white space is a schema's own affair, in `llguidance`'s keyword
    /// `x-guidance` at its root.
    Json(Value),
    /// Exactly these characters.
    Text(String),
    /// A special token of the tokenizer, by its name.
    Special(String),
    /// Characters that match this regular expression (syntax of the `regex` crate, no look-around).
    Regex(String),
    /// Any text but special tokens, up to and including this end, the first time that it comes. What is matched by a
    /// [`Form::Regex`] doesn't stop where the next form could begin, so a text that may hold the beginning of what follows it
    /// is one with its end.
    UpTo {
        /// What ends it.
        end: String,
        /// The fewest characters before the end.
        shortest: u64,
        /// The most; `None` for any number.
        longest: Option<u64>,
    },
    /// One after another.
    Sequence(Vec<Form>),
    /// One of these.
    Choice(Vec<Form>),
    /// This or nothing.
    Optional(Box<Form>),
    /// A grammar in `llguidance`'s Lark dialect, with a rule `start`. It stands alone: no prelude, nothing around it.
    Lark(String),
    /// Whatever the model writes, special tokens too: once what comes before it is over, nothing is bound any more. It
    /// stands alone after a free text.
    Free,
}

impl Grammar {
    /// A form with nothing before it.
    pub fn of(form: Form) -> Self {
        Self { prelude: Prelude::None, form }
    }

    /// Lays the grammar over a vocabulary, ready for one reply.
    ///
    /// # Errors
    ///
    /// [`ConstraintError::Grammar`] where the schema or the Lark text doesn't compile,
    /// [`ConstraintError::NoSuchToken`] where it names a special token that the tokenizer lacks.
    pub fn compile(&self, vocabulary: &Arc<Vocabulary>) -> Result<Constraint, ConstraintError> {
        let text = lark::write(self, vocabulary)?;
        tracing::trace!(grammar = %text, "compiling");
        let parser = vocabulary
            .factory()
            .create_parser(TopLevelGrammar::from_lark(text))
            .map_err(|error| ConstraintError::Grammar { reason: error.to_string() })?;
        let matcher = Matcher::new(Ok(parser));
        if let Some(reason) = matcher.get_error() {
            return Err(ConstraintError::Grammar { reason });
        }
        let prelude = match &self.prelude {
            Prelude::None => None,
            Prelude::FreeText { marker, max_tokens } => {
                Some(RunningPrelude::new(marker, *max_tokens, vocabulary)?)
            }
        };
        let frees = self.form == Form::Free;
        Ok(Constraint { matcher, vocabulary: Arc::clone(vocabulary), prelude, frees })
    }
}
