//! Images in a text's own vocabulary: which of its tokens are an image's, and what they are called.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    ModelError,
    folder::{bad, config_path, part},
};

/// The tokens in which a model reads and writes images (Chameleon, Emu3), among those of its text.
///
/// Its vision session gives the tokens of an image, which stand in the prompt where its placeholders stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageVocabulary {
    /// The first stands for code 0 of the image's, and so on.
    pub tokens: Vec<u32>,
    /// Tokens that stand among them and are no code: what ends a row.
    pub others: Vec<u32>,
    /// Whether none of them is ever written in a text.
    pub silent: bool,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    vocabulary_map: Option<BTreeMap<String, u32>>,
}

/// The most codes that are counted up to; published models have 8192 and 32768.
const MOST_CODES: usize = 1 << 20;

impl ImageVocabulary {
    /// Reads it from the `vocabulary_map` of a folder's configuration. `code` tells which code a name that begins so is of.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if there are no such names, one spells no code, or a code has no token or two.
    pub(super) fn read(
        folder: &Path,
        beginning: &str,
        silent: bool,
        code: impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, ModelError> {
        let problem = |problem: String| bad(&config_path(folder), format!("its `vocabulary_map` {problem}"));
        let names = part::<ConfigFile>(folder)?.vocabulary_map.unwrap_or_default();
        let mut found = BTreeMap::new();
        for (name, token) in names.iter().filter(|(name, _)| name.starts_with(beginning)) {
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
            None => Ok(Self { tokens: found.into_values().collect(), others: Vec::new(), silent }),
        }
    }
}

/// The token of this name in a folder's `vocabulary_map`.
pub(crate) fn mapped_token(folder: &Path, name: &str) -> Result<Option<u32>, ModelError> {
    let names = part::<ConfigFile>(folder)?.vocabulary_map;
    Ok(names.and_then(|names| names.get(name).copied()))
}
