//! The processor of LLaVA-NeXT and LLaVA-OneVision: the whole, and tiles of the image on the canvas that fits it best.
//!
//! Reference: transformers' `image_processing_pil_llava_next.py`, `image_processing_llava_next.py` and their like of
//! LLaVA-OneVision (`anyres` in the papers).

use image::{RgbImage, imageops};

use super::{
    ProcessedImage, SingleImage, TargetSize, TileGrid, backend::Backend, crop::cut_tiles, filter::Filter,
    normalise::Normalise, resize::check_area, resize::resize_as,
};
use crate::ModelError;

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct AnyresImage {
    /// Whose arithmetic every step is.
    pub backend: Backend,
    /// The side of a tile.
    pub tile: u32,
    /// The canvases that an image may be laid on (`image_grid_pinpoints`), in tiles; at least one.
    pub canvases: Vec<TileGrid>,
    /// The colour of the ground of an image that is padded to a square instead ([`AnyresImage::padded_whole`]).
    pub ground: [u8; 3],
    /// The filter of every resize.
    pub filter: Filter,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl AnyresImage {
    /// Processes one image into `[1 + tiles, 3, side, side]`: the whole, then the canvas's tiles row by row.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`].
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        let size = image.dimensions();
        let resized = |width: u32, height: u32| resize_as(image, width, height, self.filter, self.backend);
        let canvas = self.best_canvas(size);
        let (width, height) = self.size_of(canvas);
        // Before the canvas is laid out: it and all tiles are held at once.
        let pictures = canvas.rows.saturating_mul(canvas.columns).saturating_add(1);
        check_area(self.tile, self.tile.saturating_mul(pictures), "the image in tiles")?;
        let fitted = {
            let (width, height) = fit(size, (width, height));
            resized(width, height)?
        };
        let mut ground = RgbImage::new(width, height);
        // The odd pixel goes to the right and below.
        let margin = |outer: u32, inner: u32| i64::from((outer - inner) / 2);
        let (left, top) = (margin(width, fitted.width()), margin(height, fitted.height()));
        imageops::replace(&mut ground, &fitted, left, top);
        let mut tiles = vec![resized(self.tile, self.tile)?];
        tiles.extend(cut_tiles(&ground, canvas, (self.tile, self.tile)));
        let processed = ProcessedImage::of_tiles(&tiles, Some(canvas), &self.normalise)?;
        Ok(ProcessedImage { original: Some([size.0, size.1]), ..processed })
    }

    /// The processor of an image that is seen as one padded picture and no tiles: LLaVA-OneVision's, where there are several.
    pub fn padded_whole(&self) -> SingleImage {
        SingleImage {
            backend: self.backend,
            pad: Some(self.ground),
            resize: Some((TargetSize::Exact { width: self.tile, height: self.tile }, self.filter)),
            crop: None,
            normalise: self.normalise.clone(),
        }
    }

    fn size_of(&self, canvas: TileGrid) -> (u32, u32) {
        (self.tile.saturating_mul(canvas.columns), self.tile.saturating_mul(canvas.rows))
    }

    /// The canvas on which most of the image's pixels are left; among equals the one that wastes the least.
    fn best_canvas(&self, (width, height): (u32, u32)) -> TileGrid {
        let (mut best, mut most, mut least_waste) = (TileGrid { rows: 1, columns: 1 }, 0, u64::MAX);
        for &canvas in &self.canvases {
            let (across, down) = self.size_of(canvas);
            let scale = (f64::from(across) / f64::from(width)).min(f64::from(down) / f64::from(height));
            let scaled = |side: u32| (f64::from(side) * scale) as u64;
            let left = (scaled(width) * scaled(height)).min(u64::from(width) * u64::from(height));
            let waste = (u64::from(across) * u64::from(down)).saturating_sub(left);
            if left > most || (left == most && waste < least_waste) {
                (best, most, least_waste) = (canvas, left, waste);
            }
        }
        best
    }
}

/// The image's size within a canvas, its shape kept, rounded up.
fn fit((width, height): (u32, u32), (across, down): (u32, u32)) -> (u32, u32) {
    let scale = [f64::from(across) / f64::from(width), f64::from(down) / f64::from(height)];
    let up = |side: u32, scale: f64, most: u32| ((f64::from(side) * scale).ceil() as u32).min(most);
    if scale[0] < scale[1] {
        (across, up(height, scale[0], down))
    } else {
        (up(width, scale[1], across), down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_that_are_too_large_together_are_refused_before_the_canvas_is_laid_out() {
        let normalise = Normalise { rescale: None, mean_and_deviation: None, backend: Backend::Pillow };
        let anyres = |rows, columns| AnyresImage {
            backend: Backend::Pillow,
            tile: 336,
            canvases: vec![TileGrid { rows, columns }],
            ground: [0; 3],
            filter: Filter::Bilinear,
            normalise: normalise.clone(),
        };
        // Of the first the canvas alone would take 355 GB.
        for (rows, columns) in [(1024, 1024), (64, 64), (u32::MAX, u32::MAX)] {
            let error = anyres(rows, columns).process(&RgbImage::new(1000, 1)).unwrap_err().to_string();
            assert!(error.contains("the image in tiles has 336×"), "{rows}×{columns}: {error}");
        }
        assert_eq!(anyres(1, 2).process(&RgbImage::new(1000, 1)).unwrap().tiles, 3);
    }
}
