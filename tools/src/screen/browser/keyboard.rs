//! The keyboard: text and chords, as events of the protocol's `Input` domain on a US layout.

use chromiumoxide::{
    cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType as Event, InsertTextParams},
    keys::{KeyDefinition, get_key_definition},
};

use super::front::Front;
use crate::{Key, ScreenError};

/// Types text. Characters of the layout are keys pressed and released, as pages expect that listen for keys;
/// others arrive as from an input method.
pub(super) async fn text(front: &Front, text: &str) -> Result<(), ScreenError> {
    let mut composed = String::new();
    for character in text.chars().filter(|&c| c != '\r') {
        let name = match character {
            '\n' => "Enter".to_owned(),
            '\t' => "Tab".to_owned(),
            other => other.to_string(),
        };
        let Some(key) = get_key_definition(&name) else {
            composed.push(character);
            continue;
        };
        insert(front, &mut composed).await?;
        let shift = if needs_shift(character) { Modifiers::SHIFT } else { Modifiers::default() };
        press_one(front, key, shift).await?;
    }
    insert(front, &mut composed).await
}

async fn insert(front: &Front, composed: &mut String) -> Result<(), ScreenError> {
    if !composed.is_empty() {
        front.tell(&InsertTextParams::new(std::mem::take(composed))).await?;
    }
    Ok(())
}

/// Presses and releases a key or a chord.
///
/// # Errors
///
/// [`ScreenError::Refused`] if there is no such key.
pub(super) async fn press(front: &Front, key: &Key) -> Result<(), ScreenError> {
    let chord = Chord::read(&key.0)?;
    let mut held = Modifiers::default();
    for &modifier in &chord.modifiers {
        held = held.with(modifier);
        let Some(key) = get_key_definition(modifier) else { continue };
        front.tell(&event(Event::RawKeyDown, key, held)).await?;
    }
    press_one(front, chord.key, held).await?;
    for &modifier in chord.modifiers.iter().rev() {
        held = held.without(modifier);
        let Some(key) = get_key_definition(modifier) else { continue };
        front.tell(&event(Event::KeyUp, key, held)).await?;
    }
    Ok(())
}

/// Whether there is such a key or chord.
pub(super) fn knows(key: &Key) -> bool {
    Chord::read(&key.0).is_ok()
}

async fn press_one(front: &Front, key: &KeyDefinition, held: Modifiers) -> Result<(), ScreenError> {
    let text = if held.types() { typed(key) } else { None };
    let kind = if text.is_some() { Event::KeyDown } else { Event::RawKeyDown };
    let mut down = event(kind, key, held);
    down.text = text.map(str::to_owned);
    front.tell(&down).await?;
    front.tell(&event(Event::KeyUp, key, held)).await?;
    Ok(())
}

fn event(kind: Event, key: &KeyDefinition, held: Modifiers) -> DispatchKeyEventParams {
    let mut event = DispatchKeyEventParams::new(kind);
    event.modifiers = Some(held.0);
    event.key = Some(key.key.into());
    event.code = Some(key.code.into());
    event.windows_virtual_key_code = Some(key.key_code);
    event
}

/// What a key writes.
fn typed(key: &KeyDefinition) -> Option<&str> {
    match key.key {
        one if one.chars().count() == 1 => Some(one),
        _ => key.text,
    }
}

fn needs_shift(character: char) -> bool {
    character.is_ascii_uppercase() || "~!@#$%^&*()_+{}|:\"<>?".contains(character)
}

/// Modifier keys held down, as the protocol's bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Modifiers(i64);

impl Modifiers {
    const SHIFT: Self = Self(8);

    fn bit(name: &str) -> i64 {
        match name {
            "Alt" => 1,
            "Control" => 2,
            "Meta" => 4,
            "Shift" => 8,
            _ => 0,
        }
    }

    fn with(self, name: &str) -> Self {
        Self(self.0 | Self::bit(name))
    }

    fn without(self, name: &str) -> Self {
        Self(self.0 & !Self::bit(name))
    }

    /// Whether a key still writes its character: with Control and the like it is a command instead.
    fn types(self) -> bool {
        self.0 & !Self::SHIFT.0 == 0
    }
}

