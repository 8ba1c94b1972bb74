//! The features of a canvas's tiles as lines across the canvas, without those of padding.

use std::ops::Range;

use super::bilinear::{mix, taps};

/// How the features of an image on a canvas lie, decided before any is computed: the prompt needs their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    /// Columns of tiles.
    columns: usize,
    /// All tiles.
    tiles: usize,
    /// Features along a tile's side.
    side: usize,
    /// Rows and columns of features that show the image.
    visible: [Range<usize>; 2],
    /// To how many of them they are interpolated, if they are too many.
    shrunk: Option<[usize; 2]>,
}

impl Lines {
    /// For a canvas of `grid` rows and columns of tiles, and an image of this width and height. If it has clearly more
    /// features than `most` tiles, fewer are interpolated.
    pub(super) fn of(grid: [usize; 2], side: usize, original: [u32; 2], most: Option<usize>) -> Self {
        let visible = without_padding(grid.map(|tiles| tiles * side), original);
        let [rows, columns] = visible.each_ref().map(ExactSizeIterator::len);
        let shrunk = most.and_then(|most| {
            let ratio = ((rows * columns) as f64 / (most as f64 * (side * side) as f64)).sqrt();
            (ratio > 1.1).then(|| [floor_division(rows as f64, ratio), floor_division(columns as f64, ratio)])
        });
        Self { columns: grid[1], tiles: grid[0] * grid[1], side, visible, shrunk }
    }

    /// Rows and columns of features in the prompt, the ends of lines aside.
    fn size(&self) -> [usize; 2] {
        self.shrunk.unwrap_or_else(|| self.visible.each_ref().map(ExactSizeIterator::len))
    }

    /// Tokens of all lines, their ends included.
    pub(super) fn tokens(&self) -> usize {
        let [rows, columns] = self.size();
        rows * (columns + 1)
    }

    /// The whole's features, then the lines. `features` are those of the whole and of each tile, `newline` is what ends a
    /// line; `None` if their numbers don't fit.
    pub(super) fn put_together(&self, features: &[f32], newline: &[f32]) -> Option<Vec<f32>> {
        let (hidden, square) = (newline.len(), self.side * self.side);
        if hidden == 0 || features.len() != (1 + self.tiles) * square * hidden {
            return None;
        }
        let (whole, tiles) = features.split_at(square * hidden);
        let canvas = Canvas { lines: self, tiles, hidden };
        let mut packed = Vec::with_capacity(whole.len() + self.tokens() * hidden);
        packed.extend_from_slice(whole);
        // As many as there are means each as it is.
        let [down, across] = [0, 1].map(|axis| taps(self.visible[axis].len(), self.size()[axis]));
        for (row, down) in down.iter().enumerate() {
            for (column, across) in across.iter().enumerate() {
                if self.shrunk.is_some() {
                    mix(|row, column| canvas.at(row, column), *down, *across, &mut packed);
                } else {
                    packed.extend_from_slice(canvas.at(row, column));
                }
            }
            packed.extend_from_slice(newline);
        }
        Some(packed)
    }
}

/// Features by their place on the visible part of a canvas.
struct Canvas<'a> {
    lines: &'a Lines,
    tiles: &'a [f32],
    hidden: usize,
}

impl Canvas<'_> {
    fn at(&self, row: usize, column: usize) -> &[f32] {
        let Lines { columns, side, visible: [down, across], .. } = self.lines;
        let (row, column) = (down.start + row, across.start + column);
        let tile = (row / side) * columns + column / side;
        let place = (tile * side + row % side) * side + column % side;
        &self.tiles[place * self.hidden..(place + 1) * self.hidden]
    }
}

/// The rows and columns of a canvas of features that an image of this width and height takes, when it was put in its
/// middle (`unpad_image`).
fn without_padding([rows, columns]: [usize; 2], [width, height]: [u32; 2]) -> [Range<usize>; 2] {
    let (width, height) = (f64::from(width), f64::from(height));
    // To seven digits first, as the reference: a length that is whole but for its last bits is whole.
    let whole = |length: f64| ((length * 1e7).round() / 1e7) as usize;
    let middle = |all: usize, taken: usize| {
        let margin = all.saturating_sub(taken) / 2;
        margin..all - margin
    };
    if width / height > columns as f64 / rows as f64 {
        [middle(rows, whole(height * (columns as f64 / width))), 0..columns]
    } else {
        [0..rows, middle(columns, whole(width * (rows as f64 / height)))]
    }
}

/// Python's `//` of floats: the remainder is taken first, so that a quotient that rounds up to a whole isn't one.
fn floor_division(a: f64, b: f64) -> usize {
    let quotient = (a - a % b) / b;
    quotient.round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LlavaOnevisionProcessor._get_unpadded_features` of transformers 5.23, and the sum of both of its numbers.
    #[test]
    fn lines_have_the_references_number_of_tokens() {
        let cases = [
            ([2, 2], 24, [640, 480], None, 1764),
            ([1, 2], 24, [1280, 720], None, 1032),
            ([3, 1], 24, [113, 900], None, 792),
            ([1, 3], 24, [1000, 130], None, 730),
            ([2, 1], 24, [480, 640], None, 800),
            ([2, 2], 24, [512, 512], None, 2352),
            ([1, 3], 24, [300, 1], None, 0),
            ([3, 1], 24, [1, 900], None, 72),
            ([1, 2], 3, [61, 29], None, 21),
            ([2, 3], 27, [1280, 720], Some(9), 3772),
            ([4, 6], 27, [2304, 1536], Some(9), 6600),
            ([6, 6], 27, [2304, 2304], Some(9), 6642),
            ([3, 4], 27, [1500, 1100], Some(9), 6555),
            ([1, 6], 27, [2300, 300], Some(9), 3423),
            ([2, 2], 3, [47, 44], Some(2), 20),
            ([4, 4], 3, [47, 44], Some(4), 42),
            ([5, 5], 27, [1900, 1500], Some(9), 6552),
        ];
        for (grid, side, original, most, tokens) in cases {
            let lines = Lines::of(grid, side, original, most);
            assert_eq!(lines.tokens(), tokens, "{grid:?} {side} {original:?} {most:?}");
        }
    }
}
