//! The two passes over an image, the second close behind the first.
//!
//! The horizontal pass makes rows a few at a time, and the vertical pass weighs them while they are in the
//! processor's cache: the image between the two is never whole in memory.

use std::ops::Range;

use image::RgbImage;

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::portable;
use crate::processor::{
    backend::Backend,
    filter::{Filter, Pass, pass},
};

/// So many rows are made at once where weights are fetched once for all of them.
pub(super) const ROWS: usize = 8;
/// Bytes that the window between the two passes may always have; the processor's second cache holds them.
const WINDOW: usize = 1 << 17;

/// Fills `target` with the image in its size, neither of whose sides is 0.
pub(super) fn run(image: &RgbImage, target: &mut RgbImage, filter: Filter, backend: Backend) {
    let (width, height) = target.dimensions();
    let across = (width != image.width())
        .then(|| Across::new(pass(image.width(), width, filter, backend), image.width() as usize));
    let down = (height != image.height())
        .then(|| Down::new(pass(image.height(), height, filter, backend), 3 * width as usize));
    let [source_stride, stride] = [image.width(), width].map(|width| 3 * width as usize);
    let source = image.as_raw();
    match (across, down) {
        (None, None) => target.copy_from_slice(source),
        (Some(mut across), None) => {
            let rows = source.chunks(ROWS * source_stride).zip(target.chunks_mut(ROWS * stride));
            rows.for_each(|(source, target)| across.rows(source, target));
        }
        (None, Some(down)) => {
            for (place, target) in target.chunks_exact_mut(stride).enumerate() {
                down.row(place, &source[down.first(place) * stride..], target);
            }
        }
        (Some(mut across), Some(down)) => {
            let mut window = Window::new(image.height() as usize, stride, down.most());
            for (place, target) in target.chunks_exact_mut(stride).enumerate() {
                let (first, end) = (down.first(place), down.end(place));
                window.reach(first, end, |rows, target| {
                    across.rows(&source[rows.start * source_stride..rows.end * source_stride], target);
                });
                down.row(place, window.from(first), target);
            }
        }
    }
}

/// The rows between the two passes that are still needed.
struct Window {
    bytes: Vec<u8>,
    stride: usize,
    /// Rows that it has room for.
    room: usize,
    /// Rows of the source.
    height: usize,
    /// The row with which `bytes` begins, and the next that is to be made.
    held: [usize; 2],
}

impl Window {
    /// A window of at least `most` rows, and never of more than all.
    fn new(height: usize, stride: usize, most: usize) -> Self {
        // Far more than are needed, so that rows are seldom moved to the beginning, as long as they are short.
        let room = (2 * (most + ROWS)).max(WINDOW / stride).min(height + ROWS);
        Self { bytes: vec![0; room * stride], stride, room, height, held: [0, 0] }
    }

    /// Has the rows from `first` to `end` made that aren't yet, and lets go of those before.
    fn reach(&mut self, first: usize, end: usize, mut make: impl FnMut(Range<usize>, &mut [u8])) {
        let [mut base, mut next] = self.held;
        if first > next {
            (base, next) = (first, first);
        }
        while next < end {
            if next + ROWS > base + self.room {
                self.bytes.copy_within((first - base) * self.stride..(next - base) * self.stride, 0);
                base = first;
            }
            let rows = next..(next + ROWS).min(self.height);
            next = rows.end;
            let place = (rows.start - base) * self.stride..(rows.end - base) * self.stride;
            make(rows, &mut self.bytes[place]);
        }
        self.held = [base, next];
    }

    /// The rows from this one on.
    fn from(&self, first: usize) -> &[u8] {
        &self.bytes[(first - self.held[0]) * self.stride..]
    }
}

/// The horizontal pass, in the form that this machine takes.
enum Across {
    Portable {
        pass: Pass,
        stride: usize,
    },
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Across),
}

