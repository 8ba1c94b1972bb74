//! The processor of LFM2-VL: an image near its own size, or in tiles with the whole beside them, each a run of patches
//! that is padded to one length (`NaFlex`, as SigLIP 2 takes it).
//!
//! Reference: transformers' `image_processing_lfm2_vl.py`, step by step. It knows torchvision alone.

use std::cmp::Ordering;

use image::RgbImage;

use super::{
    ProcessedImage, TileGrid, backend::Backend, crop::cut_tiles, filter::Filter, normalise::Normalise,
    resize::check_area, resize::resize_as,
};
use crate::ModelError;

/// The steps, in the order in which they are done.
#[derive(Debug, Clone, PartialEq)]
pub struct NaflexImage {
    /// Pixels of a patch's side.
    pub patch: u32,
    /// So many rows and columns of patches become one feature.
    pub downsample: u32,
    /// The fewest and the most features of an image that isn't cut.
    pub features: [u32; 2],
    /// An image with so many times the most pixels is cut.
    pub tolerance: f64,
    /// Pixels of a tile's side, and the fewest and the most tiles; `None` never cuts.
    pub tiles: Option<(u32, [u32; 2])>,
    /// Whether an image that is cut is also shown as a whole, after its tiles.
    pub thumbnail: bool,
    /// The filter of every resize.
    pub filter: Filter,
    /// The arithmetic at the end.
    pub normalise: Normalise,
}

impl NaflexImage {
    /// Processes one image into `[tiles, patches, 3 · side²]`, the tiles row by row, then the whole.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if a step would need an image larger than [`super::MAX_PIXELS`], or a patch or a tile has no
    /// pixel.
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        if [self.patch, self.downsample].contains(&0) || self.tiles.is_some_and(|(side, _)| side == 0) {
            return Err(ModelError::Image(
                "patches, the features that they become and tiles have at least one pixel a side".into(),
            ));
        }
        let (width, height) = image.dimensions();
        let (wide, high) = self.whole(width, height);
        let whole = || resize_as(image, wide, high, self.filter, Backend::Torchvision);
        let (pictures, grid) = match self.tiles {
            Some((side, counts)) if counts[1] > 1 && self.is_large(width, height) => {
                let grid = closest(width, height, counts, side);
                let mut pictures = self.cut(image, grid, side)?;
                // One tile alone is no grid: it is described as a whole, and so stands by itself.
                let cut = grid.rows * grid.columns > 1;
                if self.thumbnail && cut {
                    pictures.push(whole()?);
                }
                (pictures, cut.then_some(grid))
            }
            _ => (vec![whole()?], None),
        };
        // Of a picture that isn't cut the sides are its own: those of one tile aren't the whole's.
        let (wide, high) = match (&*pictures, grid) {
            ([alone], None) => alone.dimensions(),
            _ => (wide, high),
        };
        self.in_patches(&pictures, grid, [high as usize, wide as usize])
    }

    /// The most patches of one picture: what every picture is padded to.
    fn length(&self) -> usize {
        let whole = self.features[1] as usize * (self.downsample as usize).pow(2);
        let tile = self.tiles.map_or(0, |(side, _)| ((side / self.patch) as usize).pow(2));
        whole.max(tile)
    }

    /// Pixels that so many features cover.
    fn area(&self, features: u32) -> f64 {
        f64::from(features) * f64::from(self.patch * self.downsample).powi(2)
    }

    fn is_large(&self, width: u32, height: u32) -> bool {
        let factor = f64::from(self.patch * self.downsample);
        let near =
            |side: u32| ((f64::from(side) / factor).round_ties_even() * factor).max(f64::from(self.patch));
        near(width) * near(height) > self.area(self.features[1]) * self.tolerance
    }

    /// Width and height of an image as a whole (`smart_resize`): near its own, of whole features, within the areas that
    /// are allowed.
    fn whole(&self, width: u32, height: u32) -> (u32, u32) {
        let factor = f64::from(self.patch * self.downsample);
        let sides = [width, height].map(f64::from);
        let [least, most] = self.features.map(|features| self.area(features));
        let near = sides.map(|side| ((side / factor).round_ties_even() * factor).max(factor));
        let area = sides[0] * sides[1];
        let [wide, high] = if near[0] * near[1] > most {
            let shrink = (area / most).sqrt();
            sides.map(|side| ((side / shrink / factor).floor() * factor).max(factor))
        } else if near[0] * near[1] < least {
            let grow = (least / area).sqrt();
            sides.map(|side| (side * grow / factor).ceil() * factor)
        } else {
            near
        };
        (wide as u32, high as u32)
    }

    /// The tiles, row by row.
    fn cut(&self, image: &RgbImage, grid: TileGrid, side: u32) -> Result<Vec<RgbImage>, ModelError> {
        let (wide, high) = (grid.columns * side, grid.rows * side);
        let enlarged = resize_as(image, wide, high, self.filter, Backend::Torchvision)?;
        Ok(cut_tiles(&enlarged, grid, (side, side)))
    }

    fn in_patches(
        &self,
        pictures: &[RgbImage],
        grid: Option<TileGrid>,
        [height, width]: [usize; 2],
    ) -> Result<ProcessedImage, ModelError> {
        let (side, length) = (self.patch as usize, self.length());
        let numbers = 3 * side * side;
        // Twelve bytes a pixel come out, of the padding too.
        check_area((length * side) as u32, (side * pictures.len()) as u32, "the image in padded tiles")?;
        let tables = self.normalise.tables();
        let mut values = Vec::with_capacity(pictures.len() * length * numbers);
        let mut mask = Vec::with_capacity(pictures.len() * length);
        for picture in pictures {
            let (begun, stride) = (values.len(), 3 * picture.width() as usize);
            let [rows, columns] = [picture.height(), picture.width()].map(|pixels| pixels as usize / side);
            let patches = rows * columns;
            mask.extend((0..length.max(patches)).map(|patch| patch < patches));
            values.resize(begun + length.max(patches) * numbers, 0.0);
            let corners =
                (0..rows).flat_map(|row| (0..columns).map(move |column| (row * side, column * side)));
            for ((top, left), patch) in corners.zip(values[begun..].chunks_exact_mut(numbers)) {
                for (y, values) in (top..).zip(patch.chunks_exact_mut(3 * side)) {
                    let line = &picture.as_raw()[y * stride + 3 * left..][..3 * side];
                    for (values, pixel) in values.chunks_exact_mut(3).zip(line.chunks_exact(3)) {
                        for channel in 0..3 {
                            values[channel] = tables[channel][usize::from(pixel[channel])];
                        }
                    }
                }
            }
        }
        let tiles = pictures.len();
        Ok(ProcessedImage { tiles, height, width, values, mask, grid, patches: None, original: None })
    }
}

