//! `percept ask`: a question about images and videos, and the model's answer.

use std::path::Path;

use percept::{
    Answer, Inquiry,
    models::{Found, Generate, LoadOptions, ModelCard, Sampling, StopReason},
    runtime::{AttentionWindow, CacheForm},
    tools::PixelRegion,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

mod places;
mod request;

use self::{
    places::{boxes, drawn},
    request::Request,
};
use super::{
    arguments::AskOptions,
    failure::{BROKEN, Failure},
    narration::plain,
    output::{Ink, Output},
    picture_file::PictureFile,
    progress::Bars,
};

/// The exit code of a question that got no answer.
const ABSTAINED: u8 = 1;

/// Asks, and prints the answer while it is written, where nothing can withhold it.
pub(crate) async fn ask(options: AskOptions, output: &Output) -> Result<u8, Failure> {
    let mut request = Request::read(&options, output)?;
    // What needs no model to be known is told before one is fetched and loaded.
    request.says_something(&options.model.to_string(), options.model.may_caption())?;
    let cancel = CancellationToken::new();
    let mut inquiry = inquiry(&options, &request, &cancel);
    // Images may yet be made of videos.
    let known = Inquiry { boxes: options.boxes && !request.has_videos(), ..inquiry.clone() };
    known.checked().map_err(Failure::of_request)?;
    let files = options.images_and_question.iter().chain(options.shots.iter().step_by(2));
    let files: Vec<&Path> = files.map(Path::new).collect();
    let picture = options.draw.as_ref().map(|path| PictureFile::begin(path, &files)).transpose()?;
    let window = options.window.map(|recent| AttentionWindow { sinks: options.sinks, recent });
    // Where a window lets something go, the cache must lie where it can be cut.
    let cache = if window.is_some() { CacheForm::Host } else { CacheForm::Auto };
    let context = options.context;
    let load =
        LoadOptions { device: options.device.clone(), context, window, cache, ..LoadOptions::default() };
    let model = options.model.open(load, Bars::new(&output.bars)).await?;
    let card = model.card();
    let adapted = request.adapt(model.as_ref())?;
    request.suits(card, model.captions())?;
    let mut notes = card.notes.clone();
    notes.extend(request.unseen(card));
    output.notes(&notes);
    // They were said when the images were read.
    notes.append(&mut request.notes);
    inquiry.conversation = request.conversation;
    let streams = !output.json && options.votes == 1 && options.least.is_none();
    let mut unprinted = None;
    let mut told = |text: &str| {
        if streams && let Err(failure) = output.stream(text) {
            unprinted.get_or_insert(failure);
            // What nobody reads needn't be written, nor paid for.
            cancel.cancel();
        }
    };
    let put = inquiry.put(model.as_ref(), &mut told).await;
    if let Some(failure) = unprinted {
        return Err(failure);
    }
    let mut answer = put.map_err(Failure::of_request)?;
    answer.notes.extend(adapted);
    if !options.ignore_end {
        answer.notes.extend(cut_off(&answer));
    }
    let (mut saved, mut is_lost) = (None, false);
    let nothing = match (picture, request.last_image, boxes(&answer)) {
        (None, _, _) => None,
        (Some(picture), Some(image), Some(regions)) => match picture.write(&drawn(&image, &regions)) {
            Ok(()) => {
                saved = options.draw.as_deref();
                None
            }
            // The answer is there, and is told nevertheless.
            Err(failure) => {
                is_lost = true;
                Some(failure.message())
            }
        },
        (Some(_), None, Some(_)) => Some("the places lie in a video".to_owned()),
        (Some(_), _, None) => {
            let hint = if options.boxes { "" } else { "; --boxes asks" };
            Some(format!("it isn't known where the answer is seen{hint}"))
        }
    };
    answer.notes.extend(nothing.map(|why| format!("nothing was drawn: {why}")));
    if output.json {
        output.document(&document(&answer, card, &notes, saved))?;
        output.notes(&answer.notes);
    } else {
        spoken(&answer, streams, output)?;
        output.say(&output.ink(Ink::Soft, &cost(&answer, card)));
    }
    Ok(match &answer.text {
        _ if is_lost => BROKEN,
        Some(_) => 0,
        None => ABSTAINED,
    })
}

/// The question as it is put.
fn inquiry(options: &AskOptions, request: &Request, cancel: &CancellationToken) -> Inquiry {
    let thought = if options.think { options.thought_tokens } else { 0 };
    Inquiry {
        options: Generate {
            sampling: Sampling {
                temperature: options.temperature,
                seed: options.seed,
                ..Sampling::default()
            },
            think: options.think,
            max_tokens: options.max_tokens.saturating_add(thought),
            max_thought_tokens: thought,
            stop_at_end: !options.ignore_end,
            cancel: cancel.clone(),
            ..Generate::default()
        },
        votes: options.votes,
        boxes: options.boxes,
        least_certainty: options.least,
        ..Inquiry::about(request.conversation.clone())
    }
}

/// That the answer isn't whole, unless it never began: then it is said of its thought.
fn cut_off(answer: &Answer) -> Option<String> {
    let reply = answer.replies.get(answer.chosen).filter(|_| answer.text.is_some())?;
    let why = match reply.stop {
        StopReason::MaxTokens if reply.text.is_empty() && !reply.thought.is_empty() => return None,
        StopReason::MaxTokens => "give it more with --max-tokens",
        StopReason::Context => "the context is full",
        _ => return None,
    };
    Some(format!("the answer was cut off after {} tokens: {why}", reply.usage.output_tokens))
}

/// The answer as the one JSON document.
fn document(answer: &Answer, card: &ModelCard, notes: &[String], drawn: Option<&Path>) -> serde_json::Value {
    let reply = answer.replies.get(answer.chosen);
    // An API tells no token by its number.
    let tokens = reply
        .map(|reply| reply.tokens.iter().map(|token| token.id).collect::<Vec<_>>())
        .filter(|tokens| !tokens.is_empty());
    let boxes = answer.seen_at.as_ref().map(|regions| {
        let corners = |region: &PixelRegion| [region.left, region.top, region.right, region.bottom];
        regions.iter().map(corners).collect::<Vec<_>>()
    });
    json!({
        "text": answer.text,
        "thought": reply.map(|reply| reply.thought.as_str()).filter(|thought| !thought.is_empty()),
        "abstained": answer.text.is_none(),
        "certainty": answer.certainty(),
        "likelihood": answer.likelihood,
        "votes": answer.replies.iter().map(|reply| reply.text.as_str()).collect::<Vec<_>>(),
        "agreeing": answer.supporters,
        "seen_at": boxes,
        "located": answer.located,
        "drawn": drawn,
        "tokens": tokens,
        "stop": reply.map(|reply| reply.stop),
        "usage": answer.usage,
        "model": card.name,
        "device": card.device,
        "notes": notes.iter().chain(&answer.notes).collect::<Vec<_>>(),
    })
}

/// The answer for a person, as far as it isn't on the screen yet.
fn spoken(answer: &Answer, is_told: bool, output: &Output) -> Result<(), Failure> {
    match &answer.text {
        Some(_) if is_told => output.stream("\n")?,
        Some(text) => output.print(&Output::shown(text))?,
        None => output.print("no answer: it isn't certain enough")?,
    }
    let votes = answer.replies.len();
    if let Some(certainty) = answer.certainty().filter(|_| votes > 1 || answer.text.is_none()) {
        let because = match votes {
            1 => "as the model takes its words to be likely".to_owned(),
            votes => format!("{} of {votes} replies agree", answer.supporters),
        };
        output.say(&output.ink(Ink::Soft, &format!("certainty {certainty:.2}: {because}")));
    }
    if let Some(regions) = &answer.seen_at {
        let places: Vec<_> = regions
            .iter()
            .map(|PixelRegion { left, top, right, bottom }| format!("[{left}, {top}, {right}, {bottom}]"))
            .collect();
        let told = if places.is_empty() { "nowhere, it says".into() } else { places.join(", ") };
        output.say(&output.ink(Ink::Soft, &format!("seen at: {told}")));
    }
    if let Some(located) = &answer.located {
        for Found { label, corners, outlines } in &located.found {
            let outlined = match outlines.as_slice() {
                [] => String::new(),
                outlines => format!(", outlined by {outlines:?}"),
            };
            let place = format!("{label} at {corners:?}{outlined}");
            output.say(&output.ink(Ink::Soft, plain(&place).trim_start()));
        }
        for piece in &located.unread {
            output.say(&output.ink(Ink::Warn, &format!("note: this names no box: {}", plain(piece))));
        }
    }
    for note in &answer.notes {
        output.say(&output.ink(Ink::Warn, &format!("note: {}", plain(note))));
    }
    Ok(())
}

fn cost(answer: &Answer, card: &ModelCard) -> String {
    let (usage, stage) = (&answer.usage, &answer.usage.stage);
    format!(
        "{} on {}: {} tokens read, {} written; vision {:.0} ms, prefill {:.0} ms, decode {:.0} ms",
        card.name,
        card.device,
        usage.fresh_tokens,
        usage.output_tokens,
        stage.vision,
        stage.prefill,
        stage.decode
    )
}
