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
    /// One frame of each of so many stretches of one length, all at the same place in theirs
    /// (`InternVLVideoProcessor.sample_frames`).
    Stretches {
        /// How many frames are wanted.
        wanted: Wanted,
        /// How many frames after its stretch's first; `None`: in its middle.
        shift: Option<f64>,
    },
    /// The first frame of each of so many stretches of one length, rounded down (`default_sample_indices_fn`, which is
    /// LLaVA-OneVision's).
    Beginnings {
        /// How many frames are wanted.
        wanted: Wanted,
    },
}

/// How many frames are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// So many.
    Number(usize),
    /// So many, and all of a video that has fewer.
    UpTo(usize),
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
    /// In words, that the video has too few frames, or that so few are wanted of it that it has none.
    pub fn places(self, total: usize, rate: f64, seconds: f64) -> Result<Vec<usize>, String> {
        match self {
            Self::Steps { wanted, multiple } => in_steps(wanted, multiple, total, rate),
            Self::Even { wanted, fewest } => evenly(wanted, fewest, total, rate),
            Self::Centred { rate: wanted, most } => Ok(centred(wanted, most, total, rate, seconds)),
            Self::Stretches { wanted, shift } => in_stretches(wanted, shift, total, rate),
            Self::Beginnings { wanted } => {
                let frames = wanted.among(total, rate)?;
                Ok((0..frames)
                    .map(|place| (place as u128 * total as u128 / frames as u128) as usize)
                    .collect())
            }
        }
    }
}

impl Wanted {
    /// How many of so many frames at this rate are wanted by a family that refuses to see one twice.
    fn among(self, total: usize, rate: f64) -> Result<usize, String> {
        let frames = match self {
            Self::Number(number) => number,
            Self::UpTo(number) => number.min(total),
            Self::Rate { rate: wanted, least, most } => {
                ((total as f64 / rate * wanted) as usize).max(least).min(most)
            }
        };
        if (1..=total).contains(&frames) {
            return Ok(frames);
        }
        Err(format!(
            "the video has {total} frame(s), and its model's video processor wants {frames} of them (`num_frames`, `fps`): \
             name another number there, or show the frames as images"
        ))
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
        Wanted::UpTo(number) => whole(number.min(total) as f64),
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
    Ok(arange(0.0, total, total as f64 / frames as f64))
}

/// `torch.arange(shift, total, step).int()` on an x86-64 machine.
///
/// Numbers are rounded to 32 bits before their fraction is dropped, and of whole pairs of eights all but the first of an
/// eight are counted from that rounded one: of thousands of frames it decides where some are. Where rounding makes one step
/// more than there are frames, transformers asks for a frame after the last one and fails; here it is left out.
fn arange(shift: f64, total: usize, step: f64) -> Vec<usize> {
    const LANES: usize = 8;
    let count = ((total as f64 - shift) / step).ceil() as usize;
    let in_pairs = count / (2 * LANES) * (2 * LANES);
    let place = |at: usize| {
        let lane = if at < in_pairs { at % LANES } else { 0 };
        let first = (shift + step * (at - lane) as f64) as f32;
        (f64::from(first) + step * lane as f64) as f32 as usize
    };
    (0..count).map(place).take_while(|place| *place < total).collect()
}

fn in_stretches(wanted: Wanted, shift: Option<f64>, total: usize, rate: f64) -> Result<Vec<usize>, String> {
    let frames = wanted.among(total, rate)?;
    let stretch = total as f64 / frames as f64;
    let shift = shift.unwrap_or(stretch / 2.0);
    if shift >= total as f64 {
        return Err(format!(
            "the video has {total} frame(s), and its model's video processor begins {shift} frames after the first \
             (`initial_shift`): show a longer one"
        ));
    }
    Ok(arange(shift, total, stretch))
}

fn evenly(wanted: Wanted, fewest: usize, total: usize, rate: f64) -> Result<Vec<usize>, String> {
    let frames = match wanted {
        Wanted::Number(number) => number,
        Wanted::UpTo(number) => number.min(total),
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
