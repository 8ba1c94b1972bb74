//! A conversation as the tokens of a prompt, each image's features at their places.

mod messages;
mod places;
mod positions;
mod tokens;
mod told;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Instant,
};

use percept_runtime::RopePosition;

pub(super) use self::told::{Told, can_think};
use self::{
    messages::messages,
    places::{check_places, expand, placeholders},
    positions::{of_all, spans},
    tokens::{ids, tokens},
};
use super::{
    Inner,
    features::SeenImage,
    names::harmless,
    shown::{self, Shown},
};
use crate::{ContentHash, Conversation, ModelError, Span, processor::ProcessedImage};

/// One token of a prompt, and the image feature that takes its embedding's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PromptToken {
    pub(super) id: u32,
    /// The image's content and the row of its features.
    pub(super) feature: Option<(ContentHash, usize)>,
}

impl PromptToken {
    /// A token of text.
    pub(super) fn text(id: u32) -> Self {
        Self { id, feature: None }
    }
}

/// An image on its way into a prompt.
#[derive(Debug, Clone)]
pub(super) enum PromptImage {
    /// Its features are remembered.
    Seen(SeenImage),
    /// It must be encoded, if the cache doesn't hold its tokens already.
    Processed { expansion: Arc<str>, image: Arc<ProcessedImage>, grid: Option<Span> },
}

impl PromptImage {
    fn expansion(&self) -> &Arc<str> {
        match self {
            Self::Seen(image) => &image.expansion,
            Self::Processed { expansion, .. } => expansion,
        }
    }

    /// How its features stand, where they keep the image's shape.
    fn grid(&self) -> Option<Span> {
        match self {
            Self::Seen(image) => image.grid,
            Self::Processed { grid, .. } => *grid,
        }
    }
}

/// A prompt ready to be read.
#[derive(Debug)]
pub(super) struct Prompt {
    /// As the template rendered it.
    pub(super) rendered: String,
    /// With each image's placeholder expanded.
    pub(super) expanded: String,
    pub(super) tokens: Vec<PromptToken>,
    /// Where each token stands, if that isn't one after another.
    pub(super) positions: Option<Vec<RopePosition>>,
    pub(super) images: HashMap<ContentHash, PromptImage>,
    /// Milliseconds that the images' preprocessing took.
    pub(super) milliseconds: f64,
}

/// Conversation, functions and template made into tokens.
pub(super) async fn prepare(
    inner: &Arc<Inner>,
    conversation: &Conversation,
    told: Told,
) -> Result<Prompt, ModelError> {
    let around = inner.folder.family.around_prompt();
    prepare_between(inner, around, conversation, told).await
}

/// The same with these texts before and after the rendered prompt.
pub(super) async fn prepare_between(
    inner: &Arc<Inner>,
    [before, after]: [&str; 2],
    conversation: &Conversation,
    told: Told,
) -> Result<Prompt, ModelError> {
    let Told { instructions, tools, thinking, thinks } = told;
    let folder = &inner.folder;
    let (dialect, family) = (inner.dialect.as_ref(), folder.family.as_ref());
    let placeholder = family.placeholder();
    let messages = messages(conversation, instructions, &inner.names, dialect, family);
    let shown = shown::shown(inner, conversation)?;
    let watches = shown.iter().any(Shown::is_video);
    let template = folder.template_of(conversation);
    let in_text = folder.family.image_in_text();
    let mut text = template.render_with_tools(&messages, &in_text, thinking, tools.as_ref())?;
    if thinks {
        let off = template.render_with_tools(&messages, &in_text, Some(false), None)?;
        text.push_str(&told::opening(inner, &text, &off)?);
    }
    let sees = folder.family.sees().then_some(placeholder);
    let pieces = placeholders(&text, sees, folder.family.video().map(|form| form.token));
    check_places(&shown, &pieces)?;
    let begun = Instant::now();
    let mut images = HashMap::new();
    for one in &shown {
        if let Entry::Vacant(place) = images.entry(one.key) {
            place.insert(shown::process(inner, one).await?);
        }
    }
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    let expanded = format!("{before}{}{after}", expand(&pieces, &shown, &images));
    let tokens = tokens(inner, &expanded, &shown, &images)?;
    let instead = match watches {
        _ if family.prompt_encoder().is_some() => "shorten the words",
        true => "shorten it or show fewer frames",
        false => "shorten it or show fewer images",
    };
    check_room(tokens.len(), inner.engine.context(), family.prompt_encoder().is_some(), instead)?;
    let positions = of_all(folder.family.positions(&spans(&tokens, &images)), tokens.len())?;
    Ok(Prompt { rendered: text, expanded, tokens, positions, images, milliseconds })
}

/// A prompt must leave room for a reply, unless it is read by an encoder of its own.
fn check_room(tokens: usize, context: usize, is_apart: bool, instead: &str) -> Result<(), ModelError> {
    if tokens < context || (is_apart && tokens == context) {
        return Ok(());
    }
    Err(ModelError::Conversation(format!(
        "the conversation has {tokens} tokens, the model's context holds {context}: {instead}"
    )))
}

/// Words that no template is asked about, between these texts, as tokens.
pub(super) fn words_between(
    inner: &Inner,
    [before, after]: [&str; 2],
    words: &str,
) -> Result<Vec<u32>, ModelError> {
    // What the tokenizer would put first stands before already.
    ids(&inner.folder, &format!("{before}{}{after}", harmless(words, &inner.names.anywhere)), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_leaves_room_for_a_reply_unless_it_is_read_apart() {
        let cases = [(9, false, true), (10, false, false), (10, true, true), (11, true, false)];
        for (tokens, is_apart, fits) in cases {
            let found = check_room(tokens, 10, is_apart, "shorten the words");
            assert_eq!(found.is_ok(), fits, "{tokens} {is_apart}");
            if let Err(error) = found {
                assert!(error.to_string().ends_with("context holds 10: shorten the words"), "{error}");
            }
        }
    }
}
