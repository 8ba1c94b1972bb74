//! The processor of Idefics3 and `SmolVLM`: an image as a grid of tiles and once as a whole.
//!
//! Reference: transformers' `image_processing_pil_idefics3.py` and `image_processing_idefics3.py`, step by step.

use image::RgbImage;

use super::{
    Backend, ProcessedImage, TileGrid, crop::cut_tiles, filter::Filter, normalise::Normalise,
    resize::resize_as,
};
use crate::ModelError;

/// No image becomes longer than this on the way.
pub(super) const LONGEST_EDGE: u32 = 4096;

/// The size of the first resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstSize {
    /// The longer side becomes this long, the other follows and is made even.
    LongestEdge(u32),
    /// Exactly this.
    Exact {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct TiledImage {
    /// Whose arithmetic.
    pub backend: Backend,
    /// The first resize, before tiles are cut; `None` leaves the image.
    pub resize: Option<FirstSize>,
    /// The side of a tile.
    pub tile: u32,
    /// Whether a large image is cut into tiles; otherwise it is only seen as a whole.
    pub split: bool,
    /// The filter of every resize.
    pub filter: Filter,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl TiledImage {
    /// Processes one image into `[tiles, 3, height, width]`: the tiles row by row, then the whole.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`], or a tile has no pixel.
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        if self.tile == 0 {
            return Err(ModelError::Image("an image in tiles of 0 pixels: give them a side".into()));
        }
        let resized;
        let mut current = image;
        if let Some(size) = self.resize {
            let (width, height) = match size {
                FirstSize::LongestEdge(edge) => longest_edge(image.width(), image.height(), edge),
                FirstSize::Exact { width, height } => (width, height),
            };
            resized = self.resized(image, width, height)?;
            current = &resized;
        }
        if !self.split {
            let whole = self.resized(current, self.tile, self.tile)?;
            return ProcessedImage::of_tiles(&[whole], None, &self.normalise);
        }
        let (width, height) = self.whole_tiles(current.width(), current.height());
        let enlarged = self.resized(current, width, height)?;
        if width <= self.tile && height <= self.tile {
            return ProcessedImage::of_tiles(&[enlarged], None, &self.normalise);
        }
        let grid = TileGrid { rows: height / self.tile, columns: width / self.tile };
        let mut tiles = cut_tiles(&enlarged, grid, (self.tile, self.tile));
        // The whole is made of the enlarged image, not of the one that came in.
        tiles.push(self.resized(&enlarged, self.tile, self.tile)?);
        ProcessedImage::of_tiles(&tiles, Some(grid), &self.normalise)
    }

    fn resized(&self, image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, ModelError> {
        resize_as(image, width, height, self.filter, self.backend)
    }

    /// The size enlarged so that tiles fill it. The second side is computed from the first one's new length.
    fn whole_tiles(&self, width: u32, height: u32) -> (u32, u32) {
        let up = |side: u32| side.div_ceil(self.tile).max(1).saturating_mul(self.tile);
        let aspect = f64::from(width) / f64::from(height);
        if width >= height {
            let wide = up(width);
            (wide, up((f64::from(wide) / aspect) as u32))
        } else {
            let high = up(height);
            (up((f64::from(high) * aspect) as u32), high)
        }
    }
}

/// The size whose longer side is `edge`, the other even; then no side over [`LONGEST_EDGE`].
fn longest_edge(width: u32, height: u32, edge: u32) -> (u32, u32) {
    let even = |side: f64| {
        let side = side as u32;
        side.saturating_add(side % 2).max(1)
    };
    let aspect = f64::from(width) / f64::from(height);
    let (width, height) = if width >= height {
        (edge, even(f64::from(edge) / aspect))
    } else {
        (even(f64::from(edge) * aspect), edge)
    };
    let aspect = f64::from(width) / f64::from(height);
    if width >= height && width > LONGEST_EDGE {
        (LONGEST_EDGE, ((f64::from(LONGEST_EDGE) / aspect) as u32).max(1))
    } else if height > width && height > LONGEST_EDGE {
        (((f64::from(LONGEST_EDGE) * aspect) as u32).max(1), LONGEST_EDGE)
    } else {
        (width, height)
    }
}
