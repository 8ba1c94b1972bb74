//! A conversation as the tokens of a prompt, each image's features at their places.

use std::{
    collections::{HashMap, hash_map::Entry},
    iter::repeat_n,
    sync::Arc,
    time::Instant,
};

use percept_runtime::RopePosition;

use super::{
    Inner,
    features::SeenImage,
    names::{Names, harmless, harmless_function},
    shown::{self, Shown},
};
use crate::{
    Content, ContentHash, Conversation, Function, ModelError, ModelFolder, Reply, Role, Span,
    dialect::Dialect,
    family::Family,
    inner_speech,
    processor::ProcessedImage,
    template::{TemplateMessage, TemplatePart},
};

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

/// What a prompt says beside its conversation.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// At the end of the system message.
    instructions: Option<String>,
    /// Functions, where the template has a place for them.
    tools: Option<serde_json::Value>,
    /// Whether the reply is to begin with a thought, where the template asks.
    thinking: Option<bool>,
    /// Whether an answer in words is to: then a template that can't ask is an error.
    thinks: bool,
}

impl Told {
    /// For a reply of this kind, as the template of such a conversation takes it. Words and JSON are wanted as they are: a
    /// template that would have the model think first (Qwen3's, unless it is told otherwise) is told not to, unless a thought is
    /// asked for.
    pub(super) fn of(
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
        let opening = inner_speech::opening(&text, &off).ok_or_else(|| {
            ModelError::Request(format!(
                "{} isn't known to think before it answers: its chat template has no `{}` that `enable_thinking` switches \
                 on; ask without a thought",
                inner.card.name,
                inner_speech::OPEN
            ))
        })?;
        text.push_str(&opening);
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

/// Positions are every token's, or the decoder would count some of the tokens as if they were text.
fn of_all(
    positions: Option<Vec<RopePosition>>,
    tokens: usize,
) -> Result<Option<Vec<RopePosition>>, ModelError> {
    match positions {
        Some(positions) if positions.len() != tokens => Err(ModelError::Template(format!(
            "the prompt has {tokens} tokens, and {} positions were made of its text and the shapes of its images: \
             processor and template are of different models",
            positions.len()
        ))),
        positions => Ok(positions),
    }
}

/// A piece of a rendered prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// The place of an image or a video.
    Place {
        is_video: bool,
    },
}

/// The prompt cut at the places of images and videos, each where the family has a token for it.
fn placeholders<'a>(text: &'a str, image: Option<&str>, video: Option<&str>) -> Vec<Piece<'a>> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    loop {
        let first = |token: Option<&str>, is_video| {
            token.and_then(|token| rest.find(token).map(|at| (at, is_video, token.len())))
        };
        let (image, video) = (first(image, false), first(video, true));
        let Some((at, is_video, length)) = image.into_iter().chain(video).min() else { break };
        pieces.extend([Piece::Text(&rest[..at]), Piece::Place { is_video }]);
        rest = &rest[at + length..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Every image and every video must have a place of its kind, in the same order.
fn check_places(shown: &[Shown], pieces: &[Piece<'_>]) -> Result<(), ModelError> {
    let places: Vec<bool> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Place { is_video } => Some(*is_video),
            Piece::Text(_) => None,
        })
        .collect();
    for (kind, is_video, missing) in
        [("image", false, "show it a screenshot"), ("video", true, "show it a video")]
    {
        let places = places.iter().filter(|place| **place == is_video).count();
        let shown = shown.iter().filter(|one| one.is_video() == is_video).count();
        if places != shown {
            return Err(ModelError::Conversation(format!(
                "the model's template shows {places} {kind}(s), the conversation has {shown}: {}",
                if places > shown { missing } else { "keep only the latest" }
            )));
        }
    }
    if shown.iter().map(Shown::is_video).ne(places) {
        return Err(ModelError::Conversation(
            "the model's template shows images and videos in another order than the conversation: put the images first"
                .into(),
        ));
    }
    Ok(())
}

/// The prompt with the expansion of each image and video at its place.
fn expand(pieces: &[Piece<'_>], shown: &[Shown], images: &HashMap<ContentHash, PromptImage>) -> String {
    let mut next = shown.iter();
    let mut expanded = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Place { .. } => {
                let known = next.next().and_then(|one| images.get(&one.key));
                expanded.push_str(known.map_or("", |known| known.expansion()));
            }
        }
    }
    expanded
}

/// The prompt in stretches of text, images and videos. The features of an image without a grid count as text.
fn spans(tokens: &[PromptToken], images: &HashMap<ContentHash, PromptImage>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let image = first.feature.and_then(|(hash, row)| {
            let span = images.get(&hash)?.grid()?;
            // A video's layers may each be a run of their own.
            row.is_multiple_of(span.tokens().max(1)).then_some(span)
        });
        match (image, spans.last_mut()) {
            (Some(image), _) => spans.push(image),
            (None, Some(Span::Text(count))) => *count += 1,
            (None, _) => spans.push(Span::Text(1)),
        }
        rest = rest.get(image.map_or(1, Span::tokens).max(1)..).unwrap_or_default();
    }
    spans
}

