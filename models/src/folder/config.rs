//! `config.json` as far as it is needed here: as it is written, and what it means.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{bad, parse_required, read_text};
use crate::ModelError;

/// `config.json` as written; keys of other purposes are left aside.
#[derive(Debug, Clone, Default, Deserialize)]
struct Written {
    model_type: Option<String>,
    image_token_id: Option<u32>,
    image_token_index: Option<u32>,
    image_seq_length: Option<usize>,
    scale_factor: Option<u32>,
    vision_feature_select_strategy: Option<String>,
    text_config: Option<TextWritten>,
    /// Where older files have what newer ones have in `text_config` (Qwen2-VL).
    #[serde(flatten)]
    flat: TextWritten,
    #[serde(default)]
    vision_config: VisionWritten,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct TextWritten {
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    eos_token_id: Option<Tokens>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct VisionWritten {
    image_size: Option<Side>,
    patch_size: Option<Side>,
}

/// The side of a square, or height and width.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Side {
    Square(u32),
    Sides([u32; 2]),
}

impl Side {
    /// The one length of both sides.
    fn square(self) -> Option<u32> {
        match self {
            Self::Square(side) => Some(side),
            Self::Sides([height, width]) => (height == width).then_some(height),
        }
    }
}

/// One token or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Tokens {
    One(u32),
    Several(Vec<u32>),
}

impl Tokens {
    fn all(&self) -> Vec<u32> {
        match self {
            Self::One(token) => vec![*token],
            Self::Several(tokens) => tokens.clone(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct GenerationWritten {
    eos_token_id: Option<Tokens>,
}

/// A model's configuration as it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelConfig {
    /// The family's name in `config.json`.
    pub model_type: String,
    /// The token whose embedding an image feature replaces, of a model that sees.
    pub image_token_id: Option<u32>,
    /// Image tokens of one image (LLaVA), where the configuration says.
    pub image_tokens: Option<usize>,
    /// By how much each side of the patch grid shrinks before the decoder (pixel shuffle).
    pub scale_factor: Option<u32>,
    /// Which of the vision tower's tokens are taken: `default` drops the first (class) token.
    pub feature_selection: Option<String>,
    /// Side of the vision tower's image in pixels, where it is a square.
    pub image_size: Option<u32>,
    /// Side of one of its patches in pixels, where they are squares.
    pub patch_size: Option<u32>,
    /// The language decoder.
    pub text: TextConfig,
    /// Tokens that end a reply.
    pub end_tokens: Vec<u32>,
}

/// The language decoder's sizes; `None` where the configuration leaves them to the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextConfig {
    /// Length of an embedding.
    pub hidden_size: Option<usize>,
    /// Decoder layers.
    pub layers: Option<usize>,
    /// Key and value heads of a layer.
    pub key_value_heads: Option<usize>,
    /// Length of a head's vectors.
    pub head_dim: Option<usize>,
    /// Number of logits.
    pub vocabulary: Option<usize>,
    /// The most tokens, prompt and reply together.
    pub context: usize,
}

/// The context of a model that doesn't say how long it is.
const USUAL_CONTEXT: usize = 2048;

impl ModelConfig {
    /// Reads `config.json` and the end tokens of `generation_config.json`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if a file is missing, torn, or lacks what no family can do without.
    pub fn of_folder(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let written: Written = parse_required(&path)?;
        let generation_path = folder.join("generation_config.json");
        let generation: GenerationWritten = match read_text(&generation_path)? {
            Some(text) => {
                serde_json::from_str(&text).map_err(|error| bad(&generation_path, error.to_string()))?
            }
            None => GenerationWritten::default(),
        };
        let model_type =
            written.model_type.ok_or_else(|| bad(&path, "it doesn't say its `model_type`".into()))?;
        let flat_ends = written.flat.eos_token_id.clone();
        let text = written.text_config.unwrap_or(written.flat);
        let heads = text.num_attention_heads;
        let from_heads = || Some(text.hidden_size? / heads.filter(|heads| *heads > 0)?);
        let ends = generation.eos_token_id.or(flat_ends).or(text.eos_token_id);
        Ok(Self {
            model_type,
            image_token_id: written.image_token_id.or(written.image_token_index),
            image_tokens: written.image_seq_length,
            scale_factor: written.scale_factor,
            feature_selection: written.vision_feature_select_strategy,
            image_size: written.vision_config.image_size.and_then(Side::square),
            patch_size: written.vision_config.patch_size.and_then(Side::square),
            text: TextConfig {
                hidden_size: text.hidden_size,
                layers: text.num_hidden_layers,
                key_value_heads: text.num_key_value_heads.or(heads),
                head_dim: text.head_dim.or_else(from_heads),
                vocabulary: text.vocab_size,
                context: text.max_position_embeddings.unwrap_or(USUAL_CONTEXT),
            },
            end_tokens: ends.map(|tokens| tokens.all()).unwrap_or_default(),
        })
    }
}
