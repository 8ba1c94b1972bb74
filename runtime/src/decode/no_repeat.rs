//! No run of so many tokens twice (`no_repeat_ngram_size`: Paulus et al. 2017, section 2.5), as `transformers` forbids it.

/// Forbids each token that would end a run of tokens that is there already.
#[derive(Debug, Default)]
pub(super) struct NoRepeat {
    /// Tokens in a run; 0 forbids nothing.
    size: usize,
    written: Vec<u32>,
}

impl NoRepeat {
    pub(super) fn new(size: usize, history: &[u32]) -> Self {
        Self { size, written: if size == 0 { Vec::new() } else { history.to_vec() } }
    }

    pub(super) fn see(&mut self, token: u32) {
        if self.size > 0 {
            self.written.push(token);
        }
    }

    /// Applies it. A token beyond the logits can't be written anyway.
    pub(super) fn apply(&self, logits: &mut [f32]) {
        let Some(begun) = self.size.checked_sub(1).and_then(|kept| self.written.len().checked_sub(kept))
        else {
            return;
        };
        let beginning = &self.written[begun..];
        for run in self.written.windows(self.size) {
            if let Some((&last, before)) = run.split_last()
                && before == beginning
                && let Some(logit) = logits.get_mut(last as usize)
            {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of a run, what was read, what was written, and what may not come now.
    type Case = (usize, &'static [u32], &'static [u32], &'static [u32]);

    #[test]
    fn what_would_end_a_run_that_is_there_is_forbidden() {
        let cases: [Case; 8] = [
            (0, &[1, 1], &[1, 1], &[]),
            (1, &[1], &[3], &[1, 3]),
            (2, &[1], &[2, 1], &[2]),
            (3, &[2, 0], &[1, 2, 0], &[1]),
            (3, &[2, 0], &[1, 2, 0, 3, 2, 0], &[1, 3]),
            (3, &[], &[1, 1, 1], &[1]),
            (3, &[], &[1, 1], &[]),
            (3, &[99, 98], &[97, 99, 98], &[]),
        ];
        for (size, history, written, forbidden) in cases {
            let mut runs = NoRepeat::new(size, history);
            for &token in written {
                runs.see(token);
            }
            let mut logits = [0.0; 4];
            runs.apply(&mut logits);
            let found: Vec<u32> = (0..4).filter(|&token| logits[token as usize].is_infinite()).collect();
            assert_eq!(found, forbidden, "{size} {history:?} {written:?}");
        }
    }
}
