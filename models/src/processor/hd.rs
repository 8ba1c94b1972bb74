//! The processor of Phi-3-vision and Phi-3.5-vision: the image as large as a few tiles of one size let it be, padded to
//! fill them, and a small view of the whole.
//!
//! Reference: `processing_phi3_v.py`, the code that comes with these models; transformers has no class of theirs. It
//! resizes with Pillow, computes with torch, and knows no other way. The small view is interpolated from the normalised
//! numbers, as torch does it on a CPU with AVX2, bit for bit. onnxruntime-extensions' steps of the same name resize
//! otherwise.

use std::{iter::repeat_n, mem};

use image::{Rgb, RgbImage, imageops};

use super::{
    Backend, Filter, ProcessedImage, TileGrid,
    crop::{cut_tiles, lay},
    normalise::Normalise,
    resize::{check_area, resize_as},
};
use crate::ModelError;

/// Pixels of a tile's side: the tower's, which has no other.
pub(crate) const HD_TILE: u32 = 336;

const GROUND: Rgb<u8> = Rgb([255; 3]);

/// torch's weights of the four pixels around a point half-way between two of them (cubic convolution, a = −0.75): of the
/// inner and of the outer two.
const INNER: f32 = 0.593_75;
const OUTER: f32 = -0.093_75;

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct HdTiles {
    /// The most tiles, the whole aside.
    pub most: u32,
    /// The filter of the resize.
    pub filter: Filter,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl HdTiles {
    /// Processes one image into `[1 + tiles, 3, 336, 336]`: the whole, then the tiles row by row.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if it is so thin that nothing of it is left, or would be larger than
    /// [`super::MAX_PIXELS`].
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        let (shown, grid) = self.fitted(image)?;
        check_area(HD_TILE, HD_TILE * (1 + grid.rows * grid.columns), "the image in tiles")?;
        let (mut canvas, mut values) = (Vec::new(), Vec::new());
        self.normalise.append_planes(&shown, shown.height() as usize, shown.width() as usize, &mut canvas);
        for plane in canvas.chunks_exact((shown.width() * shown.height()) as usize) {
            values.extend(whole(plane, grid));
        }
        let side = HD_TILE as usize;
        for tile in cut_tiles(&shown, grid, (HD_TILE, HD_TILE)) {
            self.normalise.append_planes(&tile, side, side, &mut values);
        }
        let tiles = 1 + (grid.rows * grid.columns) as usize;
        let mask = repeat_n(true, tiles * side * side).collect();
        Ok(ProcessedImage {
            tiles,
            height: side,
            width: side,
            values,
            mask,
            grid: Some(grid),
            patches: None,
            original: None,
            is_video: false,
        })
    }

    /// The image as large as its tiles let it be, on white, and the grid of these. A tall one is a wide one lying on its
    /// side.
    fn fitted(&self, image: &RgbImage) -> Result<(RgbImage, TileGrid), ModelError> {
        let (mut width, mut height) = image.dimensions();
        let is_tall = width < height;
        if is_tall {
            mem::swap(&mut width, &mut height);
        }
        let ratio = f64::from(width) / f64::from(height);
        let fits =
            |columns: &u32| f64::from(*columns) * (f64::from(*columns) / ratio).ceil() <= self.most.into();
        let columns = (1..=self.most).take_while(fits).last().unwrap_or(1);
        let (across, down) = (columns * HD_TILE, (f64::from(columns * HD_TILE) / ratio) as u32);
        if down == 0 {
            return Err(ModelError::Image(format!(
                "{}×{} pixels, brought to {across} along the longer side, are nothing along the shorter: show a part of \
                 it",
                image.width(),
                image.height()
            )));
        }
        let rows = down.div_ceil(HD_TILE);
        check_area(across, rows * HD_TILE, "the image on its tiles")?;
        // Turned, and not only its sides exchanged: the pass that comes first rounds first.
        let lying = if is_tall { &transposed(image) } else { image };
        let resized = resize_as(lying, across, down, self.filter, Backend::Pillow)?;
        let mut canvas = RgbImage::from_pixel(across, rows * HD_TILE, GROUND);
        lay(&resized, &mut canvas, [0, i64::from((rows * HD_TILE - down) / 2)]);
        let grid = TileGrid { rows, columns };
        if is_tall {
            return Ok((transposed(&canvas), TileGrid { rows: columns, columns: rows }));
        }
        Ok((canvas, grid))
    }
}

/// Rows become columns.
fn transposed(image: &RgbImage) -> RgbImage {
    imageops::flip_horizontal(&imageops::rotate90(image))
}

/// One channel of the whole in the size of a tile. Sides are whole numbers of tiles: each pixel of the small view lies on
/// one of the large, or half-way between two.
fn whole(plane: &[f32], grid: TileGrid) -> Vec<f32> {
    let side = HD_TILE as usize;
    let (rows, columns) = (grid.rows as usize, grid.columns as usize);
    let narrow: Vec<f32> = plane
        .chunks_exact(columns * side)
        .flat_map(|row| (0..side).map(|x| sample(row, x, columns, 1)))
        .collect();
    let column = |x: usize| &narrow[x..];
    (0..side * side).map(|at| sample(column(at % side), at / side, rows, side)).collect()
}

/// The number at `place` of a line shrunk to a `factor`th, whose numbers lie `step` apart.
///
/// The order of sums and where they round are torch's: it multiplies and adds at once.
fn sample(line: &[f32], place: usize, factor: usize, step: usize) -> f32 {
    let first = place * factor + (factor - 1) / 2;
    if !factor.is_multiple_of(2) {
        return line[first * step];
    }
    let last = factor * HD_TILE as usize - 1;
    let [a, b, c, d] =
        [first.saturating_sub(1), first, first + 1, last.min(first + 2)].map(|at| line[at * step]);
    d.mul_add(OUTER, c.mul_add(INNER, a.mul_add(OUTER, b * INNER)))
}
