//! Shares with their uncertainty.

use serde::{Deserialize, Serialize};

/// The 97.5% point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A 95% interval, lower end first.
pub type Interval = [f64; 2];

/// The mean, 0 of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

/// Wilson's score interval of a share (Wilson 1927): it stays within 0..1 and holds for few trials too.
pub(super) fn wilson(successes: usize, trials: usize) -> Interval {
    if trials == 0 {
        return [0.0, 1.0];
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let middle = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

/// How two settings differ on the same episodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Episodes that both have.
    pub pairs: usize,
    /// Those that only the first did.
    pub won: usize,
    /// Those that only the second did.
    pub lost: usize,
    /// The first one's share less the second one's.
    pub mean: f64,
    /// The 95% interval of that, for matched pairs (Newcombe 1998, method 10, without its correction).
    pub interval: Interval,
}

impl Difference {
    /// Counts the pairs `(first, second)`.
    pub(super) fn of(pairs: impl Iterator<Item = (bool, bool)>) -> Self {
        let (mut both, mut won, mut lost, mut neither) = (0_usize, 0_usize, 0_usize, 0_usize);
        for pair in pairs {
            match pair {
                (true, true) => both += 1,
                (true, false) => won += 1,
                (false, true) => lost += 1,
                (false, false) => neither += 1,
            }
        }
        let pairs = both + won + lost + neither;
        let n = pairs.max(1) as f64;
        let mean = (won as f64 - lost as f64) / n;
        let (first, second) = ((both + won) as f64 / n, (both + lost) as f64 / n);
        let ([low_1, high_1], [low_2, high_2]) = (wilson(both + won, pairs), wilson(both + lost, pairs));
        let margins = ((both + won) * (lost + neither) * (both + lost) * (won + neither)) as f64;
        let covariance = both as f64 * neither as f64 - won as f64 * lost as f64;
        let phi = if margins > 0.0 { covariance / margins.sqrt() } else { 0.0 };
        let spread = |d1: f64, d2: f64| (d1 * d1 - 2.0 * phi * d1 * d2 + d2 * d2).max(0.0).sqrt();
        let down = spread(first - low_1, high_2 - second);
        let up = spread(high_1 - first, second - low_2);
        Self { pairs, won, lost, mean, interval: [(mean - down).max(-1.0), (mean + up).min(1.0)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near([low, high]: Interval, expected: Interval) {
        assert!((low - expected[0]).abs() < 5e-4 && (high - expected[1]).abs() < 5e-4, "{low} {high}");
    }

    #[test]
    fn wilsons_interval_is_the_published_one() {
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        near(wilson(81, 263), [0.2553, 0.3662]);
        near(wilson(15, 148), [0.0624, 0.1605]);
        near(wilson(0, 20), [0.0, 0.1611]);
        near(wilson(1, 29), [0.0061, 0.1718]);
        near(wilson(0, 0), [0.0, 1.0]);
    }

    fn of(both: usize, won: usize, lost: usize, neither: usize) -> Difference {
        let many = |pair, count| std::iter::repeat_n(pair, count);
        let pairs = many((true, true), both).chain(many((true, false), won));
        Difference::of(pairs.chain(many((false, true), lost)).chain(many((false, false), neither)))
    }

    #[test]
    fn a_difference_of_pairs_lies_in_its_interval_and_turns_with_them() {
        for (both, won, lost, neither) in
            [(43, 0, 1, 0), (5, 9, 2, 4), (3, 0, 0, 2), (0, 7, 0, 0), (20, 20, 20, 20)]
        {
            let (one, other) = (of(both, won, lost, neither), of(both, lost, won, neither));
            let [low, high] = one.interval;
            assert!(-1.0 <= low && low <= one.mean && one.mean <= high && high <= 1.0, "{one:?}");
            assert!((one.mean + other.mean).abs() < 1e-12, "{one:?} {other:?}");
            near(other.interval, [-high, -low]);
        }
        // Without correlation it is the square-and-add interval of two independent shares (Newcombe 1998).
        let ([low, high], [l, u]) = (of(20, 20, 20, 20).interval, wilson(40, 80));
        let spread = ((0.5 - l).powi(2) + (u - 0.5).powi(2)).sqrt();
        near([low, high], [-spread, spread]);
        // The same wins tell more among pairs that agree otherwise.
        let width = |difference: Difference| difference.interval[1] - difference.interval[0];
        assert!(width(of(45, 5, 0, 50)) < width(of(25, 25, 20, 30)));
        assert_eq!(of(0, 0, 0, 0).pairs, 0);
    }
}
