//! How large the frames of a video may be: a budget of pixels, which is each frame's or all frames' together.

use super::super::{PatchedImage, SmartSize, patches::refuse_long};
use crate::ModelError;

/// How the sizes of frames in patches are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Each frame's area by the steps' sizes (`Qwen2VLVideoProcessor`).
    Each {
        /// The most features that all frames together may become, if that is bounded.
        most_features: Option<u64>,
    },
    /// The areas of all frames together by the steps' sizes (`Qwen3VLVideoProcessor`).
    Together {
        /// The most features of a frame, if that is bounded.
        most_features: Option<u64>,
    },
}

impl Budget {
    /// Width and height that each of so many frames of this width and height is brought to.
    pub(super) fn size(
        self,
        steps: &PatchedImage,
        frames: usize,
        (width, height): (u32, u32),
    ) -> Result<(u32, u32), ModelError> {
        let mut size = steps.size;
        match self {
            Self::Each { most_features } => {
                if let Some(features) = most_features {
                    size.most = size.most.min(share(features, steps, frames)).max(floor(size));
                }
                size.of(width, height)
            }
            Self::Together { most_features } => {
                if let Some(features) = most_features {
                    let (count, factor) = ((frames as u64).max(1), u64::from(size.factor));
                    let capped = features.saturating_mul(factor * factor).min(size.most / count);
                    size.most = capped.max(floor(size)).saturating_mul(count);
                }
                of_all(size, frames, steps.frames, (width, height))
            }
        }
    }
}

/// What a cap of a frame doesn't go below: a little more than the least area.
fn floor(size: SmartSize) -> u64 {
    (size.least as f64 * 1.05) as u64
}

/// The pixels of a frame when so many features, less a tenth for the text, are shared out evenly.
fn share(features: u64, steps: &PatchedImage, frames: usize) -> u64 {
    let SmartSize { factor, .. } = steps.size;
    let pixels = (features as f64 * f64::from(factor) * f64::from(factor) * 0.9) as u64;
    pixels.saturating_mul(steps.frames as u64) / (frames as u64).max(1)
}

/// Qwen3-VL's own `smart_resize`, whose areas are those of all frames. `layer` is how many frames a patch covers; in this
/// order and with these roundings, as the reference.
fn of_all(
    size: SmartSize,
    frames: usize,
    layer: usize,
    (width, height): (u32, u32),
) -> Result<(u32, u32), ModelError> {
    if frames < layer {
        return Err(ModelError::Image(format!(
            "{frames} frame(s) of a video, and a patch covers {layer}: ask about one as an image"
        )));
    }
    let factor = f64::from(size.factor);
    let [mut wide, mut high] = [width, height].map(f64::from);
    if high < factor || wide < factor {
        let scale = (factor / high).max(factor / wide);
        [wide, high] = [wide, high].map(|side| (side * scale).floor());
    }
    refuse_long((width, height), (wide, high))?;
    let near = [wide, high].map(|side| (side / factor).round_ties_even() * factor);
    let layers = (frames as f64 / layer as f64).round_ties_even() * layer as f64;
    let (volume, pixels) = (layers * near[0] * near[1], frames as f64 * high * wide);
    let [wide, high] = if volume > size.most as f64 {
        let shrink = (pixels / size.most as f64).sqrt();
        [wide, high].map(|side| ((side / shrink / factor).floor() * factor).max(factor))
    } else if volume < size.least as f64 {
        let grow = (size.least as f64 / pixels).sqrt();
        [wide, high].map(|side| (side * grow / factor).ceil() * factor)
    } else {
        near
    };
    Ok((wide as u32, high as u32))
}
