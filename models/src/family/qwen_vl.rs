//! Qwen2-VL (Wang et al. 2024), Qwen2.5-VL (Bai et al. 2025), Qwen3-VL (2025) and Qwen3.5 (2026): an image of any shape as
//! a run of features, and positions that tell time, height and width apart.
//!
//! Reference: transformers' `processing_qwen2_vl.py`, `processing_qwen3_vl.py`, `modeling_qwen2_vl.py`,
//! `modeling_qwen2_5_vl.py`, `modeling_qwen3_vl.py` and `modeling_qwen3_5.py`.

mod indices;
mod stamps;

use std::path::Path;

use percept_runtime::{HostTensor, RopePosition};
use serde::Deserialize;

use super::{Family, Span, VideoForm, VideoTimes, pixel_values, positions};
use crate::{
    ModelError,
    folder::{bad, config_path, part},
    processor::{ImageForm, PatchGrid, ProcessedImage, SampledVideo, VideoClass},
};

const IMAGE: &str = "<|image_pad|>";
const VIDEO: &str = "<|video_pad|>";

#[derive(Debug, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    vision_config: VisionWritten,
}

/// In pixels, in pixels, and in patches; positions a second, and frames of a patch; then places of a learnt square, and layers of the tower.
#[derive(Debug, Default, Deserialize)]
struct VisionWritten {
    #[serde(rename = "window_size")]
    window: Option<usize>,
    #[serde(rename = "patch_size")]
    patch: Option<usize>,
    #[serde(rename = "spatial_merge_size")]
    merge: Option<usize>,
    #[serde(rename = "tokens_per_second")]
    pace: Option<f32>,
    #[serde(rename = "temporal_patch_size")]
    frames: Option<u32>,
    #[serde(rename = "num_position_embeddings")]
    positions: Option<usize>,
    #[serde(rename = "deepstack_visual_indexes")]
    deepstack: Option<Vec<usize>>,
}

#[derive(Debug)]
pub(super) struct QwenVl {
    name: &'static str,
    /// Side of a window in features, for a tower with windows.
    window: Option<usize>,
    /// Side of the square on which positions are learnt, for a tower that stretches one over each image.
    square: Option<usize>,
    /// How the layers of a video stand in time.
    time: LayerTime,
    /// How many of the tower's earlier layers give features of their own (deepstack).
    deepstack: usize,
}

/// How the layers of a video are apart.
#[derive(Debug, Clone, Copy)]
enum LayerTime {
    /// Each by itself, as an image is, and told when it is in words.
    Told,
    /// One position.
    Counted,
    /// So many positions a second; a layer has this many frames.
    Paced { pace: f32, frames: u32 },
}

impl LayerTime {
    /// Positions from one layer to the next; `None` where a layer stands by itself.
    fn step(self, video: &SampledVideo) -> Option<f32> {
        match self {
            Self::Told => None,
            Self::Counted => Some(1.0),
            Self::Paced { pace, frames } => {
                // In this order and with these roundings, as the reference.
                let sampled = video.places.len() as f64 / video.total as f64 * video.rate;
                Some(pace * (f64::from(frames) / sampled) as f32)
            }
        }
    }
}

/// Qwen2-VL.
pub(super) fn second() -> Box<dyn Family> {
    Box::new(QwenVl { name: "qwen2_vl", window: None, square: None, time: LayerTime::Counted, deepstack: 0 })
}

/// Qwen2.5-VL, whose tower has windows.
pub(super) fn second_and_a_half(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let path = config_path(folder);
    let VisionWritten { window, patch, merge, pace, frames, .. } = part::<ConfigFile>(folder)?.vision_config;
    // What isn't written is as the class has it.
    let feature = patch.unwrap_or(14).saturating_mul(merge.unwrap_or(2));
    match window.unwrap_or(112).checked_div(feature) {
        Some(window) if window > 0 => {
            let time = LayerTime::Paced { pace: pace.unwrap_or(4.0), frames: frames.unwrap_or(2) };
            Ok(Box::new(QwenVl {
                name: "qwen2_5_vl",
                window: Some(window),
                square: None,
                time,
                deepstack: 0,
            }))
        }
        _ => Err(bad(
            &path,
            format!("a window has no whole feature: `window_size` is less than the {feature} pixels of one"),
        )),
    }
}

