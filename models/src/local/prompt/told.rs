//! What a prompt says beside its conversation: how a reply is to be written.

use super::messages::messages;
use crate::{
    Conversation, Function, Message, ModelError, Reply, Role, inner_speech,
    local::{Inner, names::harmless_function},
};

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
        // What others say of their tools is data, as messages are. The grammar keeps the functions as they are.
        let functions: Vec<Function> =
            functions.iter().map(|function| harmless_function(function, &inner.names.anywhere)).collect();
        let declaration = inner.dialect.declaration(&functions, *thought)?;
        let template = inner.folder.template_of(conversation);
        if let Some(own) = declaration.filter(|own| template.declares(own.form)) {
            return Ok(Self { instructions: own.beside, tools: Some(own.tools), thinking, thinks: false });
        }
        let instructions = Some(inner.dialect.instructions(&functions, *thought)?);
        Ok(Self { instructions, tools: None, thinking, thinks: false })
    }
}

/// What opens a thought at the end of a prompt that asks for one; `off` is the same that asks for none.
pub(super) fn opening(inner: &Inner, on: &str, off: &str) -> Result<String, ModelError> {
    inner_speech::opening(on, off).ok_or_else(|| {
        ModelError::Request(format!(
            "{} isn't known to think before it answers: its chat template has no `{}` that `enable_thinking` switches on; \
             ask without a thought",
            inner.card.name,
            inner_speech::OPEN
        ))
    })
}

/// Whether the model's template knows a thought before an answer in words.
///
/// # Errors
///
/// [`ModelError::Request`] if it doesn't.
pub(in crate::local) fn can_think(inner: &Inner) -> Result<(), ModelError> {
    let (folder, conversation) =
        (&inner.folder, Conversation::from_iter([Message::text(Role::User, "Hello.")]));
    let family = folder.family.as_ref();
    let messages = messages(&conversation, None, &inner.names, inner.dialect.as_ref(), family);
    let (template, in_text) = (folder.template_of(&conversation), family.image_in_text());
    let rendered = |on| template.render_with_tools(&messages, &in_text, Some(on), None);
    opening(inner, &rendered(true)?, &rendered(false)?).map(drop)
}
