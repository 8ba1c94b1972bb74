//! Idefics (Laurençon et al. 2023), the open Flamingo (Alayrac et al. 2022): images anywhere in a text, each of them one
//! token in it. What a resampler makes of an image is looked at by cross-attention layers of the decoder, and each
//! token looks at the last image before it.
//!
//! Reference: transformers' `processing_idefics.py`. Published folders have no chat template; turns are written as that
//! file's example and the model card write them, with `<end_of_utterance>` where the tokenizer has it (the instructed
//! models).

use std::path::Path;

use percept_runtime::HostTensor;

use super::{Family, pixel_values};
use crate::{ModelError, folder::added_token, processor::ProcessedImage};

const IMAGE: &str = "<image>";
const END_OF_TURN: &str = "<end_of_utterance>";

#[derive(Debug)]
pub(super) struct Idefics {
    template: String,
    /// Whether it was taught to end a turn with a token.
    ends_turns: bool,
}

pub(super) fn read(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let ends_turns = added_token(folder, END_OF_TURN)?.is_some();
    let end = if ends_turns { END_OF_TURN } else { "" };
    let template = format!("{{% set end = '{end}' %}}{}", include_str!("idefics.jinja"));
    Ok(Box::new(Idefics { template, ends_turns }))
}

impl Family for Idefics {
    fn name(&self) -> &'static str {
        "idefics"
    }

    fn image_token(&self) -> &str {
        IMAGE
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        IMAGE.into()
    }

    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        let shape = vec![1, image.tiles, 3, image.height, image.width];
        vec![pixel_values(shape, image.values)]
    }

    fn looks_at_images(&self) -> bool {
        true
    }

    fn template(&self) -> Option<&str> {
        Some(&self.template)
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec![END_OF_TURN]
    }

    fn end_texts(&self) -> &'static [&'static str] {
        // Nothing else ends a turn of a model that wasn't instructed: it goes on with the person's.
        if self.ends_turns { &[] } else { &["\nUser:"] }
    }
}