impl Across {
    /// The pass over rows of `source` pixels.
    fn new(pass: Pass, source: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(across) = avx2::Across::new(&pass, source) {
            return Self::Avx2(across);
        }
        Self::Portable { pass, stride: 3 * source }
    }

    /// Makes at most [`ROWS`] whole rows.
    fn rows(&mut self, source: &[u8], target: &mut [u8]) {
        match self {
            Self::Portable { pass, stride } => {
                let rows = source.chunks_exact(*stride).zip(target.chunks_exact_mut(3 * pass.taps.len()));
                rows.for_each(|(source, target)| portable::across(pass, source, target));
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(across) => across.rows(source, target),
        }
    }
}

/// The vertical pass, in the form that this machine takes.
struct Down {
    pass: Pass,
    #[cfg(target_arch = "x86_64")]
    avx2: Option<avx2::Down>,
}

impl Down {
    /// The pass over rows of `stride` bytes.
    fn new(pass: Pass, stride: usize) -> Self {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = stride;
        Self {
            #[cfg(target_arch = "x86_64")]
            avx2: avx2::Down::new(&pass, stride),
            pass,
        }
    }

    fn most(&self) -> usize {
        self.pass.most()
    }

    fn first(&self, place: usize) -> usize {
        self.pass.taps[place].first
    }

    fn end(&self, place: usize) -> usize {
        self.first(place) + self.pass.taps[place].weights.len()
    }

    /// Makes the row `place` of the rows that it is made of, with whose first `rows` begins.
    fn row(&self, place: usize, rows: &[u8], target: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(down) = &self.avx2 {
            return down.row(place, rows, target);
        }
        portable::down(&self.pass, place, rows, target);
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    /// The vector forms against the plain loops, on noise: the goldens see one of the two alone, whichever this build
    /// and machine take.
    #[test]
    fn vectors_sum_what_plain_loops_sum() {
        let mut noise = StdRng::seed_from_u64(7);
        let sides = [1, 3, 10, 11, 31, 64, 97];
        for (source, target) in sides.into_iter().flat_map(|one| sides.map(|other| (one, other))) {
            let filters = [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];
            let cases = filters.map(|filter| (filter, Backend::Pillow));
            for (filter, backend) in cases.into_iter().chain([(Filter::Bicubic, Backend::Torchvision)]) {
                check(source, target, filter, backend, &mut noise);
            }
        }
    }

    fn check(source: u32, target: u32, filter: Filter, backend: Backend, noise: &mut StdRng) {
        let case = format!("{source} to {target}, {filter:?}, {backend:?}");
        let pass = || pass(source, target, filter, backend);
        // Extremes overflow first; noise finds the rest.
        let mut bytes = |count: usize| -> Vec<u8> {
            (0..count)
                .map(|_| if noise.random() { 255 * u8::from(noise.random::<bool>()) } else { noise.random() })
                .collect()
        };
        let source = source as usize;
        let rows = 1 + target as usize % ROWS;
        let across = bytes(3 * source * rows);
        let made = |mut form: Across| {
            let mut made = vec![0; 3 * target as usize * rows];
            form.rows(&across, &mut made);
            made
        };
        let plain = Across::Portable { pass: pass(), stride: 3 * source };
        let Some(vectors) = avx2::Across::new(&pass(), source) else { return };
        assert_eq!(made(Across::Avx2(vectors)), made(plain), "across: {case}");
        let stride = 3 * (8 + target as usize % 30);
        let down = bytes(stride * source);
        let vectors = Down { avx2: avx2::Down::new(&pass(), stride), pass: pass() };
        assert_eq!(vectors.avx2.is_some(), stride >= 32, "{case}");
        for place in 0..target as usize {
            let (mut one, mut other) = (vec![0; stride], vec![0; stride]);
            let from = vectors.first(place) * stride;
            vectors.row(place, &down[from..], &mut one);
            portable::down(&pass(), place, &down[from..], &mut other);
            assert_eq!(one, other, "down: {case}");
        }
    }
}
