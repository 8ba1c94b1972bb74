//! The classes of image processors that are known, and the backends in which each is.

use super::Written;
use crate::processor::{Backend, ImageProcessor};

/// How a class's settings are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Clip,
    Llava,
    Siglip,
    Vit,
    Blip,
    Idefics,
    Idefics3,
    Qwen2Vl,
    Lfm2Vl,
    GotOcr2,
    LlavaNext,
    LlavaOnevision,
    Gemma3,
    Phi3V,
    Chameleon,
    Emu3,
    Janus,
}

const BOTH: &[Backend] = &[Backend::Pillow, Backend::Torchvision];

/// Every class by its name. No other is read: one that isn't here is refused, and one that is has goldens.
const CLASSES: [(&str, Class, &[Backend]); 18] = [
    ("CLIPImageProcessor", Class::Clip, BOTH),
    ("LlavaImageProcessor", Class::Llava, BOTH),
    ("SiglipImageProcessor", Class::Siglip, BOTH),
    ("ViTImageProcessor", Class::Vit, BOTH),
    ("BlipImageProcessor", Class::Blip, BOTH),
    ("IdeficsImageProcessor", Class::Idefics, BOTH),
    ("Idefics3ImageProcessor", Class::Idefics3, BOTH),
    ("SmolVLMImageProcessor", Class::Idefics3, BOTH),
    ("Qwen2VLImageProcessor", Class::Qwen2Vl, BOTH),
    ("Lfm2VlImageProcessor", Class::Lfm2Vl, &[Backend::Torchvision]),
    ("GotOcr2ImageProcessor", Class::GotOcr2, BOTH),
    ("LlavaNextImageProcessor", Class::LlavaNext, BOTH),
    ("LlavaOnevisionImageProcessor", Class::LlavaOnevision, BOTH),
    ("Gemma3ImageProcessor", Class::Gemma3, BOTH),
    ("Phi3VImageProcessor", Class::Phi3V, &[Backend::Pillow]),
    ("ChameleonImageProcessor", Class::Chameleon, BOTH),
    ("Emu3ImageProcessor", Class::Emu3, &[Backend::Pillow]),
    ("JanusImageProcessor", Class::Janus, BOTH),
];

/// What two of them were called before.
const OLDER: [(&str, &str); 2] =
    [("CLIPFeatureExtractor", "CLIPImageProcessor"), ("ViTFeatureExtractor", "ViTImageProcessor")];

impl ImageProcessor {
    /// The classes that [`ImageProcessor::from_json`] knows (`image_processor_type`, without the ending that names a
    /// backend), and the backends in which it knows each.
    pub fn classes() -> impl Iterator<Item = (&'static str, &'static [Backend])> {
        CLASSES.iter().map(|(name, _, backends)| (*name, *backends))
    }
}

/// The classes in words, for errors.
fn known() -> String {
    let names = CLASSES.map(|(name, _, _)| name.trim_end_matches("ImageProcessor"));
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    format!("known are the {} and {last} image processors", others.join(", "))
}

impl Class {
    /// The class that is written, and the backend: the one that is chosen, or else the one that the name says.
    pub(super) fn of(written: &Written, chosen: Option<Backend>) -> Result<(Self, Backend), String> {
        let name = written.image_processor_type.as_deref().or(written.feature_extractor_type.as_deref());
        let name = name.ok_or_else(|| format!("it doesn't name its `image_processor_type`; {}", known()))?;
        let (named, name) = Backend::of_class(name);
        let newer = OLDER.iter().find(|(older, _)| *older == name).map_or(name, |(_, newer)| newer);
        let found = CLASSES.iter().find(|(known, _, _)| *known == newer);
        let (_, class, backends) =
            found.ok_or_else(|| format!("the image processor `{name}` isn't known; {}", known()))?;
        if let [only] = backends {
            // A bare name says nothing of a class that has but one backend.
            let asked = chosen.or((named == Backend::Torchvision).then_some(named)).unwrap_or(*only);
            if asked != *only {
                let [asked, only] = [asked, *only].map(|backend| match backend {
                    Backend::Pillow => "Pillow's",
                    Backend::Torchvision => "torchvision's",
                });
                return Err(format!("`{name}` has no way of {asked}, only {only}"));
            }
            return Ok((*class, *only));
        }
        Ok((*class, chosen.unwrap_or(named)))
    }

    /// Whether a crop belongs to it where the folder doesn't say (`do_center_crop`).
    pub(super) fn crops(self) -> bool {
        matches!(self, Self::Clip | Self::Llava | Self::Chameleon | Self::LlavaNext)
    }

    /// Whether its resize goes by `size` and by nothing else.
    pub(super) fn is_sized(self) -> bool {
        !matches!(self, Self::Qwen2Vl | Self::Emu3 | Self::Phi3V)
    }

    /// The keys of its own that it can't do without.
    pub(super) fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Idefics3 => &["max_image_size"],
            Self::Qwen2Vl => &["patch_size", "merge_size", "temporal_patch_size"],
            Self::Lfm2Vl => &["tile_size", "max_tiles"],
            Self::LlavaNext | Self::LlavaOnevision => &["image_grid_pinpoints"],
            Self::Janus => &["min_size"],
            Self::Emu3 => &["min_pixels", "max_pixels", "spatial_factor"],
            Self::Phi3V => &["num_crops"],
            Self::Clip
            | Self::Llava
            | Self::Siglip
            | Self::Vit
            | Self::Blip
            | Self::Idefics
            | Self::GotOcr2
            | Self::Gemma3
            | Self::Chameleon => &[],
        }
    }
}
