//! The horizontal pass: two source pixels of eight rows for every three multiplications.
//!
//! A source pixel counts for as many output pixels as the filter is wide, so that each row is first brought into the
//! order in which it is multiplied, once for all of them. Two rows share a register, one in each half: no sum has to be
//! put together from halves, and two sums are scaled, rounded and packed at once. A pixel has three channels and a half
//! has room for four: every fourth row lies in the room that the three before it leave, a channel in each.

use std::{
    arch::x86_64::{__m128i, __m256i},
    array::from_fn,
    slice::ChunksExactMut,
};

use pulp::x86::V3;

use super::{super::passes::ROWS, LOW, is_wide, pair};
use crate::processor::filter::Pass;

/// Output pixels that are made and stored together.
const PIXELS: usize = 4;
/// Registers that two pixels of [`ROWS`] rows take. Each half has a row's channels and one of a fourth row.
const REGISTERS: usize = 3;
const _: () = assert!(ROWS == 2 * (REGISTERS + 1));

const NONE: u8 = 0x80;
/// The channels of four pixels of a fourth row, each behind the twelve bytes that another row's pixels take.
const FOURTH: [[u8; 32]; REGISTERS] = [
    twice([NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, 0, 3, 6, 9]),
    twice([NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, 1, 4, 7, 10]),
    twice([NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, 2, 5, 8, 11]),
];
/// Each channel of the first two pixels side by side, and of the other two, widened to 16 bits; then the same of the
/// fourth row's channel.
const PAIRS: [[u8; 32]; 2] = [
    twice([0, NONE, 3, NONE, 1, NONE, 4, NONE, 2, NONE, 5, NONE, 12, NONE, 13, NONE]),
    twice([6, NONE, 9, NONE, 7, NONE, 10, NONE, 8, NONE, 11, NONE, 14, NONE, 15, NONE]),
];
/// Four pixels of four bytes without the fourth.
const DENSE: [u8; 32] = twice([0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE, NONE, NONE, NONE]);
/// The fourth bytes, which are a channel of the fourth row, where they lie among its others.
const APART: [[u8; 32]; REGISTERS] = [
    twice([3, NONE, NONE, 7, NONE, NONE, 11, NONE, NONE, 15, NONE, NONE, NONE, NONE, NONE, NONE]),
    twice([NONE, 3, NONE, NONE, 7, NONE, NONE, 11, NONE, NONE, 15, NONE, NONE, NONE, NONE, NONE]),
    twice([NONE, NONE, 3, NONE, NONE, 7, NONE, NONE, 11, NONE, NONE, 15, NONE, NONE, NONE, NONE]),
];

/// The same for both halves of a register, which shuffles keep apart.
const fn twice(half: [u8; 16]) -> [u8; 32] {
    let mut both = [0; 32];
    let (first, second) = both.split_at_mut(16);
    first.copy_from_slice(&half);
    second.copy_from_slice(&half);
    both
}

/// Two neighbouring pixels of [`ROWS`] rows, as the multiplications take them.
type Pair = [[i16; 16]; REGISTERS];
/// Rows to be made; empty where there is none.
type Targets<'a> = [&'a mut [u8]; ROWS];

/// The pass over rows of one length.
pub(in super::super) struct Across {
    simd: V3,
    bits: u32,
    half: i32,
    wide: bool,
    /// Pairs of source pixels, the first of a pair in an even place, that every output pixel is made of; those that it
    /// doesn't need have no weight.
    pairs: usize,
    /// The first pair of every output pixel, and of as many more as fill a group.
    firsts: Vec<usize>,
    /// Of every pair of every output pixel, the lower and the upper parts of its weights, two weights a number.
    weights: Vec<[i32; 2]>,
    /// Bytes of a source row and of an output row.
    strides: [usize; 2],
    /// Pairs of source rows, with zeros behind them, so that a last output pixel may reach beyond its rows.
    rows: Vec<Pair>,
}

