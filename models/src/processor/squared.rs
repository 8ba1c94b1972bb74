//! The processor of Janus: the longer side of an image becomes the model's, and the rest of a square is ground.
//!
//! Reference: transformers' `image_processing_pil_janus.py` and `image_processing_janus.py`, step by step.

use image::RgbImage;

use super::{
    ProcessedImage,
    backend::Backend,
    crop::pad_to_square,
    filter::Filter,
    normalise::Normalise,
    resize::{check_area, resize_as},
};
use crate::ModelError;

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct SquaredImage {
    /// Whose arithmetic every step is.
    pub backend: Backend,
    /// The size that the longer side becomes, and the filter.
    pub resize: Option<(LongestEdge, Filter)>,
    /// The colour of the ground on which the image then becomes a square.
    pub pad: Option<[u8; 3]>,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

/// A size by its longer side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongestEdge {
    /// The longer side in pixels.
    pub edge: u32,
    /// The least pixels of the other, whatever the aspect.
    pub least: u32,
}

impl LongestEdge {
    /// Width and height for an image of this width and height; the reference rounds half to even.
    fn of(self, width: u32, height: u32) -> (u32, u32) {
        let scale = f64::from(self.edge) / f64::from(width.max(height));
        let scaled = |side: u32| ((f64::from(side) * scale).round_ties_even() as u32).max(self.least);
        (scaled(width), scaled(height))
    }
}

impl SquaredImage {
    /// Processes one image into `[1, 3, side, side]`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`].
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        let mut current = image.clone();
        if let Some((size, filter)) = self.resize {
            let (width, height) = size.of(current.width(), current.height());
            current = resize_as(&current, width, height, filter, self.backend)?;
        }
        if let Some(ground) = self.pad {
            let side = current.width().max(current.height());
            check_area(side, side, &format!("{}×{} padded to a square", current.width(), current.height()))?;
            current = pad_to_square(&current, ground);
        }
        ProcessedImage::of_tiles(&[current], None, &self.normalise)
    }
}
