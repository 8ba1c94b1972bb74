//! The form in which Qwen3.5 and Qwen3-Coder write a call: tags for the function and for each argument.
//!
//! ```text
//! <tool_call>
//! <function=computer_use>
//! <parameter=action>
//! left_click
//! </parameter>
//! <parameter=coordinate>
//! [500, 250]
//! </parameter>
//! </function>
//! </tool_call>
//! ```
//!
//! As their published chat templates have it: a text stands as it is between the line breaks inside its tags, a list or an
//! object as JSON with spaces, anything else as Python writes it (`True`, `None`, `1.5`). So whether `5` is a text or a
//! number is for the function's schema to say, and a text can't hold the end of its own tag.

use percept_runtime::Form;
use serde_json::{Map, Value, json};

use crate::dialect::spaced;

/// What a template that declares functions so writes.
pub(super) const FORM: &str =
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\n";

/// The form as the prompt shows it where the template doesn't.
pub(super) const SHOWN: &str =
    "<tool_call>\n<function=NAME>\n<parameter=ARGUMENT>\nvalue\n</parameter>\n</function>\n</tool_call>";

const END: &str = "\n</parameter>\n";

/// A call in the grammar: the schema of its arguments is an object's.
pub(super) fn grammar(name: &str, arguments: &Value, close: &str) -> Form {
    let required = arguments.get("required").and_then(Value::as_array);
    let properties = arguments.get("properties").and_then(Value::as_object);
    let mut forms = vec![Form::Text(format!("\n<function={name}>\n"))];
    for (argument, schema) in properties.into_iter().flatten() {
        let is_required = required.is_some_and(|names| names.iter().any(|known| known == argument));
        let open = Form::Text(format!("<parameter={argument}>\n"));
        match (value(schema), is_required) {
            (Some(value), true) => forms.push(Form::Sequence(vec![open, value])),
            (Some(value), false) => {
                forms.push(Form::Optional(Box::new(Form::Sequence(vec![open, value]))));
            }
            // It can be nothing but null.
            (None, true) => forms.push(Form::Sequence(vec![open, Form::Text(format!("None{END}"))])),
            (None, false) => {}
        }
    }
    forms.push(Form::Text(format!("</function>\n{close}")));
    Form::Sequence(forms)
}

/// A value and the end of its tag; `None` where there is no value but null.
fn value(schema: &Value) -> Option<Form> {
    // An argument that may be null is left out instead.
    if let Some(only) = besides_null(schema) {
        return value(only);
    }
    let words = schema.get("enum").and_then(Value::as_array).cloned();
    let words = words.or_else(|| schema.get("const").map(|word| vec![word.clone()]));
    if let Some(words) = words {
        let words = words.iter().filter(|word| !word.is_null());
        let words: Vec<Form> = words.map(ended).collect();
        return (!words.is_empty()).then_some(Form::Choice(words));
    }
    if is_text(schema) {
        let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
        let (shortest, longest) = (bound("minLength").unwrap_or(0), bound("maxLength"));
        return Some(Form::UpTo { end: END.into(), shortest, longest });
    }
    if schema.get("type").is_some_and(|kind| kind == "boolean") {
        return Some(Form::Choice([true, false].map(|word| ended(&json!(word))).into()));
    }
    Some(Form::Sequence(vec![Form::Json(spaced::schema(schema)), Form::Text(END.into())]))
}

/// A value as it is, perhaps an empty text, and the end of its tag.
fn ended(value: &Value) -> Form {
    Form::Text(text(value) + END)
}

/// The one branch of a schema that isn't null, if there are no others.
fn besides_null(schema: &Value) -> Option<&Value> {
    let branches = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array())?;
    let mut branches = branches.iter().filter(|branch| branch.get("type").is_none_or(|kind| kind != "null"));
    branches.next().filter(|_| branches.next().is_none())
}

/// Whether a value of this schema is a text and nothing else, null aside.
fn is_text(schema: &Value) -> bool {
    if let Some(branches) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()) {
        let mut branches =
            branches.iter().filter(|branch| branch.get("type").is_none_or(|kind| kind != "null"));
        return branches.next().is_some_and(is_text) && branches.all(is_text);
    }
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().all(|kind| kind == "string" || kind == "null"),
        Some(kind) => kind == "string",
        None => ["enum", "const"].iter().any(|key| match schema.get(key) {
            Some(Value::Array(words)) => words.iter().all(Value::is_string),
            Some(word) => word.is_string(),
            None => false,
        }),
    }
}

