//! The dialect of Qwen2.5-VL, Qwen3-VL and what was trained on them: a thought, then a call in JSON between tags.
//!
//! ```text
//! The field is empty.
//! <tool_call>
//! {"name": "computer_use", "arguments": {"action": "left_click", "coordinate": [640, 36]}}
//! </tool_call>
//! ```
//!
//! Functions are declared between `<tools>` tags, as Qwen's chat templates have them. One function, `computer_use`, has
//! the actions of mouse and keyboard; which, and with what arguments, is in the cookbooks of Qwen2.5-VL and Qwen3-VL
//! (<https://github.com/QwenLM/Qwen3-VL>) and, with actions of a browser, in Fara-7B's own
//! (<https://github.com/microsoft/fara>). A place counts pixels of the resized image in 2.5, thousandths in 3.

mod fara;
mod qwen;
mod signature;

use percept_runtime::{Form, Grammar, Marker, Prelude};
use serde_json::{Map, Value, json};

pub(super) use self::signature::whole_numbers;
use super::{
    Declaration, Dialect,
    actions::{self, Action, Offer, WrittenAction},
    grid::Scale,
    schema::{self, resolve},
    spaced,
};
use crate::{Call, Function, ModelError, Thought};

/// The function that has the actions.
const NAME: &str = "computer_use";
const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// How a call is written, as Qwen's templates say it.
const FORM: &str =
    "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>";
const FIRST: &str = "First say in a sentence or two what you see and what to do next.";

/// `<tool_call>`, and the actions of `computer_use`.
#[derive(Debug)]
pub(crate) struct ComputerUse {
    actions: &'static [Action],
    scale: Scale,
    marker: Marker,
}

impl ComputerUse {
    /// Qwen2.5-VL's and Qwen3-VL's own.
    pub(super) fn qwen(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        Self::new(&qwen::ACTIONS, scale, is_special)
    }

    /// Fara-7B's.
    pub(super) fn fara(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        Self::new(&fara::ACTIONS, scale, is_special)
    }

    fn new(actions: &'static [Action], scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        let marker = if is_special(OPEN) { Marker::Special(OPEN.into()) } else { Marker::Text(OPEN.into()) };
        Self { actions, scale, marker }
    }

    /// A call in the grammar: the name, then the arguments.
    fn schema(&self, offer: &Offer<'_>) -> Result<Value, ModelError> {
        let object = |name: &str, arguments: Value| {
            json!({
                "type": "object", "properties": { "name": { "const": name }, "arguments": arguments },
                "required": ["name", "arguments"], "additionalProperties": false
            })
        };
        let mut calls = Vec::new();
        for offered in &offer.actions {
            let arguments = signature::arguments(offered, self.scale)
                .map_err(|problem| schema::refused(offered.function, &problem))?;
            calls.push(object(NAME, arguments));
        }
        for (function, schema) in &offer.others {
            calls.push(object(&function.name, schema::arguments(function, schema, self.scale)?));
        }
        Ok(if calls.len() == 1 { calls.remove(0) } else { json!({ "anyOf": calls }) })
    }
}

impl Dialect for ComputerUse {
    fn instructions(&self, functions: &[Function], thought: Thought) -> Result<String, ModelError> {
        let offer = Offer::of(self.actions, functions)?;
        let mut lines = vec!["# Tools".to_owned(), String::new()];
        lines.push(
            "These functions can be called. Their signatures stand within <tools></tools> tags:".into(),
        );
        lines.push("<tools>".into());
        lines.extend(signature::declared(&offer, self.scale)?.iter().map(spaced::text));
        lines.push("</tools>".into());
        lines.push(String::new());
        lines.push(match thought {
            Thought::Free => format!("{FIRST} Then call one function:"),
            Thought::None => "Reply with a call of one function and nothing else:".into(),
        });
        lines.push(format!("its name and arguments as a JSON object within {OPEN}{CLOSE} tags, in the form"));
        lines.push(FORM.into());
        Ok(lines.join("\n"))
    }

