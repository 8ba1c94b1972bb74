//! How alike two screens are: 64 bits, each saying whether the picture grows brighter to the right at one of 8 × 8 places
//! (the difference hash; N. Krawetz, "Kind of Like That", 2013).

use image::{RgbImage, imageops};

const SIDE: u32 = 8;

/// A picture's difference hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Likeness(u64);

impl Likeness {
    /// As `SQLite` keeps it, whose numbers have a sign.
    pub(super) fn stored(self) -> i64 {
        self.0.cast_signed()
    }

    pub(super) fn restored(stored: i64) -> Self {
        Self(stored.cast_unsigned())
    }

    /// 1 for the same picture, about 0.5 for two that have nothing in common.
    pub(super) fn alike(self, other: Self) -> f64 {
        1.0 - f64::from((self.0 ^ other.0).count_ones()) / 64.0
    }
}

/// The hash of a picture of any size.
pub(super) fn likeness(picture: &RgbImage) -> Likeness {
    let grey = imageops::grayscale(picture);
    let small = imageops::resize(&grey, SIDE + 1, SIDE, imageops::FilterType::Triangle);
    let mut bits = 0;
    for y in 0..SIDE {
        for x in 0..SIDE {
            let rises = small.get_pixel(x + 1, y).0 > small.get_pixel(x, y).0;
            bits = bits << 1 | u64::from(rises);
        }
    }
    Likeness(bits)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::{Likeness, likeness};

    fn page(shift: u32) -> RgbImage {
        RgbImage::from_fn(160, 208, |x, y| {
            let is_text = (y / 12) % 3 == 1 && (x + shift) % 40 < 22;
            Rgb(if is_text { [30; 3] } else { [240 - (y / 8) as u8, 240, 250] })
        })
    }

    #[test]
    fn the_same_page_is_like_itself_at_another_size_and_unlike_another_page() {
        let own = likeness(&page(0));
        let larger = image::imageops::resize(&page(0), 320, 416, image::imageops::FilterType::Triangle);
        assert!(own.alike(likeness(&larger)) > 0.9, "{}", own.alike(likeness(&larger)));
        let mut negative = page(0);
        negative.pixels_mut().for_each(|pixel| *pixel = Rgb(pixel.0.map(|c| 255 - c)));
        assert!(own.alike(likeness(&negative)) < 0.5);
        assert_eq!(own.alike(own).to_bits(), 1f64.to_bits());
        assert_eq!(Likeness::restored(Likeness(u64::MAX - 5).stored()), Likeness(u64::MAX - 5));
    }
}
