//! Keys as models write them, and chords as functions take them: `["ctrl", "a"]`, `ctrl a`, `Control+a`.
//!
//! Functions take the names of the W3C's `KeyboardEvent.key` values, the modifiers first, joined with `+`. Models write
//! those too (Fara), or the names of `PyAutoGUI` (Qwen-VL, UI-TARS, `SmolVLM2`): <https://pyautogui.readthedocs.io>.

use serde_json::{Value, json};

/// Whose names a model writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// `PyAutoGUI`'s: `ctrl`, `enter`, `pagedown`.
    PyAutoGui,
    /// The W3C's: `Control`, `Enter`, `PageDown`.
    W3c,
}

/// A modifier or a key with a name: the W3C's first, then `PyAutoGUI`'s, then others that models write.
const MODIFIERS: [&[&str]; 4] = [
    &["Control", "ctrl"],
    &["Shift", "shift"],
    &["Alt", "alt", "option"],
    &["Meta", "win", "cmd", "command", "super"],
];

const NAMED: [&[&str]; 27] = [
    &["Enter", "enter", "return"],
    &["Escape", "esc"],
    &["Tab", "tab"],
    &["Backspace", "backspace"],
    &["Delete", "delete", "del"],
    &["Insert", "insert", "ins"],
    &["Space", "space", " "],
    &["ArrowUp", "up"],
    &["ArrowDown", "down"],
    &["ArrowLeft", "left"],
    &["ArrowRight", "right"],
    &["PageUp", "pageup", "page_up", "pgup"],
    &["PageDown", "pagedown", "page_down", "pgdn"],
    &["Home", "home"],
    &["End", "end"],
    &["F1", "f1"],
    &["F2", "f2"],
    &["F3", "f3"],
    &["F4", "f4"],
    &["F5", "f5"],
    &["F6", "f6"],
    &["F7", "f7"],
    &["F8", "f8"],
    &["F9", "f9"],
    &["F10", "f10"],
    &["F11", "f11"],
    &["F12", "f12"],
];

/// A character that is a key of its own in a grammar. Upper case and what Shift writes are chords to some and keys to
/// others, so a grammar leaves them out.
const CHARACTERS: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// The most modifiers that a grammar lets a chord have.
const MOST_MODIFIERS: usize = 3;

