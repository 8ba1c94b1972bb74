//! A model's tokens as a tree of bytes, over which grammars are laid.

use std::fmt;

use llguidance::{
    ParserFactory,
    earley::SlicedBiasComputer,
    toktrie::{InferenceCapabilities, TokEnv},
};
use tokenizers::Tokenizer;
use toktrie_hf_tokenizers::ByteTokenizerEnv;

use super::{ConstraintError, dense::byte_tokenizer};

/// A model's tokens as a tree of bytes. Built once a model (about half a second for 49,000 tokens), shared
/// by all its constraints.
pub struct Vocabulary {
    factory: ParserFactory,
    environment: TokEnv,
    tokenizer: Tokenizer,
    end_tokens: Vec<u32>,
    logits: usize,
    /// Texts that are one token each to the tree, the longest first: special tokens, and other added ones between `<` and `>`,
    /// as Qwen's `</tool_call>`.
    whole: Vec<(String, u32)>,
}

impl Vocabulary {
    /// Builds the tree.
    ///
    /// `end_tokens` are those that may end a reply where its grammar allows an end; `logits_size` is how many
    /// scores the model gives a token, which is often rounded up beyond the tokenizer's tokens.
    ///
    /// # Errors
    ///
    /// [`ConstraintError::Tokenizer`] where the tokenizer isn't byte-level (or `SentencePiece` with bytes to fall
    /// back on), has more tokens than the model has scores (special ones aside, which are left out), or an end token is none
    /// of them.
    pub fn from_tokenizer(
        tokenizer: &Tokenizer,
        end_tokens: &[u32],
        logits_size: usize,
    ) -> Result<Self, ConstraintError> {
        let refused = |reason: String| ConstraintError::Tokenizer { reason };
        let (mut bytes, size) = byte_tokenizer(tokenizer, logits_size).map_err(refused)?;
        if let Some(end) = end_tokens.iter().find(|&&end| end as usize >= size) {
            return Err(refused(format!("the end token {end} isn't among its {size} tokens")));
        }
        // A grammar must have an end to allow. Where the model names none, it gets a token of its own, one
        // beyond the logits, which therefore is never chosen.
        let padded = if end_tokens.is_empty() {
            logits_size + 1
        } else {
            bytes.set_eos_tokens(end_tokens);
            logits_size
        };
        let mut environment =
            ByteTokenizerEnv::new(bytes, Some(padded)).map_err(|error| refused(error.to_string()))?;
        if end_tokens.is_empty() {
            environment.tok_trie = environment.tok_trie.with_eos_token(logits_size as u32);
        }
        let environment = environment.to_env();
        let capabilities = InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() };
        let mut factory =
            ParserFactory::new(&environment, capabilities, &SlicedBiasComputer::general_slices())
                .map_err(|error| refused(error.to_string()))?;
        factory.quiet();
        let mut end_tokens = end_tokens.to_vec();
        if end_tokens.is_empty() {
            end_tokens.push(logits_size as u32);
        }
        let tree = environment.tok_trie();
        let added = tokenizer.get_added_tokens_decoder().into_iter();
        let mut whole: Vec<(String, u32)> = added
            .filter(|(id, _)| (*id as usize) < size)
            .filter(|(id, token)| tree.is_special_token(*id) && !token.content.is_empty())
            .map(|(id, token)| (token.content, id))
            .collect();
        whole.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.cmp(b)));
        let tokenizer = tokenizer.clone();
        Ok(Self { factory, environment, tokenizer, end_tokens, logits: logits_size, whole })
    }

    /// The first of those tokens in a text: what stands before it, its id, and what stands behind it.
    pub(super) fn cut<'t>(&self, text: &'t str) -> Option<(&'t str, u32, &'t str)> {
        let places = self.whole.iter().filter_map(|(name, id)| Some((text.find(name)?, name.len(), *id)));
        let (at, length, id) = places.min_by_key(|&(at, length, _)| (at, usize::MAX - length))?;
        Some((&text[..at], id, &text[at + length..]))
    }

    /// How many scores the model gives.
    pub fn logits_size(&self) -> usize {
        self.logits
    }

    pub(super) fn factory(&self) -> &ParserFactory {
        &self.factory
    }

    pub(super) fn is_end(&self, token: u32) -> bool {
        self.end_tokens.contains(&token)
    }

    /// The id of a special token, of those that the model scores.
    pub(super) fn special(&self, name: &str) -> Result<u32, ConstraintError> {
        let scored = self.tokenizer.token_to_id(name).filter(|id| (*id as usize) < self.logits);
        scored.ok_or_else(|| ConstraintError::NoSuchToken { name: name.to_owned() })
    }

    /// The tokens of a text, as the tokenizer writes it by itself.
    pub(super) fn tokens(&self, text: &str) -> Vec<u32> {
        self.environment.tokenize(text)
    }

    /// The bytes that a token stands for; a special token stands for none.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        let trie = self.environment.tok_trie();
        if trie.is_special_token(token) { &[] } else { trie.token(token) }
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary")
            .field("logits", &self.logits)
            .field("end_tokens", &self.end_tokens)
            .finish_non_exhaustive()
    }
}
