//! A grammar's data written down in `llguidance`'s dialect of Lark.
//!
//! Syntax: <https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md>.

use serde_json::{Value, json};

use super::{ConstraintError, Form, Grammar, Marker, Prelude, Vocabulary};

/// The whole grammar as Lark text.
pub(super) fn write(grammar: &Grammar, vocabulary: &Vocabulary) -> Result<String, ConstraintError> {
    if let Form::Lark(text) = &grammar.form {
        return match grammar.prelude {
            Prelude::None => Ok(text.clone()),
            Prelude::FreeText { .. } => Err(refused("a Lark form stands alone: write the free text into it")),
        };
    }
    let mut rules = Rules { vocabulary, text: String::new(), count: 0 };
    let form = match (&grammar.form, &grammar.prelude) {
        (Form::Free, Prelude::None) => {
            return Err(refused("a free form with nothing before it binds nothing"));
        }
        // Only so that something may follow: nobody asks the grammar about it.
        (Form::Free, Prelude::FreeText { .. }) => {
            rules.text.push_str("FREE: /(?s:.+)/\n");
            "FREE?".to_owned()
        }
        (form, _) => rules.form(form)?,
    };
    let (start, rest) = match &grammar.prelude {
        Prelude::None => (format!("start: {form}\n"), String::new()),
        // A special token can't be part of a lexeme, so the text needs no other end; nor can it hold one.
        Prelude::FreeText { marker: Marker::Special(name), .. } => {
            let marker = vocabulary.special(name)?;
            (format!("start: THOUGHT? <[{marker}]> {form}\n"), "THOUGHT: /(?s:.+)/\n".to_owned())
        }
        // Lazy: the text ends with the first marker, even in the middle of a token.
        Prelude::FreeText { marker: Marker::Text(marker), .. } => {
            if marker.is_empty() {
                return Err(refused("a free text needs a marker that ends it"));
            }
            let marker = regex_escape(marker);
            (format!("start: thought {form}\n"), format!("thought[lazy]: /(?s:.*){marker}/\n"))
        }
    };
    // Lark's own white space is off by default: nothing is ignored between terminals.
    Ok(format!("{start}{rest}{}", rules.text))
}

struct Rules<'a> {
    vocabulary: &'a Vocabulary,
    text: String,
    count: usize,
}

impl Rules<'_> {
    /// Writes a rule for this form and gives its name.
    fn form(&mut self, form: &Form) -> Result<String, ConstraintError> {
        let mut kind = "";
        let body = match form {
            Form::Json(schema) => format!("%json {}", compact(schema)?),
            Form::Text(text) => self.letters(text)?,
            Form::Special(name) => format!("<[{}]>", self.vocabulary.special(name)?),
            Form::Regex(expression) => format!("/{}/", expression.replace('/', "\\/")),
            Form::UpTo { end, shortest, longest } => match self.vocabulary.cut(end) {
                _ if end.is_empty() => return Err(refused("a text needs an end")),
                _ if longest.is_some_and(|longest| longest < *shortest) => {
                    return Err(refused("a text whose longest is shorter than its shortest"));
                }
                None => {
                    kind = "[lazy]";
                    let end = regex_escape(end);
                    let text = format!("/{}{end}/", any(*shortest, *longest));
                    // Where it may not end yet, the end isn't a part of it either.
                    if *shortest == 0 { text } else { format!("{text} & ~/(?s:.*){end}(?s:.+)/") }
                }
                // A token that a grammar has whole can't be part of a lexeme, which therefore ends before it.
                Some((before, _, _)) => {
                    let text = match (before, shortest, longest) {
                        ("", 0, Some(0)) => String::new(),
                        // No lexeme is empty.
                        ("", 0, longest) => {
                            let name = self.rule("", &format!("/{}/", any(1, *longest)));
                            format!("{name}?")
                        }
                        (before, ..) => format!("/{}{}/", any(*shortest, *longest), regex_escape(before)),
                    };
                    format!("{text} {}", self.letters(&end[before.len()..])?)
                }
            },
            Form::Sequence(parts) => self.forms(parts)?.join(" "),
            Form::Choice(parts) if parts.is_empty() => {
                return Err(refused("a choice needs something to choose from"));
            }
            Form::Choice(parts) => self.forms(parts)?.join(" | "),
            Form::Optional(part) => format!("{}?", self.form(part)?),
            Form::Lark(_) => return Err(refused("a Lark form stands alone: it can't be part of another")),
            Form::Free => return Err(refused("a free form stands alone: it can't be part of another")),
        };
        Ok(self.rule(kind, &body))
    }

    /// Writes a rule of this kind, and gives its name.
    fn rule(&mut self, kind: &str, body: &str) -> String {
        let name = format!("form{}", self.count);
        self.count += 1;
        self.text.extend([name.as_str(), kind, ": ", body, "\n"]);
        name
    }

    /// A text as the tokenizer writes it: a token in it that a grammar has whole can't be spelt.
    fn letters(&self, text: &str) -> Result<String, ConstraintError> {
        if text.is_empty() {
            return Err(refused("a text of no characters"));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, token, behind)) = self.vocabulary.cut(rest) {
            if !before.is_empty() {
                parts.push(quote(before));
            }
            parts.push(format!("<[{token}]>"));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(quote(rest));
        }
        Ok(parts.join(" "))
    }

    fn forms(&mut self, forms: &[Form]) -> Result<Vec<String>, ConstraintError> {
        forms.iter().map(|form| self.form(form)).collect()
    }
}

/// The schema with the compiler's own switch for white space in it: none, unless the schema has its own.
fn compact(schema: &Value) -> Result<String, ConstraintError> {
    let Value::Object(schema) = schema else {
        return Err(refused("a JSON schema is an object"));
    };
    let mut schema = schema.clone();
    schema.entry("x-guidance").or_insert_with(
        || json!({ "whitespace_flexible": false, "item_separator": ",", "key_separator": ":" }),
    );
    Ok(Value::Object(schema).to_string())
}

/// A Lark string: JSON's escapes are Lark's.
fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A regular expression for any characters, so many of them.
fn any(shortest: u64, longest: Option<u64>) -> String {
    match (shortest, longest) {
        (0, None) => "(?s:.*)".into(),
        (shortest, None) => format!("(?s:.{{{shortest},}})"),
        (shortest, Some(longest)) => format!("(?s:.{{{shortest},{longest}}})"),
    }
}

/// The characters, so that each stands for itself in a regular expression between slashes.
fn regex_escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ => {
                // Not `<` and `>`: escaped they are the edges of words.
                if "\\.+*?()|[]{}^$#&-~/".contains(character) {
                    escaped.push('\\');
                }
                escaped.push(character);
            }
        }
    }
    escaped
}

fn refused(reason: &str) -> ConstraintError {
    ConstraintError::Grammar { reason: reason.to_owned() }
}