impl Names {
    fn of(self, known: &[&'static str]) -> &'static str {
        known[usize::from(self == Self::PyAutoGui)]
    }

    fn modifiers(self) -> Vec<&'static str> {
        MODIFIERS.iter().map(|known| self.of(known)).collect()
    }

    /// Every key that a grammar lets a chord end with.
    fn keys(self) -> Vec<String> {
        let named = NAMED.iter().map(|known| self.of(known).to_owned());
        named.chain(CHARACTERS.chars().map(String::from)).collect()
    }

    /// The schema of a chord as a JSON list.
    pub(super) fn schema(self) -> Value {
        let (modifier, key) = (json!({ "enum": self.modifiers() }), json!({ "enum": self.keys() }));
        let chord = |modifiers: usize| {
            let mut parts = vec![modifier.clone(); modifiers];
            parts.push(key.clone());
            let count = parts.len();
            json!({ "type": "array", "prefixItems": parts, "items": false, "minItems": count, "maxItems": count })
        };
        json!({ "anyOf": (0..=MOST_MODIFIERS).map(chord).collect::<Vec<_>>() })
    }

    /// A regular expression for a chord in one text, its parts a space apart.
    pub(super) fn expression(self) -> String {
        let (modifiers, keys) = (self.modifiers().join("|"), self.keys().join("|"));
        format!("(({modifiers}) ){{0,{MOST_MODIFIERS}}}({keys})")
    }

    /// A regular expression for one key.
    pub(super) fn one(self) -> String {
        format!("({})", self.keys().join("|"))
    }

    /// A regular expression for a chord as a list of quoted texts.
    pub(super) fn list(self) -> String {
        format!(r"\[('({})', ){{1,{MOST_MODIFIERS}}}'{}'\]", self.modifiers().join("|"), self.one())
    }

    /// A chord of a function's in the model's own names, part by part.
    pub(super) fn write(self, chord: &str) -> Vec<String> {
        parts(chord, '+')
            .into_iter()
            .map(|part| known(&part).map_or(part, |known| self.of(known).into()))
            .collect()
    }
}

/// A chord as a function takes it, from a list of names or from one text.
///
/// # Errors
///
/// In words for the model: it is neither.
pub(super) fn read(written: &Value) -> Result<String, String> {
    let parts: Vec<String> = match written {
        Value::Array(parts) => {
            parts.iter().map(|part| part.as_str().map(str::to_owned)).collect::<Option<_>>()
        }
        // One name may be a chord already, and a space is a key.
        Value::String(text) if text == " " => Some(vec![text.clone()]),
        Value::String(text) => {
            let text = closed(text);
            Some(parts(&text, if text.trim().contains(' ') { ' ' } else { '+' }))
        }
        _ => None,
    }
    .filter(|parts: &Vec<String>| !parts.is_empty())
    .ok_or_else(|| format!("{written} isn't a key or a list of keys"))?;
    let names: Vec<&str> =
        parts.iter().map(|part| known(part).map_or(part.as_str(), |known| known[0])).collect();
    Ok(names.join("+"))
}

/// A chord without the spaces around a `+` that stands between keys: `ctrl + a` isn't `ctrl`, `+` and `a`. At the end a `+`
/// is a key.
fn closed(chord: &str) -> String {
    let Some((first, rest)) = chord.split_once('+') else { return chord.to_owned() };
    let rest = closed(rest);
    if first.trim().is_empty() || rest.trim().is_empty() {
        return format!("{first}+{rest}");
    }
    format!("{}+{}", first.trim_end(), rest.trim_start())
}

/// The parts of a chord. The last `+` of `Control++` is a key.
fn parts(chord: &str, between: char) -> Vec<String> {
    let chord = if chord == " " { chord } else { chord.trim() };
    let (rest, last) = match chord.strip_suffix('+').filter(|_| between == '+') {
        Some(rest) => (rest.strip_suffix('+').unwrap_or(rest), Some("+")),
        None => (chord, None),
    };
    if rest == " " {
        return vec![rest.into()];
    }
    let parts = rest.split(between).filter(|part| !part.is_empty());
    parts.chain(last).map(str::to_owned).collect()
}

fn known(written: &str) -> Option<&'static [&'static str]> {
    let all = MODIFIERS.iter().chain(&NAMED).copied();
    all.into_iter().find(|names| names.iter().any(|name| name.eq_ignore_ascii_case(written)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_lists_and_texts_and_written_back() {
        use Names::{PyAutoGui, W3c};
        let cases = [
            (json!(["ctrl", "a"]), "Control+a", PyAutoGui, vec!["ctrl", "a"]),
            (json!("ctrl c"), "Control+c", PyAutoGui, vec!["ctrl", "c"]),
            (json!("ctrl+shift+t"), "Control+Shift+t", PyAutoGui, vec!["ctrl", "shift", "t"]),
            (json!("ctrl + a"), "Control+a", PyAutoGui, vec!["ctrl", "a"]),
            (json!("ctrl+ shift +t"), "Control+Shift+t", PyAutoGui, vec!["ctrl", "shift", "t"]),
            (json!("ctrl + +"), "Control++", PyAutoGui, vec!["ctrl", "+"]),
            (json!("ctrl +"), "Control++", PyAutoGui, vec!["ctrl", "+"]),
            (json!(["Enter"]), "Enter", W3c, vec!["Enter"]),
            (json!("enter"), "Enter", PyAutoGui, vec!["enter"]),
            (json!(["Alt", "ArrowLeft"]), "Alt+ArrowLeft", W3c, vec!["Alt", "ArrowLeft"]),
            (json!("pagedown"), "PageDown", PyAutoGui, vec!["pagedown"]),
            (json!(" "), "Space", PyAutoGui, vec!["space"]),
            (json!(["ctrl", "+"]), "Control++", W3c, vec!["Control", "+"]),
            (json!("+"), "+", PyAutoGui, vec!["+"]),
            (json!(["cmd", "Q"]), "Meta+Q", PyAutoGui, vec!["win", "Q"]),
        ];
        for (written, chord, names, again) in cases {
            assert_eq!(read(&written).as_deref(), Ok(chord), "{written}");
            assert_eq!(names.write(chord), again, "{chord}");
        }
        for wrong in [json!([]), json!(""), json!(3), json!([1])] {
            assert_eq!(read(&wrong), Err(format!("{wrong} isn't a key or a list of keys")));
        }
    }
}