/// The messages as a template takes them, the functions in words at the end of the system message.
fn messages(
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
                .map(|content| match content {
                    Content::Text(text) => TemplatePart::Text { text: harmless(text, &names.anywhere) },
                    // Cut off in its thought, a reply has begun no call.
                    Content::Said { thought, text } if text.trim().is_empty() => {
                        TemplatePart::Text { text: harmless(thought, &names.in_replies) }
                    }
                    Content::Said { thought, text } => {
                        TemplatePart::Text { text: harmless(&dialect.said(thought, text), &names.in_replies) }
                    }
                    Content::Image(_) => TemplatePart::Image,
                    Content::Video(_) => TemplatePart::Video,
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

/// The prompt's tokens, with the rows of the images' features counted off onto the image tokens.
fn tokens(
    inner: &Inner,
    text: &str,
    shown: &[Shown],
    images: &HashMap<ContentHash, PromptImage>,
) -> Result<Vec<PromptToken>, ModelError> {
    let folder = &inner.folder;
    let image_token = folder.family.image_token();
    // As transformers' processors: a template that wrote the first token itself doesn't get it twice, also where an
    // image stands before it (BLIP-2).
    let begins = if image_token.is_empty() { text } else { text.trim_start_matches(image_token) };
    let has_first = folder.template.special_token("bos_token").is_some_and(|first| begins.starts_with(first));
    let adds_first = !has_first && !folder.family.writes_whole_prompts();
    let before = folder.family.prepends_features();
    let ids = ids(folder, if before { begins } else { text }, adds_first)?;
    let video_token = folder.family.video().map(|form| form.token);
    let video_id = video_token.and_then(|token| folder.tokenizer.token_to_id(token));
    let mut features = shown.iter().flat_map(|one| {
        let counted = |text: &str| {
            text.matches(image_token).count() + video_token.map_or(0, |token| text.matches(token).count())
        };
        let rows = images.get(&one.key).map_or(0, |known| counted(known.expansion()));
        (0..rows).map(|row| (one.key, row))
    });
    let mut tokens = Vec::with_capacity(ids.len());
    if before {
        // Each stands on a token whose embedding it replaces, whichever that is.
        tokens.extend(features.by_ref().map(|feature| PromptToken { id: 0, feature: Some(feature) }));
    }
    for id in ids {
        let stands_for_one =
            folder.family.sees() && !before && [folder.config.image_token_id, video_id].contains(&Some(id));
        let feature = if stands_for_one { features.next() } else { None };
        if stands_for_one && feature.is_none() {
            return Err(ModelError::Template(
                "the prompt has more image tokens than the images have features".into(),
            ));
        }
        tokens.push(PromptToken { id, feature });
    }
    match features.count() {
        0 => Ok(tokens),
        left => Err(ModelError::Template(format!("{left} image features have no token in the prompt"))),
    }
}

/// The tokens of an expanded prompt, the tokenizer's own first one before it where `adds_first` says so.
fn ids(folder: &ModelFolder, text: &str, adds_first: bool) -> Result<Vec<u32>, ModelError> {
    let encoded = |text: &str| {
        let encoding = folder.tokenizer.encode_fast(text, adds_first).map_err(ModelError::Engine)?;
        Ok::<_, ModelError>(encoding.get_ids().to_vec())
    };
    let (true, Some(image)) = (folder.family.reads_texts_apart(), folder.config.image_token_id) else {
        return encoded(text);
    };
    let token = folder.family.image_token();
    let (mut ids, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(token) {
        ids.extend(encoded(&rest[..at])?);
        let after = rest[at..].trim_start_matches(token);
        ids.extend(repeat_n(image, (rest.len() - at - after.len()) / token.len()));
        rest = after;
    }
    ids.extend(encoded(rest)?);
    Ok(ids)
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

    #[test]
    fn every_token_has_a_position_or_none_has() {
        let places = |count| Some((0..count).map(RopePosition::text).collect::<Vec<_>>());
        for (positions, tokens) in [(None, 3), (places(0), 0), (places(3), 3)] {
            assert_eq!(of_all(positions.clone(), tokens).unwrap(), positions);
        }
        for positions in [2, 4] {
            let error = of_all(places(positions), 3).unwrap_err().to_string();
            assert!(
                error.contains("3 tokens") && error.contains(&format!("{positions} positions")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_prompt_is_cut_where_images_with_a_shape_begin_and_end() {
        let image = |grid: Option<[usize; 2]>| {
            let grid = grid.map(|[rows, columns]| Span::Image { rows, columns });
            PromptImage::Seen(SeenImage { expansion: "".into(), grid, features: Arc::default() })
        };
        let hash = |byte| ContentHash([byte; 32]);
        let grids = [(1, Some([2, 2])), (2, Some([1, 1])), (3, None)];
        let images: HashMap<_, _> = grids.map(|(byte, grid)| (hash(byte), image(grid))).into();
        let token = |(byte, row)| PromptToken { id: 9, feature: (byte > 0).then_some((hash(byte), row)) };
        let (text, one, two) =
            (Span::Text, Span::Image { rows: 2, columns: 2 }, Span::Image { rows: 1, columns: 1 });
        let first = [(1, 0), (1, 1), (1, 2), (1, 3)];
        let cases = [
            (vec![], vec![]),
            (vec![(0, 0), (0, 0)], vec![text(2)]),
            ([vec![(0, 0)], first.to_vec(), vec![(0, 0)]].concat(), vec![text(1), one, text(1)]),
            // The same image twice, and another right after it.
            ([first.to_vec(), first.to_vec(), vec![(2, 0)]].concat(), vec![one, one, two]),
            (vec![(0, 0), (3, 0), (3, 1), (0, 0)], vec![text(4)]),
            // Two layers of a video, each with text before it.
            (
                [&[(0, 0)], &first[..], &[(0, 0), (1, 4), (1, 5), (1, 6), (1, 7)]].concat(),
                vec![text(1), one, text(1), one],
            ),
        ];
        for (tokens, expected) in cases {
            let tokens: Vec<PromptToken> = tokens.into_iter().map(token).collect();
            assert_eq!(spans(&tokens, &images), expected, "{tokens:?}");
        }
    }
}
