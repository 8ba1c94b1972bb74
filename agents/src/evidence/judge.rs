//! A model's verdict, which counts only with quotes that the screen really shows.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text;

/// The most tokens of a verdict.
pub(crate) const VERDICT_TOKENS: usize = 200;

/// What a model says to a question about the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opinion {
    pub(crate) holds: bool,
    pub(crate) quotes: Vec<String>,
}

/// What a verdict must look like.
pub(crate) fn verdict_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "holds": { "type": "boolean" },
            "quotes": { "type": "array", "maxItems": 4, "items": { "type": "string", "minLength": 1, "maxLength": 80 } }
        },
        "required": ["holds", "quotes"],
        "additionalProperties": false
    })
}

/// Reads a verdict.
///
/// # Errors
///
/// Why the text is none.
pub(crate) fn read_verdict(text: &str) -> Result<Opinion, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl Opinion {
    /// Why the opinion proves nothing, given what the screen shows; `None` if it proves what was asked.
    pub(crate) fn doubt(&self, visible: &str) -> Option<String> {
        if !self.holds {
            return Some("the judge says no".into());
        }
        let quotes: Vec<_> = self.quotes.iter().filter(|quote| !quote.trim().is_empty()).collect();
        if quotes.is_empty() {
            return Some("the judge says yes and quotes nothing".into());
        }
        let invented = quotes.into_iter().find(|quote| !text::check(quote, visible).holds)?;
        Some(format!("the judge quotes “{invented}”, which the screen doesn't show"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Opinion, read_verdict};

    #[test]
    fn a_verdict_counts_with_quotes_that_are_there() {
        let cases = [
            (r#"{"holds":true,"quotes":["Thank you, ada"]}"#, None),
            (
                r#"{"holds":true,"quotes":["Thank you, ada","Order 17"]}"#,
                Some("“Order 17”, which the screen"),
            ),
            (r#"{"holds":true,"quotes":[]}"#, Some("quotes nothing")),
            (r#"{"holds":true,"quotes":[" "]}"#, Some("quotes nothing")),
            (r#"{"holds":false,"quotes":["Thank you, ada"]}"#, Some("says no")),
        ];
        for (written, doubt) in cases {
            let opinion: Opinion = read_verdict(written).unwrap();
            let found = opinion.doubt("Home\nThank you,\nada\n");
            match doubt {
                None => assert_eq!(found, None, "{written}"),
                Some(doubt) => {
                    assert!(found.as_ref().is_some_and(|found| found.contains(doubt)), "{found:?}");
                }
            }
        }
        assert!(read_verdict("yes").is_err());
    }
}
