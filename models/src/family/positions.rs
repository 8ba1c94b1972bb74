//! Where the tokens of a prompt stand, for the families that tell time, height and width apart.

use percept_runtime::RopePosition;

/// A stretch of a prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// So many tokens that are no image's.
    Text(usize),
    /// The features of one image, row by row.
    Image {
        /// Rows of features.
        rows: usize,
        /// Columns of features.
        columns: usize,
    },
    /// The features of a video whose layers share one run of tokens, layer by layer, each row by row.
    Video {
        /// When each layer is, in positions from the first one's.
        times: VideoTimes,
        /// Rows of features in a layer.
        rows: usize,
        /// Columns of features.
        columns: usize,
    },
}

/// The layers of a video in the positions' time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoTimes {
    /// How many layers.
    pub layers: usize,
    /// From one layer to the next, in positions; fractions are dropped after multiplying.
    pub step: f32,
}

impl VideoTimes {
    /// When a layer is.
    fn of(self, layer: usize) -> i64 {
        (layer as f32 * self.step) as i64
    }
}

impl Span {
    /// How many tokens it has.
    pub fn tokens(self) -> usize {
        match self {
            Self::Text(tokens) => tokens,
            Self::Image { rows, columns } => rows * columns,
            Self::Video { times, rows, columns } => times.layers * rows * columns,
        }
    }
}

/// Positions as Qwen2-VL has them (Wang et al. 2024, section 2.1; `get_rope_index` in transformers): text counts
/// on; an image's features share one time, and count rows and columns from there; what comes after an image goes on
/// after its longer side.
pub(super) fn multimodal(prompt: &[Span]) -> Vec<RopePosition> {
    let mut positions = Vec::new();
    let mut next = 0;
    for span in prompt {
        match *span {
            Span::Text(tokens) => {
                positions.extend((next..).take(tokens).map(RopePosition::text));
                next += tokens as i64;
            }
            Span::Image { rows, columns } => {
                for row in 0..rows as i64 {
                    positions.extend((0..columns as i64).map(|column| RopePosition {
                        time: next,
                        height: next + row,
                        width: next + column,
                    }));
                }
                next += rows.max(columns) as i64;
            }
            // The reference counts what follows from the longer side here too, though the last layer may be later.
            Span::Video { times, rows, columns } => {
                for layer in 0..times.layers {
                    positions.extend((0..rows * columns).map(|place| RopePosition {
                        time: next + times.of(layer),
                        height: next + (place / columns) as i64,
                        width: next + (place % columns) as i64,
                    }));
                }
                next += rows.max(columns) as i64;
            }
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_takes_as_many_counts_as_its_longer_side() {
        let (text, image) = (Span::Text, |rows, columns| Span::Image { rows, columns });
        let film = |step| Span::Video { times: VideoTimes { layers: 3, step }, rows: 1, columns: 2 };
        let cases: [(&[Span], &[[i64; 3]]); 7] = [
            (&[], &[]),
            (&[text(3)], &[[0; 3], [1; 3], [2; 3]]),
            (&[text(1), image(1, 1), text(1)], &[[0; 3], [1; 3], [2; 3]]),
            (
                &[text(2), image(2, 3), text(1)],
                &[[0; 3], [1; 3], [2; 3], [2, 2, 3], [2, 2, 4], [2, 3, 2], [2, 3, 3], [2, 3, 4], [5; 3]],
            ),
            (&[image(2, 1), image(1, 2), text(1)], &[[0; 3], [0, 1, 0], [2; 3], [2, 2, 3], [4; 3]]),
            (
                &[text(1), film(1.0), text(1)],
                &[[0; 3], [1; 3], [1, 1, 2], [2, 1, 1], [2, 1, 2], [3, 1, 1], [3, 1, 2], [3; 3]],
            ),
            (&[film(2.5)], &[[0; 3], [0, 0, 1], [2, 0, 0], [2, 0, 1], [5, 0, 0], [5, 0, 1]]),
        ];
        for (prompt, expected) in cases {
            let found: Vec<[i64; 3]> =
                multimodal(prompt).iter().map(|place| [place.time, place.height, place.width]).collect();
            assert_eq!(found, expected, "{prompt:?}");
        }
    }
}
