//! LLaVA (Liu et al. 2023): one picture, its patches projected into the decoder's space.
//!
//! Reference: transformers' `processing_llava.py`. Also hosts whatever says of itself that it is fed like
//! LLaVA: one picture in, a fixed number of features out.

use std::path::Path;

use serde::Deserialize;

use super::Family;
use crate::{
    ModelError,
    folder::{ModelConfig, bad, config_path, read_settings},
    processor::ProcessedImage,
};

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    patch_size: Option<u32>,
    vision_feature_select_strategy: Option<String>,
    num_additional_image_tokens: Option<u32>,
    image_token: Option<String>,
}

/// How many features a picture has.
#[derive(Debug)]
enum Count {
    /// Always as many.
    Fixed(usize),
    /// One a patch, and perhaps one more or less.
    Patches { side: usize, additional: usize, drops_first: bool },
}

#[derive(Debug)]
pub(super) struct Llava {
    image_token: String,
    count: Count,
}

pub(super) fn read(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let selection = file.vision_feature_select_strategy.or_else(|| config.feature_selection.clone());
    let count = match (file.patch_size, config.image_tokens, config.patch_size) {
        // The processor's own file is what the reference counts by; the configuration is for folders without.
        (Some(side), _, _) if side > 0 => Count::Patches {
            side: side as usize,
            additional: file.num_additional_image_tokens.unwrap_or(0) as usize,
            drops_first: selection.as_deref() == Some("default"),
        },
        (_, Some(tokens), _) => Count::Fixed(tokens),
        (_, None, Some(side)) if side > 0 => {
            Count::Patches { side: side as usize, additional: 0, drops_first: false }
        }
        _ => {
            return Err(bad(
                &config_path(folder),
                "neither `image_seq_length` nor a patch size says how many tokens an image has".into(),
            ));
        }
    };
    Ok(Box::new(Llava { image_token: file.image_token.unwrap_or_else(|| "<image>".into()), count }))
}

impl Family for Llava {
    fn name(&self) -> &'static str {
        "llava"
    }

    fn image_token(&self) -> &str {
        &self.image_token
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let tokens = match self.count {
            Count::Fixed(tokens) => tokens,
            Count::Patches { side, additional, drops_first } => {
                ((image.height / side) * (image.width / side) + additional)
                    .saturating_sub(usize::from(drops_first))
            }
        };
        self.image_token.repeat(tokens)
    }
}
