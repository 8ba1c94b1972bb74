//! Native function calling: functions as an API's own declarations, a call as the API hands it back.
//!
//! The other side of the wire has no grammar of ours, so a place is bounded by the schema, told in words ([`Places`]),
//! and checked when it comes back.
//!
//! An API that must call a function writes no text before the call (Anthropic's and Google's documentation say so).
//! So where a thought may come first, each function has one more argument before all others, `thought`.

use serde_json::{Map, Value, json};

use super::{
    grid::Mark,
    places::Places,
    schema::{self, is_required, places_can_be_read_back, properties, refused, resolve},
    vendors::{Check, Computer},
};
use crate::{Call, Function, ModelError, Thought};

/// The argument that holds a thought.
pub(crate) const THOUGHT: &str = "thought";

/// Keywords that an API's schema doesn't need, or doesn't know.
const LEFT_OUT: [&str; 6] = ["$schema", "$id", "title", "default", "examples", "deprecated"];

/// A function as an API declares it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    /// Its name.
    pub(crate) name: String,
    /// When to call it.
    pub(crate) description: String,
    /// JSON Schema of its arguments, without a mark of ours.
    pub(crate) parameters: Value,
}

/// A call as an API handed it back, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Native {
    /// The thought that its arguments hold.
    pub(crate) thought: String,
    /// Its places in pixels of the screenshot.
    pub(crate) call: Call,
    /// Why the vendor wants a person to confirm it first, if it does.
    pub(crate) concern: Option<String>,
}

/// Function calling in an API's own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NativeDialect {
    pub(crate) places: Places,
    /// The vendor's own tool for computer use, where it is on offer beside the functions.
    pub(crate) computer: Option<Computer>,
}

impl NativeDialect {
    /// The functions as an API takes them.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if a schema can't be followed, or uses the name `thought` where a thought is wanted.
    pub(crate) fn declare(
        self,
        functions: &[Function],
        thought: Thought,
    ) -> Result<Vec<Declared>, ModelError> {
        if functions.is_empty() {
            return Err(ModelError::Request("a call is asked for, but no function is on offer".into()));
        }
        functions.iter().map(|function| self.declared(function, thought)).collect()
    }

    fn declared(self, function: &Function, thought: Thought) -> Result<Declared, ModelError> {
        let schema = resolve(function)?;
        let mut arguments = Map::new();
        let mut required = Vec::new();
        if thought == Thought::Free {
            let words = "First think in a sentence or two: what is on the screen, and what to do next.";
            arguments.insert(THOUGHT.into(), json!({ "type": "string", "description": words }));
            required.push(json!(THOUGHT));
        }
        for (name, property) in properties(&schema) {
            if arguments.contains_key(name) {
                return Err(refused(
                    function,
                    "an argument can't be called `thought`, which holds the thought",
                ));
            }
            let written = places_can_be_read_back(property).and_then(|()| self.written(property));
            let written = written.map_err(|problem| refused(function, &format!("{name}: {problem}")))?;
            arguments.insert(name.clone(), written);
            if is_required(&schema, name) {
                required.push(json!(name));
            }
        }
        let mut parameters = json!({ "type": "object", "properties": arguments, "required": required });
        if let (Some(parameters), Some(value)) =
            (parameters.as_object_mut(), schema.get("additionalProperties"))
        {
            parameters.insert("additionalProperties".into(), value.clone());
        }
        Ok(Declared { name: function.name.clone(), description: function.description.clone(), parameters })
    }

