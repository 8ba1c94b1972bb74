//! How Qwen3-VL and Qwen3.5 are told when each layer of a video is: in words before it, and not by its positions.
//!
//! Reference: `replace_video_token` in transformers' `processing_qwen3_vl.py` (5.23). The marks that the chat template has
//! around the whole video stay there, and each layer has its own within them.

use std::{fmt::Write, time::Duration};

use crate::processor::SampledVideo;

/// The text of a video whose layers are of so many frames, and each this text.
pub(super) fn told(video: &SampledVideo, frames: usize, layer: &str) -> String {
    let mut text = String::new();
    for seconds in middles(&video.times, frames) {
        // Writing into a string can't fail.
        let _ = write!(text, "<{seconds:.1} seconds><|vision_start|>{layer}<|vision_end|>");
    }
    text
}

/// When each layer is, in seconds: midway between its first frame and its last.
///
/// The reference divides a frame's number by the frames a second; here it is the time itself, which is the same where
/// frames are shown equally long.
fn middles(times: &[Duration], frames: usize) -> impl Iterator<Item = f64> {
    times.chunks(frames.max(1)).map(|layer| {
        // The last frame is repeated where a layer wants for one.
        let [first, last] = [layer.first(), layer.last()].map(|time| time.map_or(0.0, |time| seconds(*time)));
        f64::midpoint(first, last)
    })
}

/// The float next to it: what dividing a frame's number by the rate gives, where that is whole in nanoseconds.
fn seconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_midway_between_its_frames() {
        let milliseconds = |times: &[u64]| times.iter().copied().map(Duration::from_millis).collect();
        // When frames are, how many a layer has, and what transformers writes, ties included.
        let cases: [(Vec<Duration>, usize, &[&str]); 6] = [
            (milliseconds(&[0, 500, 1000, 1500]), 2, &["0.2", "1.2"]),
            (milliseconds(&[0, 1000, 2000]), 2, &["0.5", "2.0"]),
            (milliseconds(&[0, 100, 200, 500, 1600, 1700]), 2, &["0.1", "0.3", "1.6"]),
            (milliseconds(&[100, 200, 300, 600, 700]), 4, &["0.3", "0.7"]),
            (milliseconds(&[0, 0, 3_600_000, 3_600_050]), 2, &["0.0", "3600.0"]),
            (milliseconds(&[700]), 1, &["0.7"]),
        ];
        for (times, frames, expected) in cases {
            let found: Vec<String> = middles(&times, frames).map(|middle| format!("{middle:.1}")).collect();
            assert_eq!(found, expected, "{times:?}");
        }
    }
}
