//! How far an image is scaled down so that somebody else needn't: what stays within these bounds is seen as it is.

/// Bounds on an image's sides and area; nothing is ever scaled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fit {
    /// The most pixels of the longer side.
    pub(crate) longest: Option<u32>,
    /// The most pixels of the shorter side.
    pub(crate) shortest: Option<u32>,
    /// The most pixels altogether.
    pub(crate) area: Option<u64>,
}

impl Fit {
    /// The size within the bounds, `[width, height]`, its shape kept to the pixel. No side becomes 0.
    pub(crate) fn size(self, width: u32, height: u32) -> [u32; 2] {
        let (long, short) = (width.max(height), width.min(height));
        let side =
            |most: Option<u32>, side: u32| most.map_or(1.0, |most| f64::from(most) / f64::from(side.max(1)));
        let pixels = (u64::from(width) * u64::from(height)).max(1);
        let area = self.area.map_or(1.0, |most| (most as f64 / pixels as f64).sqrt());
        let scale = 1.0_f64.min(side(self.longest, long)).min(side(self.shortest, short)).min(area);
        // Down, so that the bounds hold after rounding too; a hair up first, so that 1568/2000·2000 is 1568.
        let scaled = |side: u32| ((f64::from(side) * scale + 1e-6) as u32).max(1);
        [scaled(width), scaled(height)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_brought_within_the_bounds_and_never_up() {
        let tiles = Fit { longest: Some(2048), shortest: Some(768), area: None };
        let area = Fit { longest: Some(1568), shortest: None, area: Some(1_150_000) };
        let cases = [
            (Fit::default(), [5000, 3000], [5000, 3000]),
            (tiles, [640, 480], [640, 480]),
            (tiles, [1280, 800], [1228, 768]),
            (tiles, [3000, 600], [2048, 409]),
            (tiles, [1, 9000], [1, 2048]),
            (area, [1280, 800], [1280, 800]),
            (area, [2000, 500], [1568, 392]),
            (area, [1920, 1080], [1429, 804]),
        ];
        for (fit, [width, height], expected) in cases {
            assert_eq!(fit.size(width, height), expected, "{width}×{height}");
        }
    }
}
