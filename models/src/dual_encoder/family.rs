//! What differs between CLIP and SigLIP on the way to an embedding.

use serde::Serialize;

use super::{Scoring, Temperature, TemperatureSource};

/// A family of dual encoders. Adding one is a variant here and its answers below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderFamily {
    /// Radford et al. 2021: causal text tower, read at the end token.
    Clip,
    /// Zhai et al. 2023: text tower without a mask, read at the last place, which is why texts are always padded.
    Siglip,
}

/// How far a text is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// To the longest text of a batch; places after the end token don't matter.
    Longest,
    /// To the whole context.
    Whole,
}

impl EncoderFamily {
    /// The families that are hosted, for the errors that list them.
    pub(super) const KNOWN: &'static str = "clip and siglip";

    /// The family of a `model_type`.
    pub(super) fn of(model_type: &str) -> Option<Self> {
        match model_type {
            "clip" => Some(Self::Clip),
            "siglip" => Some(Self::Siglip),
            _ => None,
        }
    }

    /// Its name in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Siglip => "siglip",
        }
    }

    /// Tokens of a text and words of the vocabulary, where a configuration leaves them to its class.
    pub(super) fn usual_sizes(self) -> (usize, usize) {
        match self {
            Self::Clip => (77, 49408),
            Self::Siglip => (64, 32000),
        }
    }

    pub(super) fn padding(self) -> Padding {
        match self {
            Self::Clip => Padding::Longest,
            Self::Siglip => Padding::Whole,
        }
    }

    /// The special tokens of the family's tokenizer, where its files don't name them: the beginning, if texts have
    /// one, and the end, which is also what texts are padded with.
    pub(super) fn usual_tokens(self) -> (Option<&'static str>, &'static str) {
        match self {
            Self::Clip => (Some("<|startoftext|>"), "<|endoftext|>"),
            Self::Siglip => (None, "</s>"),
        }
    }

    /// What the text tower's output is called, and the image tower's, where each is a graph of its own.
    pub(super) fn outputs(self) -> (&'static str, &'static str) {
        match self {
            Self::Clip => ("text_embeds", "image_embeds"),
            Self::Siglip => ("pooler_output", "pooler_output"),
        }
    }

    pub(super) fn scoring(self) -> Scoring {
        match self {
            Self::Clip => Scoring::Softmax,
            Self::Siglip => Scoring::Sigmoid,
        }
    }

    /// The temperature to assume where nothing says it. SigLIP has none: its bias and scale end elsewhere in every
    /// training, and a sigmoid with the wrong ones is no probability.
    pub(super) fn assumed(self) -> Option<Temperature> {
        match self {
            Self::Clip => {
                Some(Temperature { source: TemperatureSource::Assumed, ..Temperature::softmax(100.0) })
            }
            Self::Siglip => None,
        }
    }
}
