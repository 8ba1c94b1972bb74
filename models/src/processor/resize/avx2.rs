//! The sums with AVX2: sixteen products of 16 bits at a time, added in pairs (`vpmaddwd`).
//!
//! torchvision's weights have 16 bits. Pillow's have more, and are taken as two numbers,
//! `high · 2¹⁵ + low`, whose sums are put together at the end; as integers wrap, nothing is lost on the way.
//! The instructions are called through `pulp`, whose token proves that the processor has them.

mod across;
mod down;

pub(super) use across::Across;
pub(super) use down::Down;

use crate::processor::filter::Pass;

/// Bits of a weight's lower part.
const LOW: i32 = 15;

/// Whether a weight of the pass needs more than 16 bits.
fn is_wide(pass: &Pass) -> bool {
    let all = pass.taps.iter().flat_map(|taps| &taps.weights);
    all.into_iter().any(|weight| i16::try_from(*weight).is_err())
}

/// Two weights as a multiplication takes them: their lower parts in one number, their upper ones in the other. Those of
/// weights that aren't wide are themselves and nothing; one that is missing is 0.
fn pair(weights: [Option<&i32>; 2], wide: bool) -> [i32; 2] {
    let [one, other] = weights.map(|weight| parts(weight.copied().unwrap_or(0), wide));
    [0, 1].map(|part| pulp::cast([one[part], other[part]]))
}

fn parts(weight: i32, wide: bool) -> [i16; 2] {
    if wide { [(weight & ((1 << LOW) - 1)) as i16, (weight >> LOW) as i16] } else { [weight as i16, 0] }
}

/// `N` bytes from a place on. Callers keep within their slices; past the end there are zeros.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for AVX2")]
fn load<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk::<N>).copied().unwrap_or([0; N])
}
