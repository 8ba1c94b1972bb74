//! Functions as they are declared in the prompt and bounded in the grammar: `computer_use` with the actions on offer,
//! then the others.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::NAME;
use crate::{
    ModelError, Thought,
    dialect::{
        actions::{Argument, Means, Offer, Offered, STATUSES},
        grid::{Mark, Scale},
        native::NativeDialect,
        places::Places,
        schema::{self, refused},
    },
};

/// The furthest that the wheel turns at once, in the model's own lengths.
const FURTHEST: i64 = 10_000;

/// The arguments of `computer_use` for one action, as the grammar bounds them.
pub(super) fn arguments(offered: &Offered<'_>, scale: Scale) -> Result<Value, String> {
    let mut properties = Map::from_iter([("action".to_owned(), json!({ "const": offered.action.name }))]);
    let mut required = vec!["action"];
    for argument in offered.arguments() {
        properties.insert(argument.name.into(), value(offered, argument, scale)?);
        if !argument.optional {
            required.push(argument.name);
        }
    }
    Ok(
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false }),
    )
}

/// The schema of one of an action's arguments as the model writes it, if it takes one of this name.
pub(super) fn argument(offered: &Offered<'_>, name: &str, scale: Scale) -> Option<Value> {
    let argument = offered.arguments().find(|argument| argument.name == name)?;
    value(offered, argument, scale).ok()
}

/// What may be written for an argument.
fn value(offered: &Offered<'_>, argument: &Argument, scale: Scale) -> Result<Value, String> {
    match argument.means {
        Means::Point(name) | Means::Pair(name) => match Mark::of(offered.property(name)) {
            Some(mark) => scale.schema(mark?),
            None => Err(format!("`{name}` is no place")),
        },
        Means::Keys(_, names) => Ok(names.schema()),
        Means::Seconds(name) | Means::Percent(name) => Ok(whole_numbers(offered.property(name))),
        Means::Wheel { .. } => Ok(json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": FURTHEST },
            { "type": "integer", "minimum": -FURTHEST, "maximum": -1 }
        ] })),
        Means::Enter(_) => Ok(json!({ "type": "boolean" })),
        Means::Status => Ok(json!({ "enum": STATUSES })),
        Means::Text(name)
        | Means::Direction(name)
        | Means::Own(name)
        | Means::Middle(name)
        | Means::Usual(name, _)
        | Means::Unsaid(name) => {
            let property = offered.property(name);
            schema::places_can_be_read_back(property)?;
            let mut written = schema::written(property, scale)?;
            // Whether it may be left out is said elsewhere; what is there isn't null.
            if let Some(kind @ Value::Array(_)) = written.get_mut("type") {
                *kind = match argument.means {
                    Means::Text(_) | Means::Direction(_) => json!("string"),
                    _ => present(kind),
                };
            }
            Ok(written)
        }
    }
}

/// A list of types without null: the one that is left, or the list.
fn present(kinds: &Value) -> Value {
    let mut kinds = kinds.as_array().cloned().unwrap_or_default();
    kinds.retain(|kind| kind != "null");
    if kinds.len() == 1 { kinds.remove(0) } else { Value::Array(kinds) }
}

/// Whole numbers within a number's bounds.
pub(in crate::dialect) fn whole_numbers(property: &Value) -> Value {
    let mut whole = json!({ "type": "integer", "minimum": 0 });
    let bound = |key: &str, round: fn(f64) -> f64| property.get(key).and_then(Value::as_f64).map(round);
    #[allow(clippy::cast_possible_truncation, reason = "a cast saturates")]
    for (key, bound) in [("minimum", bound("minimum", f64::ceil)), ("maximum", bound("maximum", f64::floor))]
    {
        if let Some(bound) = bound {
            whole[key] = json!(bound as i64);
        }
    }
    whole
}

