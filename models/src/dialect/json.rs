//! The JSON dialect: perhaps a thought and a marker, then one flat JSON object that names the function first.
//!
//! ```text
//! The field is empty.Action:{"tool":"click","point":[12,34]}
//! ```

use percept_runtime::{Form, Grammar, Marker, Prelude};
use serde_json::{Map, Value, json};

use super::{
    Dialect,
    grid::{Grid, Scale},
    schema::{self, call, resolve},
    words,
};
use crate::{Call, Function, ModelError, Thought, folder::FolderSettings, processor::SmartSize};

/// The JSON dialect with a folder's own marker and its model's scale of places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonDialect {
    marker: Marker,
    scale: Scale,
}

impl JsonDialect {
    /// The dialect of a folder. The marker is a special token if the tokenizer has one of that text.
    pub fn new(settings: &FolderSettings, is_special: impl Fn(&str) -> bool) -> Self {
        let text = settings.marker.clone();
        let marker = if is_special(&text) { Marker::Special(text) } else { Marker::Text(text) };
        let own = settings.grid.map(|[columns, rows]| Scale::Grid(Grid { columns, rows }));
        Self { marker, scale: own.unwrap_or(Scale::THOUSANDTHS) }
    }

    /// The same for a model whose places are pixels of the image that it was shown, in this size or as it is, unless the
    /// folder has a grid of its own.
    #[must_use]
    pub fn with_places_in(self, size: Option<SmartSize>, settings: &FolderSettings) -> Self {
        let of_image = size.map_or(Scale::Pixels, Scale::Resized);
        let scale = if settings.grid.is_some() { self.scale } else { of_image };
        Self { scale, ..self }
    }
}

fn resolved(functions: &[Function]) -> Result<Vec<(&Function, Value)>, ModelError> {
    if functions.is_empty() {
        return Err(ModelError::Request("a call is asked for, but no function is on offer".into()));
    }
    functions.iter().map(|function| Ok((function, resolve(function)?))).collect()
}

impl Dialect for JsonDialect {
    fn instructions(&self, functions: &[Function], thought: Thought) -> Result<String, ModelError> {
        let (Marker::Text(marker) | Marker::Special(marker)) = &self.marker;
        words::instructions(&resolved(functions)?, self.scale, thought, marker).map_err(ModelError::Request)
    }

    fn grammar(
        &self,
        functions: &[Function],
        thought: Thought,
        max_thought_tokens: usize,
    ) -> Result<Grammar, ModelError> {
        let mut calls = resolved(functions)?
            .iter()
            .map(|(function, schema)| call(function, schema, self.scale, "tool"))
            .collect::<Result<Vec<_>, _>>()?;
        let schema = if calls.len() == 1 { calls.remove(0) } else { json!({ "anyOf": calls }) };
        let prelude = match thought {
            Thought::Free => {
                Prelude::FreeText { marker: self.marker.clone(), max_tokens: max_thought_tokens }
            }
            Thought::None => Prelude::None,
        };
        Ok(Grammar { prelude, form: Form::Json(schema) })
    }

    fn marker(&self) -> Option<&Marker> {
        Some(&self.marker)
    }

    fn read(&self, reply: &str, functions: &[Function]) -> Result<Call, String> {
        let mut arguments: Map<String, Value> = serde_json::from_str(reply.trim())
            .map_err(|error| format!("the reply isn't one JSON object: {error}"))?;
        let Some(Value::String(name)) = arguments.shift_remove("tool") else {
            return Err("the reply doesn't name its `tool`".into());
        };
        let Some(function) = functions.iter().find(|function| function.name == name) else {
            let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
            return Err(format!("there is no function `{name}`; there are {}", names.join(", ")));
        };
        let schema = resolve(function).map_err(|error| error.to_string())?;
        let arguments = schema::read(&schema, Value::Object(arguments), &self.scale)?;
        Ok(Call { function: name, arguments })
    }

    fn write(&self, call: &Call, offered: &[Function]) -> Option<Result<String, String>> {
        let written = || {
            let function = super::called(call, offered)?;
            let schema = resolve(function).map_err(|error| error.to_string())?;
            let arguments = schema::write_in_order(&schema, &call.arguments, self.scale)?;
            let name = std::iter::once(("tool".to_owned(), json!(call.function)));
            Ok(Value::Object(name.chain(arguments).collect()).to_string())
        };
        Some(written())
    }
}
