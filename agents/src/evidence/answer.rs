//! What the answer must be.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Check, shortened};
use crate::AgentError;

/// A check of the answer that the model gives when it finishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerCheck {
    /// Exactly this, blanks around it aside.
    Equals(String),
    /// A JSON document that fits this JSON Schema; an answer that isn't JSON is taken as a string.
    Schema(Value),
}

impl AnswerCheck {
    pub(super) fn described(&self) -> String {
        match self {
            Self::Equals(wanted) => format!("the answer is “{wanted}”"),
            Self::Schema(schema) => format!("the answer fits the schema {schema}"),
        }
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] if the schema isn't one.
    pub(crate) fn checked(&self) -> Result<(), AgentError> {
        let Self::Schema(schema) = self else { return Ok(()) };
        let built = jsonschema::validator_for(schema).map(drop);
        built.map_err(|e| AgentError::Evidence {
            what: self.described(),
            why: format!("not a JSON Schema: {e}"),
        })
    }

    pub(super) fn check(&self, answer: Option<&str>) -> Check {
        let Some(answer) = answer else {
            return Check { what: self.described(), holds: false, found: Some("no answer".into()) };
        };
        let holds = match self {
            Self::Equals(wanted) => answer.trim() == wanted.trim(),
            Self::Schema(schema) => {
                let value = serde_json::from_str(answer).unwrap_or_else(|_| Value::String(answer.to_owned()));
                jsonschema::is_valid(schema, &value)
            }
        };
        Check { what: self.described(), holds, found: (!holds).then(|| shortened(answer)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::AnswerCheck;

    #[test]
    fn an_answer_is_compared_or_fitted_to_a_schema() {
        let equals = AnswerCheck::Equals("42".into());
        let number = AnswerCheck::Schema(json!({ "type": "integer", "minimum": 40 }));
        let word = AnswerCheck::Schema(json!({ "type": "string", "pattern": "^[a-z]+$" }));
        let cases = [
            (&equals, Some(" 42\n"), true),
            (&equals, Some("43"), false),
            (&equals, None, false),
            (&number, Some("42"), true),
            (&number, Some("39"), false),
            (&number, Some("forty"), false),
            (&word, Some("forty"), true),
            (&word, Some("42"), false),
        ];
        for (check, answer, holds) in cases {
            assert_eq!(check.check(answer).holds, holds, "{check:?} of {answer:?}");
        }
    }

    #[test]
    fn a_schema_that_is_none_is_refused_before_the_run() {
        assert!(AnswerCheck::Schema(json!({ "type": "numbr" })).checked().is_err());
        assert!(AnswerCheck::Schema(json!({ "type": "number" })).checked().is_ok());
    }
}
