//! A processor's configuration as it is written in a folder, and how it becomes an [`ImageProcessor`].
//!
//! Every key is optional: what is absent is the default of the class that `image_processor_type` names, as
//! transformers has it. What is null is not absent ([`nulls`]).

mod class;
mod frames;
mod naflex;
mod nulls;
mod pan;
mod tiles;

use serde::Deserialize;

pub(super) use self::frames::UsualFrames;
use self::{class::Class, naflex::NaflexWritten, nulls::Nulls, pan::PanWritten, tiles::AnyresDefaults};
use super::{
    Backend, Filter, FirstSize, ImageProcessor, LongestEdge, Normalise, PatchedImage, SingleImage, SmartSize,
    SquaredImage, TargetSize, TiledImage,
};

const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const CLIP_DEVIATION: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
const HALF: [f64; 3] = [0.5; 3];

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Written {
    image_processor_type: Option<String>,
    feature_extractor_type: Option<String>,
    do_resize: Option<bool>,
    size: Option<SizeWritten>,
    image_size: Option<u32>,
    resample: Option<u8>,
    do_center_crop: Option<bool>,
    crop_size: Option<SizeWritten>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<Channels>,
    image_std: Option<Channels>,
    do_pad: Option<bool>,
    do_image_splitting: Option<bool>,
    max_image_size: Option<SizeWritten>,
    min_pixels: Option<u32>,
    max_pixels: Option<u32>,
    patch_size: Option<u32>,
    merge_size: Option<u32>,
    temporal_patch_size: Option<usize>,
    spatial_factor: Option<u32>,
    crop_to_patches: Option<bool>,
    min_patches: Option<u32>,
    max_patches: Option<u32>,
    image_grid_pinpoints: Option<Vec<[u32; 2]>>,
    min_size: Option<u32>,
    num_crops: Option<u32>,
    #[serde(flatten)]
    naflex: NaflexWritten,
    #[serde(flatten)]
    pan: PanWritten,
    #[serde(skip)]
    nulls: Nulls,
}

/// The longest side that a folder may bring an image to before it is cut into tiles, and of a tile; published ones have
/// 2048 and 512.
const LONGEST_TILED: u32 = 1 << 16;
/// The most frames that one patch covers; published models have one or two.
const MOST_FRAMES: usize = 16;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum SizeWritten {
    Edge(u32),
    Sides { shortest_edge: Option<u32>, longest_edge: Option<u32>, height: Option<u32>, width: Option<u32> },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Channels {
    Each([f64; 3]),
    All(f64),
}

/// What differs between the classes that make one picture.
#[derive(Clone, Copy)]
struct Defaults {
    filter: Filter,
    size: TargetSize,
    crop: Option<(u32, u32)>,
    mean: [f64; 3],
    deviation: [f64; 3],
    rescale: f64,
    /// Whether `"size": 224` means a square or a shortest edge.
    square: bool,
    /// Whether `do_pad` means padding to a square first.
    pads: bool,
}

impl ImageProcessor {
    /// Reads the text of a `preprocessor_config.json`; its backend is the one that its class is named by.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words: it isn't JSON, names a class that isn't known, or a key makes no sense.
    pub fn from_json(text: &str) -> Result<Self, String> {
        Self::from_json_as(text, None)
    }

    /// The same with the backend that is chosen here, if one is.
    ///
    /// # Errors
    ///
    /// Those of [`ImageProcessor::from_json`], and that the class isn't known in that backend.
    pub fn from_json_as(text: &str, backend: Option<Backend>) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        written.with_nulls_of(text)?.meant(backend)
    }
}

