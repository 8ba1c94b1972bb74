//! Calls in Python's syntax, `click(x=0.5, y=0.3)`: read, and as forms of a grammar. Nothing is ever executed.
//!
//! Values are quoted texts, numbers, `True`, `False`, `None` and whatever is JSON.

use percept_runtime::Form;
use serde_json::{Map, Number, Value, json};

use super::{
    actions::{self, Action, Offer, WrittenAction},
    called,
    grid::Scale,
    schema::{self, is_required, places_can_be_read_back, properties, refused, resolve},
};
use crate::{Call, Function, ModelError};

/// A call as it was written: a name, then arguments with or without names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) arguments: Vec<(Option<String>, Value)>,
}

impl Written {
    /// Reads one call and nothing else.
    ///
    /// # Errors
    ///
    /// In words for the model: where it isn't one.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |at: &str| {
            format!("the reply isn't one call like `name(argument=value)`, from `{}` on", start(at))
        };
        let (name, rest) = text.split_once('(').ok_or_else(|| wrong(text))?;
        let name = name.trim();
        if !is_name(name) {
            return Err(wrong(text));
        }
        let (mut rest, mut arguments) = (rest.trim_start(), Vec::new());
        loop {
            if let Some(end) = rest.strip_prefix(')') {
                let end = end.trim();
                if end.is_empty() {
                    return Ok(Self { name: name.into(), arguments });
                }
                return Err(format!("one call at a time: `{}` comes after the first", start(end)));
            }
            let named = rest
                .split_once('=')
                .map(|(name, rest)| (name.trim(), rest))
                .filter(|(name, _)| is_name(name));
            let (argument, value) = named.map_or((None, rest), |(name, rest)| (Some(name.to_owned()), rest));
            let (value, after) = self::value(value.trim_start()).ok_or_else(|| wrong(rest))?;
            arguments.push((argument, value));
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.starts_with(')') => after,
                None => return Err(wrong(after)),
            };
        }
    }

    /// The arguments by name, those without one in the order of `names`.
    ///
    /// # Errors
    ///
    /// In words for the model: there are more than names, or one is there twice.
    pub(super) fn named(self, names: &[&str]) -> Result<Map<String, Value>, String> {
        let mut all = Map::new();
        for (place, (name, value)) in self.arguments.into_iter().enumerate() {
            let name = match (name, names.get(place)) {
                (Some(name), _) => name,
                (None, Some(name)) => (*name).to_owned(),
                (None, None) => {
                    return Err(format!("`{}` takes {} arguments at most", self.name, names.len()));
                }
            };
            if all.insert(name.clone(), value).is_some() {
                return Err(format!("`{}` has `{name}` twice", self.name));
            }
        }
        Ok(all)
    }
}

/// The beginning of a text, to show where something is.
fn start(text: &str) -> String {
    const SHOWN: usize = 40;
    text.chars().take(SHOWN).collect()
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || "_.-".contains(character))
}

/// A value at the beginning of a text, and what comes after it.
fn value(text: &str) -> Option<(Value, &str)> {
    for (word, value) in [("True", json!(true)), ("False", json!(false)), ("None", Value::Null)] {
        if let Some(rest) = text.strip_prefix(word) {
            return Some((value, rest));
        }
    }
    if text.starts_with('\'') {
        return quoted(text, '\'');
    }
    if let Some(inside) = text.strip_prefix('[') {
        return list(inside);
    }
    let digits = text.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(text.len());
    if digits > 0 {
        return Some((text[..digits].parse::<Number>().ok()?.into(), &text[digits..]));
    }
    let mut json = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match json.next() {
        Some(Ok(value)) => Some((value, &text[json.byte_offset()..])),
        // Python's escapes aren't all JSON's.
        _ => quoted(text, '"'),
    }
}

/// A list after its bracket: Python's may hold texts in single quotes.
fn list(mut rest: &str) -> Option<(Value, &str)> {
    let mut items = Vec::new();
    rest = rest.trim_start();
    while !rest.starts_with(']') {
        let (item, after) = value(rest)?;
        items.push(item);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.starts_with(']') => after,
            None => return None,
        };
    }
    Some((Value::Array(items), &rest[1..]))
}

