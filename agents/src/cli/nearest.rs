//! `percept nearest`: the pictures that fit words, or another picture, best.

use std::path::PathBuf;

use percept::models::{Cut, DualEncoder, Embedding, LoadOptions, LocalDualEncoder, nearest as by_likeness};
use serde::Serialize;

use super::{
    arguments::NearestOptions,
    failure::Failure,
    gallery::{Gallery, LeftOut},
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
};

#[derive(Serialize)]
struct Document<'a> {
    query: &'a Query,
    found: Vec<Found<'a>>,
    searched: usize,
    left_out: &'a [LeftOut],
    model: &'a str,
    device: &'a str,
    notes: &'a [String],
}

/// What the query was taken for.
#[derive(Serialize)]
#[serde(untagged)]
enum Query {
    Image { image: String },
    Text { text: String, cut: Option<Cut> },
}

#[derive(Serialize)]
struct Found<'a> {
    image: &'a str,
    cosine: f32,
    notes: &'a [String],
}

/// Searches, and prints the best.
pub(crate) async fn nearest(options: NearestOptions, output: &Output) -> Result<u8, Failure> {
    let gallery = Gallery::of(&options.images)?;
    let load = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
    let model = options.model.open_encoder(load, Bars::new(&output.bars)).await?;
    let card = model.card();
    output.notes(&card.notes);
    let (query, told) = query(&options.query, &model, output).await?;
    let embedded = gallery.embed(&model, output).await?;
    let embeddings: Vec<Embedding> =
        embedded.pictures.iter().map(|picture| picture.embedding.clone()).collect();
    let found: Vec<_> = by_likeness(&query, &embeddings)
        .into_iter()
        .take(options.top)
        .map(|(place, cosine)| (&embedded.pictures[place], cosine))
        .collect();
    if output.json {
        let found = found.iter().map(|(picture, cosine)| Found {
            image: &picture.file,
            cosine: *cosine,
            notes: &picture.notes,
        });
        output.document(&Document {
            query: &told,
            found: found.collect(),
            searched: embeddings.len(),
            left_out: &embedded.left_out,
            model: &card.name,
            device: &card.device,
            notes: &card.notes,
        })?;
        return Ok(0);
    }
    for (picture, cosine) in &found {
        output.print(&format!("{cosine:.3}  {}", plain(&picture.file)))?;
    }
    let line =
        format!("{} of {} pictures, by {} on {}", found.len(), embeddings.len(), card.name, card.device);
    output.say(&output.ink(Ink::Soft, &line));
    Ok(0)
}

/// The query's embedding, and what it was taken for: the picture in a file of that name, else words.
async fn query(
    query: &str,
    model: &LocalDualEncoder,
    output: &Output,
) -> Result<(Embedding, Query), Failure> {
    let path = PathBuf::from(query);
    if path.is_file() {
        let mut embedded = Gallery::of(&[path])?.embed(model, output).await?;
        return Ok((embedded.pictures.swap_remove(0).embedding, Query::Image { image: query.to_owned() }));
    }
    let found = model.embed_texts(&[query.to_owned()]).await?.swap_remove(0);
    if let Some(cut) = &found.cut {
        output.say(&output.ink(Ink::Warn, &format!("note: the query: {cut}")));
    }
    Ok((found.embedding, Query::Text { text: query.to_owned(), cut: found.cut }))
}
