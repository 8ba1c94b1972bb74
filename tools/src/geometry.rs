//! Where things are, in types that can't be mixed up: screenshot pixels and screen points.
//!
//! A model's own grid is the business of `percept-models`, which hands out [`Point`]s in the pixels of
//! the screenshot that the model was shown. This file alone converts between those pixels and the points
//! of the screen; a screen's implementation converts points to its device's pixels, if it needs them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The key under which a JSON Schema marks a [`Point`] or a [`Region`].
pub const MARK: &str = "x-percept";

/// Width and height of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// One pixel of a screenshot, counted from its top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelPoint {
    /// Column, from 0.
    pub x: u32,
    /// Row, from 0.
    pub y: u32,
}

/// A rectangle of screenshot pixels; `right` and `bottom` lie just outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelRegion {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// One past the last column.
    pub right: u32,
    /// One past the last row.
    pub bottom: u32,
}

/// A place in the coordinates that a screen takes input in: CSS pixels for a browser, logical pixels for a desktop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScreenPoint {
    /// From the left edge.
    pub x: f64,
    /// From the top edge.
    pub y: f64,
}

/// A rectangle in the coordinates that a screen takes input in; see [`ScreenPoint`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScreenRegion {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl ScreenRegion {
    /// Whether the place lies in it.
    pub fn contains(&self, at: ScreenPoint) -> bool {
        (self.left..self.right).contains(&at.x) && (self.top..self.bottom).contains(&at.y)
    }
}

/// Width and height in the coordinates that a screen takes input in; see [`ScreenPoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScreenSize {
    /// From the left edge to the right one.
    pub width: u32,
    /// From the top edge to the bottom one.
    pub height: u32,
}

/// The geometry of one screenshot: its size in pixels and how many of them make a screen point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The screenshot's size.
    pub size: PixelSize,
    /// Screenshot pixels to a screen point: 1 on an ordinary display, 2 on most `HiDPI` ones. Not
    /// necessarily whole.
    pub scale: f64,
}

impl Frame {
    /// Whether the pixel lies on the screenshot.
    pub fn contains(&self, point: PixelPoint) -> bool {
        point.x < self.size.width && point.y < self.size.height
    }

    /// Whether the rectangle lies on the screenshot and holds at least one pixel.
    pub fn holds(&self, region: PixelRegion) -> bool {
        region.left < region.right
            && region.top < region.bottom
            && region.right <= self.size.width
            && region.bottom <= self.size.height
    }

    /// The pixel that shows the place; `None` for one outside the screenshot.
    pub fn to_pixel(&self, at: ScreenPoint) -> Option<PixelPoint> {
        let along = |value: f64, side: u32| {
            let pixel = (value * self.scale).floor();
            // Within a side's pixels, and so within `u32`.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
            (0.0..f64::from(side)).contains(&pixel).then_some(pixel as u32)
        };
        Some(PixelPoint { x: along(at.x, self.size.width)?, y: along(at.y, self.size.height)? })
    }

    /// Every pixel that the rectangle touches, as far as it lies on the screenshot.
    pub fn to_pixels(&self, region: ScreenRegion) -> PixelRegion {
        let across = |value: f64, side: u32| {
            let pixel = (value * self.scale).clamp(0.0, f64::from(side));
            // Within a side's pixels, and so within `u32`.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=side")]
            let whole = pixel as u32;
            (whole, whole + u32::from(f64::from(whole) < pixel))
        };
        let PixelSize { width, height } = self.size;
        PixelRegion {
            left: across(region.left, width).0,
            top: across(region.top, height).0,
            right: across(region.right, width).1,
            bottom: across(region.bottom, height).1,
        }
    }

    /// The screen point at the pixel's centre, so that rounding never falls into a neighbour.
    pub fn to_screen(&self, point: PixelPoint) -> ScreenPoint {
        ScreenPoint { x: (f64::from(point.x) + 0.5) / self.scale, y: (f64::from(point.y) + 0.5) / self.scale }
    }
}

/// A tool's argument that names one pixel of the current screenshot; `[x, y]` on the wire.
///
/// Its JSON Schema carries a mark and no numbers: the agent puts the screenshot's size beside the mark,
/// and the model's dialect turns it into bounds in the grid which that model writes points in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 2]", into = "[u32; 2]")]
pub struct Point(pub PixelPoint);

impl From<[u32; 2]> for Point {
    fn from([x, y]: [u32; 2]) -> Self {
        Self(PixelPoint { x, y })
    }
}

impl From<Point> for [u32; 2] {
    fn from(Point(PixelPoint { x, y }): Point) -> Self {
        [x, y]
    }
}

impl JsonSchema for Point {
    fn schema_name() -> Cow<'static, str> {
        "Point".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "integer", "minimum": 0 },
            "minItems": 2,
            "maxItems": 2,
            MARK: { "kind": "point" }
        })
    }
}

/// A tool's argument that names a rectangle of the current screenshot; `[left, top, right, bottom]` on
/// the wire, marked like a [`Point`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 4]", into = "[u32; 4]")]
pub struct Region(pub PixelRegion);