impl Written {
    fn meant(&self, chosen: Option<Backend>) -> Result<ImageProcessor, String> {
        let (class, backend) = Class::of(self, chosen)?;
        self.refuse_nulls(class)?;
        let clip = Defaults {
            filter: Filter::Bicubic,
            size: TargetSize::ShortestEdge(224),
            crop: Some((224, 224)),
            mean: CLIP_MEAN,
            deviation: CLIP_DEVIATION,
            rescale: 1.0 / 255.0,
            square: false,
            pads: false,
        };
        let vit = Defaults {
            filter: Filter::Bilinear,
            size: TargetSize::Exact { width: 224, height: 224 },
            crop: None,
            mean: HALF,
            deviation: HALF,
            rescale: 1.0 / 255.0,
            square: true,
            pads: false,
        };
        // As CLIP's, but brought to a square whatever the shape.
        let squared = |side| Defaults {
            size: TargetSize::Exact { width: side, height: side },
            crop: None,
            square: true,
            ..clip
        };
        let chameleon = Defaults {
            filter: Filter::Lanczos,
            size: TargetSize::ShortestEdge(512),
            crop: Some((512, 512)),
            mean: [1.0; 3],
            deviation: [1.0; 3],
            rescale: 0.0078,
            ..clip
        };
        match class {
            Class::Clip => self.single(&clip, backend),
            Class::Llava => self.single(&Defaults { pads: true, ..clip }, backend),
            Class::Vit => self.single(&vit, backend),
            // A number is a shortest edge here, though the class's own size is a square.
            Class::Siglip => {
                self.single(&Defaults { filter: Filter::Bicubic, square: false, ..vit }, backend)
            }
            Class::Chameleon => self.single(&chameleon, backend),
            Class::Emu3 => self.emu3(),
            Class::Blip => self.single(&squared(384), backend),
            Class::Idefics => match self.image_size {
                // The older name of the size, which wins.
                Some(side) => Self { size: None, ..self.clone() }.single(&squared(side), backend),
                None => self.single(&squared(224), backend),
            },
            Class::Idefics3 => self.tiled(backend).map(ImageProcessor::Tiled),
            Class::Qwen2Vl => self.patched(backend).map(ImageProcessor::Patched),
            Class::Lfm2Vl => self.naflex(),
            Class::GotOcr2 => self.aspect(backend),
            Class::LlavaNext => self.anyres(&AnyresDefaults::next(), backend),
            Class::LlavaOnevision => self.anyres(&AnyresDefaults::onevision(), backend),
            Class::Janus => self.squared(backend),
            Class::Gemma3 => self.panned(backend),
            Class::Phi3V => self.hd(),
        }
    }

    fn single(&self, defaults: &Defaults, backend: Backend) -> Result<ImageProcessor, String> {
        self.one_picture(defaults, backend).map(ImageProcessor::Single)
    }

