//! The ways to make one weight of two, each a pure function of their numbers, of which it sees a piece at a time.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::largest::Largest;

/// How two models become one. The weight `t` is the second's share: 0 gives the first and 1 the second, but for what TIES and
/// DARE drop of it at a density below 1.
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

    /// Whether it leaves a number alone that is the same in all models.
    pub(super) fn keeps_equals(self) -> bool {
        self != Self::Slerp
    }

    /// Begins with a weight of so many numbers, the second's share being `t`. `pieces` gives all of them, from the first on,
    /// as often as it is called. What is random differs from one `stream` to the next.
    pub(super) fn begin<E>(
        self,
        t: f64,
        count: u64,
        stream: u64,
        pieces: impl Fn(&mut dyn FnMut(&Piece)) -> Result<(), E>,
    ) -> Result<Merging, E> {
        Ok(match self {
            Self::Linear => Merging::Shares([1.0 - t, t]),
            Self::Slerp => {
                let (mut of_a, mut of_b, mut of_both) = (0.0, 0.0, 0.0);
                pieces(&mut |piece| {
                    for (a, b) in piece.a.iter().zip(&piece.b) {
                        of_a += a * a;
                        of_b += b * b;
                        of_both += a * b;
                    }
                })?;
                Merging::Shares(on_the_arc(of_a * of_b, of_both, t))
            }
            Self::Ties { density } => {
                let kept = share(count, density);
                let mut edges = [Largest::of(kept, count), Largest::of(kept, count)];
                while edges.iter().any(Largest::is_sought) {
                    pieces(&mut |piece| {
                        for (edge, model) in edges.iter_mut().zip([&piece.a, &piece.b]) {
                            model.iter().zip(&piece.base).for_each(|(own, base)| edge.see(own - base));
                        }
                    })?;
                    edges.iter_mut().for_each(Largest::narrow);
                }
                Merging::Elected { edges, t }
            }
            Self::Dare { density, seed } => {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream(stream);
                Merging::Drawn { random: random.into(), count, density, t }
            }
        })
    }
}

/// Numbers from one place of a weight, in each of the models; the base's only where there is one.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) a: Vec<f64>,
    pub(super) b: Vec<f64>,
    pub(super) base: Vec<f64>,
}

/// A weight on its way: what is known of all of it.
pub(super) enum Merging {
    /// So much of the first, so much of the second.
    Shares([f64; 2]),
    /// The largest of what each adds, where their signs agree.
    Elected { edges: [Largest; 2], t: f64 },
    /// Each number of what the first adds takes two words of what is drawn, and after these each of the second's.
    Drawn { random: Box<ChaCha8Rng>, count: u64, density: f64, t: f64 },
}

impl Merging {
    /// The next piece, whose first number is the weight's number `start`; pieces may be left out that are the same in all.
    pub(super) fn merge(&mut self, piece: &Piece, start: u64) -> Vec<f64> {
        let Piece { a, b, base } = piece;
        match self {
            Self::Shares(shares) => mixed(a, b, *shares),
            Self::Elected { edges, t } => {
                let [of_a, of_b] = edges;
                let kept = |edge: &mut Largest, added: f64| if edge.keeps(added) { added } else { 0.0 };
                let a: Vec<_> = difference(a, base).into_iter().map(|added| kept(of_a, added)).collect();
                let b: Vec<_> = difference(b, base).into_iter().map(|added| kept(of_b, added)).collect();
                sum(base, &elected(&a, &b, *t))
            }
            Self::Drawn { random, count, density, t } => {
                let mut dropped = |model: &[f64], first: u64| {
                    random.set_word_pos(2 * u128::from(first));
                    let keep =
                        |added: f64| if random.random::<f64>() < *density { added / *density } else { 0.0 };
                    difference(model, base).into_iter().map(keep).collect::<Vec<_>>()
                };
                let (a, b) = (dropped(a, start), dropped(b, *count + start));
                sum(base, &mixed(&a, &b, [1.0 - *t, *t]))
            }
        }
    }
}

fn mixed(a: &[f64], b: &[f64], [of_a, of_b]: [f64; 2]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| of_a * a + of_b * b).collect()
}

