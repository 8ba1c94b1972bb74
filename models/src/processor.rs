//! Image processors: from the pixels of an image to what a vision encoder takes, as the reference does it.
//!
//! [`ImageProcessor::from_json`] reads a folder's `preprocessor_config.json`. Results equal those of
//! transformers (5.23) bit for bit: with Pillow (11.3), or with torchvision (0.29) where the folder means that
//! ([`Backend`]). LFM2-VL's processor is known with torchvision only, Emu3's with Pillow only, and so is
//! Phi-3-vision's, which isn't transformers' but the code that comes with these models.

mod anyres;
mod aspect;
mod backend;
mod crop;
mod filter;
mod fit;
mod hd;
mod naflex;
mod normalise;
mod pan;
mod patches;
mod resize;
mod single;
mod squared;
mod tiled;
mod told;
mod video;
mod written;

use std::iter::repeat_n;

use image::RgbImage;

use crate::ModelError;
pub use anyres::AnyresImage;
pub use aspect::AspectTiles;
pub use backend::Backend;
pub use filter::Filter;
pub(crate) use fit::Fit;
pub(crate) use hd::HD_TILE;
pub use hd::HdTiles;
pub use naflex::NaflexImage;
pub use normalise::Normalise;
pub use pan::{PanAndScan, PannedImage};
pub use patches::{PatchGrid, PatchedImage, SmartSize};
pub(crate) use resize::check_area;
pub use resize::{MAX_PIXELS, resize};
pub use single::{SingleImage, TargetSize};
pub use squared::{LongestEdge, SquaredImage};
pub use tiled::{FirstSize, TiledImage};
pub use video::{Budget, FrameProcessor, SampledVideo, Sampling, VideoClass, VideoProcessor, Wanted};

/// A folder's image processor as it is meant: every step decided.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ImageProcessor {
    /// One picture of fixed size.
    Single(SingleImage),
    /// One picture on the ground of a square.
    Squared(SquaredImage),
    /// A grid of tiles and the whole.
    Tiled(TiledImage),
    /// Patches of a picture that keeps its shape.
    Patched(PatchedImage),
    /// Patches of one picture or of tiles, padded to one length.
    Naflex(NaflexImage),
    /// The grid of tiles that is nearest to the image's aspect, and the whole.
    Aspect(AspectTiles),
    /// The whole, and tiles of the image on the canvas that fits it best.
    Anyres(AnyresImage),
    /// The whole, and crops along the longer side of an exaggerated image.
    Panned(PannedImage),
    /// A small view of the whole, and tiles of the image on white.
    Hd(HdTiles),
}

/// The form in which an image comes to a vision encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ImageForm {
    /// Whole pictures, one or several.
    #[default]
    Pictures,
    /// As many patches as the image has ([`PatchedImage`]).
    Patches,
    /// Patches padded to one number ([`NaflexImage`]).
    PaddedPatches,
}

impl std::fmt::Display for ImageForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pictures => "pictures",
            Self::Patches => "patches",
            Self::PaddedPatches => "padded patches",
        })
    }
}

impl ImageProcessor {
    /// What it makes of images.
    pub fn form(&self) -> ImageForm {
        match self {
            Self::Patched(_) => ImageForm::Patches,
            Self::Naflex(_) => ImageForm::PaddedPatches,
            Self::Single(_)
            | Self::Squared(_)
            | Self::Tiled(_)
            | Self::Aspect(_)
            | Self::Anyres(_)
            | Self::Panned(_)
            | Self::Hd(_) => ImageForm::Pictures,
        }
    }

    /// Processes one image.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if the image is empty or would need too much memory on the way.
    pub fn process(&self, image: &RgbImage) -> Result<ProcessedImage, ModelError> {
        if image.width() == 0 || image.height() == 0 {
            return Err(ModelError::Image(format!(
                "{}×{} pixels: nothing to see",
                image.width(),
                image.height()
            )));
        }
        match self {
            Self::Single(single) => single.process(image),
            Self::Squared(squared) => squared.process(image),
            Self::Tiled(tiled) => tiled.process(image),
            Self::Patched(patched) => patched.process(image),
            Self::Naflex(naflex) => naflex.process(image),
            Self::Aspect(aspect) => aspect.process(image),
            Self::Anyres(anyres) => anyres.process(image),
            Self::Panned(panned) => panned.process(image),
            Self::Hd(hd) => hd.process(image),
        }
    }

