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
//! (<https://github.com/microsoft/fara>). Qwen3.5 writes the same calls with tags in the place of JSON. A place counts pixels of the resized image in 2.5, thousandths in 3.

mod fara;
mod qwen;
mod signature;
mod tags;

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

/// What stands within `<tool_call>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    /// An object with `name` and `arguments`.
    Json,
    /// A tag for the function and one for each argument ([`tags`]).
    Tags,
}

/// `<tool_call>`, and the actions of `computer_use`.
#[derive(Debug)]
pub(crate) struct ComputerUse {
    syntax: Syntax,
    actions: &'static [Action],
    scale: Scale,
    marker: Marker,
}

impl ComputerUse {
    /// Qwen2.5-VL's and Qwen3-VL's own.
    pub(super) fn qwen(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        Self::new(&qwen::ACTIONS, scale, is_special)
    }

    /// The same actions in the form of Qwen3.5's template.
    pub(super) fn tagged(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        Self { syntax: Syntax::Tags, ..Self::qwen(scale, is_special) }
    }

    /// Fara-7B's.
    pub(super) fn fara(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        Self::new(&fara::ACTIONS, scale, is_special)
    }

    fn new(actions: &'static [Action], scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        let marker = if is_special(OPEN) { Marker::Special(OPEN.into()) } else { Marker::Text(OPEN.into()) };
        Self { syntax: Syntax::Json, actions, scale, marker }
    }

    /// Every call that may be written: the function's name, and the schema of its arguments.
    fn calls(&self, offer: &Offer<'_>) -> Result<Vec<(String, Value)>, ModelError> {
        let mut calls = Vec::new();
        for offered in &offer.actions {
            let arguments = signature::arguments(offered, self.scale)
                .map_err(|problem| schema::refused(offered.function, &problem))?;
            calls.push((NAME.to_owned(), arguments));
        }
        for (function, schema) in &offer.others {
            calls.push((function.name.clone(), schema::arguments(function, schema, self.scale)?));
        }
        Ok(calls)
    }

    /// What follows the marker in the grammar, its end included.
    fn form(&self, offer: &Offer<'_>) -> Result<Vec<Form>, ModelError> {
        let calls = self.calls(offer)?;
        if self.syntax == Syntax::Tags {
            let calls = calls.iter().map(|(name, arguments)| tags::grammar(name, arguments, CLOSE));
            return Ok(vec![Form::Choice(calls.collect())]);
        }
        let object = |name: &str, arguments: Value| {
            json!({
                "type": "object", "properties": { "name": { "const": name }, "arguments": arguments },
                "required": ["name", "arguments"], "additionalProperties": false
            })
        };
        let mut calls: Vec<Value> =
            calls.into_iter().map(|(name, arguments)| object(&name, arguments)).collect();
        let schema = if calls.len() == 1 { calls.remove(0) } else { json!({ "anyOf": calls }) };
        let text = |text: &str| Form::Text(text.into());
        Ok(vec![text("\n"), Form::Json(spaced::schema(&schema)), text(&format!("\n{CLOSE}"))])
    }

    /// A reply's function and arguments, whichever way they are written.
    fn parsed(&self, reply: &str, offer: &Offer<'_>) -> Result<(String, Map<String, Value>), String> {
        let reply = reply.trim();
        let reply = reply.strip_prefix(OPEN).unwrap_or(reply);
        let reply = reply.strip_suffix(CLOSE).unwrap_or(reply).trim();
        if self.syntax == Syntax::Tags {
            let (name, written) = tags::read(reply)?;
            let action =
                written.iter().find(|(argument, _)| argument == "action").map(|(_, name)| name.as_str());
            let offered = action.filter(|_| name == NAME).and_then(|action| offer.action(action));
            let other = offer.other(&name).map(|(_, schema)| schema);
            let kind = |argument: &str| match offered {
                Some(offered) => signature::argument(offered, argument, self.scale),
                None => other.and_then(|schema| schema.get("properties")?.get(argument).cloned()),
            };
            let arguments = written.into_iter().map(|(argument, text)| {
                // What isn't known is refused by name, whatever it is; the action's name is a text.
                let schema = kind(&argument).unwrap_or(json!({ "type": "string" }));
                let value = tags::typed(&text, &schema);
                (argument, value)
            });
            return Ok((name, arguments.collect()));
        }
        let mut call: Map<String, Value> = serde_json::from_str(reply)
            .map_err(|error| format!("what is within {OPEN} isn't one JSON object: {error}"))?;
        let Some(Value::String(name)) = call.shift_remove("name") else {
            return Err("the call doesn't name its function in `name`".into());
        };
        let Some(Value::Object(arguments)) = call.shift_remove("arguments").or(Some(json!({}))) else {
            return Err("the call's `arguments` aren't one JSON object".into());
        };
        Ok((name, arguments))
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
        let what = match self.syntax {
            Syntax::Json => "its name and arguments as a JSON object within",
            Syntax::Tags => "its name and each of its arguments in tags of their own within",
        };
        lines.push(match thought {
            Thought::Free => format!("{FIRST} Then call one function:"),
            Thought::None => "Reply with a call of one function and nothing else:".into(),
        });
        lines.push(format!("{what} {OPEN}{CLOSE} tags, in the form"));
        lines.push(match self.syntax {
            Syntax::Json => FORM.into(),
            Syntax::Tags => tags::SHOWN.into(),
        });
        Ok(lines.join("\n"))
    }

    fn declaration(
        &self,
        functions: &[Function],
        thought: Thought,
    ) -> Result<Option<Declaration>, ModelError> {
        let tools = signature::declared(&Offer::of(self.actions, functions)?, self.scale)?;
        let beside = (thought == Thought::Free).then(|| FIRST.to_owned());
        let form = match self.syntax {
            Syntax::Json => FORM,
            Syntax::Tags => tags::FORM,
        };
        Ok(Some(Declaration { tools: Value::Array(tools), form, beside }))
    }

    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError> {
        let call = self.form(&Offer::of(self.actions, functions)?)?;
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

    fn special_tokens(&self) -> Vec<&str> {
        vec![OPEN, CLOSE]
    }

    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String> {
        let offer = Offer::of(self.actions, functions).map_err(|error| error.to_string())?;
        let (name, mut arguments) = self.parsed(reply, &offer)?;
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
        let text = text.trim_start().strip_prefix(OPEN).unwrap_or(text);
        let between = match self.syntax {
            Syntax::Json => "\n",
            // The template's empty line.
            Syntax::Tags => "\n\n",
        };
        if thought.is_empty() { format!("{OPEN}{text}") } else { format!("{thought}{between}{OPEN}{text}") }
    }

    fn write(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        let written = || {
            let function = super::called(call, offered)?;
            let action = actions::write(self.actions, call, offered, self.scale)?;
            let (name, arguments) = if let Some(WrittenAction { name, arguments }) = action {
                let first = std::iter::once(("action".to_owned(), json!(name)));
                (NAME, first.chain(arguments).collect())
            } else {
                let schema = resolve(function).map_err(|error| error.to_string())?;
                (call.function.as_str(), schema::write_in_order(&schema, &call.arguments, self.scale)?)
            };
            if self.syntax == Syntax::Tags {
                return tags::written(name, &arguments, CLOSE);
            }
            Ok(format!("\n{}\n{CLOSE}", spaced::text(&json!({ "name": name, "arguments": arguments }))))
        };
        Some(written())
    }
}
