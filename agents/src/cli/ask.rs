//! `percept ask`: a question about images and videos, and the model's answer.

use std::path::Path;

use anyhow::anyhow;
use percept::{
    Answer, Inquiry,
    models::{Found, Generate, LoadOptions, ModelCard, ModelError, Sampling},
    runtime::{AttentionWindow, CacheForm},
    tools::{
        PixelRegion,
        image::{ImageFormat, Rgb, RgbImage},
    },
};
use serde_json::json;

mod request;

use self::request::Request;
use super::{
    arguments::AskOptions,
    failure::Failure,
    output::{Ink, Output},
    progress::Bars,
};

/// The exit code of a question that got no answer.
const ABSTAINED: u8 = 1;
/// The colour and the width of a drawn box, in pixels.
const DRAWN: Rgb<u8> = Rgb([230, 30, 80]);
const STROKE: u32 = 2;

/// Asks, and prints the answer while it is written, where nothing can withhold it.
pub(crate) async fn ask(options: AskOptions, output: &Output) -> Result<u8, Failure> {
    if let Some(path) = &options.draw {
        can_be_drawn(path)?;
    }
    let mut request = Request::read(&options, output)?;
    // What needs no model to be known is told before one is fetched and loaded.
    request.says_something(&options.model.to_string(), options.model.may_caption())?;
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
    for note in &card.notes {
        output.say(&output.ink(Ink::Soft, &format!("note: {note}")));
    }
    let sampling = Sampling { temperature: options.temperature, seed: options.seed, ..Sampling::default() };
    let thought = if options.think { options.thought_tokens } else { 0 };
    let inquiry = Inquiry {
        options: Generate {
            sampling,
            think: options.think,
            max_tokens: options.max_tokens.saturating_add(thought),
            max_thought_tokens: thought,
            stop_at_end: !options.ignore_end,
            ..Generate::default()
        },
        votes: options.votes,
        boxes: options.boxes,
        least_certainty: options.least,
        ..Inquiry::about(request.conversation)
    };
    let streams = !output.json && options.votes == 1 && options.least.is_none();
    let mut unprinted = None;
    let mut told = |text: &str| {
        if streams && let Err(failure) = output.stream(text) {
            unprinted.get_or_insert(failure);
        }
    };
    let mut answer = inquiry.put(model.as_ref(), &mut told).await.map_err(|error| match error {
        ModelError::Request(problem) => Failure::bad_input(anyhow!(problem)),
        error => error.into(),
    })?;
    if let Some(failure) = unprinted {
        return Err(failure);
    }
    answer.notes.extend(adapted);
    if output.json {
        output.document(&document(&answer, card))?;
    } else {
        spoken(&answer, streams, output)?;
        output.say(&output.ink(Ink::Soft, &cost(&answer, card)));
    }
    // The answer is told by now: a picture that can't be saved costs nothing of it.
    match (&options.draw, request.last_image, boxes(&answer)) {
        (Some(path), Some(image), Some(regions)) => drawn(&image, &regions)
            .save(path)
            .map_err(|error| Failure::bad_input(anyhow!("{}: {error}", path.display())))?,
        (Some(_), _, None) => {
            let hint = if options.boxes { "" } else { "; --boxes asks" };
            let problem = "note: nothing was drawn: it isn't known where the answer is seen";
            output.say(&output.ink(Ink::Warn, &format!("{problem}{hint}")));
        }
        _ => {}
    }
    Ok(if answer.text.is_some() { 0 } else { ABSTAINED })
}

/// Where the answer is seen, as the model was asked or as the answer itself says; `None` if that is nowhere, or couldn't be
/// read.
fn boxes(answer: &Answer) -> Option<Vec<PixelRegion>> {
    let region = |found: &Found| {
        let [left, top, right, bottom] = found.corners;
        PixelRegion { left, top, right, bottom }
    };
    let located = || Some(answer.located.as_ref()?.found.iter().map(region).collect());
    answer.seen_at.clone().or_else(located).filter(|regions: &Vec<_>| !regions.is_empty())
}

/// Whether a picture can have this name, before a model is asked for what is drawn in it.
fn can_be_drawn(path: &Path) -> Result<(), Failure> {
    let refused = |problem: String| Failure::bad_input(anyhow!("--draw {}: {problem}", path.display()));
    ImageFormat::from_path(path).map_err(|error| refused(error.to_string()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        Some(folder) => Err(refused(format!("there is no folder {}", folder.display()))),
        None => Ok(()),
    }
}

/// The answer as the one JSON document.
fn document(answer: &Answer, card: &ModelCard) -> serde_json::Value {
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
        "tokens": tokens,
        "stop": reply.map(|reply| reply.stop),
        "usage": answer.usage,
        "model": card.name,
        "device": card.device,
        "notes": card.notes.iter().chain(&answer.notes).collect::<Vec<_>>(),
    })
}

/// The answer for a person, as far as it isn't on the screen yet.
fn spoken(answer: &Answer, is_told: bool, output: &Output) -> Result<(), Failure> {
    match &answer.text {
        Some(_) if is_told => output.stream("\n")?,
        Some(text) => output.print(text)?,
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
            output.say(&output.ink(Ink::Soft, place.trim_start()));
        }
        for piece in &located.unread {
            output.say(&output.ink(Ink::Warn, &format!("note: this names no box: {piece}")));
        }
    }
    for note in &answer.notes {
        output.say(&output.ink(Ink::Warn, &format!("note: {note}")));
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

/// The image with a frame along the inside of each region.
fn drawn(image: &RgbImage, regions: &[PixelRegion]) -> RgbImage {
    let mut drawn = image.clone();
    for region in regions {
        let within = |side: u32, from: u32, to: u32| side < from + STROKE || side + STROKE >= to;
        for y in region.top..region.bottom.min(image.height()) {
            for x in region.left..region.right.min(image.width()) {
                if within(x, region.left, region.right) || within(y, region.top, region.bottom) {
                    drawn.put_pixel(x, y, DRAWN);
                }
            }
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use percept::models::{Located, Usage};

    use super::*;

    #[test]
    fn boxes_that_are_none_are_not_drawn() {
        let region = PixelRegion { left: 1, top: 2, right: 3, bottom: 4 };
        let found = vec![Found { label: "cat".into(), corners: [1, 2, 3, 4], outlines: Vec::new() }];
        let located = |found| Some(Located { found, unread: vec!["<loc".into()] });
        let cases = [
            (None, None, None),
            (Some(Vec::new()), None, None),
            (None, located(Vec::new()), None),
            (None, located(found), Some(vec![region])),
            (Some(vec![region]), located(Vec::new()), Some(vec![region])),
        ];
        for (seen_at, located, expected) in cases {
            let answer = Answer {
                text: None,
                replies: Vec::new(),
                chosen: 0,
                supporters: 0,
                likelihood: None,
                seen_at,
                located,
                notes: Vec::new(),
                usage: Usage::default(),
            };
            assert_eq!(boxes(&answer), expected, "{answer:?}");
        }
    }
}
