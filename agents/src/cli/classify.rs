//! `percept classify`: pictures against labels in words.

use percept::models::{Classification, DualEncoder, LoadOptions, Temperature, ZeroShot};
use serde::Serialize;

use super::{
    arguments::ClassifyOptions,
    failure::Failure,
    gallery::{Gallery, LeftOut},
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
};

#[derive(Serialize)]
struct Document<'a> {
    images: Vec<Answer<'a>>,
    labels: &'a [String],
    templates: &'a [String],
    temperature: &'a Temperature,
    left_out: &'a [LeftOut],
    model: &'a str,
    device: &'a str,
    notes: &'a [&'a String],
}

#[derive(Serialize)]
struct Answer<'a> {
    image: &'a str,
    best: Option<String>,
    scores: Classification,
    notes: &'a [String],
}

/// Classifies each picture, and prints its labels, the likeliest first.
pub(crate) async fn classify(options: ClassifyOptions, output: &Output) -> Result<u8, Failure> {
    // What needs no model to be known is told before one is fetched and loaded.
    ZeroShot::check(&options.labels, &options.templates)?;
    let gallery = Gallery::of(&options.images)?;
    gallery.check_named()?;
    let load = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
    let model = options.model.open_encoder(load, Bars::new(&output.bars)).await?;
    let question = ZeroShot::ask(&model, &options.labels, &options.templates).await?;
    let card = model.card();
    let notes: Vec<&String> = card.notes.iter().chain(question.notes()).collect();
    output.notes(notes.iter().copied());
    let embedded = gallery.embed(&model, None, output).await?;
    let answers = embedded.pictures.iter().map(|picture| (picture, question.classify(&picture.embedding)));
    if output.json {
        let images = answers.map(|(picture, answer)| Answer {
            image: &picture.file,
            best: answer.best().map(|score| score.label.clone()),
            scores: answer,
            notes: &picture.notes,
        });
        output.document(&Document {
            images: images.collect(),
            labels: &options.labels,
            templates: &options.templates,
            temperature: question.temperature(),
            left_out: &embedded.left_out,
            model: &card.name,
            device: &card.device,
            notes: &notes,
        })?;
        return Ok(0);
    }
    for (picture, answer) in answers {
        output.print(&plain(&picture.file))?;
        table(&answer, output)?;
    }
    output.say(
        &output.ink(Ink::Soft, &format!("{} on {}: {}", card.name, card.device, question.temperature())),
    );
    Ok(0)
}

fn table(answer: &Classification, output: &Output) -> Result<(), Failure> {
    let width = answer.scores.iter().map(|score| score.label.chars().count()).max().unwrap_or(0);
    answer.scores.iter().try_for_each(|score| {
        let (percent, label) = (score.probability * 100.0, plain(&score.label));
        output.print(&format!("  {percent:5.1}%  {label:<width$}  cosine {:.3}", score.cosine))
    })
}