/// Every function as it is declared between `<tools>` tags.
pub(super) fn declared(offer: &Offer<'_>, scale: Scale) -> Result<Vec<Value>, ModelError> {
    let mut all = Vec::new();
    if !offer.actions.is_empty() {
        all.push(computer_use(offer, scale)?);
    }
    // As an API declares them, with places in this model's numbers.
    let dialect = NativeDialect { places: Places::Own(scale), computer: None };
    let others: Vec<_> = offer.others.iter().map(|(function, _)| (*function).clone()).collect();
    if !others.is_empty() {
        for declared in dialect.declare(&others, Thought::None)? {
            all.push(json!({ "type": "function", "function": {
                "name": declared.name, "description": declared.description, "parameters": declared.parameters
            } }));
        }
    }
    Ok(all)
}

fn computer_use(offer: &Offer<'_>, scale: Scale) -> Result<Value, ModelError> {
    let mut description =
        String::from("Use a mouse and a keyboard on the screen that the newest screenshot shows.");
    if let (Some(mark), Some(offered)) = (offer.mark(), offer.actions.first()) {
        let grid = scale.of(mark).map_err(|problem| refused(offered.function, &problem))?;
        // Thousandths reach from 0 to 1000.
        let [columns, rows] = match scale {
            Scale::Resized(_) | Scale::Within(_) | Scale::Pixels => [grid.columns, grid.rows],
            Scale::Grid(_) | Scale::Fractions => [grid.columns - 1, grid.rows - 1],
        };
        // Writing into a string can't fail.
        let _ = write!(description, "\n* The screen's resolution is {columns}x{rows}.");
        description.push_str("\n* Click the middle of what is meant.");
    }
    let (mut actions, mut names) = (String::from("What to do:"), Vec::new());
    let mut arguments: Vec<(&'static str, Value, Vec<&'static str>)> = Vec::new();
    for offered in &offer.actions {
        let _ = write!(actions, "\n* `{}`: {}", offered.action.name, offered.action.does);
        names.push(offered.action.name);
        for argument in offered.arguments() {
            if let Some((.., wanted)) = arguments.iter_mut().find(|(name, ..)| *name == argument.name) {
                wanted.push(offered.action.name);
                continue;
            }
            let schema =
                about(offered, argument, scale).map_err(|problem| refused(offered.function, &problem))?;
            arguments.push((argument.name, schema, vec![offered.action.name]));
        }
    }
    let action = json!({ "description": actions, "enum": names, "type": "string" });
    let mut properties = Map::from_iter([("action".to_owned(), action)]);
    for (name, mut schema, wanted) in arguments {
        let wanted: Vec<String> = wanted.iter().map(|action| format!("`action={action}`")).collect();
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        schema["description"] = json!(format!("{about} Only for {}.", wanted.join(", ")).trim_start());
        properties.insert(name.into(), schema);
    }
    let parameters = json!({ "properties": properties, "required": ["action"], "type": "object" });
    let function = json!({ "name": NAME, "description": description, "parameters": parameters });
    Ok(json!({ "type": "function", "function": function }))
}

/// An argument in the declaration: its type, and what it counts.
fn about(offered: &Offered<'_>, argument: &Argument, scale: Scale) -> Result<Value, String> {
    Ok(match argument.means {
        Means::Point(_) | Means::Pair(_) => json!({
            "description": "(x, y): how far from the left edge and from the top edge.", "type": "array"
        }),
        Means::Keys(..) => json!({ "type": "array" }),
        Means::Seconds(_) | Means::Percent(_) | Means::Wheel { .. } => json!({ "type": "number" }),
        Means::Status => json!({ "type": "string", "enum": STATUSES }),
        Means::Text(_) | Means::Direction(_) => json!({ "type": "string" }),
        Means::Enter(_) => json!({ "type": "boolean" }),
        Means::Own(_) | Means::Middle(_) | Means::Usual(..) | Means::Unsaid(_) => {
            let mut schema = value(offered, argument, scale)?;
            if let Means::Own(name) = argument.means {
                let whole = offered.schema.get("properties").and_then(|all| all.get(name));
                if let Some(words) = whole.and_then(|property| property.get("description")) {
                    schema["description"] = words.clone();
                }
            }
            schema
        }
    })
}
