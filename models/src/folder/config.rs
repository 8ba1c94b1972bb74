//! `config.json` as far as it is needed here: as it is written, and what it means.

mod decoder_class;
mod written;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(super) use self::written::Tokens;
use self::{
    decoder_class::DecoderClass,
    written::{GenerationWritten, NO_REPEAT, Side, Written},
};
use super::{
    added_token, bad,
    genai::{self, GenaiConfig},
    parse_required, read_settings,
};
use crate::ModelError;

/// A model's configuration as it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelConfig {
    /// The family's name in `config.json`.
    pub model_type: String,
    /// The token whose embedding an image feature replaces, of a model that sees.
    pub image_token_id: Option<u32>,
    /// Image tokens of one image (LLaVA), where the configuration says.
    pub image_tokens: Option<usize>,
    /// Queries that a Q-Former puts to one image (BLIP-2), where the configuration says.
    pub query_tokens: Option<usize>,
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
    /// What `generation_config.json` asks of each token that is chosen, beside its likelihood, in words.
    pub demands: Vec<String>,
}

/// The language decoder's sizes; `None` where the configuration leaves them to the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextConfig {
    /// Length of an embedding.
    pub hidden_size: Option<usize>,
    /// Decoder layers.
    pub layers: Option<usize>,
    /// Key and value heads of a layer, where the configuration says.
    pub key_value_heads: Option<usize>,
    /// Length of a head's vectors, where the configuration says.
    pub head_dim: Option<usize>,
    /// Key and value heads of its class, for a graph that doesn't say either.
    pub usual_key_value_heads: Option<usize>,
    /// Length of a head's vectors in its class, for a graph that doesn't say either.
    pub usual_head_dim: Option<usize>,
    /// Number of logits.
    pub vocabulary: Option<usize>,
    /// The most tokens, prompt and reply together.
    pub context: usize,
    /// How many tokens back some of its layers see, where that isn't all.
    pub sliding_window: Option<usize>,
    /// From more tokens than so many on, all of them are rotated otherwise (`LongRoPE`, of Phi-3): what the cache holds by
    /// then would have to be read again, so no sequence grows beyond.
    pub turns_at: Option<usize>,
}

/// A part of `config.json`, or where there is none, of what `genai_config.json` says in its place.
///
/// # Errors
///
/// [`ModelError::Folder`] if neither is there, or it is torn.
pub(crate) fn part<T: for<'a> Deserialize<'a>>(folder: &Path) -> Result<T, ModelError> {
    let path = config_path(folder);
    if path.ends_with(genai::FILE)
        && let Some(genai) = GenaiConfig::of_folder(folder)?
    {
        return serde_json::from_value(genai.as_config()).map_err(|error| bad(&path, error.to_string()));
    }
    parse_required(&path)
}

/// The file that [`part`] reads, for errors about what it says.
pub(crate) fn config_path(folder: &Path) -> PathBuf {
    let (usual, genai) = (folder.join("config.json"), folder.join(genai::FILE));
    if !usual.exists() && genai.exists() { genai } else { usual }
}

/// Names of a family under which folders of it were published, and the one that transformers has.
const ALIASES: [(&str, &str); 1] = [("lfm2-vl", "lfm2_vl")];

/// Where Phi-3's positions turn, if its configuration doesn't say it: every published one with `LongRoPE` turns there.
const PHI_TURNS_AT: usize = 4096;
/// How long the contexts of the published ones of text alone are that turn; shorter ones (4,096 tokens, Phi-4's 16,384 and
/// 32,768) don't.
const LONG_PHI: usize = 131_072;

