//! `percept ask`: a question about images, and the model's answer.

use std::path::Path;

use anyhow::anyhow;
use percept::models::{
    Completion, Conversation, Generate, GenerationEvent, LoadOptions, LoadedImage, Message, ModelAddress,
    ModelError, Role, Sampling,
};
use serde_json::json;

use super::{
    arguments::AskOptions,
    failure::Failure,
    output::{Ink, Output},
    progress::Bars,
};

/// Asks, and prints the answer while it is written.
pub(crate) async fn ask(options: AskOptions, output: &Output) -> Result<u8, Failure> {
    let (question, files) =
        options.images_and_question.split_last().unwrap_or((&options.images_and_question[0], &[]));
    if Path::new(question).is_file() {
        let error = anyhow!("the last argument is a file, {question}, and not a question");
        return Err(
            Failure::bad_input(error).help("put the question last: percept ask MODEL IMAGE… \"question\"")
        );
    }
    let mut message = Message { role: Role::User, content: Vec::new() };
    for file in files {
        let image = LoadedImage::open(Path::new(file))?;
        image
            .notes
            .iter()
            .for_each(|note| output.say(&output.ink(Ink::Warn, &format!("note: {file}: {note}"))));
        message = message.with_image(image.pixels);
    }
    let conversation = Conversation::from_iter([message.with_text(question.as_str())]);
    let load = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
    let model = options.model.open(load, Bars::new(&output.bars)).await?;
    let card = model.card();
    for note in &card.notes {
        output.say(&output.ink(Ink::Soft, &format!("note: {note}")));
    }
    // An API tells no token by its number.
    let counts_tokens = !matches!(options.model, ModelAddress::Remote(_));
    let request = Generate {
        sampling: Sampling { temperature: options.temperature, seed: options.seed, ..Sampling::default() },
        max_tokens: options.max_tokens,
        stop_at_end: !options.ignore_end,
        log_probabilities: counts_tokens,
        ..Generate::default()
    };
    let mut generation = model.generate(&conversation, &request).await?;
    let mut completion: Option<Completion> = None;
    while let Some(event) = generation.next().await {
        match event? {
            GenerationEvent::Text(text) if !output.json => output.stream(&text)?,
            GenerationEvent::Done(done) => completion = Some(*done),
            _ => {}
        }
    }
    let completion = completion.ok_or(ModelError::Interrupted)?;
    if output.json {
        let ids = || completion.tokens.iter().map(|token| token.id).collect::<Vec<_>>();
        let tokens = counts_tokens.then(ids);
        output.document(&json!({
            "text": completion.text,
            "tokens": tokens,
            "stop": completion.stop,
            "usage": completion.usage,
            "model": card.name,
            "device": card.device,
            "notes": card.notes,
        }))?;
    } else {
        output.stream("\n")?;
        let usage = &completion.usage;
        let stage = &usage.stage;
        let line = format!(
            "{} on {}: {} tokens read, {} written; vision {:.0} ms, prefill {:.0} ms, decode {:.0} ms",
            card.name,
            card.device,
            usage.fresh_tokens,
            usage.output_tokens,
            stage.vision,
            stage.prefill,
            stage.decode
        );
        output.say(&output.ink(Ink::Soft, &line));
    }
    Ok(0)
}
