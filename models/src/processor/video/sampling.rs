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
    /// Evenly from the first frame to the last (`Qwen3VLVideoProcessor.sample_frames`).
    Even {
        /// How many frames are wanted.
        wanted: Wanted,
        /// A video of which fewer would be seen is refused.
        fewest: usize,
    },
    /// Evenly from the first frame to the last, or, of a long video, without its first and last second
    /// (`SmolVLMVideoProcessor.sample_frames`).
    Centred {
        /// Frames a second.
        rate: f64,
        /// The most.
        most: usize,
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
    pub fn places(self, total: usize, rate: f64, seconds: f64) -> Result<Vec<usize>, String> {
        match self {
            Self::Steps { wanted, multiple } => in_steps(wanted, multiple, total, rate),
            Self::Even { wanted, fewest } => evenly(wanted, fewest, total, rate),
            Self::Centred { rate: wanted, most } => Ok(centred(wanted, most, total, rate, seconds)),
        }
    }
}

/// What `SmolVLM` leaves out at both ends, in seconds.
const SKIPPED: f64 = 1.0;

fn centred(wanted: f64, most: usize, total: usize, rate: f64, seconds: f64) -> Vec<usize> {
    let count = ((wanted * seconds).round_ties_even() as usize).min(most).max(1);
    let last = total.saturating_sub(1);
    let (mut first, mut end) = (0, last);
    // Seconds against frames times a rate: that is how the reference compares.
    if seconds - 2.0 * SKIPPED > most as f64 * wanted {
        first = (SKIPPED * rate) as usize;
        end = ((total as f64 - SKIPPED * rate).max(0.0) as usize).min(last);
    }
    if first >= end {
        (first, end) = (0, last);
    }
    let step = (end - first) as f64 / count.saturating_sub(1).max(1) as f64;
    let place = |at: usize| {
        if at > 0 && at + 1 == count { end } else { (at as f64 * step + first as f64).floor() as usize }
    };
    let mut places: Vec<usize> = (0..count).map(place).collect();
    places.dedup();
    places
}

fn in_steps(wanted: Wanted, multiple: usize, total: usize, rate: f64) -> Result<Vec<usize>, String> {
    let times = |layers: f64| (layers as usize).saturating_mul(multiple);
    let whole = |frames: f64| times((frames / multiple as f64).floor());
    let frames = match wanted {
        Wanted::Number(number) => times((number as f64 / multiple as f64).round_ties_even()),
        Wanted::Rate { rate: wanted, least, most } => {
            let most = whole(most.min(total) as f64);
            let frames = (total as f64 / rate * wanted).max(least as f64);
            whole(frames.min(most as f64).min(total as f64))
        }
    };
    if frames == 0 || frames > total {
        return Err(too_few(total, frames.max(multiple)));
    }
    // `torch.arange` in 32 bits: each place is rounded to a float before its fraction is dropped. Where rounding makes
    // one step more than there are frames, transformers asks for a frame after the last one and fails; here it is left
    // out.
    let step = total as f64 / frames as f64;
    let places = (0..=frames).map(|place| (place as f64 * step) as f32 as usize);
    Ok(places.take_while(|place| *place < total).collect())
}

fn evenly(wanted: Wanted, fewest: usize, total: usize, rate: f64) -> Result<Vec<usize>, String> {
    let frames = match wanted {
        Wanted::Number(number) => number,
        Wanted::Rate { rate: wanted, least, most } => {
            ((total as f64 / rate * wanted) as usize).max(least).min(most).min(total)
        }
    };
    if total == 0 || frames < fewest.max(1) {
        return Err(too_few(total, fewest.max(1)));
    }
    // `numpy.linspace`, whose last place is the end itself, rounded half to even. A short video's frames come twice.
    let last = total - 1;
    let step = last as f64 / frames.saturating_sub(1).max(1) as f64;
    let place = |at: usize| {
        if at > 0 && at + 1 == frames { last } else { (at as f64 * step).round_ties_even() as usize }
    };
    Ok((0..frames).map(place).collect())
}

fn too_few(total: usize, fewest: usize) -> String {
    format!("the video has {total} frame(s), and its model sees at least {fewest}: ask about one as an image")
}
