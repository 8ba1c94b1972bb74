//! A function's JSON Schema: resolved, turned into the schema of what a model writes, and used to read it back.

use serde_json::{Map, Value, json};

use super::grid::{Mark, Ruler, Scale};
use crate::{Function, ModelError};

/// How many references may be followed one inside another. Anything deeper refers to itself.
const DEEPEST: usize = 16;

/// Keywords that say something to people and nothing to a grammar.
const ANNOTATIONS: [&str; 11] = [
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// The function's schema with every reference replaced by what it refers to.
pub(super) fn resolve(function: &Function) -> Result<Value, ModelError> {
    let root = &function.schema;
    inline(root, root, 0).map_err(|problem| refused(function, &problem))
}

/// A request that can't be fulfilled, naming the function at fault.
pub(super) fn refused(function: &Function, problem: &str) -> ModelError {
    ModelError::Request(format!("function `{}`: {problem}", function.name))
}

fn inline(node: &Value, root: &Value, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("its schema refers to itself, which no grammar can be made of".into());
    }
    match node {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let pointer =
                    reference.strip_prefix('#').ok_or_else(|| format!("`{reference}` lies elsewhere"))?;
                let target = root.pointer(pointer).ok_or_else(|| format!("`{reference}` isn't there"))?;
                let mut resolved = inline(target, root, depth + 1)?;
                // What stands beside a reference (a description) belongs to the place, not to the target.
                if let Some(resolved) = resolved.as_object_mut() {
                    for (key, value) in object.iter().filter(|(key, _)| *key != "$ref") {
                        resolved.insert(key.clone(), inline(value, root, depth)?);
                    }
                }
                return Ok(resolved);
            }
            let entries = object.iter().filter(|(key, _)| !["$defs", "definitions"].contains(&key.as_str()));
            entries.map(|(key, value)| Ok((key.clone(), inline(value, root, depth)?))).collect()
        }
        Value::Array(items) => items.iter().map(|item| inline(item, root, depth)).collect(),
        other => Ok(other.clone()),
    }
}

/// The arguments of a resolved schema, in its order.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Whether an argument must be there.
pub(super) fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|required| required == name))
}

/// The schema of a whole call: one flat object, its name first under this key, then the arguments in their order.
pub(super) fn call(
    function: &Function,
    schema: &Value,
    scale: Scale,
    key: &str,
) -> Result<Value, ModelError> {
    let mut call = arguments(function, schema, scale)?;
    if properties(schema).any(|(name, _)| name == key) {
        return Err(refused(
            function,
            &format!("an argument can't be called `{key}`, which names the function"),
        ));
    }
    if let Some(arguments) = call["properties"].as_object_mut() {
        arguments.shift_insert(0, key.into(), json!({ "const": function.name }));
    }
    if let Some(required) = call["required"].as_array_mut() {
        required.insert(0, json!(key));
    }
    Ok(call)
}

/// The schema of a function's arguments alone, as a model writes them.
pub(super) fn arguments(function: &Function, schema: &Value, scale: Scale) -> Result<Value, ModelError> {
    let (mut arguments, mut required) = (Map::new(), Vec::new());
    for (name, property) in properties(schema) {
        places_can_be_read_back(property)
            .map_err(|problem| refused(function, &format!("{name}: {problem}")))?;
        arguments
            .insert(name.clone(), written(property, scale).map_err(|problem| refused(function, &problem))?);
        if is_required(schema, name) {
            required.push(json!(name));
        }
    }
    Ok(
        json!({ "type": "object", "properties": arguments, "required": required, "additionalProperties": false }),
    )
}

