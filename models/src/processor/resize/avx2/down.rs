//! The vertical pass: thirty-two columns at a time, two rows for each multiplication.

use std::arch::x86_64::__m256i;

use pulp::x86::V3;

use super::{LOW, is_wide, load, pair};
use crate::processor::filter::Pass;

/// Bytes of a row that are summed at once.
const COLUMNS: usize = 32;

/// The pass over rows of one length.
pub(in super::super) struct Down {
    simd: V3,
    bits: u32,
    half: i32,
    wide: bool,
    /// Of every output row, how many rows it is made of, and the lower and the upper parts of their weights, two weights
    /// a number.
    taps: Vec<(usize, Vec<[i32; 2]>)>,
}

impl Down {
    /// `None` where the processor lacks AVX2 or rows are too short for it.
    pub(in super::super) fn new(pass: &Pass, stride: usize) -> Option<Self> {
        let simd = V3::try_new().filter(|_| stride >= COLUMNS)?;
        let wide = is_wide(pass);
        let taps = pass.taps.iter().map(|taps| {
            let weights = &taps.weights;
            (weights.len(), weights.chunks(2).map(|two| pair([two.first(), two.get(1)], wide)).collect())
        });
        Some(Self { simd, bits: pass.bits, half: pass.half(), wide, taps: taps.collect() })
    }

    /// Makes the row `place` of `rows` as long as it, the first of which is the first that it is made of.
    pub(in super::super) fn row(&self, place: usize, rows: &[u8], target: &mut [u8]) {
        let (count, pairs) = &self.taps[place];
        let rows = &rows[..count * target.len()];
        if self.wide {
            self.simd.vectorize(
                #[inline(always)]
                || self.sum::<true>(pairs, rows, target),
            );
        } else {
            self.simd.vectorize(
                #[inline(always)]
                || self.sum::<false>(pairs, rows, target),
            );
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
    fn sum<const WIDE: bool>(&self, pairs: &[[i32; 2]], rows: &[u8], target: &mut [u8]) {
        // The last columns are summed twice where the length isn't a multiple.
        let last = target.len() - COLUMNS;
        for column in (0..last).step_by(COLUMNS).chain([last]) {
            let bytes = self.columns::<WIDE>(pairs, rows, target.len(), column);
            if let Some(target) = target[column..].first_chunk_mut() {
                *target = bytes;
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
    fn columns<const WIDE: bool>(
        &self,
        pairs: &[[i32; 2]],
        rows: &[u8],
        stride: usize,
        column: usize,
    ) -> [u8; COLUMNS] {
        let V3 { sse2, avx, avx2, .. } = self.simd;
        let zero = avx._mm256_setzero_si256();
        let (mut lows, mut highs) = ([avx._mm256_set1_epi32(self.half); 4], [zero; 4]);
        for (pair, [low, high]) in pairs.iter().enumerate() {
            let at = 2 * pair * stride + column;
            // Behind the last row there is none; its weight is 0.
            let [one, other]: [__m256i; 2] =
                [at, at + stride].map(|at| pulp::cast(load::<COLUMNS>(rows, at)));
            let halves = [avx2._mm256_unpacklo_epi8(one, other), avx2._mm256_unpackhi_epi8(one, other)];
            let quarters = [
                avx2._mm256_unpacklo_epi8(halves[0], zero),
                avx2._mm256_unpackhi_epi8(halves[0], zero),
                avx2._mm256_unpacklo_epi8(halves[1], zero),
                avx2._mm256_unpackhi_epi8(halves[1], zero),
            ];
            let (low, high) = (avx._mm256_set1_epi32(*low), avx._mm256_set1_epi32(*high));
            for (place, quarter) in quarters.into_iter().enumerate() {
                lows[place] = avx2._mm256_add_epi32(lows[place], avx2._mm256_madd_epi16(quarter, low));
                if WIDE {
                    highs[place] = avx2._mm256_add_epi32(highs[place], avx2._mm256_madd_epi16(quarter, high));
                }
            }
        }
        let bits = sse2._mm_cvtsi32_si128(self.bits as i32);
        for (low, high) in lows.iter_mut().zip(highs) {
            if WIDE {
                *low = avx2._mm256_add_epi32(*low, avx2._mm256_slli_epi32::<LOW>(high));
            }
            *low = avx2._mm256_sra_epi32(*low, bits);
        }
        // Packing to narrower numbers is what brings the sums between 0 and 255, and puts the columns in order again.
        let [a, b, c, d] = lows;
        pulp::cast(avx2._mm256_packus_epi16(avx2._mm256_packs_epi32(a, b), avx2._mm256_packs_epi32(c, d)))
    }
}
