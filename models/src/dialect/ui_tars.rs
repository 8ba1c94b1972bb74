//! The dialect of UI-TARS: a thought, then a call in Python's syntax whose values are all texts.
//!
//! ```text
//! Thought: The search field is at the top.
//! Action: click(start_box='<|box_start|>(197,525)<|box_end|>')
//! ```
//!
//! Actions and syntax: Qin et al. 2025 (<https://arxiv.org/abs/2501.12326>) and the parser that comes with the models
//! (<https://github.com/bytedance/UI-TARS>). UI-TARS-1.0 rides on Qwen2-VL and counts thousandths, 1.5 on Qwen2.5-VL and
//! counts pixels of the resized image. Where the tokenizer has the tokens around a box, a place stands between them; a
//! reply's text is without them, as every special token. `[x1, y1, x2, y2]` and `<point>x y</point>` are read too.
//!
//! `call_user` has no tool that comes with Percept.

mod table;

use percept_runtime::{Form, Grammar, Marker, Prelude};
use serde_json::{Map, Value, json};

use self::table::ACTIONS;
use super::{
    Dialect,
    actions::{Argument, Means, Offer, Offered},
    grid::{Mark, Scale},
    python::{self, Written},
    schema::refused,
    words,
};
use crate::{Call, Function, ModelError, Thought};

const START: &str = "start_box";
const END: &str = "end_box";
const OPEN: &str = "<|box_start|>";
const CLOSE: &str = "<|box_end|>";
const THOUGHT: &str = "Thought:";
const ACTION: &str = "Action:";

/// `Thought: … Action: click(start_box='(x,y)')`.
#[derive(Debug)]
pub(crate) struct UiTars {
    scale: Scale,
    /// Whether the tokenizer has tokens for the beginning and the end of a box.
    boxes: bool,
    marker: Marker,
}

impl UiTars {
    pub(super) fn new(scale: Scale, is_special: impl Fn(&str) -> bool) -> Self {
        Self { scale, boxes: is_special(OPEN) && is_special(CLOSE), marker: Marker::Text(ACTION.into()) }
    }

    /// The form of an argument with its name.
    fn argument(&self, offered: &Offered<'_>, argument: &Argument) -> Result<Form, String> {
        let value = match argument.means {
            Means::Point(name) | Means::Pair(name) => self.place(offered.property(name))?,
            Means::Keys(_, names) => Form::Regex(format!("'{}'", names.expression())),
            Means::Direction(_) => Form::Regex("'(up|down|left|right)'".into()),
            Means::Text(name) => python::text_form(offered.property(name)),
            other => return Err(format!("{other:?} has no form here")),
        };
        Ok(python::argument_form(argument.name, value))
    }

    /// A place in quotes, within the grid.
    fn place(&self, property: &Value) -> Result<Form, String> {
        let grid = self.scale.of(Mark::of(property).unwrap_or(Err("it is no place".into()))?)?;
        let number = |bins: u32| Form::Json(json!({ "type": "integer", "minimum": 0, "maximum": bins - 1 }));
        let text = |text: &str| Form::Text(text.into());
        let mut parts = vec![text("("), number(grid.columns), text(","), number(grid.rows), text(")")];
        if self.boxes {
            parts.insert(0, Form::Special(OPEN.into()));
            parts.push(Form::Special(CLOSE.into()));
        }
        parts.insert(0, text("'"));
        parts.push(text("'"));
        Ok(Form::Sequence(parts))
    }

    fn call_form(&self, offer: &Offer<'_>) -> Result<Form, ModelError> {
        let mut calls = Vec::new();
        for offered in &offer.actions {
            let form = |argument: &Argument| {
                self.argument(offered, argument).map_err(|problem| refused(offered.function, &problem))
            };
            let of_kind = |kind: bool| offered.arguments().filter(move |argument| argument.optional == kind);
            let required = of_kind(false).map(form).collect::<Result<_, _>>()?;
            let optional = of_kind(true).map(form).collect::<Result<_, _>>()?;
            calls.push(python::call_form(offered.action.name, required, optional));
        }
        for (function, schema) in &offer.others {
            calls.push(python::function_form(function, schema, self.scale)?);
        }
        Ok(Form::Choice(calls))
    }

    /// One action in the prompt: `click(start_box='(x1,y1)')`.
    fn line(&self, offered: &Offered<'_>) -> String {
        let mut place = 1;
        let arguments = offered.arguments().map(|argument| {
            let value = match argument.means {
                Means::Point(_) => {
                    let (open, close) = if self.boxes { (OPEN, CLOSE) } else { ("", "") };
                    let written = format!("{open}(x{place},y{place}){close}");
                    place += 2;
                    written
                }
                Means::Keys(..) => "ctrl c".into(),
                Means::Direction(_) => "down or up or right or left".into(),
                _ => "…".into(),
            };
            format!("{}='{value}'", argument.name)
        });
        let call = format!("{}({})", offered.action.name, arguments.collect::<Vec<_>>().join(", "));
        if offered.action.does.is_empty() { call } else { format!("{call} # {}", offered.action.does) }
    }
}

