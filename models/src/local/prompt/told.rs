//! What a prompt says beside its conversation: how a reply is to be written.

use crate::{Conversation, ModelError, Reply, local::Inner};

/// What a prompt says beside its conversation.
#[derive(Debug, Default)]
pub(in crate::local) struct Told {
    /// At the end of the system message.
    pub(super) instructions: Option<String>,
    /// Functions, where the template has a place for them.
    pub(super) tools: Option<serde_json::Value>,
    /// Whether the reply is to begin with a thought, where the template asks.
    pub(super) thinking: Option<bool>,
    /// Whether an answer in words is to: then a template that can't ask is an error.
    pub(super) thinks: bool,
}

impl Told {
    /// For a reply of this kind, as the template of such a conversation takes it. Words and JSON are wanted as they are: a
    /// template that would have the model think first (Qwen3's, unless it is told otherwise) is told not to, unless a thought is
    /// asked for.
    pub(in crate::local) fn of(
        inner: &Inner,
        conversation: &Conversation,
        reply: &Reply,
        think: bool,
    ) -> Result<Self, ModelError> {
        let Reply::Call { thought, functions } = reply else {
            return Ok(Self { thinking: Some(think), thinks: think, ..Self::default() });
        };
        // The thought of a call stands in the dialect's own form before it, and not between a template's tags.
        let thinking = Some(false);
        let declaration = inner.dialect.declaration(functions, *thought)?;
        let template = inner.folder.template_of(conversation);
        if let Some(own) = declaration.filter(|own| template.declares(own.form)) {
            return Ok(Self { instructions: own.beside, tools: Some(own.tools), thinking, thinks: false });
        }
        let instructions = Some(inner.dialect.instructions(functions, *thought)?);
        Ok(Self { instructions, tools: None, thinking, thinks: false })
    }
}
