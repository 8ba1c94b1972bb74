//! Which frames of a video a model sees: arithmetic on their number and rate, as each family's reference has it.

/// A way of choosing frames.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Sampling {
    /// Steps of one length from the first frame on (`Qwen2VLVideoProcessor.sample_frames`).
    Steps {
        /// How many frames are wanted.
        wanted: Wanted,
        /// Their number is a multiple of this.
        multiple: usize,
    },
}

/// How many frames are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// So many.
    Number(usize),
    /// So many a second of the video, at least and at most this many.
    Rate {
        /// Frames a second.
        rate: f64,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
}

impl Sampling {
    /// The places of the frames that are seen, of so many at this rate, in a video of this many seconds.
    ///
    /// # Errors
    ///
    /// In words, that the video has too few frames.
    pub fn places(self, total: usize, rate: f64, _seconds: f64) -> Result<Vec<usize>, String> {
        match self {
            Self::Steps { wanted, multiple } => in_steps(wanted, multiple, total, rate),
        }
    }
}

fn in_steps(wanted: Wanted, multiple: usize, total: usize, rate: f64) -> Result<Vec<usize>, String> {
    let whole = |frames: f64| (frames / multiple as f64).floor() as usize * multiple;
    let frames = match wanted {
        Wanted::Number(number) => (number as f64 / multiple as f64).round_ties_even() as usize * multiple,
        Wanted::Rate { rate: wanted, least, most } => {
            let most = whole(most.min(total) as f64);
            let frames = (total as f64 / rate * wanted).max(least as f64);
            whole(frames.min(most as f64).min(total as f64))
        }
    };
    if frames == 0 || frames > total {
        return Err(format!(
            "the video has {total} frame(s), and its model sees at least {}: ask about one as an image",
            frames.max(multiple)
        ));
    }
    // `torch.arange` in 32 bits: each place is rounded to a float before its fraction is dropped. Where rounding makes
    // one step more than there are frames, transformers asks for a frame after the last one and fails; here it is left
    // out.
    let step = total as f64 / frames as f64;
    let places = (0..=frames).map(|place| (place as f64 * step) as f32 as usize);
    Ok(places.take_while(|place| *place < total).collect())
}
