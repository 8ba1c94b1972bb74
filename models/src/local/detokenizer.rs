//! Text from tokens as they come, never with half a character in it.

use tokenizers::Tokenizer;

use crate::ModelError;

/// Turns tokens into text one by one.
///
/// A token may be a part of a character, and its text may depend on the token before (a space that a decoder
/// swallows at the beginning). So a token's text is the difference between decoding a short window with it and
/// without it, held back while it ends in the middle of a character.
#[derive(Debug)]
pub(super) struct Detokenizer<'a> {
    /// Special tokens that are text.
    written: &'a [u32],
    /// Tokens since the window's beginning.
    window: Vec<u32>,
    /// How many of them have been given out as text.
    given: usize,
}

impl<'a> Detokenizer<'a> {
    /// One that leaves out every special token but these.
    pub(super) fn new(written: &'a [u32]) -> Self {
        Self { written, window: Vec::new(), given: 0 }
    }

    /// The text that this token completes; empty while a character is unfinished or for a special token.
    pub(super) fn push(&mut self, token: u32, tokenizer: &Tokenizer) -> Result<String, ModelError> {
        self.window.push(token);
        let (before, after) = self.texts(tokenizer)?;
        if after.len() <= before.len() || after.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        self.window.drain(..self.given);
        self.given = self.window.len();
        Ok(after.get(before.len()..).unwrap_or_default().to_owned())
    }

    /// What is left at the end: a character that was never finished becomes the replacement character.
    pub(super) fn finish(&mut self, tokenizer: &Tokenizer) -> Result<String, ModelError> {
        let (before, after) = self.texts(tokenizer)?;
        self.window.clear();
        self.given = 0;
        Ok(after.get(before.len()..).unwrap_or_default().to_owned())
    }

    fn texts(&self, tokenizer: &Tokenizer) -> Result<(String, String), ModelError> {
        Ok((self.text(tokenizer, &self.window[..self.given])?, self.text(tokenizer, &self.window)?))
    }

    /// The tokens' text without special tokens that aren't text.
    fn text(&self, tokenizer: &Tokenizer, tokens: &[u32]) -> Result<String, ModelError> {
        if !tokens.iter().any(|token| self.written.contains(token)) {
            return tokenizer.decode(tokens, true).map_err(ModelError::Engine);
        }
        let added = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let is_text = |token: &&u32| {
            self.written.contains(token) || !added.get(*token).is_some_and(|token| token.special)
        };
        let shown: Vec<u32> = tokens.iter().filter(is_text).copied().collect();
        tokenizer.decode(&shown, false).map_err(ModelError::Engine)
    }
}
