//! `config.json` of a dual encoder, and what `tokenizer_config.json` adds, as written and as meant.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::family::EncoderFamily;
use crate::{
    ModelError,
    folder::{bad, parse_required, read_settings},
};

/// A beginning, an end, and one token between. Below it the tokenizer's own reckoning of what it cuts off goes wrong.
const LEAST_CONTEXT: usize = 3;

/// The classes of SigLIP 2's tokenizer: its own, and the one that folders name which came before it.
const LOWERED: [&str; 2] = ["Siglip2Tokenizer", "GemmaTokenizer"];

#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default)]
    text_config: TextWritten,
}

#[derive(Debug, Default, Deserialize)]
struct TextWritten {
    max_position_embeddings: Option<usize>,
    vocab_size: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct TokenizerWritten {
    bos_token: Option<TokenWritten>,
    eos_token: Option<TokenWritten>,
    pad_token: Option<TokenWritten>,
    padding_side: Option<String>,
    tokenizer_class: Option<String>,
    /// Some files have a number of thirty digits here, for none.
    model_max_length: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TokenWritten {
    Text(String),
    Token { content: String },
}

impl TokenWritten {
    fn text(self) -> String {
        match self {
            Self::Text(text) | Self::Token { content: text } => text,
        }
    }
}

/// A dual encoder's configuration as it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncoderConfig {
    /// The family.
    pub family: EncoderFamily,
    /// The most tokens of a text, special ones included.
    pub context: usize,
    /// Tokens that the text tower knows.
    pub vocabulary: usize,
    /// The token that every text begins with, if there is one.
    pub start_token: Option<String>,
    /// The token that every text ends with.
    pub end_token: String,
    /// The token that short texts are padded with.
    pub padding_token: String,
    /// Whether texts are read in lower case whatever `tokenizer.json` says: as SigLIP 2 was trained, with Gemma's tokenizer
    /// (`Siglip2Tokenizer` of transformers).
    pub lower_case: bool,
}

impl EncoderConfig {
    /// Reads the two files of a folder whose family is known.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if one is missing, torn, or asks for padding on the left.
    pub(crate) fn of_folder(folder: &Path, family: EncoderFamily) -> Result<Self, ModelError> {
        let written: Written = parse_required(&folder.join("config.json"))?;
        let path = folder.join("tokenizer_config.json");
        let tokenizer: TokenizerWritten = read_settings(&path)?;
        if tokenizer.padding_side.as_deref() == Some("left") {
            return Err(bad(&path, "it pads texts on the left, which no family here does".into()));
        }
        let (usual_context, usual_vocabulary) = family.usual_sizes();
        let (usual_start, usual_end) = family.usual_tokens();
        let positions = written.text_config.max_position_embeddings.unwrap_or(usual_context);
        let context = tokenizer.model_max_length.map_or(positions, |most| positions.min(most as usize));
        if context < LEAST_CONTEXT {
            let (path, key) = if context < positions {
                (path, "model_max_length")
            } else {
                (folder.join("config.json"), "max_position_embeddings")
            };
            return Err(bad(
                &path,
                format!(
                    "by `{key}` it takes texts of {context} tokens, which leaves no room between their marks"
                ),
            ));
        }
        let end_token = tokenizer.eos_token.map_or_else(|| usual_end.into(), TokenWritten::text);
        let class = tokenizer.tokenizer_class.as_deref().map(|class| class.trim_end_matches("Fast"));
        let named_start = tokenizer.bos_token.map(TokenWritten::text);
        Ok(Self {
            family,
            context,
            vocabulary: written.text_config.vocab_size.unwrap_or(usual_vocabulary),
            start_token: usual_start.map(|usual| named_start.unwrap_or_else(|| usual.into())),
            padding_token: tokenizer.pad_token.map_or_else(|| end_token.clone(), TokenWritten::text),
            end_token,
            lower_case: family == EncoderFamily::Siglip
                && class.is_some_and(|class| LOWERED.contains(&class)),
        })
    }
}