/// The text of a call.
fn text(action: &str, arguments: &Map<String, Value>) -> String {
    let value = |value: &Value| match value {
        Value::String(text) => python::quote(text),
        // A chord's parts, or a place's numbers.
        Value::Array(parts) if parts.iter().all(Value::is_string) => {
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            python::quote(&parts.join(" "))
        }
        Value::Array(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(Value::to_string).collect();
            format!("'({})'", numbers.join(","))
        }
        other => other.to_string(),
    };
    let arguments: Vec<String> =
        arguments.iter().map(|(name, argument)| format!("{name}={}", value(argument))).collect();
    format!("{action}({})", arguments.join(", "))
}

impl Dialect for UiTars {
    fn instructions(&self, functions: &[Function], thought: Thought) -> Result<String, ModelError> {
        let offer = Offer::of(&ACTIONS, functions)?;
        let mut lines = vec!["## Output Format".to_owned()];
        lines.extend((thought == Thought::Free).then(|| format!("{THOUGHT} ...")));
        lines.extend([format!("{ACTION} ..."), String::new(), "## Action Space".into()]);
        lines.extend(offer.actions.iter().map(|offered| self.line(offered)));
        lines.extend(offer.others.iter().map(|(function, schema)| words::line(function, schema)));
        if let Some(mark) = offer.mark() {
            let grid = self.scale.of(mark).map_err(|problem| refused(&functions[0], &problem))?;
            lines.extend([String::new(), "## Note".into()]);
            lines.push(words::grid(grid, "- Places are"));
        }
        if thought == Thought::Free {
            lines.push(format!(
                "- In the part `{THOUGHT}` say what you see and, in one sentence, what to do next."
            ));
        }
        Ok(lines.join("\n"))
    }

    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError> {
        let call = self.call_form(&Offer::of(&ACTIONS, functions)?)?;
        let after = |text: &str| Form::Sequence(vec![Form::Text(text.into()), call.clone()]);
        Ok(match thought {
            Thought::Free => Grammar {
                prelude: Prelude::FreeText { marker: self.marker.clone(), max_tokens: max_thought_tokens },
                form: after(" "),
            },
            Thought::None => Grammar::of(after(&format!("{ACTION} "))),
        })
    }

    fn marker(&self) -> Option<&Marker> {
        Some(&self.marker)
    }

    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String> {
        let reply = reply.trim();
        let call = Written::read(reply.strip_prefix(ACTION).unwrap_or(reply))?;
        let offer = Offer::of(&ACTIONS, functions).map_err(|error| error.to_string())?;
        if let Some(offered) = offer.action(&call.name) {
            let names: Vec<&str> = offered.arguments().map(|argument| argument.name).collect();
            let mut written = Map::new();
            for (name, value) in call.named(&names)? {
                let name = match name.as_str() {
                    // As other versions of the prompt have them.
                    "point" | "start_point" => START.to_owned(),
                    "end_point" => END.to_owned(),
                    "hotkey" => "key".to_owned(),
                    _ => name,
                };
                let is_place = name == START || name == END;
                // What is empty was left open.
                if value != "" || name == "content" {
                    written.insert(name, if is_place { place(value)? } else { value });
                }
            }
            return offered.read(written, self.scale);
        }
        python::read_function(call, &offer, self.scale)
    }

    fn write(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        let written = python::call_text(&ACTIONS, call, offered, self.scale, text);
        Some(written.map(|call| format!(" {call}")))
    }

    fn thought(&self, before: &str, _text: &str) -> String {
        let before = before.trim();
        before.strip_prefix(THOUGHT).unwrap_or(before).trim().to_owned()
    }

    fn said(&self, thought: &str, text: &str) -> String {
        let text = text.trim();
        let call = text.strip_prefix(ACTION).unwrap_or(text).trim_start();
        // The tokens around a box are special, so a reply's text lost them.
        let call = match Written::read(call) {
            Ok(read) if self.boxes && ACTIONS.iter().any(|action| action.name == read.name) => {
                with_boxes(call)
            }
            _ => call.to_owned(),
        };
        if thought.is_empty() {
            format!("{ACTION} {call}")
        } else {
            format!("{THOUGHT} {thought}\n{ACTION} {call}")
        }
    }

    fn special_tokens(&self) -> Vec<&str> {
        if self.boxes { vec![OPEN, CLOSE] } else { Vec::new() }
    }
}

/// The call with its boxes between their tokens.
fn with_boxes(call: &str) -> String {
    let mut written = call.to_owned();
    for name in [START, END] {
        let begin = format!("{name}='(");
        let Some(at) = written.find(&begin).map(|at| at + begin.len() - 1) else { continue };
        let Some(end) = written[at..].find(")'").map(|length| at + length + 1) else { continue };
        written.insert_str(end, CLOSE);
        written.insert_str(at, OPEN);
    }
    written
}

/// A place's numbers, however it is written.
fn place(value: Value) -> Result<Value, String> {
    let Value::String(text) = &value else { return Ok(value) };
    let mut plain = text.clone();
    for tag in [OPEN, CLOSE, "<point>", "</point>", "<bbox>", "</bbox>"] {
        plain = plain.replace(tag, " ");
    }
    let numbers =
        plain.split(|c: char| c.is_whitespace() || "()[],".contains(c)).filter(|part| !part.is_empty());
    let numbers: Result<Vec<f64>, _> = numbers.map(str::parse).collect();
    match numbers {
        Ok(numbers) if matches!(numbers.len(), 2 | 4) => Ok(json!(numbers)),
        _ => Err(format!("`{text}` isn't a place like (x,y)")),
    }
}
