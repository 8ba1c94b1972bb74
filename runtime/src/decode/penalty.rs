//! The repetition penalty of CTRL (Keskar et al. 2019), as `transformers` applies it.

/// Makes tokens that are already there less likely: positive logits are divided, negative ones multiplied.
#[derive(Debug)]
pub(super) struct RepetitionPenalty {
    penalty: f32,
    /// Sorted, each token once: a token written twice is punished like one written once.
    seen: Vec<u32>,
}

impl RepetitionPenalty {
    pub(super) fn new(penalty: f32, history: &[u32]) -> Self {
        let mut seen = history.to_vec();
        seen.sort_unstable();
        seen.dedup();
        Self { penalty, seen }
    }

    pub(super) fn see(&mut self, token: u32) {
        if let Err(place) = self.seen.binary_search(&token) {
            self.seen.insert(place, token);
        }
    }

    /// Applies it. A token beyond the logits (an image's placeholder, say) can't be written, so it is passed over.
    #[allow(clippy::float_cmp, reason = "1 is the setting that means: leave them")]
    pub(super) fn apply(&self, logits: &mut [f32]) {
        if self.penalty == 1.0 {
            return;
        }
        for &token in &self.seen {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 { *logit / self.penalty } else { *logit * self.penalty };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "halves and doubles are exact")]
    fn each_seen_token_is_punished_once() {
        let mut penalty = RepetitionPenalty::new(2.0, &[2, 0, 2, 99]);
        penalty.see(0);
        let mut logits = [4.0, 4.0, -4.0];
        penalty.apply(&mut logits);
        assert_eq!(logits, [2.0, 4.0, -8.0]);
    }
}
