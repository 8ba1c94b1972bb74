//! A video's frames as LLaVA-OneVision reads them: each halved both ways, and one end of a line after the last.
//!
//! Reference: `get_video_features` and `apply_pooling` of transformers' `modeling_llava_onevision.py`. The vision encoder
//! gives a frame's features as a tile's; they are made fewer here, as those of too large images are.

use super::bilinear::{mix, taps};

/// What stands for a whole video in a template's output, and for each of its features in the prompt.
pub(super) const VIDEO: &str = "<video>";

/// Tokens of so many frames, each a square of features with this side.
pub(super) fn tokens(frames: usize, side: usize) -> usize {
    frames * side.div_ceil(2).pow(2) + 1
}

/// The features of a video in the order of its tokens. `features` are those of each frame, `newline` is what ends a line;
/// `None` if their numbers don't fit.
pub(super) fn pooled(features: &[f32], frames: usize, side: usize, newline: &[f32]) -> Option<Vec<f32>> {
    let (hidden, square) = (newline.len(), side * side);
    if hidden == 0 || square == 0 || features.len() != frames * square * hidden {
        return None;
    }
    let taps = taps(side, side.div_ceil(2));
    let mut packed = Vec::with_capacity(tokens(frames, side) * hidden);
    for frame in features.chunks_exact(square * hidden) {
        let at = |row: usize, column: usize| &frame[(row * side + column) * hidden..][..hidden];
        for row in &taps {
            for column in &taps {
                mix(at, *row, *column, &mut packed);
            }
        }
    }
    packed.extend_from_slice(newline);
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares of squares, and what `torch.nn.functional.interpolate(…, mode="bilinear")` makes of them.
    #[test]
    fn a_frame_is_halved_as_torch_halves_it() {
        let cases: [(usize, &[f32]); 5] = [
            (1, &[0.0]),
            (2, &[3.5]),
            (3, &[2.875, 8.125, 32.125, 50.875]),
            (4, &[10.5, 24.5, 114.5, 160.5]),
            (5, &[9.777_777, 19.0, 34.222_218, 107.0, 144.0, 187.0, 354.2222, 418.99997, 489.77774]),
        ];
        for (side, expected) in cases {
            let features: Vec<f32> = (0..side * side).map(|place| (place * place) as f32).collect();
            let found = pooled(&features, 1, side, &[-1.0]).unwrap_or_default();
            assert_eq!(found.len(), tokens(1, side), "{side}");
            // Torch may multiply and add in one rounding.
            let is_near = |(found, expected): (&f32, &f32)| (found - expected).abs() <= 1e-6 * expected.abs();
            let expected = [expected, &[-1.0]].concat();
            assert!(found.iter().zip(&expected).all(is_near), "{side}: {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn frames_follow_each_other_and_one_line_ends_them() {
        let features: Vec<f32> = (0u8..16).map(f32::from).collect();
        let found = pooled(&features, 2, 2, &[90.0, 91.0]);
        assert_eq!(found, Some(vec![3.0, 4.0, 11.0, 12.0, 90.0, 91.0]));
        for (frames, side, newline) in [(3, 2, 2), (2, 3, 2), (2, 2, 3), (2, 0, 2), (2, 2, 0)] {
            assert_eq!(
                pooled(&features, frames, side, &vec![0.0; newline]),
                None,
                "{frames} {side} {newline}"
            );
        }
    }
}
