//! Video processors: which frames of a video a model sees, and what its vision encoder takes of them.
//!
//! Results equal those of transformers' `video_processing_*.py` (5.23) bit for bit, which compute with torchvision
//! alone, whatever the backend of the images.

mod budget;
mod sampling;
mod written;

use std::{sync::Arc, time::Duration};

use image::RgbImage;

pub use self::{
    budget::Budget,
    sampling::{Sampling, Wanted},
};
use super::{PatchedImage, ProcessedImage, TiledImage, patches::check_frames, resize::resize_as};
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
    /// A picture each.
    Whole(TiledImage),
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
        self.process_each(frames.len(), frames.iter().map(|frame| Ok(Arc::clone(frame))))
    }

    /// The same of so many frames that come one by one. Each is let go before the next is asked for: however long the
    /// video, one frame is held at its full size.
    pub(crate) fn process_each(
        &self,
        count: usize,
        mut frames: impl Iterator<Item = Result<Arc<RgbImage>, ModelError>>,
    ) -> Result<ProcessedImage, ModelError> {
        let first = frames.next().ok_or_else(|| ModelError::Image("a video without a frame".into()))??;
        let size = first.dimensions();
        if size.0 == 0 || size.1 == 0 {
            return Err(ModelError::Image("frames without a pixel: nothing to see".into()));
        }
        let frames = std::iter::once(Ok(first)).chain(frames).enumerate().map(|(place, frame)| {
            let frame = frame?;
            let (width, height) = frame.dimensions();
            if (width, height) == size {
                return Ok(frame);
            }
            Err(ModelError::Image(format!(
                "the frames of a video have one size: the {} of those that are seen has {width}×{height} pixels, the \
                 1st {}×{}; scale them first, or show them as images",
                nth(place + 1),
                size.0,
                size.1
            )))
        });
        match &self.frames {
            FrameProcessor::Patched { steps, budget } => patched(steps, *budget, count, size, frames),
            FrameProcessor::Whole(steps) => pictures(count, frames, |frame| steps.process(frame)),
        }
    }
}

/// Patches of frames, the last one repeated where a patch would want for one.
fn patched(
    steps: &PatchedImage,
    budget: Budget,
    count: usize,
    size: (u32, u32),
    frames: impl Iterator<Item = Result<Arc<RgbImage>, ModelError>>,
) -> Result<ProcessedImage, ModelError> {
    steps.check()?;
    let (width, height) = if steps.resize { budget.size(steps, count, size)? } else { size };
    // Before any is resized: all of them are held at once.
    check_frames((width, height), count.next_multiple_of(steps.frames), "the video in patches")?;
    let mut brought: Vec<Arc<RgbImage>> = Vec::with_capacity(count);
    for frame in frames {
        let frame = frame?;
        brought.push(if frame.dimensions() == (width, height) {
            frame
        } else {
            Arc::new(resize_as(&frame, width, height, steps.filter, steps.backend)?)
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
    count: usize,
    frames: impl Iterator<Item = Result<Arc<RgbImage>, ModelError>>,
    process: impl Fn(&RgbImage) -> Result<ProcessedImage, ModelError>,
) -> Result<ProcessedImage, ModelError> {
    let mut all: Option<ProcessedImage> = None;
    for frame in frames {
        let made = process(&*frame?)?;
        if let Some(all) = &mut all {
            all.tiles += made.tiles;
            all.values.extend(made.values);
            all.mask.extend(made.mask);
        } else {
            // All frames have the first one's size: it tells what they will take together.
            let number = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
            let picture = (number(made.width), number(made.height.saturating_mul(made.tiles)));
            check_frames(picture, count, "the video in pictures")?;
            all = Some(made);
        }
    }
    all.ok_or_else(|| ModelError::Image("a video without a frame".into()))
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

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    #[test]
    fn a_frame_is_let_go_before_the_next_is_asked_for() {
        let cases = [
            (VideoClass::Qwen2Vl, r#"{"size": {"shortest_edge": 784, "longest_edge": 3136}}"#),
            (VideoClass::SmolVlm, r#"{"max_image_size": {"longest_edge": 32}}"#),
        ];
        for (class, settings) in cases {
            let processor = VideoProcessor::from_json(settings, class).unwrap();
            let mut before: Weak<RgbImage> = Weak::new();
            let frames = (0..6).map(|_| {
                assert!(before.upgrade().is_none(), "{class:?}");
                let frame = Arc::new(RgbImage::new(100, 80));
                before = Arc::downgrade(&frame);
                Ok(frame)
            });
            assert!(processor.process_each(6, frames).is_ok(), "{class:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused_by_the_first_frame() {
        let cases = [
            (VideoClass::Qwen2Vl, r#"{"temporal_patch_size": 1}"#),
            (VideoClass::Qwen2Vl, r#"{"do_resize": false}"#),
            (VideoClass::SmolVlm, "{}"),
        ];
        for (class, settings) in cases {
            let processor = VideoProcessor::from_json(settings, class).unwrap();
            let mut asked = 0;
            // 560×560 pixels of each frame are taken 570 times.
            let frames = std::iter::repeat_with(|| {
                asked += 1;
                Ok(Arc::new(RgbImage::new(560, 560)))
            });
            let error = processor.process_each(40_000, frames).unwrap_err().to_string();
            assert!(error.contains("the video in p"), "{class:?}: {error}");
            assert_eq!(asked, 1, "{class:?}");
        }
    }

    #[test]
    fn a_frame_of_another_size_is_named_before_those_after_it_are_read() {
        let processor = VideoProcessor::from_json("{}", VideoClass::Qwen2Vl).unwrap();
        let sizes =
            [(56, 56), (56, 56), (56, 28)].map(|(width, height)| Ok(Arc::new(RgbImage::new(width, height))));
        let unread =
            std::iter::once_with(|| -> Result<Arc<RgbImage>, ModelError> { panic!("the 4th is read") });
        let error = processor.process_each(4, sizes.into_iter().chain(unread)).unwrap_err().to_string();
        assert!(error.contains("the 3rd of those that are seen has 56×28"), "{error}");
    }
}
