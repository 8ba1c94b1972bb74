//! The grid that a model gives places in, and the pixels of the screenshot that it was shown.
//!
//! Together with the frame in `percept-tools` this is the only place where coordinates are converted.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::processor::{Fit, SmartSize};

/// What the numbers of a model's places count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// The bins of one grid, whatever the screenshot's size.
    Grid(Grid),
    /// The pixels of the image that the screenshot was brought to for the model (Qwen2.5-VL).
    Resized(SmartSize),
    /// The pixels of the image as it is sent, which is the screenshot brought within these bounds.
    Within(Fit),
    /// The pixels of the screenshot itself.
    Pixels,
    /// Fractions of its width and height, from 0 to 1, in steps of a ten-thousandth.
    Fractions,
}

/// How many steps there are from 0 to 1: four digits after the point.
const STEPS: u32 = 10_000;

impl Scale {
    /// From 0 at the left or top edge to 1000 at the right or bottom one: the convention of Qwen2-VL, Qwen3-VL, Gemini and
    /// most models that ground at all.
    pub(super) const THOUSANDTHS: Self = Self::Grid(Grid { columns: 1001, rows: 1001 });

    /// The grid on the screenshot that a mark is about.
    pub(super) fn of(self, mark: Mark) -> Result<Grid, String> {
        match self {
            Self::Grid(grid) => Ok(grid),
            Self::Pixels => Ok(Grid { columns: mark.width, rows: mark.height }),
            Self::Fractions => Ok(Grid { columns: STEPS + 1, rows: STEPS + 1 }),
            Self::Within(fit) => {
                let [columns, rows] = fit.size(mark.width, mark.height);
                Ok(Grid { columns, rows })
            }
            Self::Resized(size) => {
                let (columns, rows) = size.of(mark.width, mark.height).map_err(|error| error.to_string())?;
                Ok(Grid { columns, rows })
            }
        }
    }

    /// The schema of a place as the model writes it: one outside of the screenshot can't be written.
    pub(super) fn schema(self, mark: Mark) -> Result<Value, String> {
        if self != Self::Fractions {
            return Ok(self.of(mark)?.schema(mark.kind));
        }
        let count = mark.kind.numbers();
        let side = json!({ "type": "number", "minimum": 0, "maximum": 1 });
        Ok(json!({ "type": "array", "items": side, "minItems": count, "maxItems": count }))
    }

    /// A place in pixels as the model writes it.
    ///
    /// # Errors
    ///
    /// In words: it isn't a place, or lies outside the screenshot.
    pub(super) fn of_pixels(self, mark: Mark, place: &Value) -> Result<Value, String> {
        let bins = self.of(mark)?.of_pixels(mark, place)?;
        match bins {
            Value::Array(bins) if self == Self::Fractions => {
                let fraction = |bin: &Value| json!(bin.as_f64().unwrap_or(0.0) / f64::from(STEPS));
                Ok(bins.iter().map(fraction).collect())
            }
            bins => Ok(bins),
        }
    }

    /// A length down the screen in the model's own numbers, in pixels of the screenshot; a pixel at least.
    pub(super) fn length_to_pixels(self, mark: Mark, length: u64) -> Result<u64, String> {
        Ok(rescaled(length, u64::from(mark.height), u64::from(self.of(mark)?.rows)))
    }

    /// The other way round.
    pub(super) fn length_of_pixels(self, mark: Mark, pixels: u64) -> Result<u64, String> {
        Ok(rescaled(pixels, u64::from(self.of(mark)?.rows), u64::from(mark.height)))
    }
}

/// `length * to / from`, rounded, and 1 at least. A model without a grammar may write any number: what is too much for 64
/// bits is the most that they hold.
fn rescaled(length: u64, to: u64, from: u64) -> u64 {
    let [length, to, from] = [length, to, from].map(u128::from);
    let whole = (2 * length * to + from) / (2 * from).max(1);
    u64::try_from(whole).unwrap_or(u64::MAX).max(1)
}

