//! Choosing from scores that somebody else made.

use super::sampling::{Sampler, Sampling};
use crate::engine::EngineError;

/// Chooses tokens from scores that aren't one sequence's own (those of two, mixed), as a decode chooses from its own.
///
/// ```
/// use percept_runtime::{Chooser, Sampling};
///
/// let mut chooser = Chooser::new(Sampling::default())?;
/// assert_eq!(chooser.choose(&[0.5, 2.0, 1.0])?, 1);
/// # Ok::<(), percept_runtime::EngineError>(())
/// ```
#[derive(Debug)]
pub struct Chooser(Sampler);

impl Chooser {
    /// A chooser that has chosen nothing yet.
    ///
    /// # Errors
    ///
    /// [`EngineError::Sampling`] where a setting lies outside its range.
    pub fn new(sampling: Sampling) -> Result<Self, EngineError> {
        Sampler::new(sampling, &[]).map(Self)
    }

    /// The place of the score that is chosen; the repetition penalty counts it from now on.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoToken`] where no score is finite.
    pub fn choose(&mut self, scores: &[f32]) -> Result<u32, EngineError> {
        let choice = self.0.choose(scores, None, false)?;
        self.0.see(choice.id);
        Ok(choice.id)
    }
}
