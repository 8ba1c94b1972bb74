//! What the files of processors that cut an image into tiles mean: those of `InternVL`, LLaVA-NeXT,
//! LLaVA-OneVision and Phi-3-vision.

use super::{CLIP_DEVIATION, CLIP_MEAN, Channels, SizeWritten, Written};
use crate::processor::{AnyresImage, AspectTiles, Backend, Filter, HdTiles, ImageProcessor, TileGrid};

/// The most tiles that a file may ask for; published ones ask for 40 at most.
const MOST_TILES: u32 = 1024;

/// Heights and widths of the canvases of LLaVA-NeXT's class.
const NEXT_CANVASES: [[u32; 2]; 5] = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];

/// The class's own settings where an anyres processor's file says nothing.
pub(super) struct AnyresDefaults {
    tile: u32,
    canvases: Vec<[u32; 2]>,
    /// Whether it crops, and has a size for that, too: tiles are cut with the crop's.
    crops: bool,
}

impl AnyresDefaults {
    /// Those of LLaVA-NeXT.
    pub(super) fn next() -> Self {
        Self { tile: 224, canvases: NEXT_CANVASES.into(), crops: true }
    }

    /// Those of LLaVA-OneVision: one to six tiles each way.
    pub(super) fn onevision() -> Self {
        let sides = || (1..=6).map(|tiles| 384 * tiles);
        Self {
            tile: 384,
            canvases: sides().flat_map(|height| sides().map(move |width| [height, width])).collect(),
            crops: false,
        }
    }
}

impl Written {
    pub(super) fn aspect(&self, backend: Backend) -> Result<ImageProcessor, String> {
        let tile = match self.size {
            None => (384, 384),
            Some(SizeWritten::Edge(edge)) => (edge, edge),
            Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) => (width, height),
            Some(size) => return Err(format!("its `size` isn't height and width: {size:?}")),
        };
        if tile.0 == 0 || tile.1 == 0 {
            return Err("a side of its `size` is 0".into());
        }
        let tiles = (self.min_patches.unwrap_or(1), self.max_patches.unwrap_or(12));
        if tiles.1 > MOST_TILES {
            return Err(format!("its `max_patches` is {}; known are up to {MOST_TILES}", tiles.1));
        }
        Ok(ImageProcessor::Aspect(AspectTiles {
            backend,
            tile,
            cuts: self.crop_to_patches.unwrap_or(false),
            resize: self.do_resize.unwrap_or(true),
            tiles,
            filter: self.filter_in(Filter::Bicubic, backend)?,
            normalise: self.clip_normalise(backend),
        }))
    }

    /// Its class knows no other steps: a file says how many tiles, mean and deviation.
    pub(super) fn hd(&self) -> Result<ImageProcessor, String> {
        let most = self.num_crops.unwrap_or(1);
        if !(1..=MOST_TILES).contains(&most) {
            return Err(format!("its `num_crops` is {most}; known are 1 to {MOST_TILES}"));
        }
        let plain = Self { do_rescale: None, rescale_factor: None, do_normalize: None, ..self.clone() };
        Ok(ImageProcessor::Hd(HdTiles {
            most,
            filter: Filter::Bilinear,
            normalise: plain.clip_normalise(Backend::Pillow),
        }))
    }

    pub(super) fn anyres(
        &self,
        defaults: &AnyresDefaults,
        backend: Backend,
    ) -> Result<ImageProcessor, String> {
        let of_size = square("size", self.size)?;
        let of_crop = square("crop_size", self.crop_size)?;
        let usual = defaults.crops.then_some(defaults.tile);
        let tile = of_crop.or(usual).or(of_size).unwrap_or(defaults.tile);
        // The reference would resize and crop every tile once more. No published folder asks for that.
        if let Some(size) = of_size.or(usual).filter(|size| *size != tile) {
            return Err(format!(
                "its `size` and its `crop_size` differ: the tiles are cut with {tile} pixels, and would be resized to {size}"
            ));
        }
        let pinpoints = self.image_grid_pinpoints.as_ref().unwrap_or(&defaults.canvases);
        let whole = |side: u32| side > 0 && side.is_multiple_of(tile) && side / tile <= MOST_TILES;
        if let Some([height, width]) = pinpoints.iter().find(|sides| !sides.iter().all(|side| whole(*side))) {
            return Err(format!(
                "`image_grid_pinpoints` has {height}×{width}, which isn't of whole tiles of {tile}×{tile} pixels \
                 (`size`, `crop_size`)"
            ));
        }
        if pinpoints.is_empty() {
            return Err("its `image_grid_pinpoints` are empty".into());
        }
        let canvases = pinpoints
            .iter()
            .map(|[height, width]| TileGrid { rows: height / tile, columns: width / tile })
            .collect();
        Ok(ImageProcessor::Anyres(AnyresImage {
            backend,
            tile,
            canvases,
            ground: self.image_mean.map_or(CLIP_MEAN, Channels::each).map(|mean| (mean * 255.0) as u8),
            filter: self.filter_in(Filter::Bicubic, backend)?,
            normalise: self.clip_normalise(backend),
        }))
    }

    /// The arithmetic at the end of a class whose own mean and deviation are CLIP's.
    fn clip_normalise(&self, backend: Backend) -> crate::processor::Normalise {
        let mean = self.image_mean.map_or(CLIP_MEAN, Channels::each);
        self.normalise(mean, CLIP_DEVIATION, backend)
    }
}

/// The side of a square that a key asks for, or of the square that comes of a shortest edge.
fn square(key: &str, size: Option<SizeWritten>) -> Result<Option<u32>, String> {
    let edge = match size {
        None => return Ok(None),
        Some(SizeWritten::Edge(edge)) => Some(edge),
        Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) => {
            (height == width).then_some(height)
        }
        Some(SizeWritten::Sides { shortest_edge, .. }) => shortest_edge,
    };
    match edge.filter(|edge| *edge > 0) {
        Some(edge) => Ok(Some(edge)),
        None => Err(format!("its `{key}` isn't a square, as tiles are")),
    }
}