/// What a model writes for a value of this schema: places in its grid, nothing that only people read.
pub(super) fn written(schema: &Value, scale: Scale) -> Result<Value, String> {
    if let Some(mark) = Mark::of(schema) {
        let mark = mark?;
        return scale.schema(mark);
    }
    let Value::Object(object) = schema else {
        return Ok(schema.clone());
    };
    let mut result = Map::new();
    for (key, value) in object {
        let key = key.as_str();
        let is_number_format = key == "format" && object.get("type").is_none_or(|kind| kind != "string");
        if ANNOTATIONS.contains(&key) || key.starts_with("x-") || is_number_format {
            continue;
        }
        let value = match (key, value) {
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, property)| Ok((name.clone(), written(property, scale)?)))
                .collect::<Result<Value, String>>()?,
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(branches)) => {
                branches.iter().map(|branch| written(branch, scale)).collect::<Result<Value, String>>()?
            }
            ("items" | "additionalProperties", schema) => written(schema, scale)?,
            _ => value.clone(),
        };
        // A grammar writes what fits one branch; that no other fits too is for the tool to check.
        result.insert(if key == "oneOf" { "anyOf" } else { key }.into(), value);
    }
    Ok(Value::Object(result))
}

/// Whether [`read`] would find every place in a value of this schema. One that it missed would reach the
/// tool in the model's grid and be taken for pixels.
pub(super) fn places_can_be_read_back(schema: &Value) -> Result<(), String> {
    if Mark::of(schema).is_some() {
        return Ok(());
    }
    let Value::Object(object) = schema else { return Ok(()) };
    object.iter().try_for_each(|(key, value)| match (key.as_str(), value) {
        ("properties", Value::Object(properties)) => {
            properties.values().try_for_each(places_can_be_read_back)
        }
        ("items", items) => places_can_be_read_back(items),
        ("anyOf" | "oneOf", Value::Array(branches)) => {
            // An optional place: one branch is the place itself.
            branches.iter().filter(|branch| Mark::of(branch).is_none()).try_for_each(no_place_within)
        }
        _ => no_place_within(value),
    })
}

fn no_place_within(value: &Value) -> Result<(), String> {
    const PROBLEM: &str = "a place can stand in a struct, a list or an option, but not in a tuple, a map or one of several shapes";
    match value {
        Value::Object(_) if Mark::of(value).is_some() => Err(PROBLEM.into()),
        Value::Object(object) => object.values().try_for_each(no_place_within),
        Value::Array(items) => items.iter().try_for_each(no_place_within),
        _ => Ok(()),
    }
}

/// A written value with its places brought from the model's own numbers to pixels.
pub(super) fn read(schema: &Value, value: Value, ruler: &impl Ruler) -> Result<Value, String> {
    brought(schema, value, &|mark, place| ruler.to_pixels(mark, place))
}

/// The other way round: a value with its places brought from pixels to the grid.
pub(super) fn write(schema: &Value, value: Value, scale: Scale) -> Result<Value, String> {
    brought(schema, value, &|mark, place| scale.of_pixels(mark, place))
}

/// The arguments of a call as the model writes them, in the order in which the grammar has them.
pub(super) fn write_in_order(
    schema: &Value,
    value: &Value,
    scale: Scale,
) -> Result<Map<String, Value>, String> {
    let written = write(schema, value.clone(), scale)?;
    let in_order =
        properties(schema).filter_map(|(name, _)| Some((name.clone(), written.get(name)?.clone())));
    Ok(in_order.collect())
}

/// A value with its places brought to something else.
fn brought(
    schema: &Value,
    value: Value,
    bring: &impl Fn(Mark, &Value) -> Result<Value, String>,
) -> Result<Value, String> {
    if let Some(mark) = Mark::of(schema) {
        return bring(mark?, &value);
    }
    let branches = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array());
    if let Some(branches) = branches {
        // An optional place is a place or null.
        let marked = branches.iter().find(|branch| Mark::of(branch).is_some());
        return match marked {
            Some(branch) if !value.is_null() => brought(branch, value, bring),
            _ => Ok(value),
        };
    }
    match value {
        Value::Array(items) => match schema.get("items") {
            Some(schema) => items.into_iter().map(|item| brought(schema, item, bring)).collect(),
            None => Ok(Value::Array(items)),
        },
        Value::Object(entries) => entries
            .into_iter()
            .map(|(name, value)| {
                match schema.get("properties").and_then(|properties| properties.get(&name)) {
                    Some(schema) => {
                        let value =
                            brought(schema, value, bring).map_err(|problem| format!("{name}: {problem}"))?;
                        Ok((name, value))
                    }
                    None => Ok((name, value)),
                }
            })
            .collect(),
        other => Ok(other),
    }
}
