//! What only LFM2-VL's processor is configured by.

use serde::Deserialize;

use super::{Channels, HALF, Written};
use crate::processor::{Backend, Filter, ImageProcessor, NaflexImage};

/// Its own keys, as they are written.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct NaflexWritten {
    downsample_factor: Option<u32>,
    min_tiles: Option<u32>,
    max_tiles: Option<u32>,
    pub(super) use_thumbnail: Option<bool>,
    min_image_tokens: Option<u32>,
    max_image_tokens: Option<u32>,
    encoder_patch_size: Option<u32>,
    tile_size: Option<u32>,
    max_pixels_tolerance: Option<f64>,
}

impl Written {
    pub(super) fn naflex(&self) -> Result<ImageProcessor, String> {
        let written = &self.naflex;
        let within = |name: &str, value: Option<u32>, usual: u32, most: u32| match value.unwrap_or(usual) {
            value if (1..=most).contains(&value) => Ok(value),
            value => Err(format!("its `{name}` is {value}; known are 1 to {most}")),
        };
        let patch = within("encoder_patch_size", written.encoder_patch_size, 16, 256)?;
        let downsample = within("downsample_factor", written.downsample_factor, 2, 8)?;
        let tile = within("tile_size", written.tile_size, 512, 8192)?;
        let most_tiles = within("max_tiles", written.max_tiles, 10, 256)?;
        let fewest_tiles = within("min_tiles", written.min_tiles, 2, 256)?;
        let most = within("max_image_tokens", written.max_image_tokens, 256, 1 << 14)?;
        let fewest = within("min_image_tokens", written.min_image_tokens, 64, 1 << 14)?;
        if fewest_tiles > most_tiles || fewest > most {
            return Err("a least number of tiles or image tokens is larger than the greatest".into());
        }
        if tile % (patch * downsample) != 0 {
            return Err(format!(
                "its tiles of {tile} pixels aren't whole features of {}",
                patch * downsample
            ));
        }
        if self.do_pad == Some(false) {
            return Err("without `do_pad` it doesn't say which patches are which picture's".into());
        }
        Ok(ImageProcessor::Naflex(NaflexImage {
            patch,
            downsample,
            features: [fewest, most],
            tolerance: written.max_pixels_tolerance.unwrap_or(2.0),
            tiles: self.do_image_splitting.unwrap_or(true).then_some((tile, [fewest_tiles, most_tiles])),
            thumbnail: written.use_thumbnail.unwrap_or(true),
            filter: self.filter_in(Filter::Bilinear, Backend::Torchvision)?,
            normalise: self.normalise(
                self.image_mean.map_or(HALF, Channels::each),
                HALF,
                Backend::Torchvision,
            ),
        }))
    }
}
