//! A call's arguments while they are written: the thought at their beginning told apart from the rest.

use crate::dialect::THOUGHT;

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArgumentPiece {
    /// More of the thought, its escapes read.
    Thought(String),
    /// More of the arguments, as JSON without the thought.
    Json(String),
}

/// Where the writing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Before it is known whether a thought comes first.
    #[default]
    Beginning,
    /// Within the thought's string.
    Thought,
    /// Between the thought and what follows it.
    Between,
    /// In whatever isn't told apart.
    Rest,
}

/// Takes the arguments as they come.
#[derive(Debug, Default)]
pub(super) struct ArgumentReader {
    /// Everything so far, as it was written.
    pub(super) raw: String,
    place: Place,
    at: usize,
}

impl ArgumentReader {
    /// A reader that looks for a thought first, or that passes everything on.
    pub(super) fn new(looks_for_thought: bool) -> Self {
        let place = if looks_for_thought { Place::Beginning } else { Place::Rest };
        Self { place, ..Self::default() }
    }

    /// Takes more, and gives what can be told by now.
    pub(super) fn push(&mut self, fragment: &str) -> Vec<ArgumentPiece> {
        self.raw.push_str(fragment);
        let mut pieces = Vec::new();
        loop {
            let rest = &self.raw[self.at..];
            let (read, next, piece) = match self.place {
                Place::Beginning => match opening(rest) {
                    Opening::Unknown => break,
                    Opening::Thought(length) => (length, Place::Thought, None),
                    Opening::Other => (0, Place::Rest, None),
                },
                Place::Thought => {
                    let (length, is_over) = characters(rest);
                    let text = serde_json::from_str::<String>(&format!("\"{}\"", &rest[..length]));
                    let piece = text.ok().filter(|text| !text.is_empty()).map(ArgumentPiece::Thought);
                    if is_over {
                        (length + 1, Place::Between, piece)
                    } else {
                        self.at += length;
                        pieces.extend(piece);
                        break;
                    }
                }
                Place::Between => {
                    let space = rest.len() - rest.trim_start().len();
                    match rest[space..].chars().next() {
                        None => break,
                        Some(next) => {
                            let comma = usize::from(next == ',');
                            (space + comma, Place::Rest, Some(ArgumentPiece::Json("{".into())))
                        }
                    }
                }
                Place::Rest if rest.is_empty() => break,
                Place::Rest => (rest.len(), Place::Rest, Some(ArgumentPiece::Json(rest.into()))),
            };
            self.at += read;
            self.place = next;
            pieces.extend(piece);
        }
        pieces
    }
}

enum Opening {
    /// Too short to say.
    Unknown,
    /// So many bytes up to the thought's first character.
    Thought(usize),
    /// Something else comes first.
    Other,
}

/// Whether the JSON begins with an object whose first member is the thought.
fn opening(text: &str) -> Opening {
    let mut rest = text;
    let name = format!("\"{THOUGHT}\"");
    for token in ["{", name.as_str(), ":", "\""] {
        rest = rest.trim_start();
        match rest.strip_prefix(token) {
            Some(after) => rest = after,
            None if token.starts_with(rest) => return Opening::Unknown,
            None => return Opening::Other,
        }
    }
    Opening::Thought(text.len() - rest.len())
}

/// How many bytes of a JSON string can be read by now, no escape broken, and whether its closing quote follows.
fn characters(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let length = match byte {
            b'"' => return (at, true),
            b'\\' => match bytes.get(at + 1) {
                // The first half of a pair waits for the second.
                Some(b'u') if is_high(bytes, at) => 12,
                Some(b'u') => 6,
                _ => 2,
            },
            _ => 1,
        };
        if at + length > bytes.len() {
            break;
        }
        at += length;
    }
    // A character of several bytes was counted byte by byte, and a fragment is whole characters.
    (at, false)
}

/// Whether an escape is the first half of a surrogate pair.
fn is_high(bytes: &[u8], at: usize) -> bool {
    let digits = bytes.get(at + 2..at + 4).map(<[u8]>::to_ascii_lowercase);
    digits.is_some_and(|digits| digits[0] == b'd' && matches!(digits[1], b'8'..=b'b'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out, all thought and all JSON joined, however the arguments are cut.
    fn check(looks: bool, arguments: &str, thought: &str, json: &str) {
        let characters: Vec<char> = arguments.chars().collect();
        for size in 1..=characters.len().max(1) {
            let mut reader = ArgumentReader::new(looks);
            let mut found = [String::new(), String::new()];
            for fragment in characters.chunks(size) {
                for piece in reader.push(&fragment.iter().collect::<String>()) {
                    match piece {
                        ArgumentPiece::Thought(text) => found[0].push_str(&text),
                        ArgumentPiece::Json(text) => found[1].push_str(&text),
                    }
                }
            }
            assert_eq!(found, [thought, json], "{arguments} by {size}");
            assert_eq!(reader.raw, arguments);
        }
    }

    #[test]
    fn a_thought_that_comes_first_is_told_apart_while_it_is_written() {
        check(true, r#"{"thought":"Press B.","point":[1,2]}"#, "Press B.", r#"{"point":[1,2]}"#);
        check(true, r#" { "thought" : "a" , "b": 1}"#, "a", r#"{ "b": 1}"#);
        check(true, r#"{"thought":"a"}"#, "a", "{}");
        check(true, r#"{"thought":"","b":1}"#, "", r#"{"b":1}"#);
        check(
            true,
            r#"{"thought":"é \"q\" \\ \n \u00e9 \ud83d\ude00","b":1}"#,
            "é \"q\" \\ \n é 😀",
            r#"{"b":1}"#,
        );
        check(true, r#"{"thoughts":"a"}"#, "", r#"{"thoughts":"a"}"#);
        check(true, r#"{"b":1,"thought":"late"}"#, "", r#"{"b":1,"thought":"late"}"#);
        check(true, r#"{"thought":7}"#, "", r#"{"thought":7}"#);
        check(true, "{}", "", "{}");
        check(true, r#"{"thought":"cut o"#, "cut o", "");
        check(false, r#"{"thought":"mine"}"#, "", r#"{"thought":"mine"}"#);
    }
}