/// A point as a model may write one without a grammar, in whole numbers: with a fraction of a bin, or as the box
/// `[left, top, right, bottom]` whose middle is meant. Anything else comes back as it is, to be refused by its reader.
pub(super) fn middle(place: &Value, scale: Scale) -> Value {
    let numbers = place.as_array().and_then(|all| all.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
    let point = match numbers.as_deref() {
        Some([x, y]) => [*x, *y],
        Some([left, top, right, bottom]) => [f64::midpoint(*left, *right), f64::midpoint(*top, *bottom)],
        _ => return place.clone(),
    };
    if scale == Scale::Fractions {
        return json!(point);
    }
    #[allow(clippy::cast_possible_truncation, reason = "whole by then, and no grid is that large")]
    let whole = point.map(|number| number.round() as i64);
    json!(whole)
}

/// Fractions in steps from 0 on.
fn steps(place: &Value) -> Result<Value, String> {
    let step = |number: &Value| match number.as_f64() {
        Some(number) if (0.0..=1.0).contains(&number) => {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 0 to the last step"
            )]
            let step = (number * f64::from(STEPS)).round() as u64;
            Ok(json!(step))
        }
        _ => Err(format!("{number} isn't a fraction from 0 to 1")),
    };
    place.as_array().ok_or_else(|| format!("{place} isn't a list of fractions"))?.iter().map(step).collect()
}

/// The key of the mark that a schema carries where it wants a place on the screenshot.
const MARK: &str = "x-percept";

/// A way of giving places in numbers.
pub(super) trait Ruler {
    /// A place as the model wrote it, in pixels of the screenshot: `[x, y]` or `[left, top, right, bottom]`.
    ///
    /// # Errors
    ///
    /// In words for the model: it isn't a place, or it lies outside.
    fn to_pixels(&self, mark: Mark, place: &Value) -> Result<Value, String>;
}

/// Columns and rows laid over a screenshot, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(super) columns: u32,
    pub(super) rows: u32,
}

/// What a marked place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PlaceKind {
    /// `[x, y]`.
    Point,
    /// `[left, top, right, bottom]`, the last two just outside in pixels, the last bin in a grid.
    Region,
}

impl PlaceKind {
    /// How many numbers it has.
    fn numbers(self) -> usize {
        match self {
            Self::Point => 2,
            Self::Region => 4,
        }
    }
}

/// A schema's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Mark {
    pub(super) kind: PlaceKind,
    #[serde(default)]
    pub(super) width: u32,
    #[serde(default)]
    pub(super) height: u32,
}

impl Mark {
    /// The mark of a schema, if it has one.
    pub(super) fn of(schema: &Value) -> Option<Result<Self, String>> {
        let mark = schema.get(MARK)?;
        Some(match Self::deserialize(mark) {
            Ok(mark) if mark.width > 0 && mark.height > 0 => Ok(mark),
            Ok(_) => Err(format!("the mark {mark} lacks the screenshot's width and height")),
            Err(error) => Err(format!("the mark {mark} makes no sense: {error}")),
        })
    }
}

impl Grid {
    /// The schema of a place in this grid: a bin outside of it can't be written.
    pub(super) fn schema(self, kind: PlaceKind) -> Value {
        let column = json!({ "type": "integer", "minimum": 0, "maximum": self.columns - 1 });
        let row = json!({ "type": "integer", "minimum": 0, "maximum": self.rows - 1 });
        let places = match kind {
            PlaceKind::Point => vec![column, row],
            PlaceKind::Region => vec![column.clone(), row.clone(), column, row],
        };
        let count = places.len();
        json!({ "type": "array", "prefixItems": places, "items": false, "minItems": count, "maxItems": count })
    }

    /// A place in pixels as one in this grid: a point is the bin that the pixel's middle lies in, a region the fewest bins
    /// that cover it.
    ///
    /// # Errors
    ///
    /// In words: it isn't a place, or lies outside the screenshot.
    pub(super) fn of_pixels(self, mark: Mark, place: &Value) -> Result<Value, String> {
        let pixels: Vec<u64> = place
            .as_array()
            .and_then(|numbers| numbers.iter().map(Value::as_u64).collect())
            .ok_or_else(|| format!("{place} isn't a list of whole numbers"))?;
        let outside = || format!("{place} lies outside the screenshot's {}×{}", mark.width, mark.height);
        let (width, height) = (u64::from(mark.width), u64::from(mark.height));
        let (columns, rows) = (u64::from(self.columns), u64::from(self.rows));
        let last = |pixel: u64, bins: u64, pixels: u64| (pixel * bins).div_ceil(pixels) - 1;
        match (mark.kind, pixels.as_slice()) {
            (PlaceKind::Point, [x, y]) if *x < width && *y < height => {
                Ok(json!([(2 * x + 1) * columns / (2 * width), (2 * y + 1) * rows / (2 * height)]))
            }
            (PlaceKind::Region, [left, top, right, bottom])
                if left < right && top < bottom && *right <= width && *bottom <= height =>
            {
                Ok(json!([
                    left * columns / width,
                    top * rows / height,
                    last(*right, columns, width),
                    last(*bottom, rows, height)
                ]))
            }
            (PlaceKind::Point, [_, _]) | (PlaceKind::Region, [_, _, _, _]) => Err(outside()),
            (PlaceKind::Point, _) => Err(format!("{place} isn't a point [x, y]")),
            (PlaceKind::Region, _) => Err(format!("{place} isn't a region [left, top, right, bottom]")),
        }
    }

