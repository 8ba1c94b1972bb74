//! A conversation's messages as a template takes them.

use crate::{
    Content, Conversation, Role,
    dialect::Dialect,
    family::Family,
    local::names::{Names, harmless},
    template::{TemplateMessage, TemplatePart},
};

/// The messages as a template takes them, the functions in words at the end of the system message.
pub(super) fn messages(
    conversation: &Conversation,
    instructions: Option<String>,
    names: &Names,
    dialect: &dyn Dialect,
    family: &dyn Family,
) -> Vec<TemplateMessage> {
    let mut messages: Vec<TemplateMessage> = conversation
        .messages()
        .iter()
        .map(|message| TemplateMessage {
            role: role(message.role).into(),
            content: message
                .content
                .iter()
                .filter_map(|content| match content {
                    Content::Text(text) => Some(TemplatePart::Text { text: harmless(text, &names.anywhere) }),
                    // Cut off in its thought, a reply has begun no call.
                    Content::Said { thought, text, .. } if text.trim().is_empty() => {
                        Some(TemplatePart::Text { text: harmless(thought, &names.in_replies) })
                    }
                    Content::Said { thought, text, .. } => {
                        let text = harmless(&dialect.said(thought, text), &names.in_replies);
                        Some(TemplatePart::Text { text })
                    }
                    Content::Image(_) => Some(TemplatePart::Image),
                    Content::Video(_) => Some(TemplatePart::Video),
                    Content::Address(_) => None,
                })
                .collect(),
        })
        .collect();
    let system = messages.first_mut().filter(|message| message.role == role(Role::System));
    // Templates that come with a family read all of them.
    if let Some(system) = system.filter(|_| family.template().is_none()) {
        system.content = joined(std::mem::take(&mut system.content));
    }
    let Some(instructions) = instructions else {
        return messages;
    };
    match messages.first_mut().filter(|message| message.role == role(Role::System)) {
        Some(system) => match system.content.last_mut() {
            Some(TemplatePart::Text { text }) => text.extend(["\n\n", instructions.as_str()]),
            _ => system.content.push(TemplatePart::Text { text: format!("\n\n{instructions}") }),
        },
        None => messages.insert(
            0,
            TemplateMessage {
                role: role(Role::System).into(),
                content: vec![TemplatePart::Text { text: instructions }],
            },
        ),
    }
    messages
}

/// The parts with texts that follow each other as one: templates of Gemma's read the first of the system's texts and no
/// other.
fn joined(parts: Vec<TemplatePart>) -> Vec<TemplatePart> {
    let mut joined: Vec<TemplatePart> = Vec::with_capacity(parts.len());
    for part in parts {
        match (part, joined.last_mut()) {
            (TemplatePart::Text { text }, Some(TemplatePart::Text { text: before })) => {
                before.push_str(&text);
            }
            (part, _) => joined.push(part),
        }
    }
    joined
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_follow_each_other_are_one() {
        let text = |text: &str| TemplatePart::Text { text: text.into() };
        let cases = [
            (vec![text("a"), text("b"), text("c")], vec![text("abc")]),
            (
                vec![text("a"), TemplatePart::Image, text("b"), text("c")],
                vec![text("a"), TemplatePart::Image, text("bc")],
            ),
            (vec![TemplatePart::Image, TemplatePart::Image], vec![TemplatePart::Image, TemplatePart::Image]),
            (vec![], vec![]),
        ];
        for (parts, expected) in cases {
            assert_eq!(joined(parts.clone()), expected, "{parts:?}");
        }
    }
}