    /// The arithmetic at its end.
    pub(crate) fn normalise(&self) -> &Normalise {
        match self {
            Self::Single(single) => &single.normalise,
            Self::Squared(squared) => &squared.normalise,
            Self::Tiled(tiled) => &tiled.normalise,
            Self::Patched(patched) => &patched.normalise,
            Self::Naflex(naflex) => &naflex.normalise,
            Self::Aspect(aspect) => &aspect.normalise,
            Self::Anyres(anyres) => &anyres.normalise,
            Self::Panned(panned) => &panned.normalise,
            Self::Hd(hd) => &hd.normalise,
        }
    }
}

/// How many tiles an image was cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileGrid {
    /// Rows of tiles.
    pub rows: u32,
    /// Columns of tiles.
    pub columns: u32,
}

/// An image ready for the vision encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessedImage {
    /// How many pictures `values` holds: the tiles and the whole, or one.
    pub tiles: usize,
    /// Rows of each; of the whole, where a [`NaflexImage`] made them.
    pub height: usize,
    /// Columns of each, or of the whole.
    pub width: usize,
    /// `[tiles, 3, height, width]`, row-major; or, where there are `patches`, one after another, each
    /// `[3, frames, side, side]`, layer by layer of a video; of a [`NaflexImage`] `[tiles, patches, side, side, 3]`.
    pub values: Vec<f32>,
    /// `[tiles, height, width]`: true where a pixel is the image's, false where it is padding. Empty where there are
    /// `patches`: they are never padded. Of a [`NaflexImage`] `[tiles, patches]`: true where a patch is the image's.
    /// Of [`HdTiles`] true everywhere: the white around the image is a part of what is seen.
    pub mask: Vec<bool>,
    /// The grid, if the image was cut.
    pub grid: Option<TileGrid>,
    /// The patches, if `values` holds those.
    pub patches: Option<PatchGrid>,
    /// Width and height of the image that came in, where it was padded to fill its tiles: by them the features of what is
    /// padding are found.
    pub original: Option<[u32; 2]>,
    /// Whether it is a video, and its pictures or patches are of frames.
    pub is_video: bool,
}

impl ProcessedImage {
    /// All of it but its numbers.
    pub(crate) fn layout(&self) -> Self {
        Self { values: Vec::new(), mask: Vec::new(), ..*self }
    }

    /// How many frames a layer of patches covers; 0 of what is no patches.
    pub(crate) fn frames_of_layer(&self) -> usize {
        self.patches.map_or(0, |grid| {
            let side = self.height / grid.rows.max(1);
            self.values.len() / (3 * side * side * grid.patches()).max(1)
        })
    }

    /// The same in parts of at most so many tiles, for an encoder whose memory grows with them. Patches stay together,
    /// padded ones too.
    pub(crate) fn in_parts(self, most: usize) -> Vec<Self> {
        let pixels = self.height * self.width;
        let is_patches = self.patches.is_some() || self.mask.len() != self.tiles * pixels;
        if is_patches || self.tiles <= most {
            return vec![self];
        }
        let values = self.values.chunks((most * 3 * pixels).max(1));
        let masks = self.mask.chunks((most * pixels).max(1));
        let part = |(values, mask): (&[f32], &[bool])| Self {
            tiles: mask.len() / pixels.max(1),
            values: values.into(),
            mask: mask.into(),
            ..self.layout()
        };
        values.zip(masks).map(part).collect()
    }

    /// Pads the pictures to one size, normalises them and puts them in a row.
    fn of_tiles(
        tiles: &[RgbImage],
        grid: Option<TileGrid>,
        normalise: &Normalise,
    ) -> Result<Self, ModelError> {
        let height = tiles.iter().map(RgbImage::height).max().unwrap_or(0);
        let width = tiles.iter().map(RgbImage::width).max().unwrap_or(0);
        if height == 0 || width == 0 {
            return Err(ModelError::Image(format!("{width}×{height} pixels: nothing to see")));
        }
        // Twelve bytes a pixel come out: the limit is on the sum of all tiles.
        check_area(width, height.saturating_mul(tiles.len() as u32), "the image in tiles")?;
        let (height, width) = (height as usize, width as usize);
        let mut values = Vec::with_capacity(tiles.len() * 3 * height * width);
        let mut mask = Vec::with_capacity(tiles.len() * height * width);
        for tile in tiles {
            normalise.append_planes(tile, height, width, &mut values);
            for row in 0..height {
                let inside = if row < tile.height() as usize { tile.width() as usize } else { 0 };
                mask.extend(repeat_n(true, inside));
                mask.extend(repeat_n(false, width - inside));
            }
        }
        Ok(Self {
            tiles: tiles.len(),
            height,
            width,
            values,
            mask,
            grid,
            patches: None,
            original: None,
            is_video: false,
        })
    }
}
