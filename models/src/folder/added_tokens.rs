//! The tokens that a tokenizer has beside its vocabulary, for what a configuration leaves to them.

use std::path::Path;

use serde::Deserialize;

use super::parse_required;
use crate::ModelError;

#[derive(Debug, Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Debug, Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

/// The id of an added token in a folder's `tokenizer.json`.
///
/// # Errors
///
/// [`ModelError::Folder`] if the file is missing or torn.
pub(crate) fn added_token(folder: &Path, content: &str) -> Result<Option<u32>, ModelError> {
    let file: TokenizerFile = parse_required(&folder.join("tokenizer.json"))?;
    Ok(file.added_tokens.into_iter().find(|token| token.content == content).map(|token| token.id))
}
