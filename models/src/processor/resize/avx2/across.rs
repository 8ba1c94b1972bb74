//! The horizontal pass: four source pixels of a row at a time, in several rows with the same weights.

use std::{
    arch::x86_64::{__m128i, __m256i},
    array::from_fn,
};

use pulp::x86::V3;

use super::{super::passes::ROWS, LOW, is_wide, load, parts};
use crate::processor::filter::Pass;

/// Output pixels that are made and stored together.
const PIXELS: usize = 4;
/// Source pixels that are weighed at once.
const BLOCK: usize = 4;

const NONE: u8 = 0x80;
/// Of four pixels, each channel of the first two side by side in the lower half and of the other two in the upper,
/// widened to 16 bits.
const PAIRS: [u8; 32] = [
    0, NONE, 3, NONE, 1, NONE, 4, NONE, 2, NONE, 5, NONE, NONE, NONE, NONE, NONE, //
    6, NONE, 9, NONE, 7, NONE, 10, NONE, 8, NONE, 11, NONE, NONE, NONE, NONE, NONE,
];
/// Of four weights, the first two for every channel in the lower half and the other two in the upper.
const SPREAD: [u8; 32] =
    [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7];
/// Four pixels of four bytes without the fourth.
const DENSE: [u8; 16] = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, NONE, NONE, NONE, NONE];

/// The pass over rows of one length.
pub(in super::super) struct Across {
    simd: V3,
    bits: u32,
    half: i32,
    /// Blocks of weights of every output pixel; those that it doesn't need are zeros.
    blocks: usize,
    /// The first source pixel of every output pixel, and of as many more as fill a group.
    firsts: Vec<usize>,
    low: Vec<[i16; BLOCK]>,
    /// Empty where weights aren't wide.
    high: Vec<[i16; BLOCK]>,
    /// Bytes of a source row and of an output row.
    strides: [usize; 2],
    /// Source rows with zeros behind them, so that a last block may reach beyond its row.
    padded: [Vec<u8>; ROWS],
}

impl Across {
    /// `None` where the processor lacks AVX2.
    pub(in super::super) fn new(pass: &Pass, source: usize) -> Option<Self> {
        let simd = V3::try_new()?;
        let (wide, blocks) = (is_wide(pass), pass.most().div_ceil(BLOCK));
        let groups = pass.taps.len().div_ceil(PIXELS);
        let mut firsts: Vec<usize> = pass.taps.iter().map(|taps| taps.first).collect();
        firsts.resize(groups * PIXELS, 0);
        let mut both = [Vec::new(), Vec::new()];
        for taps in &pass.taps {
            for block in 0..blocks {
                let weights: [[i16; 2]; BLOCK] = from_fn(|place| {
                    parts(taps.weights.get(block * BLOCK + place).copied().unwrap_or(0), wide)
                });
                for (part, all) in both.iter_mut().enumerate().take(1 + usize::from(wide)) {
                    all.push(weights.map(|weight| weight[part]));
                }
            }
        }
        let [mut low, mut high] = both;
        low.resize(firsts.len() * blocks, [0; BLOCK]);
        if wide {
            high.resize(firsts.len() * blocks, [0; BLOCK]);
        }
        let padded = from_fn(|_| vec![0; 3 * (source + BLOCK * blocks) + 16]);
        let strides = [3 * source, 3 * pass.taps.len()];
        Some(Self { simd, bits: pass.bits, half: pass.half(), blocks, firsts, low, high, strides, padded })
    }

    /// Makes at most [`ROWS`] whole rows.
    pub(in super::super) fn rows(&mut self, source: &[u8], target: &mut [u8]) {
        for (padded, row) in self.padded.iter_mut().zip(source.chunks_exact(self.strides[0])) {
            padded[..row.len()].copy_from_slice(row);
        }
        let (this, stride) = (&*self, self.strides[1]);
        if target.len() == ROWS * stride {
            let padded = from_fn(|row| this.padded[row].as_slice());
            this.run::<ROWS>(padded, target);
        } else {
            for (padded, target) in this.padded.iter().zip(target.chunks_exact_mut(stride)) {
                this.run([padded], target);
            }
        }
    }

