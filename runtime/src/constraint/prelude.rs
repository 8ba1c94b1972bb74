//! A free text while it is written: how long it has grown, and whether its marker has come.

use super::{ConstraintError, Marker, TokenMask, Vocabulary};

/// Watches a free text for its marker. The grammar itself knows where the text ends; this counts its tokens, so
/// that a model that never comes to the point is made to.
#[derive(Debug)]
pub(super) struct RunningPrelude {
    marker: Vec<u32>,
    /// The marker's bytes; none where it is a special token.
    text: Vec<u8>,
    written: usize,
    max_tokens: usize,
    /// The last bytes written: enough to see the marker's beginning, and half a character.
    tail: Vec<u8>,
    /// The mask in the middle of nowhere, once it is known.
    plain_mask: Option<TokenMask>,
}

/// A character takes four bytes at most, so three can be the beginning of one.
const LONGEST_HALF_CHARACTER: usize = 3;

impl RunningPrelude {
    pub(super) fn new(
        marker: &Marker,
        max_tokens: usize,
        vocabulary: &Vocabulary,
    ) -> Result<Self, ConstraintError> {
        let (marker, text) = match marker {
            Marker::Special(name) => (vec![vocabulary.special(name)?], Vec::new()),
            Marker::Text(text) => (vocabulary.tokens(text), text.clone().into_bytes()),
        };
        Ok(Self { marker, text, written: 0, max_tokens, tail: Vec::new(), plain_mask: None })
    }

    /// Counts a token, and says whether the marker has come with it.
    pub(super) fn write(&mut self, token: u32, vocabulary: &Vocabulary) -> bool {
        self.written += 1;
        // A token may end in the middle of the marker, or go beyond its end.
        self.tail.extend_from_slice(vocabulary.bytes(token));
        let ended = if self.text.is_empty() {
            self.marker.first() == Some(&token)
        } else {
            self.tail.windows(self.text.len()).any(|window| window == self.text)
        };
        let kept = self.text.len().saturating_sub(1).max(LONGEST_HALF_CHARACTER);
        self.tail.drain(..self.tail.len().saturating_sub(kept));
        ended
    }

    /// The marker's tokens, where the text has had all the room it was given.
    pub(super) fn due(&self) -> Option<&[u32]> {
        (self.written >= self.max_tokens).then_some(self.marker.as_slice())
    }

    /// Whether the text stands in the middle of nowhere: neither in a character nor in what may become the marker.
    /// All such places look alike to the grammar, so one mask serves them all; working it out for a marker of words
    /// takes several hundred microseconds on a large vocabulary, because it can end in the middle of any token.
    pub(super) fn is_plain(&self) -> bool {
        let begins_marker = (1..self.text.len()).any(|length| self.tail.ends_with(&self.text[..length]));
        !begins_marker && !ends_in_half_a_character(&self.tail)
    }

    pub(super) fn plain_mask(&mut self) -> &mut Option<TokenMask> {
        &mut self.plain_mask
    }
}

/// Whether the last character of these bytes lacks some of its own (RFC 3629).
fn ends_in_half_a_character(bytes: &[u8]) -> bool {
    for (behind, &byte) in bytes.iter().rev().take(LONGEST_HALF_CHARACTER).enumerate() {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return behind + 1 < length;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_character_is_seen() {
        let text = "a\u{e9}\u{20ac}\u{1f600}b".as_bytes();
        for end in 0..=text.len() {
            let whole = std::str::from_utf8(&text[..end]).is_ok();
            assert_eq!(ends_in_half_a_character(&text[..end]), !whole, "{end}");
            // However little of it is kept.
            let kept = &text[end.saturating_sub(LONGEST_HALF_CHARACTER)..end];
            assert_eq!(ends_in_half_a_character(kept), !whole, "{end}, the last of it");
        }
    }
}
