//! `InternVL` 3 (Zhu et al. 2025) in transformers' form: an image in tiles, their features one after another.
//!
//! Reference: transformers' `processing_internvl.py`. Its processor asks for tiles even where the image processor's
//! file says `"crop_to_patches": false`, as published ones do.

use std::path::Path;

use serde::Deserialize;

use super::{Family, countable};
use crate::{
    ModelError,
    folder::{ModelConfig, read_settings},
    processor::{AspectTiles, ImageProcessor, ProcessedImage},
};

const FEATURE: &str = "<IMG_CONTEXT>";
const BEGIN: &str = "<img>";
const END: &str = "</img>";

/// Features of a tile where no file says it: the class's.
const USUAL_FEATURES: usize = 256;

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    image_seq_length: Option<usize>,
}

#[derive(Debug)]
pub(super) struct InternVl {
    /// Features of one tile.
    tile_tokens: usize,
}

pub(super) fn read(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let tile_tokens = file.image_seq_length.or(config.image_tokens).unwrap_or(USUAL_FEATURES);
    Ok(Box::new(InternVl { tile_tokens: countable(&path, tile_tokens)? }))
}

impl Family for InternVl {
    fn name(&self) -> &'static str {
        "internvl"
    }

    fn image_token(&self) -> &str {
        FEATURE
    }

    fn processor(&self, written: ImageProcessor) -> ImageProcessor {
        match written {
            ImageProcessor::Aspect(aspect) => ImageProcessor::Aspect(AspectTiles { cuts: true, ..aspect }),
            other => other,
        }
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let features = FEATURE.repeat(self.tile_tokens * image.tiles);
        format!("{BEGIN}{features}{END}")
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec!["<|im_end|>", "<|endoftext|>"]
    }
}
