//! Which tokens may come next, one bit each.

use toktrie::SimpleVob;

/// Which tokens may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMask(SimpleVob);

impl TokenMask {
    pub(super) fn new(tokens: SimpleVob) -> Self {
        Self(tokens)
    }

    /// Whether this token may.
    pub fn allows(&self, token: u32) -> bool {
        (token as usize) < self.0.len() && self.0.is_allowed(token)
    }

    /// How many may.
    pub fn count(&self) -> usize {
        self.0.num_set()
    }

    /// Takes every other token's score away.
    ///
    /// A mask may be longer than the scores: its vocabulary has an end of its own where the model names none.
    pub(crate) fn forbid_others(&self, scores: &mut [f32]) {
        let words = self.0.as_slice();
        for (place, scores) in scores.chunks_mut(32).enumerate() {
            let word = words.get(place).copied().unwrap_or(0);
            if word == u32::MAX {
                continue;
            }
            for (bit, score) in scores.iter_mut().enumerate() {
                if word & (1 << bit) == 0 {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn of(size: usize, allowed: &[u32]) -> Self {
        let mut tokens = SimpleVob::alloc(size);
        for &token in allowed {
            tokens.allow_token(token);
        }
        Self(tokens)
    }
}
