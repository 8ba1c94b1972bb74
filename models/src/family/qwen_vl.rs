//! Qwen2-VL (Wang et al. 2024) and Qwen2.5-VL (Bai et al. 2025): an image of any shape as a run of features, and
//! positions that tell time, height and width apart.
//!
//! Reference: transformers' `processing_qwen2_vl.py`, `modeling_qwen2_vl.py` and `vision_utils.py`.

use percept_runtime::{HostTensor, RopePosition};

use super::{Family, Span, pixel_values, positions};
use crate::processor::{PatchGrid, ProcessedImage};

const IMAGE: &str = "<|image_pad|>";

#[derive(Debug)]
pub(super) struct QwenVl {
    name: &'static str,
}

/// Qwen2-VL.
pub(super) fn second() -> Box<dyn Family> {
    Box::new(QwenVl { name: "qwen2_vl" })
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
        let [rows, columns] = image.patches.map_or([0; 2], |patches| [patches.rows, patches.columns]);
        let patches = rows * columns;
        let grid = HostTensor::I64 { shape: vec![1, 3], data: vec![1, rows as i64, columns as i64] };
        vec![
            // Exports call the grid either way.
            ("grid_thw".into(), grid.clone()),
            ("image_grid_thw".into(), grid),
            pixel_values(vec![patches, image.values.len() / patches.max(1)], image.values),
        ]
    }

    fn takes_patches(&self) -> bool {
        true
    }

    fn end_tokens(&self) -> &'static [&'static str] {
        &["<|im_end|>", "<|endoftext|>"]
    }

    fn positions(&self, prompt: &[Span]) -> Option<Vec<RopePosition>> {
        Some(positions::multimodal(prompt))
    }
}
