//! LLaVA-NeXT (Liu et al. 2024) and LLaVA-OneVision (Li et al. 2024): an image's whole, then line by line what its tiles
//! show of it, each line ended by one embedding more.
//!
//! Reference: transformers' `processing_llava_next.py` and `processing_llava_onevision.py`, whose count of tokens this is,
//! and `pack_image_features` of both models. The vision encoder gives the features of each tile, and `image_newline`, the
//! embedding that ends a line, as an output of its own; they are put together here, so that tiles can be encoded a few at a
//! time. Where a conversation shows several images, LLaVA-OneVision sees each as one padded picture, as transformers has it
//! for the images of a conversation.

mod lines;

use std::path::Path;

use percept_runtime::HostTensor;
use serde::Deserialize;

use self::lines::Lines;
use super::{Family, countable};
use crate::{
    ModelError,
    folder::{ModelConfig, bad, config_path, part, read_settings},
    processor::{ImageProcessor, ProcessedImage},
};

const NEWLINE: &str = "image_newline";

/// `processor_config.json` of both families as far as it counts tokens.
#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    patch_size: Option<u32>,
    num_additional_image_tokens: Option<usize>,
    num_image_tokens: Option<usize>,
    vision_feature_select_strategy: Option<String>,
    vision_aspect_ratio: Option<String>,
    image_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    vision_aspect_ratio: Option<String>,
}

/// A family whose images come in tiles of a canvas.
#[derive(Debug)]
pub(super) struct Anyres {
    name: &'static str,
    image_token: String,
    /// Features along a tile's side.
    side: Side,
    /// Features of the whole beyond those of a square, and how many of them aren't taken.
    additional: usize,
    dropped: usize,
    /// From clearly more features than so many tiles have, fewer are made.
    most: Option<usize>,
    /// Whether several images are each seen as a whole alone.
    several_whole: bool,
    end_tokens: &'static [&'static str],
}

#[derive(Debug)]
enum Side {
    /// Of so many pixels each.
    Patches(usize),
    Features(usize),
}

/// LLaVA-NeXT.
pub(super) fn next(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let file = processor_file(folder)?;
    let drops = drops_first(&file, config);
    let (patch, additional, dropped) = match file.patch_size {
        Some(patch) => (Some(patch), file.num_additional_image_tokens.unwrap_or(0), usize::from(drops)),
        // Files from before transformers counted by them: a square of features then.
        None => (config.patch_size, 0, 0),
    };
    let patch = patch.filter(|patch| *patch > 0).ok_or_else(|| no_count(folder))? as usize;
    let additional = countable(&folder.join("processor_config.json"), additional)?;
    Ok(Box::new(Anyres {
        name: "llava_next",
        image_token: file.image_token.unwrap_or_else(|| "<image>".into()),
        side: Side::Patches(patch),
        additional,
        dropped,
        most: None,
        several_whole: false,
        end_tokens: &[],
    }))
}

/// LLaVA-OneVision.
pub(super) fn onevision(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let file = processor_file(folder)?;
    let dropped = usize::from(drops_first(&file, config));
    let of_config = || {
        let side = config.image_size?.checked_div(config.patch_size?)? as usize;
        Some(side * side)
    };
    let tokens = file.num_image_tokens.or_else(of_config).ok_or_else(|| no_count(folder))?;
    let tokens = countable(&folder.join("processor_config.json"), tokens)?;
    let side = tokens.isqrt();
    let path = config_path(folder);
    let ratio = match file.vision_aspect_ratio {
        Some(ratio) => ratio,
        None => part::<ConfigFile>(folder)?.vision_aspect_ratio.unwrap_or("anyres_max_9".into()),
    };
    let most = ratio.strip_prefix("anyres_max_").and_then(|most| most.parse().ok()).filter(|most| *most > 0);
    let most = most.ok_or_else(|| {
        bad(&path, format!("its `vision_aspect_ratio` is `{ratio}`; known is `anyres_max_` and a number"))
    })?;
    Ok(Box::new(Anyres {
        name: "llava_onevision",
        image_token: file.image_token.unwrap_or_else(|| "<image>".into()),
        side: Side::Features(side),
        additional: tokens - side * side,
        dropped,
        most: Some(most),
        several_whole: true,
        end_tokens: &["<|im_end|>", "<|endoftext|>"],
    }))
}

fn processor_file(folder: &Path) -> Result<ProcessorFile, ModelError> {
    read_settings(&folder.join("processor_config.json"))
}

fn drops_first(file: &ProcessorFile, config: &ModelConfig) -> bool {
    let strategy = file.vision_feature_select_strategy.as_ref().or(config.feature_selection.as_ref());
    strategy.is_some_and(|strategy| strategy == "default")
}

fn no_count(folder: &Path) -> ModelError {
    let problem =
        "neither it nor `config.json` says how many features a tile has (`patch_size`, `num_image_tokens`)";
    bad(&folder.join("processor_config.json"), problem.into())
}

impl Anyres {
    /// Features along a side of the image's tiles.
    fn side(&self, image: &ProcessedImage) -> usize {
        match self.side {
            Side::Patches(patch) => image.height / patch,
            Side::Features(side) => side,
        }
    }

    /// How the image's features lie; `None` for an image that isn't on a canvas.
    fn lines(&self, image: &ProcessedImage) -> Option<Lines> {
        let grid = image.grid?;
        Some(Lines::of(
            [grid.rows as usize, grid.columns as usize],
            self.side(image),
            image.original?,
            self.most,
        ))
    }
}

impl Family for Anyres {
    fn name(&self) -> &'static str {
        self.name
    }

    fn image_token(&self) -> &str {
        &self.image_token
    }

    fn processor_of_several(&self, of_one: &ImageProcessor) -> Option<ImageProcessor> {
        match of_one {
            ImageProcessor::Anyres(anyres) if self.several_whole => {
                Some(ImageProcessor::Single(anyres.padded_whole()))
            }
            _ => None,
        }
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let whole = (self.side(image).pow(2) + self.additional).saturating_sub(self.dropped);
        // One picture alone is a line of its own.
        let tiles = self.lines(image).map_or(1, |lines| lines.tokens());
        self.image_token.repeat(whole + tiles)
    }

    fn encoder_outputs(&self) -> &'static [&'static str] {
        &[NEWLINE]
    }

    fn arrange(
        &self,
        image: &ProcessedImage,
        features: Vec<f32>,
        outputs: Vec<(String, HostTensor)>,
    ) -> Result<Vec<f32>, ModelError> {
        let newline = outputs.into_iter().find(|(name, _)| name == NEWLINE);
        let (_, newline) =
            newline.ok_or_else(|| ModelError::Engine(format!("it gave no `{NEWLINE}`").into()))?;
        let (_, newline) = newline.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
        let Some(lines) = self.lines(image) else {
            return Ok([features, newline].concat());
        };
        lines.put_together(&features, &newline).ok_or_else(|| {
            ModelError::Image(format!(
                "the vision encoder gave {} numbers for {} tiles, which aren't {} features of {} numbers each: the \
                 processor's configuration and the vision encoder are of different models",
                features.len(),
                image.tiles,
                self.side(image).pow(2),
                newline.len()
            ))
        })
    }

    fn end_tokens(&self) -> Vec<&str> {
        self.end_tokens.to_vec()
    }
}
