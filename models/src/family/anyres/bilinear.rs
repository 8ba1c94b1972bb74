//! Bilinear interpolation of features: PyTorch's `interpolate`, without `align_corners` and without antialiasing.

/// Two neighbours along an axis, and the second one's share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

/// What each of `new` places along an axis is made of, where there are `old` ones.
pub(super) fn taps(old: usize, new: usize) -> Vec<Tap> {
    let scale = old as f32 / new as f32;
    let tap = |place: usize| {
        let at = (scale * (place as f32 + 0.5) - 0.5).max(0.0);
        let last = old.saturating_sub(1);
        let first = (at as usize).min(last);
        Tap { first, second: (first + 1).min(last), share: at - first as f32 }
    };
    (0..new).map(tap).collect()
}

/// Appends what lies between four features; `at` gives the one of a row and a column.
pub(super) fn mix<'a>(at: impl Fn(usize, usize) -> &'a [f32], row: Tap, column: Tap, packed: &mut Vec<f32>) {
    let across = |row: usize| {
        let ends = at(row, column.first).iter().zip(at(row, column.second));
        ends.map(|(first, second)| (1.0 - column.share) * first + column.share * second)
    };
    let lines = across(row.first).zip(across(row.second));
    packed.extend(lines.map(|(first, second)| (1.0 - row.share) * first + row.share * second));
}