impl Across {
    /// `None` where the processor lacks AVX2.
    pub(in super::super) fn new(pass: &Pass, source: usize) -> Option<Self> {
        let simd = V3::try_new()?;
        let wide = is_wide(pass);
        let pairs = pass.taps.iter().map(|taps| (taps.first % 2 + taps.weights.len()).div_ceil(2));
        let pairs = pairs.max().unwrap_or(0);
        let mut firsts: Vec<usize> = pass.taps.iter().map(|taps| taps.first / 2).collect();
        firsts.resize(firsts.len().next_multiple_of(PIXELS), 0);
        let mut weights = Vec::with_capacity(firsts.len() * pairs);
        for taps in &pass.taps {
            // Behind a pair's even place, where the filter begins with the odd one.
            let weight = |place: usize| place.checked_sub(taps.first % 2).and_then(|at| taps.weights.get(at));
            weights.extend((0..pairs).map(|at| pair([weight(2 * at), weight(2 * at + 1)], wide)));
        }
        weights.resize(firsts.len() * pairs, [0; 2]);
        let rows = vec![[[0; 16]; REGISTERS]; 2 * source.div_ceil(4) + pairs];
        let strides = [3 * source, 3 * pass.taps.len()];
        Some(Self { simd, bits: pass.bits, half: pass.half(), wide, pairs, firsts, weights, strides, rows })
    }

    /// Makes at most [`ROWS`] whole rows.
    pub(in super::super) fn rows(&mut self, source: &[u8], target: &mut [u8]) {
        let (simd, [source_stride, stride]) = (self.simd, self.strides);
        // In place of those that there aren't, the first is summed again and stored nowhere.
        let mut rows = source.chunks_exact(source_stride);
        let rows: [&[u8]; ROWS] = from_fn(|_| rows.next().unwrap_or(&source[..source_stride]));
        let mut targets = target.chunks_exact_mut(stride);
        let targets: Targets<'_> = from_fn(|_| targets.next().unwrap_or_default());
        let blocks = self.rows.chunks_exact_mut(2);
        // What is handed to a closure is moved into it, or another function stands between it and its caller, which the
        // compiler may leave alone.
        simd.vectorize(
            #[inline(always)]
            || order(simd, rows, blocks),
        );
        if self.wide {
            simd.vectorize(
                #[inline(always)]
                || self.sum::<true>(targets),
            );
        } else {
            simd.vectorize(
                #[inline(always)]
                || self.sum::<false>(targets),
            );
        }
    }

    /// Sums every output pixel of the rows that are in order.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
    fn sum<const WIDE: bool>(&self, mut targets: Targets<'_>) {
        let V3 { sse2, avx, avx2, .. } = self.simd;
        let (bits, dense) = (sse2._mm_cvtsi32_si128(self.bits as i32), pulp::cast(DENSE));
        let apart: [__m256i; REGISTERS] = APART.map(pulp::cast);
        for (group, firsts) in self.firsts.chunks_exact(PIXELS).enumerate() {
            let mut sums = [[avx._mm256_setzero_si256(); PIXELS]; REGISTERS];
            for (pixel, first) in firsts.iter().enumerate() {
                let weighed = self.pixel::<WIDE>(group * PIXELS + pixel, *first);
                for (sums, sum) in sums.iter_mut().zip(weighed) {
                    sums[pixel] = avx2._mm256_sra_epi32(sum, bits);
                }
            }
            // Packing to narrower numbers is what brings the sums between 0 and 255.
            let bytes = sums.map(|[a, b, c, d]| {
                avx2._mm256_packus_epi16(avx2._mm256_packs_epi32(a, b), avx2._mm256_packs_epi32(c, d))
            });
            let [first, second, third] = bytes.map(|bytes| avx2._mm256_shuffle_epi8(bytes, dense));
            let [red, green, blue] =
                from_fn(|channel| avx2._mm256_shuffle_epi8(bytes[channel], apart[channel]));
            let fourth = avx2._mm256_or_si256(avx2._mm256_or_si256(red, green), blue);
            for (row, pixels) in [first, second, third, fourth].into_iter().enumerate() {
                let halves: [[u8; 16]; 2] = pulp::cast(pixels);
                for (half, pixels) in halves.iter().enumerate() {
                    let target = &mut targets[row + half * (ROWS / 2)];
                    store(pixels, target.get_mut(3 * PIXELS * group..).unwrap_or_default());
                }
            }
        }
    }

