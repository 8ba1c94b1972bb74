//! The dialect of `SmolVLM2`'s agentic form, which smolagents' code agents share: a thought between tags, then a call in
//! Python's syntax between tags. It is read, never executed.
//!
//! ```text
//! <think>
//! The search field is at the top.
//! </think>
//! <code>
//! click(x=0.5, y=0.03)
//! </code>
//! ```
//!
//! Places are fractions of the screen's width and height. Actions: <https://github.com/huggingface/smol2operator>, whose
//! `scroll` counts hundredths of the screen. `move_mouse`, `navigate_back` and what a telephone has (`swipe`, `open_app`,
//! `long_press`) have no tool that comes with Percept.

mod table;

use percept_runtime::{Form, Grammar, Marker, Prelude};
use serde_json::{Map, Value, json};

use self::table::ACTIONS;
use super::{
    Dialect,
    actions::{Argument, Means, Offer, Offered},
    computer_use::whole_numbers,
    grid::Scale,
    python::{self, Written},
    schema::{self, refused},
    words,
};
use crate::{Call, Function, ModelError, Thought};

const OPEN: &str = "<code>";
const CLOSE: &str = "</code>";
const THINK: [&str; 2] = ["<think>", "</think>"];
/// The action and the argument that the recipe writes without its name: `final_answer('success')`.
const ANSWER: (&str, &str) = ("final_answer", "answer");

/// `<think>…</think><code>click(x=0.5, y=0.3)</code>`.
#[derive(Debug)]
pub(crate) struct SmolOperator {
    scale: Scale,
    marker: Marker,
}

impl SmolOperator {
    pub(super) fn new(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        let marker = if is_special(OPEN) { Marker::Special(OPEN.into()) } else { Marker::Text(OPEN.into()) };
        Self { scale, marker }
    }

    /// The forms of an argument with its name; two for a place in two.
    fn argument(&self, offered: &Offered<'_>, argument: &Argument) -> Result<Vec<Form>, String> {
        let property = |name| offered.property(name);
        let text = |text: &str| Form::Text(text.into());
        let value = match argument.means {
            Means::Pair(name) => {
                let [x, y] = self.sides(property(name))?;
                return Ok(vec![python::argument_form("x", x), python::argument_form("y", y)]);
            }
            Means::Point(name) => {
                let [x, y] = self.sides(property(name))?;
                Form::Sequence(vec![text("["), x, text(", "), y, text("]")])
            }
            Means::Keys(_, names) => {
                let modifiers = Form::Regex(names.list());
                let key = Form::Regex(format!("'{}'", names.one()));
                Form::Choice(vec![key, modifiers])
            }
            Means::Direction(_) => Form::Regex("'(up|down|left|right)'".into()),
            Means::Text(name) => python::text_form(property(name)),
            Means::Seconds(name) => Form::Json(whole_numbers(property(name))),
            Means::Percent(_) => Form::Json(json!({ "type": "integer", "minimum": 1, "maximum": 100 })),
            Means::Own(name) => Form::Json(schema::written(property(name), self.scale)?),
            other => return Err(format!("{other:?} has no form here")),
        };
        if (offered.action.name, argument.name) == ANSWER {
            let named = python::argument_form(argument.name, value.clone());
            return Ok(vec![Form::Choice(vec![value, named])]);
        }
        Ok(vec![python::argument_form(argument.name, value)])
    }

    /// How far right, how far down.
    fn sides(&self, property: &Value) -> Result<[Form; 2], String> {
        if self.scale == Scale::Fractions {
            return Ok([(); 2].map(|()| Form::Regex(r"0(\.[0-9]{1,4})?|1(\.0{1,4})?".into())));
        }
        let mark = super::grid::Mark::of(property).unwrap_or(Err("it is no place".into()))?;
        let grid = self.scale.of(mark)?;
        Ok([grid.columns, grid.rows]
            .map(|bins| Form::Json(json!({ "type": "integer", "minimum": 0, "maximum": bins - 1 }))))
    }

    fn call_form(&self, offer: &Offer<'_>) -> Result<Form, ModelError> {
        let mut calls = Vec::new();
        for offered in &offer.actions {
            let (mut required, mut optional) = (Vec::new(), Vec::new());
            for argument in offered.arguments() {
                let forms = self.argument(offered, argument);
                let forms = forms.map_err(|problem| refused(offered.function, &problem))?;
                if argument.optional { optional.extend(forms) } else { required.extend(forms) }
            }
            calls.push(python::call_form(offered.action.name, required, optional));
        }
        for (function, schema) in &offer.others {
            calls.push(python::function_form(function, schema, self.scale)?);
        }
        Ok(Form::Choice(calls))
    }
}

