//! Resampling filters as Pillow defines them, and the fixed-point weights made of them as Pillow and as torchvision do.

use std::f64::consts::PI;

use serde::Serialize;

use super::backend::Backend;

/// How pixels are weighed when an image changes its size. The numbers are Pillow's `resample` codes, which
/// is how processor configurations name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// 0: the nearest pixel, unweighted.
    Nearest,
    /// 1: a sinc windowed by a wider sinc, over three pixels.
    Lanczos,
    /// 2: a triangle over one pixel.
    Bilinear,
    /// 3: Keys' cubic with a = −0.5, over two pixels.
    Bicubic,
    /// 4: equal weights over half a pixel.
    Box,
    /// 5: a sinc windowed by a Hamming window, over one pixel.
    Hamming,
}

impl Filter {
    /// The filter of Pillow's code; `None` for a code that Pillow lacks.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Nearest,
            1 => Self::Lanczos,
            2 => Self::Bilinear,
            3 => Self::Bicubic,
            4 => Self::Box,
            5 => Self::Hamming,
            _ => return None,
        })
    }

    /// Half the filter's width in source pixels at scale 1.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The weight at distance `x`, before normalisation.
    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Box if x > -0.5 && x <= 0.5 => 1.0,
            Self::Bilinear if x.abs() < 1.0 => 1.0 - x.abs(),
            Self::Hamming if x == 0.0 => 1.0,
            Self::Hamming if x.abs() < 1.0 => {
                let angle = x.abs() * PI;
                angle.sin() / angle * (0.54 + 0.46 * angle.cos())
            }
            Self::Bicubic => cubic(x.abs()),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Nearest | Self::Box | Self::Bilinear | Self::Hamming | Self::Lanczos => 0.0,
        }
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    // Written as Pillow writes it: another order of operations rounds differently.
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = x * PI;
    angle.sin() / angle
}

/// Bits after the point of one of Pillow's weights: what is left of 32 after 8 for the pixel and 2 to keep sums
/// from overflowing. torchvision never takes more.
const MOST_BITS: u32 = 32 - 8 - 2;

/// The weights of one pass.
pub(super) struct Pass {
    /// Bits after the point of every weight.
    pub(super) bits: u32,
    /// What each output pixel is made of.
    pub(super) taps: Vec<Taps>,
}

impl Pass {
    /// What a sum begins with so that it is rounded. Weights are never so large that no bit is left after the point.
    pub(super) fn half(&self) -> i32 {
        1 << self.bits.saturating_sub(1)
    }

    /// The most source pixels that one output pixel is made of.
    pub(super) fn most(&self) -> usize {
        self.taps.iter().map(|taps| taps.weights.len()).max().unwrap_or(0)
    }
}

/// The source pixels that one output pixel is made of.
pub(super) struct Taps {
    /// The first of them.
    pub(super) first: usize,
    /// Their weights, in fixed point.
    pub(super) weights: Vec<i32>,
}

/// The pass along one axis, from `source` pixels to `target`. One output pixel's weights at a time are in double precision:
/// those of a long side, whole, would take several times the image's memory.
pub(super) fn pass(source: u32, target: u32, filter: Filter, backend: Backend) -> Pass {
    let bits = match backend {
        Backend::Pillow => MOST_BITS,
        Backend::Torchvision => {
            let largest = |most, (_, weights): (usize, Vec<f64>)| {
                weights.into_iter().fold(most, |most: f64, weight| weight.max(most))
            };
            bits_in_16(shares(source, target, filter).fold(0.0, largest))
        }
    };
    let taps = shares(source, target, filter).map(|(first, weights)| Taps {
        first,
        weights: weights.into_iter().map(|weight| fixed(weight, bits)).collect(),
    });
    Pass { bits, taps: taps.collect() }
}

/// As many bits after the point as leave the largest weight below 2¹⁵ (`_compute_index_ranges_int16_weights` in
/// PyTorch's `UpSampleKernel.cpp`).
fn bits_in_16(largest: f64) -> u32 {
    let too_many = |bits: &u32| (0.5 + largest * f64::from(1_u32 << (bits + 1))) as i32 >= 1 << 15;
    (0..MOST_BITS).find(too_many).unwrap_or(MOST_BITS)
}

/// For every output pixel the first source pixel that it is made of, and the weights from there on, whose sum is 1.
fn shares(source: u32, target: u32, filter: Filter) -> impl Iterator<Item = (usize, Vec<f64>)> {
    let scale = f64::from(source) / f64::from(target);
    // Shrinking widens the filter, so that every source pixel counts; enlarging leaves it as it is.
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    let shrink = 1.0 / stretch;
    (0..target).map(move |place| {
        let centre = (f64::from(place) + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(source as usize);
        let weights: Vec<f64> =
            (first..end).map(|at| filter.weight((at as f64 - centre + 0.5) * shrink)).collect();
        let sum: f64 = weights.iter().sum();
        let norm = if sum == 0.0 { 1.0 } else { sum };
        (first, weights.iter().map(|weight| weight / norm).collect())
    })
}

/// Rounds half away from zero into fixed point.
fn fixed(weight: f64, bits: u32) -> i32 {
    let scaled = weight * f64::from(1_u32 << bits);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}
