//! An encoder that reads a whole prompt, for a decoder that reads none of it and looks at what was found there.

/// How a family's prompt is read where an encoder reads it (Vaswani et al. 2017; BART: Lewis et al. 2019).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptEncoder {
    /// The session: `inputs_embeds` and `attention_mask` to one state a token.
    pub session: &'static str,
    /// The tokens with which the decoder begins every reply; they aren't part of it.
    pub begins: Vec<u32>,
    /// How many tokens in a row no reply has twice; 0: it may.
    pub no_repeat: usize,
}

impl PromptEncoder {
    /// The name of what is found: one state a token.
    pub(crate) const STATES: &str = "last_hidden_state";

    /// What is found, among what the session gives: what is called so, or else the only output.
    pub(crate) fn states<O>(outputs: &[O], name: impl Fn(&O) -> &str) -> Option<&O> {
        let named = outputs.iter().find(|output| name(output) == Self::STATES);
        named.or_else(|| outputs.first().filter(|_| outputs.len() == 1))
    }
}
