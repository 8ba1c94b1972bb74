//! How the models behind an API give places, and the pixels of the screenshot that they mean.
//!
//! Each API has one convention, because that is what its models were trained on:
//!
//! - pixels of the image as it was sent, as an object `{"x", "y"}` or `{"left", "top", "right", "bottom"}`, the last
//!   two just outside: OpenAI and Anthropic (whose documentation asks for absolute pixels);
//! - thousandths of the image's height and width, vertical first, `[y, x]` or `[top, left, bottom, right]`: Gemini.

use serde_json::{Map, Value, json};

use super::grid::{Mark, PlaceKind, Ruler, Scale};
use crate::processor::Fit;

/// How an API's models give places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    /// In pixels of the image as it is sent, which is the screenshot brought within these bounds.
    Pixels(Fit),
    /// In thousandths of its sides, vertical first.
    Thousandths,
    /// As a model of one's own gives them.
    Own(Scale),
}

impl Places {
    /// The schema of a place, with what it means in words.
    pub(super) fn schema(self, mark: Mark) -> Result<Value, String> {
        Ok(match self {
            Self::Own(scale) => {
                let mut schema = scale.schema(mark)?;
                let words = match mark.kind {
                    PlaceKind::Point => "A point [x, y] on the screen.",
                    PlaceKind::Region => "A region [left, top, right, bottom] of the screen.",
                };
                schema["description"] = json!(words);
                schema
            }
            Self::Pixels(fit) => {
                let [width, height] = fit.size(mark.width, mark.height);
                let side = |most: u32| json!({ "type": "integer", "minimum": 0, "maximum": most });
                let (sides, words) = match mark.kind {
                    PlaceKind::Point => (vec![("x", side(width - 1)), ("y", side(height - 1))], "A point"),
                    PlaceKind::Region => (
                        vec![
                            ("left", side(width)),
                            ("top", side(height)),
                            ("right", side(width)),
                            ("bottom", side(height)),
                        ],
                        "A region, right and bottom just outside it,",
                    ),
                };
                let required: Vec<&str> = sides.iter().map(|(name, _)| *name).collect();
                let words = format!(
                    "{words} in whole pixels of the latest screenshot, which is {width} wide and {height} high; x counts \
                     from its left edge, y from its top."
                );
                let properties: Map<String, Value> =
                    sides.iter().map(|(name, side)| ((*name).to_owned(), side.clone())).collect();
                json!({ "type": "object", "description": words, "properties": properties, "required": required,
                        "additionalProperties": false })
            }
            Self::Thousandths => {
                let (count, words) = match mark.kind {
                    PlaceKind::Point => (2, "A point [y, x]"),
                    PlaceKind::Region => (4, "A region [top, left, bottom, right]"),
                };
                let words = format!(
                    "{words} on the latest screenshot, in whole numbers from 0 at its top or left edge to 1000 at its \
                     bottom or right edge."
                );
                json!({ "type": "array", "description": words, "minItems": count, "maxItems": count,
                        "items": { "type": "integer", "minimum": 0, "maximum": 1000 } })
            }
        })
    }
}

impl Ruler for Places {
    fn to_pixels(&self, mark: Mark, place: &Value) -> Result<Value, String> {
        match self {
            Self::Own(scale) => scale.to_pixels(mark, place),
            Self::Pixels(fit) => {
                let shown = fit.size(mark.width, mark.height);
                let number =
                    |name: &str| whole(place.get(name).ok_or_else(|| lacking(mark.kind, place))?, name);
                match mark.kind {
                    PlaceKind::Point => Ok(json!([
                        centre(
                            within("x", number("x")?, shown[0] - 1, shown[0], "wide")?,
                            shown[0],
                            mark.width
                        ),
                        centre(
                            within("y", number("y")?, shown[1] - 1, shown[1], "high")?,
                            shown[1],
                            mark.height
                        )
                    ])),
                    PlaceKind::Region => {
                        let mut sides = [0; 4];
                        for (at, name) in ["left", "top", "right", "bottom"].into_iter().enumerate() {
                            let (size, word) = (shown[at % 2], ["wide", "high"][at % 2]);
                            sides[at] = within(name, number(name)?, size, size, word)?;
                        }
                        region(sides, shown, mark, place)
                    }
                }
            }
            Self::Thousandths => {
                let names: &[&str] = match mark.kind {
                    PlaceKind::Point => &["y", "x"],
                    PlaceKind::Region => &["top", "left", "bottom", "right"],
                };
                let written = place.as_array().filter(|numbers| numbers.len() == names.len());
                let written = written.ok_or_else(|| lacking(mark.kind, place))?;
                let numbers: Vec<u64> = names
                    .iter()
                    .zip(written)
                    .map(|(name, number)| match whole(number, name)? {
                        at if at <= 1000 => Ok(at),
                        at => Err(format!("{name} is {at}, the screenshot ends at 1000")),
                    })
                    .collect::<Result<_, _>>()?;
                match *numbers.as_slice() {
                    [y, x] => Ok(json!([thousandth(x, mark.width), thousandth(y, mark.height)])),
                    [top, left, bottom, right] => region([left, top, right, bottom], [1000; 2], mark, place),
                    _ => Err(lacking(mark.kind, place)),
                }
            }
        }
    }
}

fn lacking(kind: PlaceKind, place: &Value) -> String {
    let what = match kind {
        PlaceKind::Point => "point",
        PlaceKind::Region => "region",
    };
    format!("{place} isn't a {what} as the function describes it")
}

/// A whole number, also where it is written as `512.0`.
fn whole(value: &Value, name: &str) -> Result<u64, String> {
    let rounded = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e9).contains(number));
    value
        .as_u64()
        .or(rounded.map(|number| number as u64))
        .ok_or_else(|| format!("{name} is {value}, and not a whole number from 0 up"))
}

fn within(name: &str, number: u64, most: u32, size: u32, word: &str) -> Result<u64, String> {
    if number <= u64::from(most) {
        return Ok(number);
    }
    Err(format!("{name} is {number}, the screenshot is {size} {word}"))
}

/// The pixel under the middle of one of the image as it was sent.
fn centre(at: u64, shown: u32, pixels: u32) -> u64 {
    (2 * at + 1) * u64::from(pixels) / (2 * u64::from(shown))
}

/// The pixel at so many thousandths; the last of them is the last pixel.
fn thousandth(at: u64, pixels: u32) -> u64 {
    (at * u64::from(pixels) / 1000).min(u64::from(pixels) - 1)
}

/// Every pixel that a region touches.
fn region(sides: [u64; 4], shown: [u32; 2], mark: Mark, place: &Value) -> Result<Value, String> {
    let [left, top, right, bottom] = sides;
    if left >= right || top >= bottom {
        return Err(format!("{place} is empty, or has its end before its beginning"));
    }
    let [across, down] = shown.map(u64::from);
    let (width, height) = (u64::from(mark.width), u64::from(mark.height));
    Ok(json!([
        left * width / across,
        top * height / down,
        (right * width).div_ceil(across),
        (bottom * height).div_ceil(down)
    ]))
}
