//! The sums of a row as plain loops, for any machine.

use crate::processor::filter::{Pass, Taps};

/// One row of the horizontal pass.
pub(super) fn across(pass: &Pass, source: &[u8], target: &mut [u8]) {
    for (Taps { first, weights }, pixel) in pass.taps.iter().zip(target.chunks_exact_mut(3)) {
        let mut sums = [pass.half(); 3];
        for (weight, source) in weights.iter().zip(source[3 * first..].chunks_exact(3)) {
            for (sum, value) in sums.iter_mut().zip(source) {
                *sum += weight * i32::from(*value);
            }
        }
        for (value, sum) in pixel.iter_mut().zip(sums) {
            *value = byte(sum, pass.bits);
        }
    }
}

/// Columns that are summed at once, so that the sums stay in registers or near them.
const COLUMNS: usize = 256;

/// The row `place` of the vertical pass, of `rows` as long as it, the first of which is the first that it is made of.
pub(super) fn down(pass: &Pass, place: usize, rows: &[u8], target: &mut [u8]) {
    let (stride, weights) = (target.len(), &pass.taps[place].weights);
    for (part, target) in target.chunks_mut(COLUMNS).enumerate() {
        let mut sums = [pass.half(); COLUMNS];
        for (weight, row) in weights.iter().zip(rows.chunks_exact(stride)) {
            for (sum, value) in sums.iter_mut().zip(&row[part * COLUMNS..][..target.len()]) {
                *sum += weight * i32::from(*value);
            }
        }
        for (value, sum) in target.iter_mut().zip(sums) {
            *value = byte(sum, pass.bits);
        }
    }
}

/// The byte that a sum in fixed point stands for; the half that rounds it is already in the sum.
fn byte(sum: i32, bits: u32) -> u8 {
    (sum >> bits).clamp(0, 255) as u8
}