    fn declaration(
        &self,
        functions: &[Function],
        thought: Thought,
    ) -> Result<Option<Declaration>, ModelError> {
        let tools = signature::declared(&Offer::of(self.actions, functions)?, self.scale)?;
        let beside = (thought == Thought::Free).then(|| FIRST.to_owned());
        Ok(Some(Declaration { tools: Value::Array(tools), form: FORM, beside }))
    }

    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError> {
        let schema = self.schema(&Offer::of(self.actions, functions)?)?;
        let text = |text: &str| Form::Text(text.into());
        let close = text(&format!("\n{CLOSE}"));
        let call = vec![text("\n"), Form::Json(spaced::schema(&schema)), close];
        Ok(match thought {
            Thought::Free => Grammar {
                prelude: Prelude::FreeText { marker: self.marker.clone(), max_tokens: max_thought_tokens },
                form: Form::Sequence(call),
            },
            Thought::None => {
                let open = std::iter::once(super::marker_form(&self.marker));
                Grammar::of(Form::Sequence(open.chain(call).collect()))
            }
        })
    }

    fn marker(&self) -> Option<&Marker> {
        Some(&self.marker)
    }

    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String> {
        let reply = reply.trim();
        let reply = reply.strip_prefix(OPEN).unwrap_or(reply);
        let reply = reply.strip_suffix(CLOSE).unwrap_or(reply).trim();
        let mut call: Map<String, Value> = serde_json::from_str(reply)
            .map_err(|error| format!("what is within {OPEN} isn't one JSON object: {error}"))?;
        let Some(Value::String(name)) = call.shift_remove("name") else {
            return Err("the call doesn't name its function in `name`".into());
        };
        let Some(Value::Object(mut arguments)) = call.shift_remove("arguments").or(Some(json!({}))) else {
            return Err("the call's `arguments` aren't one JSON object".into());
        };
        let offer = Offer::of(self.actions, functions).map_err(|error| error.to_string())?;
        if name == NAME && !offer.actions.is_empty() {
            let Some(Value::String(action)) = arguments.shift_remove("action") else {
                return Err(format!("the call of `{NAME}` doesn't name its `action`"));
            };
            let Some(offered) = offer.action(&action) else {
                let names: Vec<&str> = offer.actions.iter().map(|offered| offered.action.name).collect();
                return Err(format!("there is no action `{action}`; there are {}", names.join(", ")));
            };
            return offered.read(arguments, self.scale);
        }
        let Some((function, schema)) = offer.other(&name) else {
            let actions = (!offer.actions.is_empty()).then_some(NAME);
            let others = offer.others.iter().map(|(function, _)| function.name.as_str());
            let names: Vec<&str> = actions.into_iter().chain(others).collect();
            return Err(format!("there is no function `{name}`; there are {}", names.join(", ")));
        };
        let arguments = schema::read(schema, Value::Object(arguments), &self.scale)?;
        Ok(Call { function: function.name.clone(), arguments })
    }

    fn said(&self, thought: &str, text: &str) -> String {
        let text = text.trim_start_matches(OPEN);
        if thought.is_empty() { format!("{OPEN}{text}") } else { format!("{thought}\n{OPEN}{text}") }
    }

    fn write(&self, call: &Call, function: &Function) -> Option<Result<String, String>> {
        let written = || {
            let action = actions::write(self.actions, call, function, self.scale)?;
            let (name, arguments) = if let Some(WrittenAction { name, arguments }) = action {
                let first = std::iter::once(("action".to_owned(), json!(name)));
                (NAME, first.chain(arguments).collect())
            } else {
                let schema = resolve(function).map_err(|error| error.to_string())?;
                (call.function.as_str(), schema::write_in_order(&schema, &call.arguments, self.scale)?)
            };
            Ok(format!("\n{}\n{CLOSE}", spaced::text(&json!({ "name": name, "arguments": arguments }))))
        };
        Some(written())
    }
}