/// Qwen3-VL, and the same with experts, under its own name: its tower has learnt positions, and earlier layers whose
/// features are added within the decoder.
pub(super) fn third(folder: &Path, name: &'static str) -> Result<Box<dyn Family>, ModelError> {
    let vision = part::<ConfigFile>(folder)?.vision_config;
    let deepstack = vision.deepstack.as_ref().map_or(3, Vec::len);
    let (square, time) = (Some(vision.square(folder)?), LayerTime::Told);
    Ok(Box::new(QwenVl { name, window: None, square, time, deepstack }))
}

/// Qwen3.5: the same tower, whose last layer alone gives features. What sets it apart from its elders, the states of most
/// of its decoder's layers (gated delta nets), is in its graph.
pub(super) fn third_and_a_half(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let square = part::<ConfigFile>(folder)?.vision_config.square(folder)?;
    let time = LayerTime::Told;
    Ok(Box::new(QwenVl { name: "qwen3_5", window: None, square: Some(square), time, deepstack: 0 }))
}

impl VisionWritten {
    /// Side of the square of learnt positions.
    fn square(&self, folder: &Path) -> Result<usize, ModelError> {
        // What isn't written is as both classes have it.
        let positions = self.positions.unwrap_or(2304);
        match positions.isqrt() {
            side if side > 0 && side * side == positions => Ok(side),
            _ => Err(bad(
                &config_path(folder),
                format!("`num_position_embeddings` is {positions}, which is no square's"),
            )),
        }
    }
}

impl Family for QwenVl {
    fn name(&self) -> &'static str {
        self.name
    }

    fn image_token(&self) -> &str {
        IMAGE
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let [rows, columns] = image.patches.map_or([0; 2], PatchGrid::features);
        IMAGE.repeat(rows * columns)
    }

    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        let Some(patches) = image.patches else { return Vec::new() };
        let count = patches.patches();
        let sides = [patches.layers, patches.rows, patches.columns].map(|side| side as i64);
        let grid = HostTensor::I64 { shape: vec![1, 3], data: sides.to_vec() };
        let mut inputs = vec![
            pixel_values(vec![count, image.values.len() / count.max(1)], image.values),
            // Exports call the grid either way, or take in its place what is made of it.
            ("grid_thw".into(), grid.clone()),
            ("image_grid_thw".into(), grid),
            ("position_ids".into(), indices::places(patches)),
            ("cu_seqlens".into(), indices::bounds(patches)),
        ];
        if let Some(window) = self.window {
            let (order, begins) = indices::windows(patches, window);
            inputs.push(("window_index".into(), order));
            inputs.push(("cu_window_seqlens".into(), begins));
        }
        if let Some(square) = self.square {
            let (places, weights) = indices::on_square(patches, square);
            inputs.push(("interp_indices".into(), places));
            inputs.push(("interp_weights".into(), weights));
        }
        inputs
    }

    fn image_form(&self) -> ImageForm {
        ImageForm::Patches
    }

    fn video(&self) -> Option<VideoForm> {
        let class = match self.time {
            LayerTime::Told => VideoClass::Qwen3Vl,
            LayerTime::Counted | LayerTime::Paced { .. } => VideoClass::Qwen2Vl,
        };
        Some(VideoForm { token: VIDEO, class })
    }

    fn expand_video(&self, video: &SampledVideo, frames: &ProcessedImage) -> String {
        let Some(grid) = frames.patches else { return String::new() };
        let layer = VIDEO.repeat(grid.features().iter().product());
        match self.time {
            LayerTime::Told => stamps::told(video, frames.frames_of_layer(), &layer),
            LayerTime::Counted | LayerTime::Paced { .. } => layer.repeat(grid.layers),
        }
    }

    fn video_span(&self, video: &SampledVideo, frames: &ProcessedImage) -> Option<Span> {
        let grid = frames.patches?;
        let [rows, columns] = grid.features();
        Some(match self.time.step(video) {
            Some(step) => Span::Video { times: VideoTimes { layers: grid.layers, step }, rows, columns },
            None => Span::Image { rows, columns },
        })
    }

    fn side_inputs(&self) -> usize {
        self.deepstack
    }

    /// Qwen2-VL and Qwen3-VL were taught thousandths, Qwen2.5-VL the pixels themselves.
    fn points_at_pixels(&self) -> bool {
        self.window.is_some()
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec!["<|im_end|>", "<|endoftext|>"]
    }

    fn positions(&self, prompt: &[Span]) -> Option<Vec<RopePosition>> {
        Some(positions::multimodal(prompt))
    }
}
