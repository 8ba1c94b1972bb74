//! The ways to make one weight of two, each a pure function of their numbers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How two models become one. The weight `t` is the second's share: 0 gives the first, 1 the second.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum MergeMethod {
    /// The mean, `(1 − t)·A + t·B` (model soups, Wortsman et al. 2022).
    Linear,
    /// Along the arc between them (spherical linear interpolation, Shoemake 1985), weight by weight, each taken as one vector;
    /// straight where they are nearly parallel.
    Slerp,
    /// TIES (Yadav et al. 2023): of each weight, what either adds to the base is trimmed to its largest share, `density`, of one
    /// number at least (the paper trims all weights of a model together); where the two
    /// disagree in sign, the heavier side has its way; what is left is averaged.
    Ties {
        /// The share that is kept of each, above 0 and not above 1.
        density: f64,
    },
    /// DARE (Yu et al. 2024): of what each adds to the base, all but a random share `density` is dropped, and the rest made
    /// larger for it; then both are added with their weights.
    Dare {
        /// The share that is kept of each, above 0 and not above 1.
        density: f64,
        /// Where the drawing begins.
        seed: u64,
    },
}

/// Below this angle's complement the arc is as good as straight, and dividing by its sine isn't safe.
const PARALLEL: f64 = 0.9995;

impl MergeMethod {
    /// Whether it is about what the two add to a model that both come from.
    pub fn needs_base(self) -> bool {
        matches!(self, Self::Ties { .. } | Self::Dare { .. })
    }

    /// One weight of two, all of one length. `index` is its place among the weights: what is random differs from one to the
    /// next.
    pub(super) fn merge(self, a: &[f64], b: &[f64], base: &[f64], t: f64, index: u64) -> Vec<f64> {
        match self {
            Self::Linear => linear(a, b, t),
            Self::Slerp => slerp(a, b, t),
            Self::Ties { density } => {
                let added = |model: &[f64]| trimmed(difference(model, base), density);
                let merged = elected(&added(a), &added(b), t);
                sum(base, &merged)
            }
            Self::Dare { density, seed } => {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream(index);
                let a = dropped(difference(a, base), density, &mut random);
                let b = dropped(difference(b, base), density, &mut random);
                sum(base, &linear(&a, &b, t))
            }
        }
    }
}

fn linear(a: &[f64], b: &[f64], t: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| (1.0 - t) * a + t * b).collect()
}

fn slerp(a: &[f64], b: &[f64], t: f64) -> Vec<f64> {
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    let cosine = if lengths > 0.0 { (dot(a, b) / lengths).clamp(-1.0, 1.0) } else { 1.0 };
    if cosine.abs() > PARALLEL {
        return linear(a, b, t);
    }
    let angle = cosine.acos();
    let (of_a, of_b) = (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin());
    a.iter().zip(b).map(|(a, b)| of_a * a + of_b * b).collect()
}

fn difference(model: &[f64], base: &[f64]) -> Vec<f64> {
    model.iter().zip(base).map(|(model, base)| model - base).collect()
}

fn sum(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

/// Leaves the largest share; of equals at the edge the first.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a count is a count"
)]
fn trimmed(mut added: Vec<f64>, density: f64) -> Vec<f64> {
    let kept = ((added.len() as f64 * density).round() as usize).clamp(1, added.len().max(1));
    if kept >= added.len() {
        return added;
    }
    let mut order: Vec<usize> = (0..added.len()).collect();
    order.sort_by(|one, other| added[*other].abs().total_cmp(&added[*one].abs()));
    for index in &order[kept..] {
        added[*index] = 0.0;
    }
    added
}

