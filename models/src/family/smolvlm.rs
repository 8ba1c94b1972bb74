//! `SmolVLM` (Marafioti et al. 2025) and Idefics3 (Laurençon et al. 2024): an image in tiles, each a run of
//! features between tokens that say where it lies.
//!
//! Reference: transformers' `processing_smolvlm.py` and `processing_idefics3.py`.

mod video;

use std::{fmt::Write, path::Path};

use percept_runtime::HostTensor;
use serde::Deserialize;

use super::{Family, VideoForm, pixel_values};
use crate::{
    ModelError,
    folder::{ModelConfig, bad, read_settings},
    processor::{ProcessedImage, SampledVideo, TileGrid, VideoClass},
};

const IMAGE: &str = "<image>";
const AROUND: &str = "<fake_token_around_image>";
const WHOLE: &str = "<global-img>";

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    image_seq_len: Option<usize>,
}

#[derive(Debug)]
pub(super) struct SmolVlm {
    name: &'static str,
    /// Features of one tile.
    tile_tokens: usize,
}

pub(super) fn read(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let computed = || {
        let side = config.image_size?.checked_div(config.patch_size?)?.checked_div(config.scale_factor?)?;
        Some((side * side) as usize)
    };
    let tile_tokens = file.image_seq_len.or_else(computed).ok_or_else(|| {
        bad(&path, "neither its `image_seq_len` nor `config.json` says how many tokens a tile has".into())
    })?;
    let name = if config.model_type == "idefics3" { "idefics3" } else { "smolvlm" };
    Ok(Box::new(SmolVlm { name, tile_tokens }))
}

impl Family for SmolVlm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn image_token(&self) -> &str {
        IMAGE
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let features = IMAGE.repeat(self.tile_tokens);
        let mut text = String::new();
        if let Some(TileGrid { rows, columns }) = image.grid {
            for row in 1..=rows {
                for column in 1..=columns {
                    // Writing into a string can't fail.
                    let _ = write!(text, "{AROUND}<row_{row}_col_{column}>{features}");
                }
                text.push('\n');
            }
            text.push('\n');
        }
        let _ = write!(text, "{AROUND}{WHOLE}{features}{AROUND}");
        text
    }

    fn video(&self) -> Option<VideoForm> {
        let knows = self.name == "smolvlm";
        knows.then_some(VideoForm { token: video::VIDEO, class: VideoClass::SmolVlm })
    }

    fn video_template(&self) -> Option<&str> {
        Some(video::TEMPLATE)
    }

    fn expand_video(&self, video: &SampledVideo, _frames: &ProcessedImage) -> String {
        let frame = format!("{AROUND}{WHOLE}{}{AROUND}", IMAGE.repeat(self.tile_tokens));
        video::told(video, &frame)
    }

    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        let ProcessedImage { tiles, height, width, values, mask, .. } = image;
        vec![
            pixel_values(vec![1, tiles, 3, height, width], values),
            (
                "pixel_attention_mask".into(),
                HostTensor::Bool { shape: vec![1, tiles, height, width], data: mask },
            ),
        ]
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec!["<end_of_utterance>"]
    }
}
