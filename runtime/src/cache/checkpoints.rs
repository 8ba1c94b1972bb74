//! Positions that a sequence can go back to although what it carries can't be cut: copies noted on the way.

/// Something kept at positions of a sequence, never more of them than a limit.
///
/// Where there are too many, the one goes whose neighbours lie closest together: what is left is spread over the
/// whole sequence, and the two newest stay: where a prompt ends, and the place before its last token.
#[derive(Debug)]
pub(super) struct Checkpoints<T> {
    /// By position, each different.
    kept: Vec<(usize, T)>,
    most: usize,
}

impl<T> Checkpoints<T> {
    /// None yet, and never more than so many (at least one).
    pub(super) fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most: most.max(1) }
    }

    /// Notes what is carried at a position, beyond or at all that were noted.
    pub(super) fn note(&mut self, position: usize, carried: T) {
        self.kept.retain(|(noted, _)| *noted < position);
        self.kept.push((position, carried));
        if self.kept.len() > self.most
            && let Some(crowded) = self.most_crowded()
        {
            self.kept.remove(crowded);
        }
    }

    /// The last one at a position or before it.
    pub(super) fn latest(&self, position: usize) -> Option<(usize, &T)> {
        self.kept.iter().rev().find(|(noted, _)| *noted <= position).map(|(noted, carried)| (*noted, carried))
    }

    /// Forgets all beyond a position.
    pub(super) fn rewind(&mut self, position: usize) {
        self.kept.retain(|(noted, _)| *noted <= position);
    }

    /// The one whose neighbours lie closest together, the two newest aside; the beginning is the first one's neighbour.
    fn most_crowded(&self) -> Option<usize> {
        let before = |place: usize| place.checked_sub(1).map_or(0, |place| self.kept[place].0);
        (0..self.kept.len().saturating_sub(2).max(1)).min_by_key(|&place| {
            let after = self.kept.get(place + 1).map_or(usize::MAX, |(position, _)| *position);
            after - before(place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(most: usize, positions: &[usize]) -> Checkpoints<usize> {
        let mut checkpoints = Checkpoints::new(most);
        for &position in positions {
            checkpoints.note(position, position);
        }
        checkpoints
    }

    #[test]
    fn what_is_kept_is_bounded_and_spread_over_the_sequence() {
        let cases: [(usize, &[usize], &[usize]); 7] = [
            (3, &[10, 20], &[10, 20]),
            (3, &[10, 20, 30, 40], &[20, 30, 40]),
            (3, &[10, 100, 101, 102], &[10, 101, 102]),
            (4, &[10, 100, 101, 200, 300], &[10, 101, 200, 300]),
            (3, &[5, 5, 5], &[5]),
            (2, &[1, 2, 3, 4, 5, 6], &[5, 6]),
            (0, &[1, 2], &[2]),
        ];
        for (most, positions, expected) in cases {
            let kept: Vec<usize> =
                noted(most, positions).kept.iter().map(|(position, _)| *position).collect();
            assert_eq!(kept, expected, "{most} of {positions:?}");
        }
    }

    #[test]
    fn the_latest_before_a_position_is_found_and_what_lies_beyond_is_forgotten() {
        let mut checkpoints = noted(8, &[4, 9, 20]);
        let cases = [(3, None), (4, Some(4)), (8, Some(4)), (9, Some(9)), (99, Some(20))];
        for (position, expected) in cases {
            assert_eq!(checkpoints.latest(position).map(|(at, _)| at), expected, "{position}");
        }
        checkpoints.rewind(9);
        assert_eq!(checkpoints.latest(99).map(|(at, _)| at), Some(9));
    }
}
