//! A free text while it is written: how long it has grown, and whether its marker has come.

use super::{ConstraintError, Marker, Vocabulary};

/// Watches a free text for its marker. The grammar itself knows where the text ends; this counts its tokens, so
/// that a model that never comes to the point is made to.
#[derive(Debug)]
pub(super) struct RunningPrelude {
    marker: Vec<u32>,
    text: Option<Vec<u8>>,
    written: usize,
    max_tokens: usize,
    tail: Vec<u8>,
}

impl RunningPrelude {
    pub(super) fn new(
        marker: &Marker,
        max_tokens: usize,
        vocabulary: &Vocabulary,
    ) -> Result<Self, ConstraintError> {
        let (tokens, text) = match marker {
            Marker::Special(name) => (vec![vocabulary.special(name)?], None),
            Marker::Text(text) => (vocabulary.tokens(text), Some(text.clone().into_bytes())),
        };
        Ok(Self { marker: tokens, text, written: 0, max_tokens, tail: Vec::new() })
    }

    /// Counts a token, and says whether the marker has come with it.
    pub(super) fn write(&mut self, token: u32, vocabulary: &Vocabulary) -> bool {
        self.written += 1;
        let Some(text) = &self.text else { return self.marker.first() == Some(&token) };
        // A token may end in the middle of the marker, or go beyond its end.
        self.tail.extend_from_slice(vocabulary.bytes(token));
        if self.tail.windows(text.len().max(1)).any(|window| window == text.as_slice()) {
            return true;
        }
        let surplus = self.tail.len().saturating_sub(text.len().saturating_sub(1));
        self.tail.drain(..surplus);
        false
    }

    /// The marker's tokens, where the text has had all the room it was given.
    pub(super) fn due(&self) -> Option<&[u32]> {
        (self.written >= self.max_tokens).then_some(self.marker.as_slice())
    }
}
