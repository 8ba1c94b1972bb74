//! Looking back: what the model is asked after an action that failed, or after every one.

/// The most tokens of a lesson; it stays in the history, so it has to be short.
pub(crate) const LESSON_TOKENS: usize = 80;