    #[allow(clippy::unused_self, reason = "reads as what it is: a question to the grid")]
    fn inside(self, name: &str, bin: u64, bins: u32) -> Result<u64, String> {
        if bin < u64::from(bins) {
            return Ok(bin);
        }
        Err(format!("{name} is {bin}, the grid ends at {}", bins - 1))
    }
}

impl Ruler for Grid {
    /// A point is the pixel at its bin's centre, a region everything from its first bin to its last. Only a model
    /// without grammar can write what isn't in the grid.
    fn to_pixels(&self, mark: Mark, place: &Value) -> Result<Value, String> {
        let bins: Vec<u64> = place
            .as_array()
            .and_then(|numbers| numbers.iter().map(Value::as_u64).collect())
            .ok_or_else(|| format!("{place} isn't a list of whole numbers"))?;
        match (mark.kind, bins.as_slice()) {
            (PlaceKind::Point, [x, y]) => Ok(json!([
                centre(self.inside("x", *x, self.columns)?, self.columns, mark.width),
                centre(self.inside("y", *y, self.rows)?, self.rows, mark.height)
            ])),
            (PlaceKind::Region, [left, top, right, bottom]) => {
                if right < left || bottom < top {
                    return Err(format!("{place} has its end before its beginning"));
                }
                Ok(json!([
                    start(self.inside("left", *left, self.columns)?, self.columns, mark.width),
                    start(self.inside("top", *top, self.rows)?, self.rows, mark.height),
                    end(self.inside("right", *right, self.columns)?, self.columns, mark.width),
                    end(self.inside("bottom", *bottom, self.rows)?, self.rows, mark.height)
                ]))
            }
            (PlaceKind::Point, _) => Err(format!("{place} isn't a point [x, y]")),
            (PlaceKind::Region, _) => Err(format!("{place} isn't a region [left, top, right, bottom]")),
        }
    }
}

impl Ruler for Scale {
    fn to_pixels(&self, mark: Mark, place: &Value) -> Result<Value, String> {
        if *self == Self::Fractions {
            return self.of(mark)?.to_pixels(mark, &steps(place)?);
        }
        self.of(mark)?.to_pixels(mark, place)
    }
}

/// The pixel at the middle of a bin, which always lies inside the image.
fn centre(bin: u64, bins: u32, pixels: u32) -> u64 {
    (2 * bin + 1) * u64::from(pixels) / (2 * u64::from(bins))
}

/// The pixel nearest to where a bin begins, for places that are lines between pixels and not pixels.
pub(super) fn edge(bin: u32, bins: u32, pixels: u32) -> u32 {
    let (bin, bins, pixels) = (u64::from(bin), u64::from(bins), u64::from(pixels));
    // No more than `pixels`, because a bin is less than `bins`.
    ((2 * bin * pixels + bins) / (2 * bins)) as u32
}

/// The pixel at the middle of a bin, in the reference's 32-bit floats: where the middle lies between two pixels, they may take
/// the one before.
pub(super) fn middle_of(bin: u32, bins: u32, pixels: u32) -> u32 {
    let size = (f64::from(pixels) / f64::from(bins)) as f32;
    (((bin as f32) + 0.5) * size) as u32
}

/// The first pixel of a bin.
fn start(bin: u64, bins: u32, pixels: u32) -> u64 {
    bin * u64::from(pixels) / u64::from(bins)
}

