//! The JSON Schema of a tool's arguments, as short as a model's prompt wants it.

use schemars::{JsonSchema, Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

/// The schema of `Args`: no references, no titles, no names of Rust's integers, and a field that may be left
/// out has one type instead of "this or null". The card says what the tool is for, so the root says nothing.
pub(super) fn of<Args: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.meta_schema = None;
        s.inline_subschemas = true;
        s.transforms.push(Box::new(RecursiveTransform(shorten)));
    });
    let mut schema = settings.into_generator().into_root_schema_for::<Args>();
    schema.remove("description");
    schema.to_value()
}

fn shorten(schema: &mut Schema) {
    schema.remove("title");
    let Some(object) = schema.as_object_mut() else { return };
    // `uint32` and the like are Rust's; JSON knows numbers, and their bounds stand beside the format.
    if !matches!(object.get("type"), Some(Value::String(kind)) if kind == "string") {
        object.remove("format");
    }
    let required: Vec<Value> = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    for (name, property) in properties {
        if !required.iter().any(|r| r.as_str() == Some(name)) {
            without_null(property);
        }
    }
}

/// `["string", "null"]` becomes `"string"`; other types stay.
fn without_null(property: &mut Value) {
    let Some(kind) = property.get_mut("type") else { return };
    let Value::Array(kinds) = kind else { return };
    kinds.retain(|k| k != "null");
    if let [only] = kinds.as_slice() {
        *kind = only.clone();
    }
}
