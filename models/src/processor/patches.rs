//! The processor of Qwen2-VL and its successors: an image keeps its shape, and is handed on patch by patch.
//!
//! Reference: transformers' `image_processing_pil_qwen2_vl.py` and `image_processing_qwen2_vl.py`, step by step.

use std::borrow::Cow;

use image::RgbImage;

use super::{
    ProcessedImage,
    backend::Backend,
    filter::Filter,
    normalise::Normalise,
    resize::{check_area, resize_as},
};
use crate::ModelError;

/// No image may be so much longer than it is wide, or wider than it is high.
const GREATEST_ASPECT: u32 = 200;

/// How many patches an image or a video became, and how they are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchGrid {
    /// Layers of patches in time, each of as many frames as a patch covers; 1 of an image.
    pub layers: usize,
    /// Rows of patches.
    pub rows: usize,
    /// Columns of patches.
    pub columns: usize,
    /// So many rows and columns of patches become one feature.
    pub merge: usize,
}

impl PatchGrid {
    /// Rows and columns of features, in each layer; none where `merge` is 0.
    pub fn features(self) -> [usize; 2] {
        [self.rows, self.columns].map(|patches| patches.checked_div(self.merge).unwrap_or(0))
    }

    /// Patches in all layers.
    pub fn patches(self) -> usize {
        self.layers * self.rows * self.columns
    }
}

/// The size that an image is brought to: near its own, its sides multiples of a feature's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmartSize {
    /// The side of what becomes one feature, in pixels.
    pub factor: u32,
    /// The smallest area, in pixels.
    pub least: u64,
    /// The largest area, in pixels.
    pub most: u64,
}

impl SmartSize {
    /// Width and height for an image of this width and height: the reference's `smart_resize`, which rounds half to
    /// even.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] for an image more than 200 times as long as it is wide.
    pub fn of(self, width: u32, height: u32) -> Result<(u32, u32), ModelError> {
        let [wide, high] = [width, height].map(f64::from);
        refuse_long((width, height), (wide, high))?;
        let factor = f64::from(self.factor);
        let near = [wide, high].map(|side| (side / factor).round_ties_even() * factor);
        let area = near[0] * near[1];
        let [wide, high] = if area > self.most as f64 {
            let shrink = (high * wide / self.most as f64).sqrt();
            [wide, high].map(|side| ((side / shrink / factor).floor() * factor).max(factor))
        } else if area < self.least as f64 {
            let grow = (self.least as f64 / (high * wide)).sqrt();
            [wide, high].map(|side| (side * grow / factor).ceil() * factor)
        } else {
            near
        };
        Ok((wide as u32, high as u32))
    }
}

/// An image may not be too long for its width, by these sides.
pub(super) fn refuse_long((width, height): (u32, u32), (wide, high): (f64, f64)) -> Result<(), ModelError> {
    if wide.max(high) > wide.min(high) * f64::from(GREATEST_ASPECT) {
        return Err(ModelError::Image(format!(
            "{width}×{height} pixels: one side is more than {GREATEST_ASPECT} times the other; cut it first"
        )));
    }
    Ok(())
}

