//! LFM2-VL (Liquid AI 2025): an image near its own size, or in tiles with the whole after them, between two tokens; a
//! decoder most of whose layers are short convolutions.
//!
//! Reference: transformers' `processing_lfm2_vl.py`.

use std::path::Path;

use percept_runtime::HostTensor;
use serde::Deserialize;

use super::{Family, pixel_values};
use crate::{
    ModelError,
    folder::{bad, config_path, part, read_settings},
    processor::{ImageForm, ProcessedImage, TileGrid},
};

const IMAGE: &str = "<image>";
const START: &str = "<|image_start|>";
const END: &str = "<|image_end|>";
const WHOLE: &str = "<|img_thumbnail|>";

/// Patches of one row of a feature where the configuration doesn't say.
const USUAL_FACTOR: usize = 2;

#[derive(Debug, Deserialize)]
struct ConfigFile {
    downsample_factor: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    use_image_special_tokens: Option<bool>,
}

#[derive(Debug)]
pub(super) struct Lfm2Vl {
    /// So many rows and columns of patches become one feature.
    factor: usize,
    /// Whether the prompt says where an image and its tiles begin and end.
    marks: bool,
}

pub(super) fn read(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let factor = part::<ConfigFile>(folder)?.downsample_factor.unwrap_or(USUAL_FACTOR);
    if factor == 0 {
        return Err(bad(&config_path(folder), "its `downsample_factor` is 0".into()));
    }
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    Ok(Box::new(Lfm2Vl { factor, marks: file.use_image_special_tokens.unwrap_or(true) }))
}

impl Lfm2Vl {
    fn features(&self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(self.factor) * columns.div_ceil(self.factor)
    }
}

impl Family for Lfm2Vl {
    fn name(&self) -> &'static str {
        "lfm2_vl"
    }

    fn image_token(&self) -> &str {
        IMAGE
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let shapes = shapes(image);
        let mut text = String::new();
        let mark = |text: &mut String, token: &str| text.push_str(if self.marks { token } else { "" });
        mark(&mut text, START);
        for (place, shape) in shapes.iter().enumerate() {
            match image.grid {
                Some(TileGrid { rows, columns }) if place < (rows * columns) as usize => {
                    let (row, column) = (place / columns as usize + 1, place % columns as usize + 1);
                    mark(&mut text, &format!("<|img_row_{row}_col_{column}|>"));
                }
                Some(_) => mark(&mut text, WHOLE),
                None => {}
            }
            text.push_str(&IMAGE.repeat(self.features(*shape)));
        }
        mark(&mut text, END);
        text
    }

    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        let shapes = shapes(&image);
        let ProcessedImage { tiles, values, mask, .. } = image;
        let patches = mask.len() / tiles.max(1);
        let numbers = values.len() / mask.len().max(1);
        let long = |shape: Vec<usize>, data: Vec<i64>| HostTensor::I64 { shape, data };
        vec![
            pixel_values(vec![tiles, patches, numbers], values),
            (
                "pixel_attention_mask".into(),
                long(vec![tiles, patches], mask.into_iter().map(i64::from).collect()),
            ),
            (
                "spatial_shapes".into(),
                long(vec![tiles, 2], shapes.into_iter().flatten().map(|side| side as i64).collect()),
            ),
        ]
    }

    fn image_form(&self) -> ImageForm {
        ImageForm::PaddedPatches
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec!["<|im_end|>"]
    }
}

/// Rows and columns of patches in each tile, which is a square, and in the whole, which isn't.
fn shapes(image: &ProcessedImage) -> Vec<[usize; 2]> {
    let length = image.mask.len() / image.tiles.max(1);
    let side = (image.values.len() / image.mask.len().max(1) / 3).isqrt().max(1);
    let cut = image.grid.map_or(0, |grid| (grid.rows * grid.columns) as usize);
    let pictures = image.mask.chunks(length.max(1)).enumerate();
    pictures
        .map(|(place, mask)| {
            if place >= cut {
                return [image.height / side, image.width / side];
            }
            let across = mask.iter().filter(|real| **real).count().isqrt();
            [across, across]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tiles of 4×4 patches and a whole of 4×6, whose sides are 2 pixels; padded to 30 patches.
    fn cut(thumbnail: bool) -> ProcessedImage {
        let counts = if thumbnail { vec![16, 16, 24] } else { vec![16, 16] };
        let mask: Vec<bool> =
            counts.iter().flat_map(|count| (0..30).map(move |place| place < *count)).collect();
        ProcessedImage {
            tiles: counts.len(),
            height: 8,
            width: 12,
            values: vec![0.0; mask.len() * 12],
            mask,
            grid: Some(TileGrid { rows: 1, columns: 2 }),
            patches: None,
            original: None,
            is_video: false,
        }
    }

    #[test]
    fn a_prompt_says_where_tiles_lie_unless_it_is_told_not_to() {
        let (four, six) = (IMAGE.repeat(4), IMAGE.repeat(6));
        let whole = ProcessedImage {
            tiles: 1,
            mask: cut(true).mask[60..].to_vec(),
            values: vec![0.0; 30 * 12],
            grid: None,
            ..cut(true)
        };
        let tiles = format!("<|img_row_1_col_1|>{four}<|img_row_1_col_2|>{four}");
        let cases = [
            (cut(true), true, format!("{START}{tiles}{WHOLE}{six}{END}")),
            (cut(false), true, format!("{START}{tiles}{END}")),
            (cut(true), false, format!("{four}{four}{six}")),
            (whole, true, format!("{START}{six}{END}")),
        ];
        for (image, marks, expected) in cases {
            assert_eq!(Lfm2Vl { factor: 2, marks }.expand(&image), expected);
            let inputs = Lfm2Vl { factor: 2, marks }.encoder_inputs(image);
            let shapes: Vec<_> = inputs.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect();
            let tiles = shapes[0][0];
            assert_eq!(shapes, [vec![tiles, 30, 12], vec![tiles, 30], vec![tiles, 2]]);
        }
    }
}
