//! What a reply says is where, by a model that has a token for each place along an image's side.

use super::grid::edge;

/// The places along a side that have a token, and how such a token begins.
const PLACES: u32 = 1024;
const TOKEN: &str = "<loc";

/// What a reply says is where in an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Located {
    /// What was found, in the reply's order.
    pub found: Vec<Found>,
    /// What stood between and couldn't be read.
    pub unread: Vec<String>,
}

/// One thing and its box.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// What it is called.
    pub label: String,
    /// In pixels of the image: left, top, and just outside of it right and bottom.
    pub corners: [u32; 4],
    /// Its outlines where the reply draws them, each as points `[x, y]` in pixels of the image: four of a text that is read.
    /// None where all that is said is the box.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outlines: Vec<Vec<[u32; 2]>>,
}

impl Located {
    /// Reads a reply of `PaliGemma` (Beyer et al. 2024, section 3.2): `<loc0102><loc0204><loc0512><loc0717> cat ; …`,
    /// top, left, bottom and right in 1024ths of the image's sides. Tokens of a shape (`<seg000>`) may follow, and are
    /// left aside. `size` is the image's width and height in pixels. `None` if no place is named.
    pub(crate) fn by_tokens(reply: &str, size: [u32; 2]) -> Option<Self> {
        if !reply.contains(TOKEN) {
            return None;
        }
        let mut located = Self { found: Vec::new(), unread: Vec::new() };
        for piece in reply.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
            match one(piece, size) {
                Some(found) => located.found.push(found),
                None => located.unread.push(piece.to_owned()),
            }
        }
        Some(located)
    }
}

fn one(piece: &str, [width, height]: [u32; 2]) -> Option<Found> {
    let mut rest = piece;
    let mut places = [0; 4];
    for place in &mut places {
        let (number, after) = rest.strip_prefix(TOKEN)?.split_once('>')?;
        *place = number.parse().ok().filter(|at| number.len() == 4 && *at < PLACES)?;
        rest = after;
    }
    while let Some((_, after)) = rest.strip_prefix("<seg").and_then(|shape| shape.split_once('>')) {
        rest = after;
    }
    let [top, left, bottom, right] = places;
    if rest.contains(TOKEN) || top > bottom || left > right {
        return None;
    }
    let side = |from: u32, to: u32, pixels: u32| {
        let from = edge(from, PLACES, pixels).min(pixels.saturating_sub(1));
        (from, edge(to, PLACES, pixels).max(from + 1))
    };
    let ((left, right), (top, bottom)) = (side(left, right, width), side(top, bottom, height));
    Some(Found { label: rest.trim().to_owned(), corners: [left, top, right, bottom], outlines: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_pixels_of_the_image() {
        let found = |label: &str, corners| Found { label: label.into(), corners, outlines: Vec::new() };
        // The reply, the image's size, what is found and what isn't read.
        let cases = [
            (
                "<loc0000><loc0000><loc1023><loc1023> cat",
                [1024, 1024],
                vec![found("cat", [0, 0, 1023, 1023])],
                vec![],
            ),
            // Top comes before left, and each goes by its own side.
            (
                "<loc0256><loc0512><loc0768><loc1023> cat",
                [640, 480],
                vec![found("cat", [320, 120, 639, 360])],
                vec![],
            ),
            (
                "<loc0100><loc0200><loc0300><loc0400> red car ; <loc0000><loc0000><loc0512><loc0512> dog",
                [100, 100],
                vec![found("red car", [20, 10, 39, 29]), found("dog", [0, 0, 50, 50])],
                vec![],
            ),
            // A box smaller than a pixel has one; one at the far edge stays inside.
            ("<loc0500><loc0500><loc0500><loc0500> dot", [10, 10], vec![found("dot", [5, 5, 6, 6])], vec![]),
            ("<loc1023><loc1023><loc1023><loc1023> end", [4, 4], vec![found("end", [3, 3, 4, 4])], vec![]),
            (
                "<loc0000><loc0000><loc0512><loc0512><seg001><seg127> shape",
                [8, 8],
                vec![found("shape", [0, 0, 4, 4])],
                vec![],
            ),
            ("<loc0100><loc0200><loc0300> cat", [9, 9], vec![], vec!["<loc0100><loc0200><loc0300> cat"]),
            (
                "<loc0900><loc0000><loc0100><loc0500> upside down",
                [9, 9],
                vec![],
                vec!["<loc0900><loc0000><loc0100><loc0500> upside down"],
            ),
            (
                "<loc1024><loc0000><loc0100><loc0500> x",
                [9, 9],
                vec![],
                vec!["<loc1024><loc0000><loc0100><loc0500> x"],
            ),
        ];
        for (reply, size, found, unread) in cases {
            let located = Located::by_tokens(reply, size).unwrap();
            assert_eq!(
                (located.found, located.unread),
                (found, unread.into_iter().map(str::to_owned).collect()),
                "{reply}"
            );
        }
        assert_eq!(Located::by_tokens("a cat on a mat", [9, 9]), None);
    }
}