/// A quoted text. A quote that isn't followed by the end of the argument belongs to the text: models forget to escape it.
fn quoted(text: &str, quote: char) -> Option<(Value, &str)> {
    let mut characters = text.strip_prefix(quote)?.char_indices();
    let inside = &text[1..];
    let mut read = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                'n' => read.push('\n'),
                't' => read.push('\t'),
                'r' => read.push('\r'),
                escaped @ ('\'' | '"' | '\\') => read.push(escaped),
                other => read.extend(['\\', other]),
            },
            _ if character == quote => {
                let rest = &inside[at + 1..];
                if rest.trim_start().starts_with([')', ',', ']']) || rest.trim().is_empty() {
                    return Some((json!(read), rest));
                }
                read.push(character);
            }
            _ => read.push(character),
        }
    }
    None
}

/// A text in single quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\'' | '\\' => quoted.extend(['\\', character]),
            _ => quoted.push(character),
        }
    }
    quoted.push('\'');
    quoted
}

/// The form of a text in single quotes, as long as its schema lets it be.
pub(super) fn text_form(schema: &Value) -> Form {
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    let count = match (bound("minLength"), bound("maxLength")) {
        (None | Some(0), None) => "*".into(),
        (least, most) => {
            format!("{{{},{}}}", least.unwrap_or(0), most.map_or(String::new(), |most| most.to_string()))
        }
    };
    Form::Regex(format!(r#"'([^'\\\x00-\x1f\x7f]|\\['"\\nt]){count}'"#))
}

/// The form of a call with these arguments, each already with its name.
pub(super) fn call_form(name: &str, required: Vec<Form>, optional: Vec<Form>) -> Form {
    let comma = || Form::Text(", ".into());
    let after = |form: Form| Form::Optional(Box::new(Form::Sequence(vec![comma(), form])));
    let mut parts = vec![Form::Text(format!("{name}("))];
    if required.is_empty() && !optional.is_empty() {
        // Any of them may be the first.
        let from = |first: usize| {
            let rest = optional.iter().skip(first + 1).cloned().map(after);
            Form::Sequence(std::iter::once(optional[first].clone()).chain(rest).collect())
        };
        parts.push(Form::Optional(Box::new(Form::Choice((0..optional.len()).map(from).collect()))));
    } else {
        for (place, form) in required.into_iter().enumerate() {
            if place > 0 {
                parts.push(comma());
            }
            parts.push(form);
        }
        parts.extend(optional.into_iter().map(after));
    }
    parts.push(Form::Text(")".into()));
    Form::Sequence(parts)
}

/// An argument and its name.
pub(super) fn argument_form(name: &str, value: Form) -> Form {
    Form::Sequence(vec![Form::Text(format!("{name}=")), value])
}

/// The form of a call of a function as it is, its values JSON.
///
/// # Errors
///
/// [`ModelError::Request`] if its schema can't be followed.
pub(super) fn function_form(function: &Function, schema: &Value, scale: Scale) -> Result<Form, ModelError> {
    let (mut required, mut optional) = (Vec::new(), Vec::new());
    for (name, property) in properties(schema) {
        let value = places_can_be_read_back(property).and_then(|()| schema::written(property, scale));
        let value = value.map_err(|problem| refused(function, &format!("{name}: {problem}")))?;
        // Any value is a schema without keys.
        let value = if value.is_object() { value } else { json!({}) };
        let list = if is_required(schema, name) { &mut required } else { &mut optional };
        list.push(argument_form(name, Form::Json(value)));
    }
    Ok(call_form(&function.name, required, optional))
}

/// A call of a function as it is, its places in the model's own numbers.
///
/// # Errors
///
/// In words: a place lies outside the screenshot.
pub(super) fn function_text(
    function: &Function,
    schema: &Value,
    arguments: &Value,
    scale: Scale,
) -> Result<String, String> {
    let arguments = schema::write(schema, arguments.clone(), scale)?;
    let mut written = Vec::new();
    // In the order in which the grammar has them.
    for wanted in [true, false] {
        let of_kind = properties(schema).filter(|(name, _)| is_required(schema, name) == wanted);
        written.extend(of_kind.filter_map(|(name, _)| Some(format!("{name}={}", arguments.get(name)?))));
    }
    Ok(format!("{}({})", function.name, written.join(", ")))
}

/// A call as a model writes it whose actions are these: as one of them in `text`'s syntax, or under the function's own name.
///
/// # Errors
///
/// Why it can't be written, in words.
pub(super) fn call_text(
    actions: &'static [Action],
    call: &Call,
    offered: &[Function],
    scale: Scale,
    text: impl Fn(&str, &Map<String, Value>) -> String,
) -> Result<String, String> {
    let function = called(call, offered)?;
    if let Some(WrittenAction { name, arguments }) = actions::write(actions, call, offered, scale)? {
        return Ok(text(name, &arguments));
    }
    let schema = resolve(function).map_err(|error| error.to_string())?;
    function_text(function, &schema, &call.arguments, scale)
}

/// The call of a function as it is.
///
/// # Errors
///
/// In words for the model: there is no such function, or an argument isn't what it must be.
pub(super) fn read_function(call: Written, offer: &Offer<'_>, scale: Scale) -> Result<Call, String> {
    let Some((function, schema)) = offer.other(&call.name) else {
        return Err(format!("there is no `{}`; there are {}", call.name, offer.names().join(", ")));
    };
    let names: Vec<&str> = properties(schema).map(|(name, _)| name.as_str()).collect();
    let arguments = schema::read(schema, Value::Object(call.named(&names)?), &scale)?;
    Ok(Call { function: function.name.clone(), arguments })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Arguments<'a> = Vec<(Option<&'a str>, Value)>;

    fn check(text: &str, expected: Result<(&str, Arguments<'_>), &str>) {
        let expected = expected.map_err(str::to_owned).map(|(name, arguments)| Written {
            name: name.into(),
            arguments: arguments.into_iter().map(|(name, value)| (name.map(str::to_owned), value)).collect(),
        });
        assert_eq!(Written::read(text), expected, "{text}");
    }

    #[test]
    fn a_call_is_read_as_python_would_and_where_models_err() {
        check("wait()", Ok(("wait", vec![])));
        check(
            " click(x=0.5, y = 0.3) ",
            Ok(("click", vec![(Some("x"), json!(0.5)), (Some("y"), json!(0.3))])),
        );
        check("final_answer('text')", Ok(("final_answer", vec![(None, json!("text"))])));
        check("press(keys=['ctrl', \"c\"])", Ok(("press", vec![(Some("keys"), json!(["ctrl", "c"]))])));
        check(r"type(content='it\'s\n\\ \d')", Ok(("type", vec![(Some("content"), json!("it's\n\\ \\d"))])));
        check(
            "type(content='it's, (so) it is')",
            Ok(("type", vec![(Some("content"), json!("it's, (so) it is"))])),
        );
        check(r#"type(content="say \"a=b\"")"#, Ok(("type", vec![(Some("content"), json!("say \"a=b\""))])));
        check(r#"type(content="it\'s")"#, Ok(("type", vec![(Some("content"), json!("it's"))])));
        check("f(a=None, b=True, c={\"d\": [1]},)", {
            let arguments =
                vec![(Some("a"), Value::Null), (Some("b"), json!(true)), (Some("c"), json!({ "d": [1] }))];
            Ok(("f", arguments))
        });
        check("f(a=[[1, 2], []])", Ok(("f", vec![(Some("a"), json!([[1, 2], []]))])));
        check("click", Err("the reply isn't one call like `name(argument=value)`, from `click` on"));
        check("a b(1)", Err("the reply isn't one call like `name(argument=value)`, from `a b(1)` on"));
        check("f(a=1 2)", Err("the reply isn't one call like `name(argument=value)`, from `2)` on"));
        check("f(a='x", Err("the reply isn't one call like `name(argument=value)`, from `a='x` on"));
        check("f(1)\n\ng(2)", Err("one call at a time: `g(2)` comes after the first"));
    }

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["", "plain", "it's", "a\nb\tc", r"C:\new", "\"q\"", "é 語 😀", "ends with \\"] {
            assert_eq!(value(&quote(text)), Some((json!(text), "")), "{text}");
        }
    }
}