/// The grid of so many tiles whose aspect is the image's most nearly; of two equally near ones, the larger where the
/// image has pixels for it.
///
/// The reference tries grids of as many tiles in the order of a hash table; for the ranges that models have been
/// published with, no two of them are ever equally near.
fn closest(width: u32, height: u32, [fewest, most]: [u32; 2], side: u32) -> TileGrid {
    let aspect = f64::from(width) / f64::from(height);
    let area = f64::from(width) * f64::from(height);
    let mut best = (f64::INFINITY, TileGrid { rows: 1, columns: 1 });
    for tiles in fewest..=most {
        for columns in (1..=tiles).filter(|columns| tiles % columns == 0) {
            let rows = tiles / columns;
            let away = (aspect - f64::from(columns) / f64::from(rows)).abs();
            let fills = area > 0.5 * f64::from(side).powi(2) * f64::from(tiles);
            match away.total_cmp(&best.0) {
                Ordering::Less => best = (away, TileGrid { rows, columns }),
                Ordering::Equal if fills => best.1 = TileGrid { rows, columns },
                _ => {}
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> NaflexImage {
        NaflexImage {
            patch: 16,
            downsample: 2,
            features: [64, 256],
            tolerance: 2.0,
            tiles: Some((512, [2, 10])),
            thumbnail: true,
            filter: Filter::Bilinear,
            normalise: Normalise { rescale: None, mean_and_deviation: None, backend: Backend::Torchvision },
        }
    }

    #[test]
    fn a_large_image_is_cut_in_the_grid_of_its_aspect_and_a_small_one_is_not() {
        // Width and height; those of the whole; columns and rows of tiles: what transformers gives.
        let cases = [
            ((512, 512), (512, 512), None),
            ((332, 214), (320, 224), None),
            ((1280, 720), (672, 384), Some((2, 1))),
            ((720, 1280), (384, 672), Some((1, 2))),
            ((1000, 130), (992, 128), None),
            ((4000, 200), (2272, 96), Some((10, 1))),
            ((3, 40), (96, 960), None),
            ((1, 1), (256, 256), None),
        ];
        for ((width, height), whole, grid) in cases {
            let found = published();
            assert_eq!(found.whole(width, height), whole, "{width}×{height}");
            let tiles = found.is_large(width, height).then(|| closest(width, height, [2, 10], 512));
            assert_eq!(tiles.map(|grid| (grid.columns, grid.rows)), grid, "{width}×{height}");
        }
    }

    #[test]
    fn a_large_image_in_a_grid_of_one_tile_has_the_sides_of_the_tile() {
        let processor = NaflexImage { tiles: Some((512, [1, 3])), ..published() };
        // The grid is 1×1 for both; as a whole, the first would have 544×448 pixels. transformers has 32×32 patches each.
        for (width, height) in [(1200, 1000), (1000, 1000)] {
            let found = processor.process(&RgbImage::new(width, height)).unwrap();
            let real = found.mask.iter().filter(|real| **real).count();
            assert_eq!((found.grid, found.tiles, real), (None, 1, 1024), "{width}×{height}");
            assert_eq!((found.height, found.width), (512, 512), "{width}×{height}");
        }
        assert_eq!(processor.whole(1200, 1000), (544, 448));
    }
}