/// A call as it is written: the name, and each argument's text.
///
/// # Errors
///
/// In words for the model: it isn't in this form.
pub(super) fn read(reply: &str) -> Result<(String, Vec<(String, String)>), String> {
    let form = || format!("what is within <tool_call> isn't in the form\n{SHOWN}");
    let rest = reply.trim().strip_prefix("<function=").ok_or_else(form)?;
    let (name, mut rest) = rest.split_once('>').ok_or_else(form)?;
    let mut arguments = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("</function>") {
            if !after.trim().is_empty() {
                return Err("the reply goes on after its one call: make one at a time".into());
            }
            return Ok((name.trim().to_owned(), arguments));
        }
        let tag = rest.strip_prefix("<parameter=").ok_or_else(form)?;
        let (argument, tag) = tag.split_once('>').ok_or_else(form)?;
        let (value, after) = valued(tag).ok_or_else(form)?;
        arguments.push((argument.trim().to_owned(), value.to_owned()));
        rest = after;
    }
}

/// What stands in an argument's tag, and what behind its end.
fn valued(tag: &str) -> Option<(&str, &str)> {
    // As the grammar has it: within a text the letters of the end are some of its own, unless they are a line.
    let lines = tag.strip_prefix('\n').and_then(|lines| lines.split_once(END));
    lines.or_else(|| {
        let (value, after) = tag.split_once("</parameter>")?;
        let value = value.strip_prefix('\n').unwrap_or(value);
        Some((value.strip_suffix('\n').unwrap_or(value), after))
    })
}

/// An argument's text as a value of this schema.
pub(super) fn typed(written: &str, schema: &Value) -> Value {
    if is_text(schema) {
        return json!(written);
    }
    match written.trim() {
        "True" => json!(true),
        "False" => json!(false),
        "None" => Value::Null,
        other => serde_json::from_str(other).unwrap_or_else(|_| json!(written)),
    }
}

/// A call as the model would write it.
///
/// # Errors
///
/// In words: a text holds the end of its tag.
pub(super) fn written(name: &str, arguments: &Map<String, Value>, close: &str) -> Result<String, String> {
    let mut lines = format!("\n<function={name}>\n");
    // As a text `None` would be read back as that word.
    for (argument, value) in arguments.iter().filter(|(_, value)| !value.is_null()) {
        let value = text(value);
        let ended = value.clone() + END;
        if ended.find(END) != Some(value.len()) {
            let end = END.trim();
            return Err(format!(
                "{argument}: a text with the line `{end}` can't be written between these tags"
            ));
        }
        lines.extend(["<parameter=", argument, ">\n", &ended]);
    }
    lines.push_str("</function>\n");
    lines.push_str(close);
    Ok(lines)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Null => "None".into(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => spaced::text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_an_argument_is_as_narrow_as_its_schema() {
        let words = |words: &[&str]| {
            Some(Form::Choice(
                words.iter().map(|word| Form::Text(format!("{word}\n</parameter>\n"))).collect(),
            ))
        };
        let up_to = |shortest, longest| Some(Form::UpTo { end: END.into(), shortest, longest });
        let cases = [
            (
                json!({ "anyOf": [{ "type": "string", "enum": ["up", "down"] }, { "type": "null" }] }),
                words(&["up", "down"]),
            ),
            (json!({ "type": ["string", "null"], "enum": ["up", "down", null] }), words(&["up", "down"])),
            (json!({ "enum": ["", "asc"] }), words(&["", "asc"])),
            (json!({ "enum": [null] }), None),
            (json!({ "type": "boolean" }), words(&["True", "False"])),
            (json!({ "type": "string" }), up_to(0, None)),
            (json!({ "type": "string", "maxLength": 9 }), up_to(0, Some(9))),
            (json!({ "type": "string", "minLength": 2 }), up_to(2, None)),
        ];
        for (schema, expected) in cases {
            assert_eq!(value(&schema), expected, "{schema}");
        }
    }

    #[test]
    fn a_value_ends_where_a_line_is_the_end_of_its_tag() {
        let cases = [
            ("\nv\n</parameter>\nrest", Some(("v", "rest"))),
            ("\n\n</parameter>\nrest", Some(("", "rest"))),
            ("\na</parameter>b\n</parameter>\nrest", Some(("a</parameter>b", "rest"))),
            ("\n</parameter>\n\n</parameter>\nrest", Some(("</parameter>\n", "rest"))),
            // As no template writes it.
            ("v</parameter>rest", Some(("v", "rest"))),
            ("\nv\n</parameter></function>", Some(("v", "</function>"))),
            ("\nv", None),
        ];
        for (tag, expected) in cases {
            assert_eq!(valued(tag), expected, "{tag:?}");
        }
    }
}
