//! Looking back: what the model is asked after an action that failed, or after every one.

/// The most tokens of a lesson; it stays in the history, so it has to be short.
pub(crate) const LESSON_TOKENS: usize = 80;

/// The request for a lesson about the last action.
pub(crate) fn lesson_wanted(because: &str) -> String {
    format!(
        "Look back at your last action: {because}. In one or two sentences, say why that may be and what you \
         will do differently. Don't call a tool now."
    )
}
