//! Phi-3-vision and Phi-3.5-vision (Microsoft 2024): tiles of an image line by line, then a small view of the whole, all
//! put together within the vision encoder.
//!
//! Reference: `processing_phi3_v.py` and `modeling_phi3_v.py`, the code that comes with these models. An image is
//! `<|image_1|>` and a line's end in a message's text there; the code cuts the prompt at these, has the tokenizer read each
//! text between them as if it were a prompt of its own, and puts the image's tokens where it cut. Here an image's place is
//! written `<|image|>`, a special token of the same tokenizer, so that a number that somebody typed is no image.

use percept_runtime::HostTensor;

use super::{Family, MODEL, PREPARE_EMBEDDINGS, Parts, VISION_ENCODER, pixel_values};
use crate::processor::{HD_TILE, ProcessedImage, TileGrid};

const IMAGE: &str = "<|image|>";

/// Features along a tile's side: four patches of a square become one.
const SIDE: usize = 12;

/// How a conversation is written in folders that don't say it.
const TEMPLATE: &str = include_str!("phi3_v.jinja");

#[derive(Debug)]
pub(super) struct Phi3V;

impl Family for Phi3V {
    fn name(&self) -> &'static str {
        "phi3_v"
    }

    fn image_token(&self) -> &str {
        IMAGE
    }

    fn image_in_text(&self) -> String {
        format!("{IMAGE}\n")
    }

    fn reads_texts_apart(&self) -> bool {
        true
    }

    fn finds_places_by_image_token(&self) -> bool {
        // By negative tokens.
        false
    }

    fn reads_tiles_together(&self) -> bool {
        true
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let TileGrid { rows, columns } = grid(image);
        let lines = |rows: usize, columns: usize| rows * SIDE * (columns * SIDE + 1);
        // One more stands between the tiles and the whole.
        IMAGE.repeat(lines(rows as usize, columns as usize) + 1 + lines(1, 1))
    }

    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        let TileGrid { rows, columns } = grid(&image);
        let sizes = [rows, columns].map(|tiles| i64::from(tiles * HD_TILE)).to_vec();
        let shape = vec![1, image.tiles, 3, image.height, image.width];
        vec![
            pixel_values(shape, image.values),
            ("image_sizes".into(), HostTensor::I64 { shape: vec![1, 2], data: sizes }),
        ]
    }

    fn parts(&self) -> Parts {
        Parts { vision: VISION_ENCODER, embedding: PREPARE_EMBEDDINGS, decoder: MODEL, ..Parts::default() }
    }

    fn template(&self) -> Option<&str> {
        Some(TEMPLATE)
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec!["<|end|>", "<|endoftext|>"]
    }
}

/// An image's rows and columns of tiles; of one that wasn't cut, the one that it is.
fn grid(image: &ProcessedImage) -> TileGrid {
    image.grid.unwrap_or(TileGrid { rows: 1, columns: 1 })
}
