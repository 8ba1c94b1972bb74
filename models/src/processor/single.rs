//! Processors that make one picture of an image, most of them of fixed size: those of CLIP, LLaVA, SigLIP, `ViT`, Chameleon and
//! Emu3.

use std::borrow::Cow;

use image::RgbImage;

use super::{
    ProcessedImage,
    backend::Backend,
    crop::{centre_crop, pad_to_square},
    filter::Filter,
    normalise::Normalise,
    patches::SmartSize,
    resize::{check_area, resize_as},
};
use crate::ModelError;

/// The size that an image is resized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSize {
    /// Exactly this, whatever the aspect.
    Exact {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The shorter side becomes this long, the other follows.
    ShortestEdge(u32),
    /// Near the image's own, each side a multiple of a number.
    Smart(SmartSize),
}

impl TargetSize {
    /// Width and height for an image of this width and height, rounded as the reference rounds.
    fn of(self, width: u32, height: u32) -> Result<(u32, u32), ModelError> {
        Ok(match self {
            Self::Exact { width, height } => (width, height),
            Self::Smart(size) => return size.of(width, height),
            Self::ShortestEdge(edge) => {
                let (short, long) = (width.min(height), width.max(height));
                let product = u64::from(edge) * u64::from(long);
                let other = (product as f64 / f64::from(short)).min(f64::from(u32::MAX)) as u32;
                if width <= height { (edge, other) } else { (other, edge) }
            }
        })
    }
}

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct SingleImage {
    /// Whose arithmetic every step is.
    pub backend: Backend,
    /// The colour of the ground on which the image is padded to a square first.
    pub pad: Option<[u8; 3]>,
    /// Size and filter of the resize.
    pub resize: Option<(TargetSize, Filter)>,
    /// Width and height of the centre crop.
    pub crop: Option<(u32, u32)>,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl SingleImage {
    /// Processes one image into `[1, 3, height, width]`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`], or, with a
    /// [`TargetSize::Smart`], for an image more than 200 times as long as it is wide.
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        let mut current = Cow::Borrowed(image);
        if let Some(ground) = self.pad {
            let side = image.width().max(image.height());
            check_area(side, side, &format!("{}×{} padded to a square", image.width(), image.height()))?;
            current = Cow::Owned(pad_to_square(&current, ground));
        }
        if let Some((size, filter)) = self.resize {
            let (width, height) = size.of(current.width(), current.height())?;
            current = Cow::Owned(resize_as(&current, width, height, filter, self.backend)?);
        }
        if let Some((width, height)) = self.crop {
            check_area(width, height, "the middle that `crop_size` cuts out")?;
            current = Cow::Owned(centre_crop(&current, width, height, self.backend));
        }
        ProcessedImage::of_tiles(&[current.into_owned()], None, &self.normalise)
    }
}
