//! Planning before acting (Plan-and-Solve, Wang et al. 2023): a short list of what has to be done, each with what
//! the screen will show when it is, so that a plan that fails is noticed by what is seen.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most tokens of a plan.
pub(crate) const PLAN_TOKENS: usize = 320;
/// The most things that a plan lists.
const LONGEST: usize = 8;
/// How many actions one thing of a plan may take before its expectation has failed.
pub(crate) const PATIENCE: usize = 4;

/// One thing that a plan wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// What is to be done, in words.
    pub what: String,
    /// A text that the screen shows once it is done; empty if it shows none.
    #[serde(default)]
    pub expect: String,
}

/// A plan on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) items: Vec<PlanItem>,
    /// The item that is being worked on.
    pub(crate) at: usize,
    /// Actions that were taken for it.
    pub(crate) tries: usize,
}

impl Plan {
    pub(crate) fn new(items: Vec<PlanItem>) -> Self {
        Self { items, at: 0, tries: 0 }
    }

    /// The item that is being worked on; `None` when all are done.
    pub(crate) fn item(&self) -> Option<&PlanItem> {
        self.items.get(self.at)
    }

    /// The next item's turn.
    pub(crate) fn advance(&mut self) {
        self.at += 1;
        self.tries = 0;
    }

    /// The plan as the model is reminded of it.
    pub(crate) fn told(&self) -> String {
        let lines = self.items.iter().enumerate().map(|(index, item)| {
            let then = if item.expect.is_empty() {
                String::new()
            } else {
                format!(" (then the screen shows “{}”)", item.expect)
            };
            format!("{}. {}{then}", index + 1, item.what)
        });
        std::iter::once("Plan:".to_owned()).chain(lines).collect::<Vec<_>>().join("\n")
    }
}

/// What a plan must look like, in words.
pub(crate) const PLAN_FORM: &str = "a JSON list in `steps`, each with `what` is to be done and, in `expect`, a short text \
                                    that the screen will show once it is done (leave it empty if the screen won't show \
                                    one)";

/// What a plan must look like.
pub(crate) fn plan_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "steps": {
                "type": "array",
                "minItems": 1,
                "maxItems": LONGEST,
                "items": {
                    "type": "object",
                    "properties": {
                        "what": { "type": "string", "minLength": 1, "maxLength": 160 },
                        "expect": { "type": "string", "maxLength": 80 }
                    },
                    "required": ["what", "expect"],
                    "additionalProperties": false
                }
            }
        },
        "required": ["steps"],
        "additionalProperties": false
    })
}

/// Reads a plan.
///
/// # Errors
///
/// Why the text is none.
pub(crate) fn read_plan(text: &str) -> Result<Vec<PlanItem>, String> {
    #[derive(Deserialize)]
    struct Written {
        steps: Vec<PlanItem>,
    }
    let Written { steps } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut steps: Vec<_> = steps.into_iter().filter(|item| !item.what.trim().is_empty()).collect();
    steps.truncate(LONGEST);
    if steps.is_empty() { Err("it lists nothing".into()) } else { Ok(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_or_the_reason_given() {
        let item = |what: &str, expect: &str| PlanItem { what: what.into(), expect: expect.into() };
        let cases = [
            (r#"{"steps":[{"what":"Log in","expect":"Welcome"}]}"#, Ok(vec![item("Log in", "Welcome")])),
            (r#"{"steps":[{"what":"Wait"},{"what":" "}]}"#, Ok(vec![item("Wait", "")])),
            (r#"{"steps":[]}"#, Err("it lists nothing")),
            (r#"{"steps":[{"what":"Log"#, Err("EOF")),
        ];
        for (text, expected) in cases {
            match (read_plan(text), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected),
                (Err(problem), Err(expected)) => assert!(problem.contains(expected), "{problem}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
        let many = json!({ "steps": vec![json!({ "what": "x", "expect": "" }); 20] }).to_string();
        assert_eq!(read_plan(&many).map(|items| items.len()), Ok(LONGEST));
    }

    #[test]
    fn a_plan_is_told_as_a_list() {
        let plan = Plan::new(vec![
            PlanItem { what: "Open the form".into(), expect: "Sign in".into() },
            PlanItem { what: "Send it".into(), expect: String::new() },
        ]);
        assert_eq!(plan.told(), "Plan:\n1. Open the form (then the screen shows “Sign in”)\n2. Send it");
    }
}
