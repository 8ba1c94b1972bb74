//! What a model's tokens cost.

use percept_models::Usage;
use serde::{Deserialize, Serialize};

use crate::AgentError;

/// What a million tokens cost, in whatever currency the limit on cost is meant in. Prices change too often to be built
/// in: they are on the page of whoever serves the model.
///
/// ```
/// use percept::{Prices, models::Usage};
///
/// let prices = Prices { fresh: 2.0, cached: 0.5, output: 8.0 };
/// let usage = Usage { fresh_tokens: 500_000, cached_tokens: 1_000_000, output_tokens: 250_000, ..Usage::default() };
/// assert_eq!(prices.of(&usage), 3.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// A million tokens read, those that were still in the cache aside.
    pub fresh: f64,
    /// A million tokens that were still in the cache.
    pub cached: f64,
    /// A million tokens written.
    pub output: f64,
}

const MILLION: f64 = 1_000_000.0;

impl Prices {
    /// What these tokens cost.
    #[allow(clippy::cast_precision_loss, reason = "no run counts beyond 2^52 tokens")]
    pub fn of(&self, usage: &Usage) -> f64 {
        let sum = self.fresh * usage.fresh_tokens as f64
            + self.cached * usage.cached_tokens as f64
            + self.output * usage.output_tokens as f64;
        sum / MILLION
    }

    /// The most tokens that can be written for so much.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float beyond the range of a count becomes the largest one"
    )]
    pub(crate) fn written_for(&self, money: f64) -> usize {
        if self.output <= 0.0 {
            return usize::MAX;
        }
        (money.max(0.0) * MILLION / self.output) as usize
    }

    /// # Errors
    ///
    /// [`AgentError::Price`] for one that isn't an amount.
    pub(crate) fn checked(self) -> Result<Self, AgentError> {
        let wrong = [("fresh", self.fresh), ("cached", self.cached), ("output", self.output)]
            .into_iter()
            .find(|(_, price)| !price.is_finite() || *price < 0.0);
        wrong.map_or(Ok(self), |(tokens, price)| Err(AgentError::Price { tokens, price }))
    }
}