/// One action in the prompt: `click(x, y): Clicks the left button.`
fn line(offered: &Offered<'_>) -> String {
    let names = offered.arguments().flat_map(|argument| {
        let mark = if argument.optional { "=None" } else { "" };
        argument.names().into_iter().map(move |name| format!("{name}{mark}"))
    });
    format!("{}({}): {}", offered.action.name, names.collect::<Vec<_>>().join(", "), offered.action.does)
}

/// A call's text.
fn text(action: &str, arguments: &Map<String, Value>) -> String {
    fn value(of: &Value) -> String {
        match of {
            Value::String(text) => python::quote(text),
            Value::Array(parts) => format!("[{}]", parts.iter().map(value).collect::<Vec<_>>().join(", ")),
            other => other.to_string(),
        }
    }
    let argument = |(name, argument): (&String, &Value)| match argument.as_array().map(Vec::as_slice) {
        _ if (action, name.as_str()) == ANSWER => value(argument),
        // One key needs no list.
        Some([one @ Value::String(_)]) => format!("{name}={}", value(one)),
        _ => format!("{name}={}", value(argument)),
    };
    format!("{action}({})", arguments.iter().map(argument).collect::<Vec<_>>().join(", "))
}

impl Dialect for SmolOperator {
    fn instructions(&self, functions: &[Function], thought: Thought) -> Result<String, ModelError> {
        let offer = Offer::of(&ACTIONS, functions)?;
        let mut lines =
            vec!["You act by Python function calls, one at a time. These functions are there:".to_owned()];
        lines.push(OPEN.into());
        lines.extend(offer.actions.iter().map(line));
        lines.extend(offer.others.iter().map(|(function, schema)| words::line(function, schema)));
        lines.push(CLOSE.into());
        if let Some(mark) = offer.mark() {
            lines.push(match self.scale {
                Scale::Fractions => {
                    "Places are fractions of the screen's width and height, from 0 to 1, with up to four \
                                     digits: x from its left edge, y from its top."
                        .into()
                }
                scale => {
                    let grid = scale.of(mark).map_err(|problem| refused(&functions[0], &problem))?;
                    words::grid(grid, "Places are")
                }
            });
        }
        let [open, close] = THINK;
        lines.push(match thought {
            Thought::Free => {
                format!("First say in {open}{close} what you see and what to do next. Then write the call in {OPEN}{CLOSE}.")
            }
            Thought::None => format!("Reply with the call in {OPEN}{CLOSE} and nothing else."),
        });
        Ok(lines.join("\n"))
    }

    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError> {
        let call = self.call_form(&Offer::of(&ACTIONS, functions)?)?;
        let mut parts = vec![Form::Text("\n".into()), call, Form::Text(format!("\n{CLOSE}"))];
        Ok(match thought {
            Thought::Free => Grammar {
                prelude: Prelude::FreeText { marker: self.marker.clone(), max_tokens: max_thought_tokens },
                form: Form::Sequence(parts),
            },
            Thought::None => {
                parts.insert(0, super::marker_form(&self.marker));
                Grammar::of(Form::Sequence(parts))
            }
        })
    }

    fn marker(&self) -> Option<&Marker> {
        Some(&self.marker)
    }

    fn special_tokens(&self) -> Vec<&str> {
        let [open, close] = THINK;
        vec![OPEN, CLOSE, open, close]
    }

    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String> {
        let reply = reply.trim();
        let reply = reply.strip_prefix(OPEN).unwrap_or(reply);
        let call = Written::read(reply.strip_suffix(CLOSE).unwrap_or(reply))?;
        let offer = Offer::of(&ACTIONS, functions).map_err(|error| error.to_string())?;
        match offer.action(&call.name) {
            Some(offered) => {
                let names: Vec<&str> = offered.arguments().flat_map(Argument::names).collect();
                offered.read(call.named(&names)?, self.scale)
            }
            None => python::read_function(call, &offer, self.scale),
        }
    }

    fn write(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        let written = python::call_text(&ACTIONS, call, offered, self.scale, text);
        Some(written.map(|call| format!("\n{call}\n{CLOSE}")))
    }

    fn thought(&self, before: &str, _text: &str) -> String {
        let [open, close] = THINK;
        let before = before.trim();
        let before = before.strip_prefix(open).unwrap_or(before);
        before.strip_suffix(close).unwrap_or(before).trim().to_owned()
    }

    fn said(&self, thought: &str, text: &str) -> String {
        let call = text.trim_start().strip_prefix(OPEN).unwrap_or(text);
        let [open, close] = THINK;
        if thought.is_empty() {
            format!("{OPEN}{call}")
        } else {
            format!("{open}\n{thought}\n{close}\n{OPEN}{call}")
        }
    }
}
