//! What the files of video processors mean for a frame. All of them compute as torchvision does.

use super::{CLIP_DEVIATION, CLIP_MEAN, Channels, Defaults, SizeWritten, Written};
use crate::processor::{Backend, Filter, PatchedImage, SingleImage, TargetSize, TiledImage};

/// What a class of video processors has where a folder says nothing.
#[derive(Debug, Clone, Copy)]
pub(in crate::processor) struct UsualFrames {
    /// The smallest and the largest area, in pixels.
    pub(in crate::processor) least: u32,
    pub(in crate::processor) most: u32,
    /// Pixels of a patch's side.
    pub(in crate::processor) patch: u32,
    /// Of every channel; `None`: CLIP's.
    pub(in crate::processor) mean_and_deviation: Option<f64>,
}

impl Written {
    /// The same without `min_pixels` and `max_pixels`, for a class that knows areas by `size` alone.
    pub(in crate::processor) fn without_older_areas(&self) -> Self {
        Self { min_pixels: None, max_pixels: None, ..self.clone() }
    }

    /// The steps for the frames of a video in patches.
    pub(in crate::processor) fn patched_frames(&self, usual: UsualFrames) -> Result<PatchedImage, String> {
        let areas = SizeWritten::Sides {
            shortest_edge: Some(usual.least),
            longest_edge: Some(usual.most),
            height: None,
            width: None,
        };
        let arithmetic = usual.mean_and_deviation.map(Channels::All);
        let written = Self {
            size: self.size.or(Some(areas)),
            patch_size: self.patch_size.or(Some(usual.patch)),
            image_mean: self.image_mean.or(arithmetic),
            image_std: self.image_std.or(arithmetic),
            ..self.clone()
        };
        written.patched(Backend::Torchvision)
    }

    /// The steps for the frames of a video that are a picture each, with the size that they have where none is written.
    pub(in crate::processor) fn whole_frames(&self, size: Option<SizeWritten>) -> Result<TiledImage, String> {
        let written = Self { size: self.size.or(size), do_image_splitting: Some(false), ..self.clone() };
        written.tiled(Backend::Torchvision)
    }

    /// The steps for the frames of a video that become a picture of one size each. Whether `"size": 384` is a square, or a
    /// shortest edge, is the class's.
    pub(in crate::processor) fn single_frames(&self, square: bool) -> Result<SingleImage, String> {
        let defaults = Defaults {
            filter: Filter::Bicubic,
            size: TargetSize::Exact { width: 384, height: 384 },
            crop: None,
            mean: CLIP_MEAN,
            deviation: CLIP_DEVIATION,
            rescale: 1.0 / 255.0,
            square,
            pads: false,
        };
        // Meant for images, in folders that have one file for both: the classes of videos pass it over.
        let written = Self { do_pad: None, ..self.clone() };
        written.one_picture(&defaults, Backend::Torchvision)
    }
}