/// Refuses more frames of a size than fit in reasonable memory: twelve bytes come out for a pixel of each, whether it is
/// another frame or the same again.
pub(super) fn check_frames((width, height): (u32, u32), frames: usize, what: &str) -> Result<(), ModelError> {
    check_area(width, height.saturating_mul(u32::try_from(frames).unwrap_or(u32::MAX)), what)
}

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchedImage {
    /// Whose arithmetic every step is.
    pub backend: Backend,
    /// Whether the image is resized; without, its sides must fit as they are.
    pub resize: bool,
    /// The sizes that are allowed.
    pub size: SmartSize,
    /// The filter of the resize.
    pub filter: Filter,
    /// Pixels of a patch's side.
    pub patch: u32,
    /// So many rows and columns of patches become one feature.
    pub merge: u32,
    /// Frames of a patch; a still image is repeated.
    pub frames: usize,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl PatchedImage {
    /// Processes one image into `[patches, 3 · frames · side²]`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if the image is too long for its width, has sides that don't fit and may not be
    /// resized, or would exceed [`super::MAX_PIXELS`] on the way, all frames of a patch together; or if a patch has no
    /// pixel, no frame, or becomes no feature.
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        self.check()?;
        let brought = self.brought(image)?;
        self.patched(&vec![&*brought; self.frames])
    }

    /// Refuses numbers with which there are no patches: the fields are anyone's to fill.
    pub(super) fn check(&self) -> Result<(), ModelError> {
        if self.frames == 0 || [self.patch, self.merge, self.size.factor].contains(&0) {
            return Err(ModelError::Image(format!(
                "an image in patches of {} pixels and {} frame(s), of which {}×{} become one feature: none of these may be 0",
                self.patch, self.frames, self.merge, self.merge
            )));
        }
        Ok(())
    }

    /// The image at the size that is allowed next to its own, if it may be resized.
    fn brought<'a>(&self, image: &'a RgbImage) -> Result<Cow<'a, RgbImage>, ModelError> {
        if !self.resize {
            return Ok(Cow::Borrowed(image));
        }
        let (width, height) = self.size.of(image.width(), image.height())?;
        check_frames((width, height), self.frames, "the image in patches")?;
        Ok(Cow::Owned(resize_as(image, width, height, self.filter, self.backend)?))
    }

    /// The patches of frames of one size, as many as whole layers take.
    pub(super) fn patched(&self, frames: &[&RgbImage]) -> Result<ProcessedImage, ModelError> {
        let (width, height) = frames.first().map_or((0, 0), |frame| frame.dimensions());
        check_frames((width, height), frames.len(), "the image in patches")?;
        let layers = frames.len() / self.frames;
        if width % self.size.factor != 0 || height % self.size.factor != 0 {
            return Err(ModelError::Image(format!(
                "{width}×{height} pixels aren't multiples of {}, and the processor may not resize (`do_resize`)",
                self.size.factor
            )));
        }
        let grid = PatchGrid {
            layers,
            rows: (height / self.patch) as usize,
            columns: (width / self.patch) as usize,
            merge: self.merge as usize,
        };
        Ok(ProcessedImage {
            tiles: 1,
            height: height as usize,
            width: width as usize,
            values: self.values(frames, grid),
            mask: Vec::new(),
            grid: None,
            patches: Some(grid),
            original: None,
        })
    }

    /// The patches' numbers: layer by layer, in each the features, in each the patches row by row, in each the channels,
    /// in each the frames, in each the pixels row by row.
    fn values(&self, frames: &[&RgbImage], grid: PatchGrid) -> Vec<f32> {
        let tables = self.normalise.tables();
        let (side, area) = (self.patch as usize, (self.patch * self.patch) as usize);
        let mut values = vec![0.0; frames.iter().map(|frame| frame.as_raw().len()).sum()];
        let [rows, columns] = grid.features();
        let features = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let inside = (0..grid.merge).flat_map(|below| (0..grid.merge).map(move |right| (below, right)));
        let corners = features.flat_map(|(row, column)| {
            let corner = move |(below, right)| {
                [(row * grid.merge + below) * side, (column * grid.merge + right) * side]
            };
            inside.clone().map(corner)
        });
        let layers = frames.chunks_exact(self.frames);
        let places = layers.flat_map(|layer| corners.clone().map(move |corner| (layer, corner)));
        for ((layer, [top, left]), patch) in places.zip(values.chunks_exact_mut(3 * self.frames * area)) {
            let channels = patch.chunks_exact_mut(self.frames * area);
            for ((channel, table), values) in tables.iter().enumerate().zip(channels) {
                let mut before: Option<(&RgbImage, &[f32])> = None;
                for (&frame, values) in layer.iter().zip(values.chunks_exact_mut(area)) {
                    match before {
                        // A still image is every frame of its layer, and looked up once.
                        Some((same, numbers)) if std::ptr::eq(same, frame) => values.copy_from_slice(numbers),
                        _ => {
                            let stride = 3 * frame.width() as usize;
                            for (y, values) in (top..).zip(values.chunks_exact_mut(side)) {
                                let line = &frame.as_raw()[y * stride + 3 * left..][..3 * side];
                                for (value, pixel) in values.iter_mut().zip(line.chunks_exact(3)) {
                                    *value = table[usize::from(pixel[channel])];
                                }
                            }
                        }
                    }
                    before = Some((frame, values));
                }
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_become_multiples_within_the_areas_that_are_allowed() {
        let size = SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 1280 };
        // What transformers' `smart_resize` gives.
        let cases = [
            ((1280, 720), (1288, 728)),
            ((1920, 1080), (1316, 728)),
            ((42, 70), (56, 56)),
            ((70, 98), (56, 112)),
            ((1, 1), (56, 56)),
            ((3, 40), (28, 224)),
            ((5, 1000), (28, 812)),
            ((4000, 20), (4004, 28)),
            ((100_000, 600), (12_908, 56)),
            ((28 * 1280, 200), (13_384, 56)),
        ];
        for ((width, height), expected) in cases {
            assert_eq!(size.of(width, height).unwrap(), expected, "{width}×{height}");
        }
    }

    #[test]
    fn an_image_too_long_for_its_width_is_refused() {
        let size = SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 1280 };
        for (width, height, taken) in [(200, 1, true), (201, 1, false), (1, 200, true), (10, 2001, false)] {
            assert_eq!(size.of(width, height).is_ok(), taken, "{width}×{height}");
        }
    }

    fn steps() -> PatchedImage {
        PatchedImage {
            backend: Backend::Pillow,
            resize: true,
            size: SmartSize { factor: 28, least: 28 * 28, most: 1 << 40 },
            filter: Filter::Bilinear,
            patch: 14,
            merge: 2,
            frames: 1,
            normalise: Normalise { rescale: None, mean_and_deviation: None, backend: Backend::Pillow },
        }
    }

    #[test]
    fn an_image_is_as_large_as_all_the_frames_that_it_fills() {
        // Whether it is resized, its least area, the frames of a patch.
        let cases = [(true, 1, 16, true), (true, 12_000_000, 16, false), (false, 1, 228_262, false)];
        for (resize, least, frames, taken) in cases {
            let steps = PatchedImage { resize, size: SmartSize { least, ..steps().size }, frames, ..steps() };
            match steps.process(&RgbImage::new(28, 28)) {
                Ok(made) => assert!(taken && made.values.len() == 3 * 28 * 28 * frames),
                Err(error) => {
                    assert!(!taken && error.to_string().contains("the image in patches has"), "{error}");
                }
            }
        }
    }

    #[test]
    fn numbers_with_which_there_are_no_patches_are_refused() {
        let size = SmartSize { factor: 0, ..steps().size };
        let cases = [
            PatchedImage { frames: 0, ..steps() },
            PatchedImage { merge: 0, ..steps() },
            PatchedImage { patch: 0, ..steps() },
            PatchedImage { size, ..steps() },
        ];
        for steps in cases {
            let error = steps.process(&RgbImage::new(28, 28)).unwrap_err().to_string();
            assert!(error.contains("none of these may be 0"), "{error}");
        }
        assert_eq!(PatchGrid { layers: 1, rows: 2, columns: 2, merge: 0 }.features(), [0, 0]);
    }
}