    fn run<const R: usize>(&self, rows: [&[u8]; R], target: &mut [u8]) {
        if self.high.is_empty() {
            self.simd.vectorize(
                #[inline(always)]
                || self.sum::<R, false>(rows, target),
            );
        } else {
            self.simd.vectorize(
                #[inline(always)]
                || self.sum::<R, true>(rows, target),
            );
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
    fn sum<const R: usize, const WIDE: bool>(&self, rows: [&[u8]; R], target: &mut [u8]) {
        let V3 { sse2, ssse3, .. } = self.simd;
        let (half, bits) = (sse2._mm_set1_epi32(self.half), sse2._mm_cvtsi32_si128(self.bits as i32));
        let dense: __m128i = pulp::cast(DENSE);
        let mut targets = target.chunks_exact_mut(self.strides[1]);
        let mut targets: [&mut [u8]; R] = from_fn(|_| targets.next().unwrap_or_default());
        for (group, firsts) in self.firsts.chunks_exact(PIXELS).enumerate() {
            let mut sums = [[half; PIXELS]; R];
            for (pixel, first) in firsts.iter().enumerate() {
                let weighed = self.pixel::<R, WIDE>(group * PIXELS + pixel, *first, rows);
                for (sums, sum) in sums.iter_mut().zip(weighed) {
                    sums[pixel] = sse2._mm_sra_epi32(sse2._mm_add_epi32(sums[pixel], sum), bits);
                }
            }
            for ([a, b, c, d], target) in sums.into_iter().zip(&mut targets) {
                // Packing to narrower numbers is what brings the sums between 0 and 255.
                let bytes = sse2._mm_packus_epi16(sse2._mm_packs_epi32(a, b), sse2._mm_packs_epi32(c, d));
                let bytes: [u8; 16] = pulp::cast(ssse3._mm_shuffle_epi8(bytes, dense));
                let target = &mut target[3 * PIXELS * group..];
                match target.first_chunk_mut::<{ 3 * PIXELS }>() {
                    Some(target) => target.copy_from_slice(&bytes[..3 * PIXELS]),
                    None => target.copy_from_slice(&bytes[..target.len()]),
                }
            }
        }
    }

    /// The sums of one output pixel's channels in each row.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
    fn pixel<const R: usize, const WIDE: bool>(
        &self,
        place: usize,
        first: usize,
        rows: [&[u8]; R],
    ) -> [__m128i; R] {
        let V3 { sse2, avx, avx2, .. } = self.simd;
        let (pairs, spread): (__m256i, __m256i) = (pulp::cast(PAIRS), pulp::cast(SPREAD));
        let spread = |weights: [i16; BLOCK]| {
            avx2._mm256_shuffle_epi8(avx._mm256_set1_epi64x(pulp::cast(weights)), spread)
        };
        let (mut lows, mut highs) = ([avx._mm256_setzero_si256(); R], [avx._mm256_setzero_si256(); R]);
        let weights = place * self.blocks..(place + 1) * self.blocks;
        let low = &self.low[weights.clone()];
        let high = if WIDE { &self.high[weights] } else { low };
        for (block, (low, high)) in low.iter().zip(high).enumerate() {
            let low = spread(*low);
            let high = if WIDE { spread(*high) } else { low };
            for row in 0..R {
                let pixels: __m128i = pulp::cast(load::<16>(rows[row], 3 * (first + BLOCK * block)));
                let pixels = avx2._mm256_shuffle_epi8(avx2._mm256_broadcastsi128_si256(pixels), pairs);
                lows[row] = avx2._mm256_add_epi32(lows[row], avx2._mm256_madd_epi16(pixels, low));
                if WIDE {
                    highs[row] = avx2._mm256_add_epi32(highs[row], avx2._mm256_madd_epi16(pixels, high));
                }
            }
        }
        from_fn(|row| {
            let mut sum = lows[row];
            if WIDE {
                sum = avx2._mm256_add_epi32(sum, avx2._mm256_slli_epi32::<LOW>(highs[row]));
            }
            let upper = avx2._mm256_extracti128_si256::<1>(sum);
            sse2._mm_add_epi32(avx._mm256_castsi256_si128(sum), upper)
        })
    }
}
