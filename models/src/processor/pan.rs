//! The processor of Gemma 3 where it pans over an image: the whole, and crops along the longer side of one that is far from
//! square.
//!
//! Reference: transformers' `image_processing_pil_gemma3.py` and `image_processing_gemma3.py`, step by step.

use image::{RgbImage, imageops};

use super::{
    ProcessedImage, TileGrid,
    backend::Backend,
    filter::Filter,
    normalise::Normalise,
    resize::{check_area, resize_as},
};
use crate::ModelError;

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct PannedImage {
    /// Whose arithmetic every step is.
    pub backend: Backend,
    /// Which crops there are.
    pub pan: PanAndScan,
    /// Width and height that the whole and every crop become, and the filter.
    pub resize: ([u32; 2], Filter),
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

/// When an image is cropped, and into how many crops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PanAndScan {
    /// The fewest pixels of a crop's shorter side.
    pub least_side: u32,
    /// The most crops.
    pub most_crops: u32,
    /// By how much the longer side must exceed the shorter one.
    pub least_ratio: f64,
}

impl PanAndScan {
    /// The grid of crops of an image of this width and height, one row or one column; `None` if it is seen as a whole alone.
    fn grid(self, width: u32, height: u32) -> Option<TileGrid> {
        let (long, short) = (width.max(height), width.min(height));
        let ratio = f64::from(long) / f64::from(short);
        if ratio < self.least_ratio {
            return None;
        }
        let nearest = ((ratio + 0.5).floor() as u32).min(long / self.least_side);
        let crops = nearest.max(2).min(self.most_crops);
        if long.div_ceil(crops).min(short) < self.least_side {
            return None;
        }
        Some(if width >= height {
            TileGrid { rows: 1, columns: crops }
        } else {
            TileGrid { rows: crops, columns: 1 }
        })
    }
}

impl PannedImage {
    /// Processes one image into `[1 + crops, 3, height, width]`, the whole first.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`], or a crop would be empty, or
    /// none is allowed.
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        let PanAndScan { least_side, most_crops, .. } = self.pan;
        if least_side == 0 || most_crops == 0 || image.width() == 0 || image.height() == 0 {
            return Err(ModelError::Image(format!(
                "{}×{} pixels in up to {most_crops} crops of {least_side} pixels and more: none of these may be 0",
                image.width(),
                image.height()
            )));
        }
        let ([width, height], filter) = self.resize;
        let resized = |part: &RgbImage| resize_as(part, width, height, filter, self.backend);
        let grid = self.pan.grid(image.width(), image.height());
        let pictures = grid.map_or(1, |grid| grid.rows.saturating_mul(grid.columns).saturating_add(1));
        // Before any is resized: all of them are held at once.
        check_area(width, height.saturating_mul(pictures), "the image in crops")?;
        let mut parts = vec![resized(image)?];
        for [left, top, columns, rows] in grid.map(|grid| crops(image, grid)).unwrap_or_default() {
            if columns == 0 || rows == 0 {
                return Err(ModelError::Image(format!(
                    "{}×{} pixels leave the last of its crops empty: give `pan_and_scan_min_crop_size` a larger value",
                    image.width(),
                    image.height()
                )));
            }
            parts.push(resized(&imageops::crop_imm(image, left, top, columns, rows).to_image())?);
        }
        ProcessedImage::of_tiles(&parts, grid, &self.normalise)
    }
}

/// Left, top, width and height of each crop. The last is smaller where the side isn't a multiple of their number.
fn crops(image: &RgbImage, grid: TileGrid) -> Vec<[u32; 4]> {
    let (width, height) = image.dimensions();
    let (wide, high) = (width.div_ceil(grid.columns), height.div_ceil(grid.rows));
    (0..grid.rows)
        .flat_map(|row| (0..grid.columns).map(move |column| (column * wide, row * high)))
        .map(|(left, top)| {
            [left, top, wide.min(width.saturating_sub(left)), high.min(height.saturating_sub(top))]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exaggerated_image_is_cropped_along_its_longer_side() {
        let pan = PanAndScan { least_side: 256, most_crops: 4, least_ratio: 1.2 };
        // Width, height, and columns and rows of crops.
        let cases = [
            (1024, 1024, None),
            (1100, 1000, None),
            (1200, 1000, Some([2, 1])),
            (1000, 1200, Some([1, 2])),
            // Half is rounded up; there is a most; crops aren't to be too narrow, nor the image too low.
            (2500, 1000, Some([3, 1])),
            (9000, 1000, Some([4, 1])),
            (1023, 300, Some([3, 1])),
            (500, 300, None),
            (2000, 255, None),
        ];
        for (width, height, expected) in cases {
            let grid = pan.grid(width, height);
            assert_eq!(grid.map(|grid| [grid.columns, grid.rows]), expected, "{width}×{height}");
        }
    }

    #[test]
    fn crops_that_are_too_large_together_are_refused_before_one_is_made() {
        let normalise = Normalise { rescale: None, mean_and_deviation: None, backend: Backend::Pillow };
        let pan = PanAndScan { least_side: 1, most_crops: 64, least_ratio: 1.2 };
        for resize in [[9000, 9000], [1, 150_000_000]] {
            let resize = (resize, Filter::Bilinear);
            let panned = PannedImage { backend: Backend::Pillow, pan, resize, normalise: normalise.clone() };
            let error = panned.process(&RgbImage::new(64, 1)).unwrap_err().to_string();
            assert!(error.contains("the image in crops has"), "{error}");
        }
    }

    #[test]
    fn a_crop_of_nothing_is_refused() {
        let normalise = Normalise { rescale: None, mean_and_deviation: None, backend: Backend::Pillow };
        let pan = PanAndScan { least_side: 1, most_crops: 4, least_ratio: 1.2 };
        let resize = ([4, 4], Filter::Bilinear);
        let panned = PannedImage { backend: Backend::Pillow, pan, resize, normalise };
        // Four crops of two pixels each would begin at 0, 2, 4 and 6.
        let error = panned.process(&RgbImage::new(5, 1)).unwrap_err().to_string();
        assert!(error.contains("5×1") && error.contains("pan_and_scan_min_crop_size"), "{error}");
        assert_eq!(panned.process(&RgbImage::new(8, 2)).map(|image| image.tiles).ok(), Some(5));
    }
}