/// How much of each there is on the arc between two vectors, from the product of their squared lengths and their dot product.
fn on_the_arc(lengths: f64, dot: f64, t: f64) -> [f64; 2] {
    let cosine = if lengths > 0.0 { (dot / lengths.sqrt()).clamp(-1.0, 1.0) } else { 1.0 };
    if cosine.abs() > PARALLEL {
        return [1.0 - t, t];
    }
    let angle = cosine.acos();
    [((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()]
}

fn difference(model: &[f64], base: &[f64]) -> Vec<f64> {
    model.iter().zip(base).map(|(model, base)| model - base).collect()
}

fn sum(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

/// How many of so many are a share of them: one at least.
fn share(count: u64, density: f64) -> u64 {
    ((count as f64 * density).round() as u64).clamp(1, count.max(1))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A weight that is seen in pieces of so many numbers.
    fn made(method: MergeMethod, t: f64, models: [&[f64]; 3], stream: u64, most: usize) -> Vec<f64> {
        let count = models[0].len();
        let piece = |start: usize| {
            let [a, b, base] = models.map(|model| {
                let part = start.min(model.len())..(start + most).min(model.len());
                model[part].to_vec()
            });
            Piece { a, b, base }
        };
        let pieces = |see: &mut dyn FnMut(&Piece)| {
            (0..count).step_by(most).for_each(|start| see(&piece(start)));
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(mut merging) = method.begin(t, count as u64, stream, pieces);
        (0..count).step_by(most).flat_map(|start| merging.merge(&piece(start), start as u64)).collect()
    }

    fn check(method: MergeMethod, t: f64, a: &[f64], b: &[f64], base: &[f64], expected: &[f64]) {
        for most in [1, 2, 3, 8] {
            let found = made(method, t, [a, b, base], 0, most);
            let is_near =
                found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12);
            assert!(is_near && found.len() == expected.len(), "{method:?} {t}: {found:?}, not {expected:?}");
        }
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
        let drawn = |stream, most| made(method, 0.5, [&a, &b, &base], stream, most);
        let merged = drawn(3, 20_000);
        // The same however it is cut.
        assert_eq!(merged, drawn(3, 1));
        assert_eq!(merged, drawn(3, 777));
        assert_ne!(merged, drawn(4, 20_000));
        let mean = merged.iter().sum::<f64>() / merged.len() as f64;
        assert!((mean - 3.0).abs() < 0.1, "{mean}");
        // Both dropped: three quarters of three quarters.
        let untouched =
            merged.iter().filter(|value| (**value - 1.0).abs() < 1e-12).count() as f64 / merged.len() as f64;
        assert!((untouched - 0.5625).abs() < 0.02, "{untouched}");
        let all = MergeMethod::Dare { density: 1.0, seed: 7 };
        let all = made(all, 0.5, [&a, &b, &base], 0, 4096);
        assert!(all.iter().all(|value| (*value - 3.0).abs() < 1e-12));
    }

    #[test]
    fn what_is_trimmed_in_pieces_is_what_is_trimmed_by_sorting() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        // Many sizes of many magnitudes; few sizes, so that many are equal at the edge; and all the same.
        let numbers: [Vec<f64>; 4] = [
            (0..5000)
                .map(|_| (random.random::<f64>() - 0.5) * 10f64.powi(random.random_range(-9..3)))
                .collect(),
            (0..5000).map(|_| f64::from(random.random_range(-3..4))).collect(),
            vec![-0.25; 100],
            vec![0.0; 10],
        ];
        for added in numbers {
            for density in [0.0001, 0.2, 0.5, 0.999, 1.0] {
                let kept = share(added.len() as u64, density) as usize;
                let mut order: Vec<usize> = (0..added.len()).collect();
                order.sort_by(|one, other| added[*other].abs().total_cmp(&added[*one].abs()));
                let mut expected = added.clone();
                order[kept..].iter().for_each(|index| expected[*index] = 0.0);
                // Of two that add the same the mean is what they add.
                let base = vec![0.0; added.len()];
                let found = made(MergeMethod::Ties { density }, 0.5, [&added, &added, &base], 0, 700);
                assert_eq!(found, expected, "{density} of {} numbers", added.len());
            }
        }
    }
}