impl ModelConfig {
    /// Reads `config.json` and the end tokens of `generation_config.json`. A `family` counts in place of the one that is
    /// written, which may then be another one or none.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if a file is missing, torn, or lacks what no family can do without.
    pub fn of_folder(folder: &Path, family: Option<&str>) -> Result<Self, ModelError> {
        let path = config_path(folder);
        let written: Written = part(folder)?;
        let generation: GenerationWritten = read_settings(&folder.join("generation_config.json"))?;
        let named = family.map(str::to_owned).or(written.model_type).ok_or_else(|| ModelError::Folder {
            path,
            problem: "it doesn't say its `model_type`".into(),
            remedy: "Compare it with the file in the model's own repository, or name the family in `percept.toml`: \
                     `[model]`, `family = \"…\"`"
                .into(),
        })?;
        let alias = ALIASES.iter().find(|(published, _)| *published == named);
        let model_type = alias.map_or(named, |(_, known)| (*known).to_owned());
        let mut image_token_id = written.image_token_id.or(written.image_token_index);
        // What a configuration leaves to the tokenizer: Idefics' and Phi-3-vision's always, Gemma 3's in
        // onnxruntime-genai's folders.
        for (family, token) in
            [("idefics", "<image>"), ("gemma3", "<image_soft_token>"), ("phi3_v", "<|image|>")]
        {
            if image_token_id.is_none() && model_type == family {
                image_token_id = added_token(folder, token)?;
            }
        }
        if image_token_id.is_none() {
            // Where all of the vocabulary stands in the configuration (Chameleon).
            image_token_id = written.vocabulary_map.and_then(|names| names.image);
        }
        let flat_ends = written.flat.eos_token_id.clone();
        let text = written.text_config.unwrap_or(written.flat);
        // Tokens whose embeddings lie in a table of their own (Idefics).
        let additional = written.additional_vocab_size.unwrap_or(0);
        let heads = text.decoder_attention_heads.or(text.num_attention_heads);
        let hidden = text.d_model.or(text.hidden_size);
        let class = DecoderClass::of(text.class.as_deref(), &model_type);
        let turns_at = text.original_max_position_embeddings;
        // `genai_config.json` doesn't say it.
        let turns = match model_type.as_str() {
            "phi3_v" => true,
            "phi3" => text.max_position_embeddings.is_some_and(|context| context >= LONG_PHI),
            _ => false,
        };
        let turns_at = turns_at.or_else(|| turns.then_some(PHI_TURNS_AT));
        let demands = generation.demands();
        let ends = generation.eos_token_id.or(flat_ends).or(text.eos_token_id);
        Ok(Self {
            model_type,
            image_token_id,
            image_tokens: written.image_seq_length,
            query_tokens: written.num_query_tokens,
            scale_factor: written.scale_factor,
            feature_selection: written.vision_feature_select_strategy,
            image_size: written.vision_config.image_size.and_then(Side::square),
            patch_size: written.vision_config.patch_size.and_then(Side::square),
            text: TextConfig {
                hidden_size: hidden,
                layers: text.decoder_layers.or(text.num_hidden_layers),
                key_value_heads: text.num_key_value_heads,
                head_dim: text.head_dim,
                usual_key_value_heads: class.usual_key_value_heads(heads),
                usual_head_dim: class.usual_head_dim(hidden, heads),
                vocabulary: text.vocab_size.map(|tokens| tokens.saturating_add(additional)),
                context: text.max_position_embeddings.unwrap_or(class.context),
                sliding_window: class.used_window(text.sliding_window, text.use_sliding_window),
                turns_at,
            },
            end_tokens: ends.map(|tokens| tokens.all()).unwrap_or_default(),
            demands,
        })
    }

    /// What isn't done of what `generation_config.json` asks of a reply, for the card, by whether the family's own runs of
    /// tokens never come twice.
    pub(super) fn unmet(&self, repeats_none: bool) -> Option<String> {
        let is_met = |demand: &&String| repeats_none && demand.contains(NO_REPEAT);
        let unmet: Vec<&str> =
            self.demands.iter().filter(|demand| !is_met(demand)).map(String::as_str).collect();
        (!unmet.is_empty()).then(|| {
            format!(
                "`generation_config.json` asks for {}, which isn't done here: replies may be other ones than elsewhere",
                unmet.join(", ")
            )
        })
    }

    /// Lengths and positions are counted in 32 bits by `GroupQueryAttention`; a longer context is a slip of the pen, and
    /// memory is planned by it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] for a context of no token, or of more than can be counted, or positions that turn before the
    /// first one.
    pub(crate) fn check_context(&self, folder: &Path) -> Result<(), ModelError> {
        let most = i32::MAX as usize;
        if self.text.turns_at == Some(0) {
            let problem = "its `original_max_position_embeddings` is 0: the positions of no text would do";
            return Err(bad(&config_path(folder), problem.into()));
        }
        if (1..=most).contains(&self.text.context) {
            return Ok(());
        }
        Err(ModelError::Folder {
            path: config_path(folder),
            problem: format!(
                "it says that the model takes {} tokens (`max_position_embeddings`, or `context_length` of \
                 `genai_config.json`), which is no length from 1 to {most}",
                self.text.context
            ),
            remedy: "Compare it with the file in the model's own repository".into(),
        })
    }
}
