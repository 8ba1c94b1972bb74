//! Images in a text's own vocabulary: which of its tokens are an image's, and what they are called.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::Parts;
use crate::{
    ModelError,
    folder::{bad, config_path},
};

/// The session that makes pixels of an image's tokens. A folder that only answers needn't have it: transformers' checkpoints
/// of Chameleon haven't.
pub(super) const DECODE: &str = "image_decode";

/// The sessions of a family whose images are tokens.
pub(super) fn parts() -> Parts {
    Parts { optional: &[DECODE], ..Parts::default() }
}

/// The tokens in which a model reads and writes images (Chameleon, Emu3), among those of its text.
///
/// Its vision session gives the tokens of an image, which stand in the prompt where its placeholders stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageVocabulary {
    /// The first stands for code 0 of the image's, and so on.
    pub tokens: Vec<u32>,
    /// Tokens that stand among them and are no code: what ends a row.
    pub others: Vec<u32>,
    /// What a prompt has before, between and after them, by names that the tokenizer must know: as letters they would mark
    /// nothing.
    pub marks: Vec<String>,
    /// Whether none of them is ever written in a text.
    pub silent: bool,
}

/// All tokens of a text by their names: a configuration's `vocabulary_map`, which may have hundreds of thousands, and so is
/// read once.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct VocabularyMap(BTreeMap<String, u32>);

/// The most codes that are counted up to; published models have 8192 and 32768.
const MOST_CODES: usize = 1 << 20;

impl VocabularyMap {
    /// The token of this name.
    pub(super) fn token(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }

    /// The tokens of images, in the order of their codes; `code` tells which code a name that begins so is of. `folder` is
    /// the one whose configuration this is.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if there are no such names, one spells no code, or a code has no token or two.
    pub(super) fn image_tokens(
        &self,
        folder: &Path,
        beginning: &str,
        code: impl Fn(&str) -> Option<usize>,
    ) -> Result<Vec<u32>, ModelError> {
        let problem = |problem: String| bad(&config_path(folder), format!("its `vocabulary_map` {problem}"));
        let mut found = BTreeMap::new();
        for (name, token) in self.0.iter().filter(|(name, _)| name.starts_with(beginning)) {
            let code = code(name).filter(|code| *code < MOST_CODES);
            let code =
                code.ok_or_else(|| problem(format!("has `{name}`, which spells no code of an image")))?;
            if let Some(other) = found.insert(code, *token) {
                return Err(problem(format!(
                    "has two tokens for code {code} of an image, {other} and {token}"
                )));
            }
        }
        if found.is_empty() {
            return Err(problem(format!("has no token of an image: their names begin with `{beginning}`")));
        }
        match found.keys().enumerate().find(|(place, code)| place != *code) {
            Some((missing, _)) => Err(problem(format!("has no token for code {missing} of an image"))),
            None => Ok(found.into_values().collect()),
        }
    }
}
