//! The dialect of Holo's models of computer use: one JSON object with a note, a thought and a flat call.
//!
//! ```text
//! {"note": null, "thought": "Go on to the payment.", "tool_call": {"tool_name": "click", "x": 932, "y": 880}}
//! ```
//!
//! Documented for Holo3 at <https://hub.hcompany.ai/agent-loop>: `tool_name` stands beside the arguments, a point is two of
//! them, `x` and `y`, in thousandths, and any functions may be on offer. A place that isn't called `point` stands in
//! `NAME_x` and `NAME_y` (an agent's own choice, as names are left to it). What the model notes for itself is kept with
//! its thought.

use percept_runtime::{Form, Grammar, Marker};
use serde_json::{Map, Value, json};

use super::{
    Dialect,
    grid::{Mark, PlaceKind, Scale},
    schema::{self, properties, refused, resolve},
    spaced, words,
};
use crate::{Call, Function, ModelError, Thought};

const CALL: &str = "tool_call";
const NAME: &str = "tool_name";

/// The most that a thought or a note is bounded at: more than any context holds.
const MOST: usize = 1 << 24;

/// `{"note": …, "thought": …, "tool_call": {"tool_name": …}}`.
#[derive(Debug)]
pub(crate) struct Holo {
    scale: Scale,
}

impl Holo {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale }
    }

    /// What a reply may be.
    fn reply(
        &self,
        functions: &[Function],
        thought: Thought,
        [note, said]: [Value; 2],
    ) -> Result<Value, ModelError> {
        if functions.is_empty() {
            return Err(ModelError::Request("a call is asked for, but no function is on offer".into()));
        }
        let mut calls =
            functions.iter().map(|function| self.call(function)).collect::<Result<Vec<_>, _>>()?;
        let call = if calls.len() == 1 { calls.remove(0) } else { json!({ "anyOf": calls }) };
        let (properties, required) = match thought {
            Thought::Free => (
                json!({ "note": { "anyOf": [{ "type": "null" }, note] }, "thought": said, CALL: call }),
                json!(["note", "thought", CALL]),
            ),
            Thought::None => (json!({ CALL: call }), json!([CALL])),
        };
        Ok(
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }),
        )
    }

    fn call(&self, function: &Function) -> Result<Value, ModelError> {
        let resolved = resolve(function)?;
        let mut call = schema::call(function, &resolved, self.scale, NAME)?;
        let names: Vec<(String, [String; 2])> = pairs(&resolved).collect();
        if let Some(taken) =
            names.iter().flat_map(|(_, sides)| sides).find(|side| resolved["properties"].get(side).is_some())
        {
            return Err(refused(
                function,
                &format!("an argument can't be called `{taken}`, which is a place's"),
            ));
        }
        let mut flat = Map::new();
        for (name, property) in call["properties"].as_object().into_iter().flatten() {
            match names.iter().find(|(pair, _)| pair == name) {
                Some((_, [x, y])) => {
                    flat.insert(x.clone(), property["prefixItems"][0].clone());
                    flat.insert(y.clone(), property["prefixItems"][1].clone());
                }
                None => drop(flat.insert(name.clone(), property.clone())),
            }
        }
        let required = call["required"].as_array().cloned().unwrap_or_default();
        let required: Vec<Value> = required
            .into_iter()
            .flat_map(|wanted| match names.iter().find(|(pair, _)| wanted == *pair) {
                Some((_, [x, y])) => vec![json!(x), json!(y)],
                None => vec![wanted],
            })
            .collect();
        call["properties"] = Value::Object(flat);
        call["required"] = json!(required);
        Ok(call)
    }
}

/// The points that must be there, each in two numbers. One that may be left out stays as it is, lest half of it be.
fn pairs(schema: &Value) -> impl Iterator<Item = (String, [String; 2])> {
    let points = properties(schema).filter(|(name, property)| {
        let mark = Mark::of(property);
        schema::is_required(schema, name)
            && mark.is_some_and(|mark| mark.is_ok_and(|mark| mark.kind == PlaceKind::Point))
    });
    points.map(|(name, _)| {
        let sides = if name == "point" {
            ["x".into(), "y".into()]
        } else {
            ["x", "y"].map(|side| format!("{name}_{side}"))
        };
        (name.clone(), sides)
    })
}

impl Dialect for Holo {
    fn instructions(&self, functions: &[Function], thought: Thought) -> Result<String, ModelError> {
        let mut lines = vec!["These tools are there:".to_owned()];
        let mut grid = None;
        for function in functions {
            let schema = resolve(function)?;
            lines.push(format!("- {}", words::line(function, &schema)));
            let marked = properties(&schema).find_map(|(_, property)| Mark::of(property)?.ok());
            if let Some(mark) = marked {
                grid = Some(self.scale.of(mark).map_err(|problem| refused(function, &problem))?);
            }
        }
        lines.extend(grid.map(|grid| words::grid(grid, "Coordinates are")));
        if thought == Thought::Free {
            lines.push("`note` holds what later steps will need of this screen, or null; `thought` is the next step in a line.".into());
        }
        // How long texts may be is the grammar's alone to know.
        let mut schema = self.reply(functions, thought, [json!({}), json!({})])?;
        unbounded(&mut schema);
        lines.extend([
            "Reply with one JSON object that fits this schema and nothing else:".into(),
            "<output_format>".into(),
        ]);
        lines.extend([schema.to_string(), "</output_format>".into()]);
        Ok(lines.join("\n"))
    }

    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError> {
        let note = max_thought_tokens / 3;
        let schema = self.reply(functions, thought, [note, max_thought_tokens - note].map(text))?;
        Ok(Grammar::of(Form::Json(spaced::schema(&schema))))
    }

