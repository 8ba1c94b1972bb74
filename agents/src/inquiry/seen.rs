//! The places where an answer is seen.

use percept_models::{Completion, Content, Conversation, Function, Generate, Reply, Thought};
use percept_tools::{MARK, PixelRegion, PixelSize};
use serde_json::json;

use crate::{Area, Prompts, offer, prompts::Prompt};

/// The most places, and the most tokens that they may take.
const MOST: usize = 4;
const TOKENS: usize = 160;

/// The size of a conversation's last image.
pub(super) fn last_size(conversation: &Conversation) -> Option<PixelSize> {
    let contents = conversation.messages().iter().rev().flat_map(|message| message.content.iter().rev());
    contents.into_iter().find_map(|content| match content {
        Content::Image(image) => {
            let (width, height) = image.pixels().dimensions();
            Some(PixelSize { width, height })
        }
        _ => None,
    })
}

/// The words with which a conversation ends: what was asked last.
pub(super) fn last_words(conversation: &Conversation) -> String {
    let contents = conversation.messages().last().into_iter().flat_map(|message| &message.content);
    let words = contents.filter_map(|content| match content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    words.collect()
}

/// The request, in words.
pub(super) fn request(prompts: &Prompts) -> String {
    prompts.filled(Prompt::Seen, &[])
}

/// The reply: places within an image of this size, and nothing else.
pub(super) fn options(size: PixelSize) -> Generate {
    let reply = Reply::Call { thought: Thought::None, functions: vec![function(size)] };
    Generate { reply, max_tokens: TOKENS, ..Generate::default() }
}

fn function(PixelSize { width, height }: PixelSize) -> Function {
    let region = json!({ MARK: { "kind": "region", "width": width, "height": height } });
    Function {
        name: "seen_at".into(),
        description: "Says where in the image the answer can be seen.".into(),
        schema: json!({
            "type": "object",
            "properties": { "regions": { "type": "array", "items": region, "maxItems": MOST } },
            "required": ["regions"],
            "additionalProperties": false,
        }),
    }
}

/// Reads the reply.
///
/// # Errors
///
/// Why it holds no places.
pub(super) fn read(reply: &Completion, size: PixelSize) -> Result<Vec<PixelRegion>, String> {
    let call = reply.call.clone().unwrap_or_else(|| Err("the reply holds no call".into()))?;
    let targets = offer::targets(&call, &[function(size)])?;
    let regions = targets.into_iter().filter_map(|target| match target.area {
        Area::Region(region) => Some(region),
        Area::Point(_) => None,
    });
    Ok(regions.collect())
}
