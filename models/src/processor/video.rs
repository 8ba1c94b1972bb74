//! Video processors: which frames of a video a model sees, and what its vision encoder takes of them.
//!
//! Results equal those of transformers' `video_processing_*.py` (5.23) bit for bit, which compute with torchvision
//! alone, whatever the backend of the images.

mod budget;
mod sampling;
mod written;

use std::{borrow::Cow, sync::Arc, time::Duration};

use image::RgbImage;

pub use self::{
    budget::Budget,
    sampling::{Sampling, Wanted},
};
use super::{
    PatchedImage, ProcessedImage, SingleImage, TiledImage,
    resize::{check_area, resize_as},
};
use crate::{ModelError, Video};

/// The classes of video processors that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoClass {
    /// Qwen2-VL's and Qwen2.5-VL's.
    Qwen2Vl,
    /// Qwen3-VL's, that with experts', and Qwen3.5's.
    Qwen3Vl,
    /// `SmolVLM2`'s.
    SmolVlm,
    /// `InternVL`'s.
    InternVl,
    /// LLaVA-OneVision's.
    LlavaOnevision,
}

/// A folder's video processor as it is meant: every step decided.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoProcessor {
    /// Which frames are seen.
    pub sampling: Sampling,
    /// What is made of them.
    pub frames: FrameProcessor,
}

/// What is made of the frames that are seen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FrameProcessor {
    /// Patches that cover several frames each.
    Patched {
        /// The steps, as for an image.
        steps: PatchedImage,
        /// How their sizes are bounded.
        budget: Budget,
    },
    /// A picture each, as large as the frames allow.
    Whole(TiledImage),
    /// A picture each, all of one size whatever the frames'.
    Single(SingleImage),
}

/// The frames of a video that a model sees.
#[derive(Debug, Clone, PartialEq)]
pub struct SampledVideo {
    /// Their places in the video, ascending.
    pub places: Vec<usize>,
    /// When each begins.
    pub times: Vec<Duration>,
    /// Frames a second of the whole video.
    pub rate: f64,
    /// How many frames the whole video has.
    pub total: usize,
    /// How long the whole video takes.
    pub duration: Duration,
}

impl VideoProcessor {
    /// Which frames of a video are seen.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if it has too few.
    pub fn sample(&self, video: &Video) -> Result<SampledVideo, ModelError> {
        let (total, rate, duration) = (video.len(), video.rate(), video.duration());
        let places = self.sampling.places(total, rate, duration.as_secs_f64()).map_err(ModelError::Image)?;
        let times = places.iter().filter_map(|place| video.start(*place)).collect();
        Ok(SampledVideo { places, times, rate, total, duration })
    }

    /// Processes the frames that are seen.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] naming the frame that has another size than the first, or for frames that no image could
    /// have.
    pub fn process(&self, frames: &[Arc<RgbImage>]) -> Result<ProcessedImage, ModelError> {
        let first = frames.first().ok_or_else(|| ModelError::Image("a video without a frame".into()))?;
        let size = first.dimensions();
        if let Some(place) = frames.iter().position(|frame| frame.dimensions() != size) {
            let (width, height) = frames[place].dimensions();
            return Err(ModelError::Image(format!(
                "the frames of a video have one size: the {} of those that are seen has {width}×{height} pixels, the \
                 1st {}×{}; scale them first, or show them as images",
                nth(place + 1),
                size.0,
                size.1
            )));
        }
        if size.0 == 0 || size.1 == 0 {
            return Err(ModelError::Image("frames without a pixel: nothing to see".into()));
        }
        let made = match &self.frames {
            FrameProcessor::Patched { steps, budget } => patched(steps, *budget, frames),
            FrameProcessor::Whole(steps) => pictures(frames, |frame| steps.process(frame)),
            FrameProcessor::Single(steps) => pictures(frames, |frame| steps.process(frame)),
        }?;
        Ok(ProcessedImage { is_video: true, ..made })
    }
}

/// Patches of frames, the last one repeated where a patch would want for one.
fn patched(
    steps: &PatchedImage,
    budget: Budget,
    frames: &[Arc<RgbImage>],
) -> Result<ProcessedImage, ModelError> {
    let Some(first) = frames.first() else { return steps.patched(&[]) };
    let (width, height) =
        if steps.resize { budget.size(steps, frames.len(), first.dimensions())? } else { first.dimensions() };
    // Before any is resized: all of them are held at once.
    let layers = frames.len().div_ceil(steps.frames.max(1));
    check_area(width, height.saturating_mul(count(layers)), "the video in patches")?;
    let mut brought: Vec<Cow<'_, RgbImage>> = Vec::with_capacity(frames.len());
    for frame in frames {
        brought.push(if steps.resize {
            Cow::Owned(resize_as(frame, width, height, steps.filter, steps.backend)?)
        } else {
            Cow::Borrowed(&**frame)
        });
    }
    let mut layers: Vec<&RgbImage> = brought.iter().map(AsRef::as_ref).collect();
    if let Some(last) = layers.last().copied() {
        layers.resize(layers.len().next_multiple_of(steps.frames), last);
    }
    steps.patched(&layers)
}

/// Frame after frame, each as one picture.
fn pictures(
    frames: &[Arc<RgbImage>],
    process: impl Fn(&RgbImage) -> Result<ProcessedImage, ModelError>,
) -> Result<ProcessedImage, ModelError> {
    let mut all: Option<ProcessedImage> = None;
    for frame in frames {
        let made = process(frame)?;
        if all.is_none() {
            // All frames have the first one's size: it tells what they will take together.
            let rows = made.height.saturating_mul(made.tiles).saturating_mul(frames.len());
            check_area(count(made.width), count(rows), "the video in pictures")?;
        }
        match &mut all {
            Some(all) => {
                all.tiles += made.tiles;
                all.values.extend(made.values);
                all.mask.extend(made.mask);
            }
            None => all = Some(made),
        }
    }
    all.ok_or_else(|| ModelError::Image("a video without a frame".into()))
}

/// A number of pixels or frames for what counts them in 32 bits; what doesn't fit is too many anyway.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn nth(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
