//! Qwen3.5 (Qwen team 2026): images and positions as in Qwen2-VL, a decoder most of whose layers are gated delta nets.
//!
//! Reference: transformers' `processing_qwen3_vl.py` and `modeling_qwen3_5.py`. What sets it apart from its elders, the
//! states of its decoder and the learnt square of positions in its tower, is in its graphs.

use percept_runtime::{HostTensor, RopePosition};

use super::{Family, Span, pixel_values, positions};
use crate::processor::{ImageForm, PatchGrid, ProcessedImage};

const IMAGE: &str = "<|image_pad|>";

/// There is nothing to read from a folder.
#[derive(Debug)]
pub(super) struct Qwen35;

impl Family for Qwen35 {
    fn name(&self) -> &'static str {
        "qwen3_5"
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
        let count = patches.rows * patches.columns;
        let grid =
            HostTensor::I64 { shape: vec![1, 3], data: vec![1, patches.rows as i64, patches.columns as i64] };
        vec![
            pixel_values(vec![count, image.values.len() / count.max(1)], image.values),
            // Exports call the grid either way.
            ("grid_thw".into(), grid.clone()),
            ("image_grid_thw".into(), grid),
        ]
    }

    fn image_form(&self) -> ImageForm {
        ImageForm::Patches
    }

    fn end_tokens(&self) -> &'static [&'static str] {
        &["<|im_end|>", "<|endoftext|>"]
    }

    fn positions(&self, prompt: &[Span]) -> Option<Vec<RopePosition>> {
        Some(positions::multimodal(prompt))
    }
}
