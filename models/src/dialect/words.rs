//! Functions written in plain words, for models whose templates have no place of their own for them.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    grid::{Grid, Mark, PlaceKind, Scale},
    schema::{is_required, properties},
};
use crate::{Function, Thought};

/// The system message's part about functions: what there is, how places are given, how to reply.
pub(super) fn instructions(
    functions: &[(&Function, Value)],
    scale: Scale,
    thought: Thought,
    marker: &str,
) -> Result<String, String> {
    let mut text = String::from("You act by calling one of these functions at a time:\n");
    let mut places = [false, false];
    let mut grid = None;
    for (function, schema) in functions {
        // Writing into a string can't fail.
        let _ = writeln!(text, "- {}", line(function, schema));
        for (_, property) in properties(schema) {
            let Some(mark) = mark(property) else { continue };
            places[usize::from(mark.kind == PlaceKind::Region)] = true;
            // All are about one screenshot.
            grid = Some(scale.of(mark)?);
        }
    }
    if let Some(grid) = grid {
        let what = match places {
            [true, true] => "A point is [x, y] and a region [left, top, right, bottom]",
            [true, false] => "A point is [x, y]",
            _ => "A region is [left, top, right, bottom]",
        };
        let _ = writeln!(text, "{}", self::grid(grid, &format!("{what},")));
    }
    let example = match functions.first() {
        Some((function, schema)) => example(function, schema, scale)?,
        None => String::new(),
    };
    let _ = match thought {
        Thought::Free => write!(
            text,
            "First think in a sentence or two. Then write {marker} and the call as one JSON object, like this:\n\
             {marker}{example}"
        ),
        Thought::None => {
            write!(text, "Reply with the call as one JSON object and nothing else, like this:\n{example}")
        }
    };
    Ok(text)
}

/// What the numbers of a place count.
pub(super) fn grid(grid: Grid, what: &str) -> String {
    format!(
        "{what} in whole numbers on the latest screenshot: from 0 at its left edge to {} at its right, from 0 at its top to \
         {} at its bottom.",
        grid.columns - 1,
        grid.rows - 1
    )
}

/// One function in one line: `scroll(point, direction, amount?): Scrolls. direction: "up" or "down".`
pub(super) fn line(function: &Function, schema: &Value) -> String {
    let names: Vec<String> = properties(schema)
        .map(|(name, _)| if is_required(schema, name) { name.clone() } else { format!("{name}?") })
        .collect();
    let mut text = format!("{}({}): {}", function.name, names.join(", "), sentence(&function.description));
    for (name, property) in properties(schema) {
        let about = property.get("description").and_then(Value::as_str).map(one_line).unwrap_or_default();
        let kind = kind(property);
        let both = if about.is_empty() || kind.is_empty() { "" } else { "; " };
        let _ = write!(text, " {name}: {}", sentence(&format!("{kind}{both}{about}")));
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sentence(text: &str) -> String {
    let text = one_line(text);
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

/// The branch of an optional value that isn't null, else the value itself.
fn present(property: &Value) -> &Value {
    let branches = ["anyOf", "oneOf"].iter().find_map(|key| property.get(key)?.as_array());
    branches
        .and_then(|branches| {
            branches.iter().find(|branch| branch.get("type").is_none_or(|kind| kind != "null"))
        })
        .filter(|_| choices(property).is_none())
        .unwrap_or(property)
}

fn mark(property: &Value) -> Option<Mark> {
    Mark::of(present(property))?.ok()
}

/// The values of an enumeration, however the schema writes it.
fn choices(property: &Value) -> Option<Vec<&Value>> {
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        return Some(values.iter().filter(|value| !value.is_null()).collect());
    }
    let branches = ["oneOf", "anyOf"].iter().find_map(|key| property.get(key)?.as_array())?;
    branches.iter().map(|branch| branch.get("const")).collect()
}

fn kind(property: &Value) -> String {
    let property = present(property);
    match mark(property).map(|mark| mark.kind) {
        Some(PlaceKind::Point) => return "a point".into(),
        Some(PlaceKind::Region) => return "a region".into(),
        None => {}
    }
    if let Some(choices) = choices(property) {
        let choices: Vec<String> = choices.into_iter().map(Value::to_string).collect();
        return match choices.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => choices.concat(),
        };
    }
    let name = match property.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None => None,
    };
    match name {
        Some("string") => "text".into(),
        Some("integer") => format!("a whole number{}", range(property)),
        Some("number") => format!("a number{}", range(property)),
        Some("boolean") => "true or false".into(),
        Some("array") => "a list".into(),
        Some("object") => "a JSON object".into(),
        _ => String::new(),
    }
}

fn range(property: &Value) -> String {
    match (property.get("minimum"), property.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (None, Some(most)) => format!(" up to {most}"),
        (Some(least), None) if *least != json!(0) => format!(" from {least} up"),
        _ => String::new(),
    }
}

/// A call of this function with what it must have.
fn example(function: &Function, schema: &Value, scale: Scale) -> Result<String, String> {
    let mut call = serde_json::Map::new();
    call.insert("tool".into(), json!(function.name));
    for (name, property) in properties(schema).filter(|(name, _)| is_required(schema, name)) {
        call.insert(name.clone(), example_value(property, scale)?);
    }
    Ok(Value::Object(call).to_string())
}

fn example_value(property: &Value, scale: Scale) -> Result<Value, String> {
    let Some(mark) = mark(property) else { return Ok(other_example(property)) };
    let Grid { columns, rows } = scale.of(mark)?;
    Ok(match mark.kind {
        PlaceKind::Point => json!([columns / 2, rows / 4]),
        PlaceKind::Region => json!([columns / 4, rows / 4, columns / 2, rows / 2]),
    })
}

fn other_example(property: &Value) -> Value {
    if let Some(first) = choices(property).and_then(|choices| choices.first().map(|choice| (*choice).clone()))
    {
        return first;
    }
    match property.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => {
            property.get("minimum").cloned().filter(|least| *least != 0).unwrap_or(json!(1))
        }
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("…"),
    }
}
