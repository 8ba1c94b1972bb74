//! The processor of `InternVL` and GOT-OCR 2: the grid of tiles whose aspect is nearest to the image's, and the whole.
//!
//! Reference: transformers' `image_processing_pil_got_ocr2.py` and `image_processing_got_ocr2.py`.

use image::RgbImage;

use super::{
    ProcessedImage, TileGrid, backend::Backend, crop::cut_tiles, filter::Filter, normalise::Normalise,
    resize::resize_as,
};
use crate::ModelError;

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct AspectTiles {
    /// Whose arithmetic every step is.
    pub backend: Backend,
    /// Width and height of a tile.
    pub tile: (u32, u32),
    /// Whether an image is cut into tiles; otherwise it is resized to one.
    pub cuts: bool,
    /// Whether an image that isn't cut is resized; if not, it stays as it is.
    pub resize: bool,
    /// The fewest and the most tiles, the whole aside.
    pub tiles: (u32, u32),
    /// The filter of every resize.
    pub filter: Filter,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl AspectTiles {
    /// Processes one image into `[tiles, 3, height, width]`: the tiles row by row, then the whole unless there is but one.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`].
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        let (width, height) = self.tile;
        let resized = |columns: u32, rows: u32| {
            let (width, height) = (width.saturating_mul(columns), height.saturating_mul(rows));
            resize_as(image, width, height, self.filter, self.backend)
        };
        // What cuts into one tile at most resizes either way; only Pillow's class leaves that to `do_resize` then.
        let uncut = !self.cuts || (self.backend == Backend::Pillow && self.tiles.1 <= 1);
        if uncut {
            let whole = if self.resize { resized(1, 1)? } else { image.clone() };
            return ProcessedImage::of_tiles(&[whole], None, &self.normalise);
        }
        let grid = self.grid(image.width(), image.height());
        let mut tiles = cut_tiles(&resized(grid.columns, grid.rows)?, grid, self.tile);
        if tiles.len() == 1 {
            return ProcessedImage::of_tiles(&tiles, None, &self.normalise);
        }
        tiles.push(resized(1, 1)?);
        ProcessedImage::of_tiles(&tiles, Some(grid), &self.normalise)
    }

    /// The grid with the nearest aspect. Among equals the larger, as long as its area isn't twice the image's.
    fn grid(&self, width: u32, height: u32) -> TileGrid {
        let (least, most) = self.tiles;
        let mut grids: Vec<TileGrid> = (1..=most)
            .flat_map(|columns| (1..=most / columns).map(move |rows| TileGrid { rows, columns }))
            .filter(|grid| grid.rows * grid.columns >= least)
            .collect();
        grids.sort_by_key(|grid| grid.rows * grid.columns);
        let aspect = f64::from(width) / f64::from(height);
        let area = f64::from(width) * f64::from(height);
        let tile = f64::from(self.tile.0) * f64::from(self.tile.1);
        let (mut nearest, mut best) = (f64::INFINITY, TileGrid { rows: 1, columns: 1 });
        for grid in grids {
            let distance = (aspect - f64::from(grid.columns) / f64::from(grid.rows)).abs();
            if distance < nearest {
                (nearest, best) = (distance, grid);
            } else if distance <= nearest && area > 0.5 * tile * f64::from(grid.columns * grid.rows) {
                best = grid;
            }
        }
        best
    }
}