    fn marker(&self) -> Option<&Marker> {
        None
    }

    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String> {
        let reply: Value = serde_json::from_str(reply.trim())
            .map_err(|error| format!("the reply isn't one JSON object: {error}"))?;
        let Some(Value::Object(mut written)) = reply.get(CALL).cloned() else {
            return Err(format!("the reply has no `{CALL}`"));
        };
        let Some(Value::String(name)) = written.shift_remove(NAME) else {
            return Err(format!("`{CALL}` doesn't name its function in `{NAME}`"));
        };
        let Some(function) = functions.iter().find(|function| function.name == name) else {
            let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
            return Err(format!("there is no function `{name}`; there are {}", names.join(", ")));
        };
        let schema = resolve(function).map_err(|error| error.to_string())?;
        let mut arguments = Map::new();
        for (name, [x, y]) in pairs(&schema) {
            match (written.shift_remove(&x), written.shift_remove(&y)) {
                (Some(x), Some(y)) => drop(arguments.insert(name, json!([x, y]))),
                (None, None) => {}
                _ => return Err(format!("a place needs both `{x}` and `{y}`")),
            }
        }
        // What it says of the thing that it means is for people, where no argument has that name.
        if properties(&schema).all(|(name, _)| name != "element") {
            written.shift_remove("element");
        }
        arguments.extend(written);
        let arguments = schema::read(&schema, Value::Object(arguments), &self.scale)?;
        Ok(Call { function: name, arguments })
    }

    fn write(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        let written = || {
            let function = super::called(call, offered)?;
            let schema = resolve(function).map_err(|error| error.to_string())?;
            let mut flat = Map::from_iter([(NAME.to_owned(), json!(call.function))]);
            let pairs: Vec<_> = pairs(&schema).collect();
            for (name, value) in schema::write_in_order(&schema, &call.arguments, self.scale)? {
                match pairs.iter().find(|(pair, _)| *pair == name) {
                    Some((_, [x, y])) => {
                        flat.insert(x.clone(), value[0].clone());
                        flat.insert(y.clone(), value[1].clone());
                    }
                    None => drop(flat.insert(name, value)),
                }
            }
            Ok(spaced::text(&json!({ CALL: flat })))
        };
        Some(written())
    }

    fn thought(&self, before: &str, text: &str) -> String {
        let reply: Value = serde_json::from_str(text.trim()).unwrap_or_default();
        let part = |name: &str| {
            reply.get(name).and_then(Value::as_str).map(str::trim).filter(|part| !part.is_empty())
        };
        // Where a template opened a thought of its own, that is the one, and the object has none.
        let before = Some(before.trim()).filter(|before| !before.is_empty());
        let parts: Vec<&str> = [before, part("thought"), part("note")].into_iter().flatten().collect();
        parts.join("\n")
    }

    fn call_begins(&self, text: &str) -> usize {
        // Within a text its quotes would be escaped.
        text.find(&format!("\"{CALL}\"")).unwrap_or(text.len())
    }

    fn said(&self, thought: &str, text: &str) -> String {
        // A reply has its own thought in it; only a call that was written for it hasn't.
        match serde_json::from_str::<Map<String, Value>>(text.trim()) {
            Ok(mut reply) if !thought.is_empty() && !reply.contains_key("thought") => {
                let call = reply.shift_remove(CALL).unwrap_or_default();
                spaced::text(&json!({ "note": null, "thought": thought, CALL: call }))
            }
            _ => text.trim().to_owned(),
        }
    }
}

/// A text of about so many tokens: a thought here stands in JSON, where nothing can count them. Four letters of ASCII are one, and
/// so is any other character, with up to three of those before it.
fn text(tokens: usize) -> Value {
    if tokens == 0 {
        return json!({ "type": "string", "maxLength": 0 });
    }
    let (ascii, other, most) = (r"[\x00-\x7f]", r"[^\x00-\x7f]", tokens.min(MOST));
    json!({ "type": "string", "pattern": format!("^({ascii}{{4}}|{ascii}{{0,3}}{other}){{0,{most}}}{ascii}{{0,3}}$") })
}

/// Takes away how long texts may be.
fn unbounded(schema: &mut Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for name in ["note", "thought"] {
        if let Some(property) = properties.get_mut(name) {
            *property = if name == "note" {
                json!({ "type": ["string", "null"] })
            } else {
                json!({ "type": "string" })
            };
        }
    }
}