impl From<[u32; 4]> for Region {
    fn from([left, top, right, bottom]: [u32; 4]) -> Self {
        Self(PixelRegion { left, top, right, bottom })
    }
}

impl From<Region> for [u32; 4] {
    fn from(Region(r): Region) -> Self {
        [r.left, r.top, r.right, r.bottom]
    }
}

impl JsonSchema for Region {
    fn schema_name() -> Cow<'static, str> {
        "Region".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "integer", "minimum": 0 },
            "minItems": 4,
            "maxItems": 4,
            MARK: { "kind": "region" }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, scale: f64) -> Frame {
        Frame { size: PixelSize { width, height }, scale }
    }

    #[test]
    fn a_pixel_centre_lies_in_the_screen_point_that_it_shows_most_of() {
        let cases = [
            (1.0, 0, 0.5),
            (1.0, 331, 331.5),
            (1.25, 12, 10.0),
            (1.25, 13, 10.8),
            (1.5, 1, 1.0),
            (2.0, 0, 0.25),
            (2.0, 1, 0.75),
            (3.0, 5, 11.0 / 6.0),
        ];
        for (scale, pixel, expected) in cases {
            let point = frame(1000, 1000, scale).to_screen(PixelPoint { x: pixel, y: pixel });
            assert_eq!(point, ScreenPoint { x: expected, y: expected }, "pixel {pixel} at {scale}");
        }
    }

    #[test]
    fn a_place_is_shown_by_the_pixel_whose_centre_leads_back_to_it() {
        for scale in [1.0, 1.25, 1.5, 2.0, 3.0] {
            let frame = frame(100, 80, scale);
            for pixel in [PixelPoint { x: 0, y: 0 }, PixelPoint { x: 33, y: 7 }, PixelPoint { x: 99, y: 79 }]
            {
                assert_eq!(frame.to_pixel(frame.to_screen(pixel)), Some(pixel), "{pixel:?} at {scale}");
            }
        }
        let place = |x, y| ScreenPoint { x, y };
        let cases = [
            (place(0.0, 0.0), Some(PixelPoint { x: 0, y: 0 })),
            (place(4.99, 2.49), Some(PixelPoint { x: 9, y: 4 })),
            (place(5.0, 0.0), None),
            (place(0.0, 2.5), None),
            (place(-0.1, 0.0), None),
            (place(f64::NAN, 0.0), None),
        ];
        for (at, expected) in cases {
            assert_eq!(frame(10, 5, 2.0).to_pixel(at), expected, "{at:?}");
        }
    }

    #[test]
    fn a_region_covers_every_pixel_that_it_touches() {
        let region = |left, top, right, bottom| ScreenRegion { left, top, right, bottom };
        let cases = [
            (1.0, region(2.0, 1.0, 4.0, 3.0), [2, 1, 4, 3]),
            (1.0, region(2.4, 1.9, 3.1, 2.0), [2, 1, 4, 2]),
            (2.0, region(1.0, 0.5, 2.0, 1.25), [2, 1, 4, 3]),
            (1.25, region(1.0, 1.0, 2.0, 2.0), [1, 1, 3, 3]),
            (1.0, region(-5.0, -5.0, 100.0, 100.0), [0, 0, 10, 5]),
            (1.0, region(20.0, 0.0, 30.0, 1.0), [10, 0, 10, 1]),
        ];
        for (scale, region, [left, top, right, bottom]) in cases {
            let found = frame(10, 5, scale).to_pixels(region);
            assert_eq!(found, PixelRegion { left, top, right, bottom }, "{region:?} at {scale}");
        }
    }

    #[test]
    fn a_frame_contains_its_pixels_and_holds_regions_of_them() {
        let frame = frame(10, 5, 1.0);
        for (x, y, inside) in [(0, 0, true), (9, 4, true), (10, 4, false), (9, 5, false)] {
            assert_eq!(frame.contains(PixelPoint { x, y }), inside, "{x}, {y}");
        }
        for ([left, top, right, bottom], inside) in [
            ([0, 0, 10, 5], true),
            ([9, 4, 10, 5], true),
            ([0, 0, 11, 5], false),
            ([0, 0, 10, 6], false),
            ([3, 3, 3, 4], false),
            ([4, 3, 3, 4], false),
        ] {
            let region = PixelRegion { left, top, right, bottom };
            assert_eq!(frame.holds(region), inside, "{region:?}");
        }
    }

    #[test]
    fn points_and_regions_are_plain_arrays_on_the_wire() {
        let point = Point(PixelPoint { x: 3, y: 4 });
        let region = Region(PixelRegion { left: 1, top: 2, right: 3, bottom: 4 });
        assert_eq!(serde_json::to_string(&(point, region)).unwrap(), "[[3,4],[1,2,3,4]]");
        assert_eq!(serde_json::from_str::<(Point, Region)>("[[3,4],[1,2,3,4]]").unwrap(), (point, region));
    }
}
