//! Text from tokens as they come, never with half a character in it.

use tokenizers::Tokenizer;

use crate::ModelError;

/// Turns tokens into text one by one.
///
/// A token may be a part of a character, and its text may depend on the token before (a space that a decoder
/// swallows at the beginning). So a token's text is the difference between decoding a short window with it and
/// without it, held back while it ends in the middle of a character.
#[derive(Debug, Default)]
pub(super) struct Detokenizer {
    /// Tokens since the window's beginning.
    window: Vec<u32>,
    /// How many of them have been given out as text.
    given: usize,
}

impl Detokenizer {
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
        Ok((text(tokenizer, &self.window[..self.given])?, text(tokenizer, &self.window)?))
    }
}

/// The tokens' text without special tokens.
fn text(tokenizer: &Tokenizer, tokens: &[u32]) -> Result<String, ModelError> {
    tokenizer.decode(tokens, true).map_err(ModelError::Engine)
}