    fn one_picture(&self, defaults: &Defaults, backend: Backend) -> Result<SingleImage, String> {
        let mean = self.image_mean.map_or(defaults.mean, Channels::each);
        let size = match self.size {
            None => defaults.size,
            Some(SizeWritten::Edge(edge)) if defaults.square => {
                TargetSize::Exact { width: edge, height: edge }
            }
            Some(SizeWritten::Edge(edge)) => TargetSize::ShortestEdge(edge),
            Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) => {
                TargetSize::Exact { width, height }
            }
            Some(SizeWritten::Sides { shortest_edge: Some(edge), longest_edge: None, .. }) => {
                TargetSize::ShortestEdge(edge)
            }
            Some(size) => {
                return Err(format!("its `size` isn't height and width or a shortest edge: {size:?}"));
            }
        };
        let crop = match self.crop_size {
            None => defaults.crop,
            Some(SizeWritten::Edge(edge)) => Some((edge, edge)),
            Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) => {
                Some((width, height))
            }
            Some(size) => return Err(format!("its `crop_size` isn't height and width: {size:?}")),
        };
        let crops = self.do_center_crop.unwrap_or(defaults.crop.is_some());
        match crop.filter(|_| crops) {
            None if crops => return Err("it has `do_center_crop` but no `crop_size`".into()),
            Some((width, height)) if width == 0 || height == 0 => {
                return Err(format!("its `crop_size` is {width}×{height}, of which nothing is left"));
            }
            _ => {}
        }
        if self.do_pad == Some(true) && !defaults.pads {
            return Err("it has `do_pad`, which isn't known for its image processor".into());
        }
        let filter = self.filter_in(defaults.filter, backend)?;
        Ok(SingleImage {
            backend,
            pad: self.do_pad.unwrap_or(false).then(|| mean.map(|mean| (mean * 255.0) as u8)),
            resize: self.do_resize.unwrap_or(true).then_some((size, filter)),
            crop: crop.filter(|_| crops),
            normalise: self.normalise_from(defaults.rescale, mean, defaults.deviation, backend),
        })
    }

    fn tiled(&self, backend: Backend) -> Result<TiledImage, String> {
        let bounded = |key: &str, side: u32| match side {
            1..=LONGEST_TILED => Ok(side),
            side => Err(format!("its `{key}` is {side}; known are 1 to {LONGEST_TILED}")),
        };
        let resize = match self.size {
            None => FirstSize::LongestEdge(4 * 364),
            Some(SizeWritten::Sides { longest_edge: Some(edge), .. }) => {
                FirstSize::LongestEdge(bounded("size", edge)?)
            }
            Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) => {
                FirstSize::Exact { width: bounded("size", width)?, height: bounded("size", height)? }
            }
            Some(size) => {
                return Err(format!("its `size` isn't a longest edge or height and width: {size:?}"));
            }
        };
        let tile = match self.max_image_size {
            None => 364,
            Some(SizeWritten::Sides { longest_edge: Some(edge), .. }) => bounded("max_image_size", edge)?,
            Some(size) => return Err(format!("its `max_image_size` isn't a longest edge: {size:?}")),
        };
        Ok(TiledImage {
            backend,
            resize: self.do_resize.unwrap_or(true).then_some(resize),
            tile,
            split: self.do_image_splitting.unwrap_or(true),
            filter: self.filter_in(Filter::Lanczos, backend)?,
            normalise: self.normalise(self.image_mean.map_or(HALF, Channels::each), HALF, backend),
        })
    }

    fn squared(&self, backend: Backend) -> Result<ImageProcessor, String> {
        let edge = match self.size {
            None => 384,
            Some(SizeWritten::Edge(edge)) => edge,
            Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) if height == width => {
                height
            }
            Some(size) => return Err(format!("its `size` isn't the same height and width: {size:?}")),
        };
        let mean = self.image_mean.map_or(CLIP_MEAN, Channels::each);
        let least = self.min_size.unwrap_or(14);
        let filter = self.filter_in(Filter::Bicubic, backend)?;
        Ok(ImageProcessor::Squared(SquaredImage {
            backend,
            resize: self.do_resize.unwrap_or(true).then_some((LongestEdge { edge, least }, filter)),
            pad: self.do_pad.unwrap_or(true).then(|| mean.map(|mean| (mean * 255.0) as u8)),
            normalise: self.normalise(mean, CLIP_DEVIATION, backend),
        }))
    }

    fn emu3(&self) -> Result<ImageProcessor, String> {
        let (least, most) = (self.min_pixels.unwrap_or(512 * 512), self.max_pixels.unwrap_or(1024 * 1024));
        let factor = self.spatial_factor.unwrap_or(8);
        if [factor, least, most].contains(&0) {
            return Err("its `spatial_factor`, `min_pixels` and `max_pixels` must be at least 1".into());
        }
        let size = TargetSize::Smart(SmartSize { factor, least: least.into(), most: most.into() });
        let filter = self.filter_in(Filter::Bicubic, Backend::Pillow)?;
        let mean = self.image_mean.map_or(CLIP_MEAN, Channels::each);
        Ok(ImageProcessor::Single(SingleImage {
            backend: Backend::Pillow,
            pad: None,
            resize: self.do_resize.unwrap_or(true).then_some((size, filter)),
            crop: None,
            normalise: self.normalise(mean, CLIP_DEVIATION, Backend::Pillow),
        }))
    }

    fn patched(&self, backend: Backend) -> Result<PatchedImage, String> {
        let positive = |name: &str, written: Option<u32>, usual: u32| match written {
            Some(0) => Err(format!("its `{name}` is 0")),
            written => Ok(written.unwrap_or(usual)),
        };
        let patch = positive("patch_size", self.patch_size, 14)?;
        let merge = positive("merge_size", self.merge_size, 2)?;
        let frames = self.temporal_patch_size.unwrap_or(2);
        if !(1..=MOST_FRAMES).contains(&frames) {
            return Err(format!("its `temporal_patch_size` is {frames}; known are 1 to {MOST_FRAMES}"));
        }
        let factor = patch.checked_mul(merge).ok_or("its `patch_size` and `merge_size` are too large")?;
        // Older files name the areas by themselves, newer ones as edges of the size; the former win.
        let (least, most) = match self.size {
            None => (Some(56 * 56), Some(28 * 28 * 1280)),
            Some(SizeWritten::Sides { shortest_edge, longest_edge, .. }) => (shortest_edge, longest_edge),
            Some(size) => return Err(format!("its `size` isn't a smallest and a largest area: {size:?}")),
        };
        let least = self.min_pixels.or(least).filter(|area| *area > 0);
        let most = self.max_pixels.or(most).filter(|area| *area > 0);
        let (Some(least), Some(most)) = (least, most) else {
            return Err("neither `min_pixels` and `max_pixels` nor `size` says which areas it allows".into());
        };
        Ok(PatchedImage {
            backend,
            resize: self.do_resize.unwrap_or(true),
            size: SmartSize { factor, least: least.into(), most: most.into() },
            filter: self.filter_in(Filter::Bicubic, backend)?,
            patch,
            merge,
            frames,
            normalise: self.normalise(
                self.image_mean.map_or(CLIP_MEAN, Channels::each),
                CLIP_DEVIATION,
                backend,
            ),
        })
    }

    /// The filter, if the backend has arithmetic for it.
    fn filter_in(&self, default: Filter, backend: Backend) -> Result<Filter, String> {
        let filter = self.filter(default)?;
        let known = matches!(filter, Filter::Lanczos | Filter::Bilinear | Filter::Bicubic);
        if backend == Backend::Torchvision && !known {
            return Err(format!(
                "`resample` {filter:?} isn't known for torchvision, which its image processor asks for; known are 1 \
                 (Lanczos), 2 (bilinear) and 3 (bicubic)"
            ));
        }
        Ok(filter)
    }

    fn filter(&self, default: Filter) -> Result<Filter, String> {
        match self.resample {
            None => Ok(default),
            Some(code) => Filter::from_code(code).ok_or_else(|| format!("Pillow has no `resample` {code}")),
        }
    }

    fn normalise(&self, mean: [f64; 3], deviation: [f64; 3], backend: Backend) -> Normalise {
        self.normalise_from(1.0 / 255.0, mean, deviation, backend)
    }

    fn normalise_from(
        &self,
        rescale: f64,
        mean: [f64; 3],
        deviation: [f64; 3],
        backend: Backend,
    ) -> Normalise {
        let deviation = self.image_std.map_or(deviation, Channels::each);
        Normalise {
            rescale: self.do_rescale.unwrap_or(true).then(|| self.rescale_factor.unwrap_or(rescale)),
            mean_and_deviation: self
                .do_normalize
                .unwrap_or(true)
                .then(|| [mean, deviation].map(|channels| channels.map(|value| value as f32))),
            backend,
        }
    }
}

impl Channels {
    fn each(self) -> [f64; 3] {
        match self {
            Self::Each(each) => each,
            Self::All(all) => [all; 3],
        }
    }
}
