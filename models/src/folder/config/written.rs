//! `config.json` and `generation_config.json` as they are written.

use serde::{Deserialize, de::IgnoredAny};

/// `config.json` as written; keys of other purposes are left aside.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Written {
    pub(super) model_type: Option<String>,
    pub(super) image_token_id: Option<u32>,
    pub(super) image_token_index: Option<u32>,
    pub(super) image_seq_length: Option<usize>,
    pub(super) num_query_tokens: Option<usize>,
    pub(super) additional_vocab_size: Option<usize>,
    pub(super) scale_factor: Option<u32>,
    pub(super) vision_feature_select_strategy: Option<String>,
    pub(super) text_config: Option<TextWritten>,
    pub(super) vocabulary_map: Option<VocabularyWritten>,
    /// Where older files have what newer ones have in `text_config` (Qwen2-VL).
    #[serde(flatten)]
    pub(super) flat: TextWritten,
    #[serde(default)]
    pub(super) vision_config: VisionWritten,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TextWritten {
    pub(super) hidden_size: Option<usize>,
    pub(super) num_hidden_layers: Option<usize>,
    pub(super) num_attention_heads: Option<usize>,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) vocab_size: Option<usize>,
    pub(super) max_position_embeddings: Option<usize>,
    /// The class of the decoder, where it is another one than the model's.
    #[serde(rename = "model_type")]
    pub(super) class: Option<String>,
    /// Not there at all, it is what its class has; `null`, there is none.
    #[serde(default)]
    pub(super) sliding_window: WindowWritten,
    pub(super) use_sliding_window: Option<bool>,
    pub(super) original_max_position_embeddings: Option<usize>,
    pub(super) eos_token_id: Option<Tokens>,
    /// A decoder beside an encoder has its own (BART).
    pub(super) d_model: Option<usize>,
    pub(super) decoder_layers: Option<usize>,
    pub(super) decoder_attention_heads: Option<usize>,
}

/// A sliding window as it is written, be it `null`, or not.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(from = "Option<usize>")]
pub(super) enum WindowWritten {
    #[default]
    LeftOut,
    Written(Option<usize>),
}

impl From<Option<usize>> for WindowWritten {
    fn from(written: Option<usize>) -> Self {
        Self::Written(written)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct VisionWritten {
    pub(super) image_size: Option<Side>,
    pub(super) patch_size: Option<Side>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct VocabularyWritten {
    #[serde(rename = "<image>")]
    pub(super) image: Option<u32>,
}

/// The side of a square, or height and width, or one a stage of the tower (Florence-2).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Side {
    Square(u32),
    Sides([u32; 2]),
    Stages(Vec<u32>),
}

impl Side {
    /// The one length of both sides.
    pub(super) fn square(self) -> Option<u32> {
        match self {
            Self::Square(side) => Some(side),
            Self::Sides([height, width]) => (height == width).then_some(height),
            Self::Stages(sides) => match *sides.as_slice() {
                [side] => Some(side),
                _ => None,
            },
        }
    }
}

/// One token or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(in crate::folder) enum Tokens {
    One(u32),
    Several(Vec<u32>),
}

impl Tokens {
    pub(in crate::folder) fn all(&self) -> Vec<u32> {
        match self {
            Self::One(token) => vec![*token],
            Self::Several(tokens) => tokens.clone(),
        }
    }
}

/// `generation_config.json` as it is written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct GenerationWritten {
    pub(super) eos_token_id: Option<Tokens>,
    repetition_penalty: Option<f64>,
    no_repeat_ngram_size: Option<usize>,
    bad_words_ids: Option<Vec<IgnoredAny>>,
    suppress_tokens: Option<Vec<IgnoredAny>>,
    begin_suppress_tokens: Option<Vec<IgnoredAny>>,
}

impl GenerationWritten {
    /// What it asks of each token that is chosen, greedily too.
    pub(super) fn demands(&self) -> Vec<String> {
        let penalty = self.repetition_penalty.filter(|penalty| (penalty - 1.0).abs() > f64::EPSILON);
        let length = self.no_repeat_ngram_size.filter(|length| *length > 0);
        let lists = [
            ("bad_words_ids", &self.bad_words_ids),
            ("suppress_tokens", &self.suppress_tokens),
            ("begin_suppress_tokens", &self.begin_suppress_tokens),
        ];
        let lists = lists.into_iter().filter(|(_, list)| list.as_ref().is_some_and(|list| !list.is_empty()));
        let numbers = [
            penalty.map(|penalty| format!("`repetition_penalty` {penalty}")),
            length.map(|length| format!("`{NO_REPEAT}` {length}")),
        ];
        numbers.into_iter().flatten().chain(lists.map(|(key, _)| format!("`{key}`"))).collect()
    }
}

/// The key of what the families that read it here do.
pub(super) const NO_REPEAT: &str = "no_repeat_ngram_size";