/// The weighted mean of those that have the sign of the heavier side; of a tie nothing.
fn elected(a: &[f64], b: &[f64], t: f64) -> Vec<f64> {
    let one = |(a, b): (&f64, &f64)| {
        let heavier = (1.0 - t) * a + t * b;
        if heavier == 0.0 {
            return 0.0;
        }
        let mut mean = (0.0, 0.0);
        for (added, weight) in [(*a, 1.0 - t), (*b, t)] {
            if added != 0.0 && (added > 0.0) == (heavier > 0.0) {
                mean = (mean.0 + weight * added, mean.1 + weight);
            }
        }
        if mean.1 > 0.0 { mean.0 / mean.1 } else { 0.0 }
    };
    a.iter().zip(b).map(one).collect()
}

fn dropped(added: Vec<f64>, density: f64, random: &mut ChaCha8Rng) -> Vec<f64> {
    let keep = |added: f64| if random.random::<f64>() < density { added / density } else { 0.0 };
    added.into_iter().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: MergeMethod, t: f64, a: &[f64], b: &[f64], base: &[f64], expected: &[f64]) {
        let found = method.merge(a, b, base, t, 0);
        let is_near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12);
        assert!(is_near && found.len() == expected.len(), "{method:?} {t}: {found:?}, not {expected:?}");
    }

    #[test]
    fn each_method_is_what_its_paper_says() {
        use MergeMethod::{Linear, Slerp, Ties};
        let half = 0.5f64.sqrt();
        check(Linear, 0.25, &[4.0, -8.0], &[8.0, 0.0], &[], &[5.0, -6.0]);
        check(Slerp, 0.5, &[1.0, 0.0], &[0.0, 1.0], &[], &[half, half]);
        check(Slerp, 0.0, &[1.0, 2.0], &[-2.0, 1.0], &[], &[1.0, 2.0]);
        check(Slerp, 1.0, &[1.0, 2.0], &[-2.0, 1.0], &[], &[-2.0, 1.0]);
        check(Slerp, 0.5, &[1.0, 1.0], &[3.0, 3.0], &[], &[2.0, 2.0]);
        check(Slerp, 0.5, &[0.0, 0.0], &[2.0, 0.0], &[], &[1.0, 0.0]);
        // What each adds to 1: [3, -2, .1] and [1, 4, -.2]. Trimmed to two thirds the last goes from both.
        let ties = Ties { density: 2.0 / 3.0 };
        check(ties, 0.5, &[4.0, -1.0, 1.1], &[2.0, 5.0, 0.8], &[1.0; 3], &[3.0, 5.0, 1.0]);
        // With the second at a tenth its 4 weighs less than the first's -2.
        check(ties, 0.1, &[4.0, -1.0, 1.1], &[2.0, 5.0, 0.8], &[1.0; 3], &[3.8, -1.0, 1.0]);
        check(Ties { density: 1.0 }, 0.5, &[2.0], &[-2.0], &[0.0], &[0.0]);
        check(Ties { density: 0.2 }, 0.5, &[2.0], &[4.0], &[0.0], &[3.0]);
    }

    #[test]
    fn dare_drops_a_share_keeps_the_mean_and_draws_the_same_again() {
        let (a, b, base) = (vec![2.0; 20_000], vec![4.0; 20_000], vec![1.0; 20_000]);
        let method = MergeMethod::Dare { density: 0.25, seed: 7 };
        let merged = method.merge(&a, &b, &base, 0.5, 3);
        assert_eq!(merged, method.merge(&a, &b, &base, 0.5, 3));
        assert_ne!(merged, method.merge(&a, &b, &base, 0.5, 4));
        let mean = merged.iter().sum::<f64>() / merged.len() as f64;
        assert!((mean - 3.0).abs() < 0.1, "{mean}");
        // Both dropped: three quarters of three quarters.
        let untouched =
            merged.iter().filter(|value| (**value - 1.0).abs() < 1e-12).count() as f64 / merged.len() as f64;
        assert!((untouched - 0.5625).abs() < 0.02, "{untouched}");
        let all = MergeMethod::Dare { density: 1.0, seed: 7 }.merge(&a, &b, &base, 0.5, 0);
        assert!(all.iter().all(|value| (*value - 3.0).abs() < 1e-12));
    }
}