/// The pixel after a bin's last; a bin smaller than a pixel still has one.
fn end(bin: u64, bins: u32, pixels: u32) -> u64 {
    ((bin + 1) * u64::from(pixels)).div_ceil(u64::from(bins)).max(start(bin, bins, pixels) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grid: [u32; 2], mark: &Value, place: &Value, expected: Result<Value, &str>) {
        let grid = Grid { columns: grid[0], rows: grid[1] };
        let mark = Mark::of(&json!({ "x-percept": mark })).unwrap().unwrap();
        assert_eq!(grid.to_pixels(mark, place), expected.map_err(str::to_owned), "{place}");
    }

    #[test]
    fn a_length_is_scaled_however_long_it_is() {
        for (length, to, from, expected) in
            [(10, 720, 360, 20), (3, 1, 2, 2), (0, 1, 1, 1), (u64::MAX, 720, 360, u64::MAX)]
        {
            assert_eq!(rescaled(length, to, from), expected, "{length} * {to} / {from}");
        }
    }

    #[test]
    fn a_place_in_the_grid_becomes_pixels_inside_the_screenshot() {
        let glance = json!({ "kind": "point", "width": 160, "height": 208 });
        let thousand = json!({ "kind": "point", "width": 1280, "height": 801 });
        let tiny = json!({ "kind": "point", "width": 1, "height": 3 });
        let region = json!({ "kind": "region", "width": 160, "height": 208 });
        let cases = [
            ([40, 52], &glance, json!([0, 0]), Ok(json!([2, 2]))),
            ([40, 52], &glance, json!([12, 34]), Ok(json!([50, 138]))),
            ([40, 52], &glance, json!([39, 51]), Ok(json!([158, 206]))),
            ([40, 52], &glance, json!([40, 0]), Err("x is 40, the grid ends at 39")),
            ([40, 52], &glance, json!([0, 52]), Err("y is 52, the grid ends at 51")),
            ([40, 52], &glance, json!([1]), Err("[1] isn't a point [x, y]")),
            ([40, 52], &glance, json!([1.5, 2]), Err("[1.5,2] isn't a list of whole numbers")),
            ([40, 52], &glance, json!([-1, 2]), Err("[-1,2] isn't a list of whole numbers")),
            ([1001, 1001], &thousand, json!([0, 0]), Ok(json!([0, 0]))),
            ([1001, 1001], &thousand, json!([500, 500]), Ok(json!([640, 400]))),
            ([1001, 1001], &thousand, json!([1000, 1000]), Ok(json!([1279, 800]))),
            ([1001, 1001], &tiny, json!([1000, 500]), Ok(json!([0, 1]))),
            ([40, 52], &region, json!([0, 0, 39, 51]), Ok(json!([0, 0, 160, 208]))),
            ([40, 52], &region, json!([1, 2, 1, 2]), Ok(json!([4, 8, 8, 12]))),
            ([40, 52], &region, json!([3, 0, 2, 0]), Err("[3,0,2,0] has its end before its beginning")),
            ([1001, 1001], &region, json!([7, 7, 7, 7]), Ok(json!([1, 1, 2, 2]))),
        ];
        for (grid, mark, place, expected) in cases {
            check(grid, mark, &place, expected);
        }
    }

    #[test]
    fn a_pixel_is_written_as_the_bin_that_is_read_as_a_pixel_of_it() {
        let point = |width, height| {
            let mark = json!({ "x-percept": { "kind": "point", "width": width, "height": height } });
            Mark::of(&mark).unwrap().unwrap()
        };
        // Where a grid is as fine as the screenshot or coarser, every bin comes back as it was.
        for (columns, width) in [(40, 160), (52, 52), (10, 12), (1001, 1280), (1001, 1919)] {
            let (grid, mark) = (Grid { columns, rows: columns }, point(width, width));
            for bin in 0..columns {
                let pixels = grid.to_pixels(mark, &json!([bin, bin])).unwrap();
                assert_eq!(grid.of_pixels(mark, &pixels), Ok(json!([bin, bin])), "{columns} on {width}");
            }
        }
        // Where it is finer, every pixel does.
        for (columns, width) in [(1001, 160), (1001, 1000), (20, 3)] {
            let (grid, mark) = (Grid { columns, rows: columns }, point(width, width));
            for pixel in 0..width {
                let bins = grid.of_pixels(mark, &json!([pixel, pixel])).unwrap();
                assert_eq!(grid.to_pixels(mark, &bins), Ok(json!([pixel, pixel])), "{columns} on {width}");
            }
        }
        let region = json!({ "x-percept": { "kind": "region", "width": 160, "height": 208 } });
        let (grid, region) = (Grid { columns: 40, rows: 52 }, Mark::of(&region).unwrap().unwrap());
        let cases = [
            (region, json!([4, 8, 8, 12]), Ok(json!([1, 2, 1, 2]))),
            (region, json!([3, 0, 160, 208]), Ok(json!([0, 0, 39, 51]))),
            (region, json!([8, 8, 8, 12]), Err("[8,8,8,12] lies outside the screenshot's 160×208")),
            (point(160, 208), json!([160, 0]), Err("[160,0] lies outside the screenshot's 160×208")),
            (point(160, 208), json!([1]), Err("[1] isn't a point [x, y]")),
        ];
        for (mark, place, expected) in cases {
            assert_eq!(grid.of_pixels(mark, &place), expected.map_err(str::to_owned), "{place}");
        }
    }

    #[test]
    fn places_are_thousandths_or_pixels_of_the_resized_image() {
        let thousandths = Scale::Grid(Grid { columns: 1001, rows: 1001 });
        let resized = Scale::Resized(SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 1280 });
        // A scale, the screenshot's size, the model's grid on it, a point there, and the pixel that is meant.
        let cases = [
            (thousandths, [1280, 720], [1001, 1001], [500, 500], [640, 360]),
            (thousandths, [1920, 1080], [1001, 1001], [1000, 0], [1919, 0]),
            (resized, [1280, 720], [1288, 728], [644, 364], [640, 360]),
            (resized, [1280, 720], [1288, 728], [1287, 727], [1279, 719]),
            // Larger than the model sees: shrunk, so that one of its pixels is several.
            (resized, [1920, 1080], [1316, 728], [658, 364], [960, 540]),
            (resized, [1920, 1080], [1316, 728], [0, 727], [0, 1079]),
            // Smaller: enlarged, so that several of its pixels are one.
            (resized, [20, 30], [56, 84], [55, 83], [19, 29]),
            (resized, [20, 30], [56, 84], [1, 2], [0, 0]),
            (Scale::Pixels, [1316, 1316], [1316, 1316], [658, 1315], [658, 1315]),
        ];
        for (scale, [width, height], grid, point, pixel) in cases {
            let mark = json!({ "x-percept": { "kind": "point", "width": width, "height": height } });
            let mark = Mark::of(&mark).unwrap().unwrap();
            let found = scale.of(mark).unwrap();
            assert_eq!([found.columns, found.rows], grid, "{width}×{height}");
            assert_eq!(found.to_pixels(mark, &json!(point)), Ok(json!(pixel)), "{width}×{height}");
        }
        let mark = json!({ "x-percept": { "kind": "point", "width": 1000, "height": 2 } });
        let why = resized.of(Mark::of(&mark).unwrap().unwrap()).unwrap_err();
        assert!(why.contains("more than 200 times"), "{why}");
    }

    #[test]
    fn each_familys_places_come_to_the_same_pixel() {
        let point = json!({ "x-percept": { "kind": "point", "width": 1000, "height": 500 } });
        let region = json!({ "x-percept": { "kind": "region", "width": 1000, "height": 500 } });
        let [point, region] = [point, region].map(|mark| Mark::of(&mark).unwrap().unwrap());
        let thousandths = Scale::THOUSANDTHS;
        // 1008×504 pixels are shown.
        let resized = Scale::Resized(SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 1280 });
        let cases = [
            (thousandths, point, json!([250, 500]), Ok(json!([250, 250]))),
            (thousandths, point, json!([240, 490, 260, 510]), Ok(json!([250, 250]))),
            (thousandths, point, json!([249.7, 500.2]), Ok(json!([250, 250]))),
            (resized, point, json!([252, 252]), Ok(json!([250, 250]))),
            (resized, point, json!([242, 242, 262, 262]), Ok(json!([250, 250]))),
            (resized, point, json!([1008, 0]), Err("x is 1008, the grid ends at 1007")),
            (Scale::Pixels, point, json!([250, 250]), Ok(json!([250, 250]))),
            (Scale::Fractions, point, json!([0.25, 0.5]), Ok(json!([250, 250]))),
            (Scale::Fractions, point, json!([0.2, 0.4, 0.3, 0.6]), Ok(json!([250, 250]))),
            (Scale::Fractions, point, json!([1, 1.0]), Ok(json!([999, 499]))),
            (Scale::Fractions, point, json!([1.5, 0]), Err("1.5 isn't a fraction from 0 to 1")),
            (Scale::Fractions, region, json!([0, 0, 1, 1]), Ok(json!([0, 0, 1000, 500]))),
            (thousandths, region, json!([0, 0, 1000, 1000]), Ok(json!([0, 0, 1000, 500]))),
            (thousandths, point, json!([1, 2, 3]), Err("[1,2,3] isn't a point [x, y]")),
        ];
        for (scale, mark, place, expected) in cases {
            let asked = if mark.kind == PlaceKind::Point { middle(&place, scale) } else { place.clone() };
            assert_eq!(scale.to_pixels(mark, &asked), expected.map_err(str::to_owned), "{scale:?} {place}");
        }
    }

    #[test]
    fn a_mark_without_a_size_is_an_error() {
        let mark = |mark: Value| Mark::of(&json!({ "x-percept": mark }));
        assert!(mark(json!({ "kind": "point" })).unwrap().is_err());
        assert!(mark(json!({ "kind": "circle", "width": 1, "height": 1 })).unwrap().is_err());
        assert!(Mark::of(&json!({ "type": "string" })).is_none());
    }
}
