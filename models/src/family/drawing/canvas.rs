//! How large a drawing is: always the same, or rows of any number and length.

use crate::ModelError;

/// The most rows or columns that a picture is asked to have.
const LONGEST: f64 = 65_536.0;

/// How large a family's images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canvas {
    /// All have so many tokens.
    Fixed(usize),
    /// Rows of tokens of the text's vocabulary, as many and as long as is asked for.
    Rows(Rows),
}

/// Images that are rows of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Pixels of a side of the square that one token stands for.
    pub factor: usize,
    /// Pixels of an image if nobody says.
    pub area: u32,
    /// The token that ends a row: written, not chosen.
    pub end: u32,
}

/// How many tokens one image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Tokens that are chosen.
    pub count: usize,
    /// How many of them make a row, where images have rows.
    pub columns: Option<usize>,
}

impl Canvas {
    /// The extent of an image whose width and height are as `ratio` to each other, of about `area` pixels; the family's own
    /// where nothing is asked for.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if images of this family have one size and another is asked for, or nothing is left of a side.
    pub fn extent(&self, ratio: Option<[u32; 2]>, area: Option<u32>) -> Result<Extent, ModelError> {
        match self {
            Self::Fixed(_) if ratio.is_some() || area.is_some() => Err(ModelError::Request(
                "this model's pictures have one size: leave out what ratio or area they should have".into(),
            )),
            Self::Fixed(count) => Ok(Extent { count: *count, columns: None }),
            Self::Rows(rows) => rows.extent(ratio.unwrap_or([1, 1]), area.unwrap_or(rows.area)),
        }
    }
}

impl Rows {
    /// As `calculate_generate_size` of transformers' `processing_emu3.py`.
    fn extent(&self, [width, height]: [u32; 2], area: u32) -> Result<Extent, ModelError> {
        if width == 0 || height == 0 || area == 0 {
            return Err(ModelError::Request(format!(
                "a picture of the ratio {width}:{height} and {area} pixels has no size: none of these may be 0"
            )));
        }
        let scale = (f64::from(area) / (f64::from(width) * f64::from(height))).sqrt();
        let tokens = |side: u32| (f64::from(side) * scale / self.factor as f64).round_ties_even();
        let [columns, rows] = [tokens(width), tokens(height)];
        if columns < 1.0 || rows < 1.0 || columns.max(rows) > LONGEST {
            return Err(ModelError::Request(format!(
                "a picture of the ratio {width}:{height} and {area} pixels would have {rows} rows of {columns} tokens, each \
                 {factor}×{factor} pixels: ask for a ratio nearer to 1:1 or another area",
                factor = self.factor
            )));
        }
        let [columns, rows] = [columns as usize, rows as usize];
        Ok(Extent { count: rows * columns, columns: Some(columns) })
    }
}

impl Extent {
    /// How many rows there are, where images have rows.
    pub fn rows(&self) -> Option<usize> {
        self.columns.map(|columns| self.count / columns.max(1))
    }

    /// Whether a row ends with the token of this number, counted from 1.
    pub fn ends_row(&self, done: usize) -> bool {
        self.columns.is_some_and(|columns| done.is_multiple_of(columns.max(1)))
    }

    /// Tokens that are read back while an image is drawn: all but the last, and the ends of all rows but the last.
    pub fn read_back(&self) -> usize {
        self.count.saturating_sub(1) + self.rows().map_or(0, |rows| rows.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_rows_that_transformers_gives_it() {
        // Ratio, area, factor; what `calculate_generate_size` gives: rows, columns.
        let cases = [
            ([1, 1], 518_400, 8, (90, 90)),
            ([16, 9], 518_400, 8, (68, 120)),
            ([9, 16], 518_400, 8, (120, 68)),
            ([4, 3], 518_400, 8, (78, 104)),
            // Halves go to the even number.
            ([5, 3], 15, 2, (2, 2)),
            ([3, 5], 15, 2, (2, 2)),
            ([3, 2], 96, 2, (4, 6)),
        ];
        for (ratio, area, factor, (rows, columns)) in cases {
            let canvas = Canvas::Rows(Rows { factor, area: 1, end: 0 });
            let extent = canvas.extent(Some(ratio), Some(area)).unwrap();
            assert_eq!((extent.rows(), extent.columns), (Some(rows), Some(columns)), "{ratio:?} {area}");
            assert_eq!(extent.count, rows * columns);
            // What is read back ends where the last token is chosen.
            assert_eq!(extent.read_back(), rows * (columns + 1) - 2, "{ratio:?} {area}");
        }
    }

    #[test]
    fn a_size_that_cant_be_is_refused() {
        let rows = Canvas::Rows(Rows { factor: 8, area: 518_400, end: 0 });
        for (canvas, ratio, area, says) in [
            (rows, Some([0, 1]), None, "0:1 and 518400 pixels has no size"),
            (rows, None, Some(0), "none of these may be 0"),
            (rows, Some([100_000, 1]), None, "ask for a ratio nearer to 1:1"),
            (rows, Some([u32::MAX, 1]), Some(u32::MAX), "ask for a ratio nearer to 1:1"),
            (Canvas::Fixed(16), Some([1, 1]), None, "have one size"),
            (Canvas::Fixed(16), None, Some(96), "have one size"),
        ] {
            let error = canvas.extent(ratio, area).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(Canvas::Fixed(16).extent(None, None).unwrap(), Extent { count: 16, columns: None });
    }
}