    /// The sums of one output pixel's channels, in every row.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
    fn pixel<const WIDE: bool>(&self, place: usize, first: usize) -> [__m256i; REGISTERS] {
        let V3 { avx, avx2, .. } = self.simd;
        let weights = &self.weights[place * self.pairs..][..self.pairs];
        let rows = &self.rows[first..][..weights.len()];
        let (mut lows, mut highs) =
            ([avx._mm256_set1_epi32(self.half); REGISTERS], [avx._mm256_setzero_si256(); REGISTERS]);
        for ([low, high], pixels) in weights.iter().zip(rows) {
            let (low, high) = (avx._mm256_set1_epi32(*low), avx._mm256_set1_epi32(*high));
            for register in 0..REGISTERS {
                let pixels: __m256i = pulp::cast(pixels[register]);
                lows[register] = avx2._mm256_add_epi32(lows[register], avx2._mm256_madd_epi16(pixels, low));
                if WIDE {
                    highs[register] =
                        avx2._mm256_add_epi32(highs[register], avx2._mm256_madd_epi16(pixels, high));
                }
            }
        }
        if !WIDE {
            return lows;
        }
        from_fn(|register| {
            avx2._mm256_add_epi32(lows[register], avx2._mm256_slli_epi32::<LOW>(highs[register]))
        })
    }
}

/// Brings rows into pairs of pixels.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
fn order(simd: V3, rows: [&[u8]; ROWS], blocks: ChunksExactMut<'_, Pair>) {
    let avx2 = simd.avx2;
    let fourth: [__m256i; REGISTERS] = FOURTH.map(pulp::cast);
    let pairs: [__m256i; 2] = PAIRS.map(pulp::cast);
    for (block, ordered) in blocks.take(rows[0].len().div_ceil(12)).enumerate() {
        let last = double(simd, [rows[REGISTERS], rows[REGISTERS + ROWS / 2]], 12 * block);
        for register in 0..REGISTERS {
            let added = avx2._mm256_shuffle_epi8(last, fourth[register]);
            let pixels = avx2._mm256_blend_epi32::<0b1000_1000>(
                double(simd, [rows[register], rows[register + ROWS / 2]], 12 * block),
                added,
            );
            for (pair, ordered) in pairs.into_iter().zip(ordered.iter_mut()) {
                ordered[register] = pulp::cast(avx2._mm256_shuffle_epi8(pixels, pair));
            }
        }
    }
}

/// Four pixels of two rows from a byte on.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
fn double(simd: V3, rows: [&[u8]; 2], at: usize) -> __m256i {
    let (one, other) = (four(rows[0], at), four(rows[1], at));
    simd.avx2._mm256_inserti128_si256::<1>(simd.avx._mm256_castsi128_si256(one), other)
}

/// Four pixels of a row from a byte on, and four bytes more; past its end there are zeros. They are given in a register:
/// what is put together in memory can't be read from there at once.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
fn four(row: &[u8], at: usize) -> __m128i {
    match row.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        Some(bytes) => pulp::cast(*bytes),
        None => last(row, at),
    }
}

/// The bytes of a row from one on.
#[cold]
fn last(row: &[u8], at: usize) -> __m128i {
    pulp::cast(from_fn::<u8, 16, _>(|place| row.get(at + place).copied().unwrap_or(0)))
}

/// Stores four pixels, or as many as there is room for. Behind them, the next four's place may be written to.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
fn store(pixels: &[u8; 16], target: &mut [u8]) {
    if let Some(target) = target.first_chunk_mut() {
        *target = *pixels;
    } else {
        let room = target.len().min(3 * PIXELS);
        target[..room].copy_from_slice(&pixels[..room]);
    }
}
