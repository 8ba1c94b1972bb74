//! The toolbox: what goes in, what comes out, and what a call with wrong arguments is told.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use percept_tools::{
    JsonSchema, Observation, PartBody, Tool, ToolCard, ToolContext, ToolError, Toolbox, async_trait,
};
use serde_json::{Value, json};

/// Says its text; its name is whatever a test wants it to be.
struct Echo(&'static str);

#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EchoArgs {
    /// What to say.
    text: String,
    /// How often; once if left out.
    times: Option<u8>,
}

#[async_trait]
impl Tool for Echo {
    type Args = EchoArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads(self.0, "Says something.")
    }

    async fn call(&self, args: EchoArgs, _: &ToolContext) -> Result<Observation, ToolError> {
        Ok(Observation::note(args.text.repeat(args.times.unwrap_or(1).into())))
    }
}

fn toolbox(names: &[&'static str]) -> Toolbox {
    let mut toolbox = Toolbox::new();
    for &name in names {
        toolbox.add(Echo(name)).unwrap();
    }
    toolbox
}

#[test]
fn a_name_that_is_taken_or_none_is_refused() {
    let cases = [
        ("echo", "there are two tools named `echo`: rename one, or offer only one of them"),
        ("Echo", "`Echo` can't name a tool: use lower case letters, digits and `_`, and begin with a letter"),
        ("2nd", "`2nd` can't name a tool: use lower case letters, digits and `_`, and begin with a letter"),
        ("", "`` can't name a tool: use lower case letters, digits and `_`, and begin with a letter"),
        ("a b", "`a b` can't name a tool: use lower case letters, digits and `_`, and begin with a letter"),
    ];
    for (name, expected) in cases {
        let mut toolbox = toolbox(&["echo"]);
        assert_eq!(toolbox.add(Echo(name)).err().unwrap().to_string(), expected);
        assert_eq!(toolbox.offered().len(), 1);
    }
}

#[test]
fn a_smaller_box_has_the_named_tools_only() {
    let toolbox = toolbox(&["a", "b", "c"]);
    let names = |toolbox: &Toolbox| toolbox.offered().into_iter().map(|t| t.card.name).collect::<Vec<_>>();
    assert_eq!(names(&toolbox.only(&["c", "a"]).unwrap()), ["a", "c"]);
    let error = toolbox.only(&["a", "d"]).err().unwrap();
    assert_eq!(error.to_string(), "no tool is named `d`; there are: a, b, c");
}

#[test]
fn a_schema_is_short_and_says_what_may_be_left_out() {
    let offered = toolbox(&["echo"]).offered();
    let expected = json!({
        "type": "object",
        "properties": {
            "text": { "description": "What to say.", "type": "string" },
            "times": {
                "description": "How often; once if left out.", "type": "integer", "minimum": 0, "maximum": 255
            }
        },
        "additionalProperties": false,
        "required": ["text"]
    });
    assert_eq!(offered[0].schema, expected);
}

#[tokio::test]
async fn a_call_is_parsed_or_told_what_is_wrong_with_it() {
    let toolbox = toolbox(&["echo", "other"]);
    let cases: [(&str, Value, Result<&str, &str>); 7] = [
        ("echo", json!({ "text": "hi" }), Ok("hi")),
        ("echo", json!({ "text": "hi", "times": 2 }), Ok("hihi")),
        ("echo", json!({ "text": "hi", "times": null }), Ok("hi")),
        ("echo", json!({}), Err("bad arguments: missing field `text`")),
        ("echo", json!({ "text": 1 }), Err("bad arguments: invalid type: integer `1`, expected a string")),
        (
            "echo",
            json!({ "text": "hi", "loud": true }),
            Err("bad arguments: unknown field `loud`, expected `text` or `times`"),
        ),
        ("ecko", json!({}), Err("bad arguments: no tool is named `ecko`; there are: echo, other")),
    ];
    for (name, arguments, expected) in cases {
        let said = toolbox.call(name, arguments.clone(), &ToolContext::default()).await;
        match (said, expected) {
            (Ok(observation), Ok(expected)) => {
                let PartBody::Text(text) = &observation.parts[0].body else { panic!("{observation:?}") };
                assert_eq!(text, expected);
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (said, expected) => panic!("{name} {arguments}: {said:?} instead of {expected:?}"),
        }
    }
}