    /// A schema as an API takes it: places in its convention, nothing that it may not know.
    pub(crate) fn written(self, schema: &Value) -> Result<Value, String> {
        if let Some(mark) = Mark::of(schema) {
            let mut place = self.places.schema(mark?)?;
            let words = [schema.get("description"), place.get("description")];
            let words: Vec<&str> = words.into_iter().flatten().filter_map(Value::as_str).collect();
            place["description"] = json!(words.join(" "));
            return Ok(place);
        }
        let Value::Object(object) = schema else { return Ok(schema.clone()) };
        let mut result = Map::new();
        for (key, value) in object {
            let key = key.as_str();
            // `uint32` is schemars' word; an API knows those of strings.
            let is_number_format = key == "format" && object.get("type").is_none_or(|kind| kind != "string");
            if LEFT_OUT.contains(&key) || key.starts_with("x-") || is_number_format {
                continue;
            }
            let value = match (key, value) {
                ("properties", Value::Object(properties)) => properties
                    .iter()
                    .map(|(name, property)| Ok((name.clone(), self.written(property)?)))
                    .collect::<Result<Value, String>>()?,
                ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(branches)) => {
                    branches.iter().map(|branch| self.written(branch)).collect::<Result<Value, String>>()?
                }
                ("items" | "additionalProperties", schema) => self.written(schema)?,
                // Not every API knows `const`.
                ("const", value) => json!([value]),
                _ => value.clone(),
            };
            let key = match key {
                "oneOf" => "anyOf",
                "const" => "enum",
                other => other,
            };
            result.insert(key.into(), value);
        }
        if let Some(kind) = result.get("enum").filter(|_| !result.contains_key("type")).and_then(kind_of) {
            result.insert("type".into(), json!(kind));
        }
        Ok(Value::Object(result))
    }

    /// Whether a call of long ago can be shown as one: of a function or the tool, and not one of which a person would have had
    /// to be asked, unless one confirmed it.
    pub(crate) fn shows(
        self,
        name: &str,
        arguments: &Map<String, Value>,
        confirmed: bool,
        functions: &[Function],
    ) -> bool {
        let Some(computer) = self.computer else { return false };
        let may_be_shown = match computer.check(arguments) {
            Check::Passed => true,
            Check::Confirm(_) => confirmed,
            Check::Blocked(_) => false,
        };
        may_be_shown && (computer.owns(name, functions) || computer.declares(name, functions))
    }

    /// Reads a call as the API handed it back.
    ///
    /// # Errors
    ///
    /// Why it isn't a call, in words for the model to read.
    pub(crate) fn read(
        self,
        name: &str,
        arguments: &str,
        thought: Thought,
        functions: &[Function],
    ) -> Result<Native, String> {
        // A function without arguments may be called with none.
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let mut arguments: Map<String, Value> = serde_json::from_str(arguments)
            .map_err(|error| format!("the arguments of `{name}` aren't one JSON object: {error}"))?;
        let mut concern = None;
        if let Some(computer) = self.computer {
            // Functions that are declared beside the tool may be asked about as well.
            concern = computer.checked(&mut arguments)?;
            if computer.owns(name, functions) {
                let thought = computer.intent(&arguments).unwrap_or_default().to_owned();
                let call = computer.read(name, arguments, functions)?;
                return Ok(Native { thought, call, concern });
            }
        }
        let Some(function) = functions.iter().find(|function| function.name == name) else {
            let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
            return Err(format!("there is no function `{name}`; there are {}", names.join(", ")));
        };
        let thought = match thought {
            Thought::Free => {
                arguments.shift_remove(THOUGHT).and_then(|thought| thought.as_str().map(str::to_owned))
            }
            Thought::None => None,
        };
        let schema = resolve(function).map_err(|error| error.to_string())?;
        let arguments = schema::read(&schema, Value::Object(arguments), &self.places)?;
        let call = Call { function: name.into(), arguments };
        Ok(Native { thought: thought.unwrap_or_default(), call, concern })
    }
}

/// The type of values that all have the same; OpenAI wants it said.
fn kind_of(values: &Value) -> Option<&'static str> {
    let kind = |value: &Value| match value {
        Value::String(_) => Some("string"),
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        _ => None,
    };
    let mut kinds = values.as_array()?.iter().map(kind);
    let first = kinds.next()??;
    kinds.all(|kind| kind == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests;
