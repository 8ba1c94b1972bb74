//! Values written as Python writes them: templates were tried with Jinja in Python, and a prompt must not
//! differ by a space.

use std::fmt::Write;

use minijinja::{
    Error, ErrorKind, Output, State, Value,
    value::{Kwargs, ValueKind},
};
use serde_json::Value as Json;

/// The filter `tojson` as transformers defines it: `json.dumps` with `ensure_ascii=False`, no HTML escapes.
pub(super) fn to_json(value: &Value, options: &Kwargs) -> Result<String, Error> {
    let style = Style {
        indent: match options.get::<Option<Value>>("indent")? {
            Some(indent) if !indent.is_none() => Some(indent_of(&indent)?),
            _ => None,
        },
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        separators: match options.get::<Option<Vec<String>>>("separators")?.as_deref() {
            Some([item, key]) => Some((item.clone(), key.clone())),
            _ => None,
        },
    };
    options.assert_all_used()?;
    let json = serde_json::to_value(value).map_err(|error| {
        Error::new(ErrorKind::BadSerialization, "tojson can't write this value").with_source(error)
    })?;
    let mut text = String::new();
    style.write(&json, 0, &mut text);
    Ok(text)
}

fn indent_of(indent: &Value) -> Result<String, Error> {
    if let Some(text) = indent.as_str() {
        return Ok(text.to_owned());
    }
    Ok(" ".repeat(usize::try_from(indent.clone())?))
}

struct Style {
    indent: Option<String>,
    ensure_ascii: bool,
    sort_keys: bool,
    separators: Option<(String, String)>,
}

impl Style {
    fn write(&self, value: &Json, depth: usize, text: &mut String) {
        match value {
            Json::Null => text.push_str("null"),
            Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Json::Number(number) => text.push_str(&match (number.is_f64(), number.as_f64()) {
                (true, Some(float)) => float_repr(float),
                _ => number.to_string(),
            }),
            Json::String(value) => self.write_string(value, text),
            Json::Array(items) => self.write_group('[', ']', items.iter(), depth, text, |item, text| {
                self.write(item, depth + 1, text);
            }),
            Json::Object(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                if self.sort_keys {
                    entries.sort_by_key(|(key, _)| key.as_str());
                }
                let colon = self.separators.as_ref().map_or(": ", |(_, key)| key);
                self.write_group('{', '}', entries.into_iter(), depth, text, |(key, item), text| {
                    self.write_string(key, text);
                    text.push_str(colon);
                    self.write(item, depth + 1, text);
                });
            }
        }
    }

    fn write_group<T>(
        &self,
        open: char,
        close: char,
        items: impl ExactSizeIterator<Item = T>,
        depth: usize,
        text: &mut String,
        mut each: impl FnMut(T, &mut String),
    ) {
        text.push(open);
        let empty = items.len() == 0;
        // Python's item separator is a comma and a space, without the space where lines are broken instead.
        let default = if self.indent.is_some() { "," } else { ", " };
        let separator = self.separators.as_ref().map_or(default, |(item, _)| item);
        for (place, item) in items.enumerate() {
            if place > 0 {
                text.push_str(separator);
            }
            self.break_line(depth + 1, text);
            each(item, text);
        }
        if !empty {
            self.break_line(depth, text);
        }
        text.push(close);
    }

    fn break_line(&self, depth: usize, text: &mut String) {
        if let Some(indent) = &self.indent {
            text.push('\n');
            text.push_str(&indent.repeat(depth));
        }
    }

    fn write_string(&self, value: &str, text: &mut String) {
        text.push('"');
        for character in value.chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{8}' => text.push_str("\\b"),
                '\u{c}' => text.push_str("\\f"),
                other if (other as u32) < 0x20 || (self.ensure_ascii && !other.is_ascii()) => {
                    for unit in other.encode_utf16(&mut [0; 2]) {
                        let _ = write!(text, "\\u{unit:04x}");
                    }
                }
                other => text.push(other),
            }
        }
        text.push('"');
    }
}

/// Python's `repr` of a float: the shortest digits, an exponent below 1e-4 and from 1e16 on.
fn float_repr(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// How `{{ value }}` comes out: as Python's `str` has it.
pub(super) fn display(out: &mut Output, state: &State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::String => minijinja::escape_formatter(out, state, value),
        _ => out.write_str(&repr(value)?).map_err(Error::from),
    }
}

/// Python's `str`.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(String::new()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        _ => repr(value),
    }
}

/// The filter `trim`, which takes anything for its text.
#[allow(clippy::needless_pass_by_value, reason = "the form that a filter has")]
pub(super) fn trim(value: &Value, characters: Option<String>) -> Result<String, Error> {
    let text = text(value)?;
    Ok(match characters {
        Some(characters) => text.trim_matches(|character| characters.contains(character)).to_owned(),
        None => text.trim().to_owned(),
    })
}

/// The test `iterable`: what is nothing isn't, what isn't defined is.
pub(super) fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// Python's `repr`.
fn repr(value: &Value) -> Result<String, Error> {
    let items = |value: &Value| value.try_iter()?.map(|item| repr(&item)).collect::<Result<Vec<_>, Error>>();
    Ok(match value.kind() {
        ValueKind::None => "None".into(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.into(),
        ValueKind::Number if !value.is_integer() => float_repr(f64::try_from(value.clone())?),
        ValueKind::String => string_repr(value.as_str().unwrap_or_default()),
        ValueKind::Seq => format!("[{}]", items(value)?.join(", ")),
        ValueKind::Map => {
            let mut entries = Vec::new();
            for key in value.try_iter()? {
                entries.push(format!("{}: {}", repr(&key)?, repr(&value.get_item(&key)?)?));
            }
            format!("{{{}}}", entries.join(", "))
        }
        _ => value.to_string(),
    })
}

/// Single quotes, unless the text has such and no double ones.
fn string_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut result = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            '\\' => result.push_str("\\\\"),
            other if other == quote => {
                result.push('\\');
                result.push(other);
            }
            other if (other as u32) < 0x20 || other as u32 == 0x7F => {
                let _ = write!(result, "\\x{:02x}", other as u32);
            }
            other => result.push(other),
        }
    }
    result.push(quote);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (1e100, "1e+100"),
        ];
        for (value, expected) in cases {
            assert_eq!(float_repr(value), expected);
        }
    }
}
