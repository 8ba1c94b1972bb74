//! Where an answer is seen, and the picture that shows it.

use percept::{
    Answer,
    models::Found,
    tools::{
        PixelRegion,
        image::{Rgb, RgbImage},
    },
};

/// The colour and the width of a drawn box, in pixels.
const DRAWN: Rgb<u8> = Rgb([230, 30, 80]);
const STROKE: u32 = 2;

/// Where the answer is seen, as the model was asked or as the answer itself says; `None` if that is nowhere, or couldn't be
/// read.
pub(super) fn boxes(answer: &Answer) -> Option<Vec<PixelRegion>> {
    let region = |found: &Found| {
        let [left, top, right, bottom] = found.corners;
        PixelRegion { left, top, right, bottom }
    };
    let located = || Some(answer.located.as_ref()?.found.iter().map(region).collect());
    answer.seen_at.clone().or_else(located).filter(|regions: &Vec<_>| !regions.is_empty())
}

/// The image with a frame along the inside of each region.
pub(super) fn drawn(image: &RgbImage, regions: &[PixelRegion]) -> RgbImage {
    let mut drawn = image.clone();
    for region in regions {
        let within = |side: u32, from: u32, to: u32| side < from + STROKE || side + STROKE >= to;
        for y in region.top..region.bottom.min(image.height()) {
            for x in region.left..region.right.min(image.width()) {
                if within(x, region.left, region.right) || within(y, region.top, region.bottom) {
                    drawn.put_pixel(x, y, DRAWN);
                }
            }
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use percept::models::{Located, Usage};

    use super::*;

    #[test]
    fn boxes_that_are_none_are_not_drawn() {
        let region = PixelRegion { left: 1, top: 2, right: 3, bottom: 4 };
        let found = vec![Found { label: "cat".into(), corners: [1, 2, 3, 4], outlines: Vec::new() }];
        let located = |found| Some(Located { found, unread: vec!["<loc".into()] });
        let cases = [
            (None, None, None),
            (Some(Vec::new()), None, None),
            (None, located(Vec::new()), None),
            (None, located(found), Some(vec![region])),
            (Some(vec![region]), located(Vec::new()), Some(vec![region])),
        ];
        for (seen_at, located, expected) in cases {
            let answer = Answer {
                text: None,
                replies: Vec::new(),
                chosen: 0,
                supporters: 0,
                likelihood: None,
                seen_at,
                located,
                notes: Vec::new(),
                usage: Usage::default(),
            };
            assert_eq!(boxes(&answer), expected, "{answer:?}");
        }
    }
}
