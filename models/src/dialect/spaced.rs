//! JSON with a space after each comma and colon, as Python writes it and as models that were trained on its output do.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value, json, ser::Formatter};

/// A schema whose JSON has these spaces, and no others.
pub(super) fn schema(schema: &Value) -> Value {
    let mut schema = schema.as_object().cloned().unwrap_or_else(Map::new);
    let spaces = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
    schema.insert("x-guidance".into(), spaces);
    Value::Object(schema)
}

/// A value with these spaces.
pub(super) fn text(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaces);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_else(|_| value.to_string()),
        // Writing to memory can't fail.
        Err(_) => value.to_string(),
    }
}

struct Spaces;

impl Formatter for Spaces {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_stand_between_values_and_not_within_them() {
        let value = json!({ "a": [1, 2], "b": { "c": "x,y:z é" }, "d": [], "e": null });
        assert_eq!(text(&value), r#"{"a": [1, 2], "b": {"c": "x,y:z é"}, "d": [], "e": null}"#);
    }
}
