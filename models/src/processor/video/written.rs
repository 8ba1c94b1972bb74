//! A video processor's configuration as it is written in a folder. What is absent is the default of its class.

use serde::Deserialize;

use super::{Budget, FrameProcessor, Sampling, VideoClass, VideoProcessor, sampling::Wanted};
use crate::processor::{
    FirstSize,
    tiled::LONGEST_EDGE,
    written::{SizeWritten, UsualFrames, Written},
};

/// How many frames a second are seen where neither the class nor the folder says it: what Qwen's own code takes
/// (`qwen-vl-utils`).
const RATE: f64 = 2.0;

#[derive(Debug, Deserialize)]
struct VideoWritten {
    video_processor_type: Option<String>,
    num_frames: Option<usize>,
    fps: Option<f64>,
    min_frames: Option<usize>,
    max_frames: Option<usize>,
    cap_pixels_per_frame: Option<bool>,
    max_video_tokens: Option<u64>,
    video_sampling: Option<SamplingWritten>,
    #[serde(flatten)]
    frames: Written,
}

/// Where `SmolVLM2`'s folders have what they say of videos.
#[derive(Debug, Deserialize)]
struct SamplingWritten {
    max_frames: Option<usize>,
    fps: Option<f64>,
    video_size: Option<SizeWritten>,
}

/// What `SmolVLM2`'s folders say: frames a second, and the most frames.
const SPARSE: (f64, usize) = (1.0, 64);
/// The most frames whose number a prompt can spell out.
const SPELT: usize = 999;
/// The most frames of patches that a folder may ask for by their number; published ones see 768 at most.
const MOST_WANTED: usize = 4096;

impl VideoProcessor {
    /// Reads the text of a `video_preprocessor_config.json`; older folders have only a `preprocessor_config.json`, whose
    /// settings are then meant for videos too. `class` is what the family's is where the text names none.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words: it isn't JSON, names a class that isn't known, or a key makes no sense.
    pub fn from_json(text: &str, class: VideoClass) -> Result<Self, String> {
        let written: VideoWritten = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let frames = written.frames.with_nulls_of(text)?;
        let written = VideoWritten { frames, ..written };
        let class = match written.video_processor_type.as_deref() {
            None => class,
            Some("Qwen2VLVideoProcessor") => VideoClass::Qwen2Vl,
            Some("Qwen3VLVideoProcessor") => VideoClass::Qwen3Vl,
            Some("SmolVLMVideoProcessor") => VideoClass::SmolVlm,
            Some(unknown) => return Err(format!("the video processor `{unknown}` isn't known")),
        };
        match class {
            VideoClass::Qwen2Vl => written.each_frame(),
            VideoClass::Qwen3Vl => written.all_frames(),
            VideoClass::SmolVlm => written.whole(),
        }
    }
}

/// What the classes have where nothing is written.
const SECOND: UsualFrames =
    UsualFrames { least: 128 * 28 * 28, most: 28 * 28 * 768, patch: 14, mean_and_deviation: None };
const THIRD: UsualFrames =
    UsualFrames { least: 128 * 32 * 32, most: 32 * 32 * 768, patch: 16, mean_and_deviation: Some(0.5) };

impl VideoWritten {
    fn each_frame(&self) -> Result<VideoProcessor, String> {
        let steps = self.frames.patched_frames(SECOND)?;
        let capped = self.cap_pixels_per_frame.unwrap_or(false);
        let most_features = capped.then(|| self.max_video_tokens.unwrap_or(128_000));
        Ok(VideoProcessor {
            sampling: Sampling::Steps { wanted: self.wanted()?, multiple: steps.frames },
            frames: FrameProcessor::Patched { steps, budget: Budget::Each { most_features } },
        })
    }

    fn all_frames(&self) -> Result<VideoProcessor, String> {
        // The class knows areas by `size` alone; under their older names it passes them over.
        let steps = self.frames.without_older_areas().patched_frames(THIRD)?;
        let capped = self.cap_pixels_per_frame.unwrap_or(false);
        let most_features = capped.then(|| self.max_video_tokens.unwrap_or(768));
        let (wanted, fewest) = (self.wanted()?, steps.frames);
        let (Wanted::Number(most) | Wanted::Rate { most, .. }) = wanted;
        if most < fewest {
            return Err(format!(
                "it wants {most} frames, and a patch covers {fewest} (`temporal_patch_size`)"
            ));
        }
        Ok(VideoProcessor {
            sampling: Sampling::Even { wanted, fewest },
            frames: FrameProcessor::Patched { steps, budget: Budget::Together { most_features } },
        })
    }

    fn wanted(&self) -> Result<Wanted, String> {
        match (self.num_frames, self.fps) {
            (Some(_), Some(_)) => Err("it has `num_frames` and `fps`: one of them counts".into()),
            (Some(number), None) if (1..=MOST_WANTED).contains(&number) => Ok(Wanted::Number(number)),
            (Some(number), None) => {
                Err(format!("its `num_frames` is {number}; known are 1 to {MOST_WANTED}"))
            }
            (None, rate) => Ok(Wanted::Rate {
                rate: positive(rate.unwrap_or(RATE))?,
                least: self.min_frames.unwrap_or(4),
                most: self.max_frames.unwrap_or(768),
            }),
        }
    }

    fn whole(&self) -> Result<VideoProcessor, String> {
        let sampling = self.video_sampling.as_ref();
        let rate = positive(sampling.and_then(|own| own.fps).or(self.fps).unwrap_or(SPARSE.0))?;
        let most = sampling.and_then(|own| own.max_frames).or(self.num_frames).unwrap_or(SPARSE.1);
        if !(1..=SPELT).contains(&most) {
            return Err(format!("it wants up to {most} frames; known are 1 to {SPELT}"));
        }
        let mut steps = self.frames.whole_frames(sampling.and_then(|own| own.video_size))?;
        // In these two its frames aren't treated as its images are, which are brought to a tile in any case, and whose
        // longest edge is bounded after the other side is made even.
        match &mut steps.resize {
            None => return Err("it has no `do_resize`: frames of a video are brought to one size".into()),
            Some(FirstSize::LongestEdge(edge)) => *edge = LONGEST_EDGE.min(*edge),
            Some(FirstSize::Exact { .. }) => {}
        }
        Ok(VideoProcessor {
            sampling: Sampling::Centred { rate, most },
            frames: FrameProcessor::Whole(steps),
        })
    }
}

fn positive(rate: f64) -> Result<f64, String> {
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err(format!("its `fps` is {rate}")) }
}