/// A key and the modifiers held with it.
#[derive(Debug)]
struct Chord {
    modifiers: Vec<&'static str>,
    key: &'static KeyDefinition,
}

impl Chord {
    /// Reads `Control+Shift+a`. Besides the names of the W3C it takes the ones that people and models write.
    fn read(written: &str) -> Result<Self, ScreenError> {
        let refused = |part: &str| ScreenError::Refused {
            reason: format!(
                "`{part}` is no key: name one as in Enter, Tab, Escape, Backspace, ArrowDown, F5, a or Control+a"
            ),
        };
        // The last `+` of `Control++` is the key.
        let (modifiers, key) = match written.strip_suffix('+') {
            Some("") => (None, "+"),
            Some(rest) => (Some(rest.strip_suffix('+').ok_or_else(|| refused(written))?), "+"),
            None => match written.rsplit_once('+') {
                Some((modifiers, key)) => (Some(modifiers), key),
                None => (None, written),
            },
        };
        let modifiers = modifiers.into_iter().flat_map(|m| m.split('+'));
        let modifiers =
            modifiers.map(|m| modifier(m.trim()).ok_or_else(|| refused(m))).collect::<Result<Vec<_>, _>>()?;
        let shifted = modifiers.contains(&"Shift");
        let key = key_named(key, shifted).ok_or_else(|| refused(key))?;
        Ok(Self { modifiers, key })
    }
}

fn modifier(written: &str) -> Option<&'static str> {
    match written.to_ascii_lowercase().as_str() {
        "alt" | "option" => Some("Alt"),
        "control" | "ctrl" => Some("Control"),
        "meta" | "cmd" | "command" | "super" | "win" => Some("Meta"),
        "shift" => Some("Shift"),
        _ => None,
    }
}

fn key_named(written: &str, shifted: bool) -> Option<&'static KeyDefinition> {
    if written == " " {
        return get_key_definition(" ");
    }
    let name = written.trim();
    let upper = name.to_ascii_uppercase();
    if shifted && name.len() == 1 {
        return get_key_definition(&upper);
    }
    let usual = match upper.as_str() {
        "RETURN" => "Enter",
        "ESC" => "Escape",
        "DEL" => "Delete",
        "INS" => "Insert",
        "SPACE" | "SPACEBAR" => " ",
        "UP" => "ArrowUp",
        "DOWN" => "ArrowDown",
        "LEFT" => "ArrowLeft",
        "RIGHT" => "ArrowRight",
        "PAGE_UP" | "PGUP" => "PageUp",
        "PAGE_DOWN" | "PGDN" => "PageDown",
        _ => name,
    };
    let exact = get_key_definition(usual);
    let any_case = || {
        let mut keys = chromiumoxide::keys::USKEYBOARD_LAYOUT.iter();
        keys.find(|k| k.key.len() > 1 && k.key.eq_ignore_ascii_case(usual))
    };
    exact.or_else(any_case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chord_is_read_as_people_and_models_write_it() {
        let cases: [(&str, &[&str], &str); 14] = [
            ("Enter", &[], "Enter"),
            ("enter", &[], "Enter"),
            ("Return", &[], "Enter"),
            ("esc", &[], "Escape"),
            ("a", &[], "a"),
            ("+", &[], "+"),
            (" ", &[], " "),
            ("space", &[], " "),
            ("ctrl+a", &["Control"], "a"),
            ("Control+Shift+ArrowLeft", &["Control", "Shift"], "ArrowLeft"),
            ("Shift+a", &["Shift"], "A"),
            ("Control++", &["Control"], "+"),
            ("cmd+Down", &["Meta"], "ArrowDown"),
            ("F5", &[], "F5"),
        ];
        for (written, modifiers, key) in cases {
            let chord = Chord::read(written).unwrap();
            assert_eq!((chord.modifiers.as_slice(), chord.key.key), (modifiers, key), "{written}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_examples() {
        for written in ["", "Entr", "Control+", "Hyper+a", "ab", "é"] {
            let error = Chord::read(written).unwrap_err().to_string();
            assert!(error.contains("is no key: name one as in Enter"), "{written}: {error}");
        }
    }
}
