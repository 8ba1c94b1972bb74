//! `percept nearest`: the pictures that fit words, or another picture, best.

use std::{fmt, path::PathBuf};

use percept::{
    models::{
        Cut, DualEncoder, Embedding, EmbeddingIndex, LoadOptions, LocalDualEncoder, nearest as by_likeness,
    },
    runtime::Cache,
};
use serde::Serialize;

use super::{
    arguments::NearestOptions,
    failure::Failure,
    gallery::{Gallery, LeftOut},
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
    slip,
};

#[derive(Serialize)]
struct Document<'a> {
    query: &'a Query,
    found: Vec<Found<'a>>,
    searched: usize,
    /// How many of them had been embedded by an earlier search.
    known: usize,
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

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { image } => write!(f, "the picture {}", plain(image)),
            Self::Text { text, .. } => write!(f, "the words “{}”", plain(text)),
        }
    }
}

#[derive(Serialize)]
struct Found<'a> {
    image: &'a str,
    cosine: f32,
    notes: &'a [String],
}

/// Searches, and prints the best.
pub(crate) async fn nearest(options: NearestOptions, output: &Output) -> Result<u8, Failure> {
    let help = "name a picture that is there, or say in words what is sought";
    let doubt = slip::doubt(&options.query, "words", help)?;
    let gallery = Gallery::of(&options.images)?;
    let load = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
    let model = options.model.open_encoder(load, Bars::new(&output.bars)).await?;
    let card = model.card();
    let mut notes = card.notes.clone();
    notes.extend(doubt);
    let mut index = if options.no_index { None } else { index(&model, &mut notes) };
    output.notes(&notes);
    let (query, told) = query(&options.query, &model, index.as_mut(), output).await?;
    let embedded = gallery.embed(&model, index.as_mut(), output).await;
    // What was embedded before something failed needn't be embedded again.
    if let Some(Err(error)) = index.map(|mut index| index.save()) {
        let note = format!("the next search embeds all pictures again: {error}");
        output.notes([&note]);
        notes.push(note);
    }
    let embedded = embedded?;
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
            known: embedded.known,
            left_out: &embedded.left_out,
            model: &card.name,
            device: &card.device,
            notes: &notes,
        })?;
        return Ok(0);
    }
    for (picture, cosine) in &found {
        output.print(&format!("{cosine:.3}  {}", plain(&picture.file)))?;
    }
    let known = match embedded.known {
        0 => String::new(),
        known => format!(" ({known} known from before)"),
    };
    let (best, all) = (found.len(), embeddings.len());
    let line = format!("{best} of {all} pictures{known} by {told}, {} on {}", card.name, card.device);
    output.say(&output.ink(Ink::Soft, &line));
    Ok(0)
}

/// What earlier searches with this model embedded, in the user's cache. Where there is none to be had, the search goes on.
fn index(model: &LocalDualEncoder, notes: &mut Vec<String>) -> Option<EmbeddingIndex> {
    let found = Cache::open()
        .map_err(anyhow::Error::from)
        .and_then(|cache| Ok(EmbeddingIndex::open(&cache.root().join("embeddings"), model.identity()?)));
    match found {
        Ok(index) => {
            notes.extend(index.note().map(str::to_owned));
            Some(index)
        }
        Err(error) => {
            notes.push(format!("all pictures are embedded anew: {error}"));
            None
        }
    }
}

/// The query's embedding, and what it was taken for: the picture in a file of that name, else words.
async fn query(
    query: &str,
    model: &LocalDualEncoder,
    index: Option<&mut EmbeddingIndex>,
    output: &Output,
) -> Result<(Embedding, Query), Failure> {
    let path = PathBuf::from(query);
    if path.is_file() {
        let mut embedded = Gallery::of(&[path])?.embed(model, index, output).await?;
        return Ok((embedded.pictures.swap_remove(0).embedding, Query::Image { image: query.to_owned() }));
    }
    let found = model.embed_texts(&[query.to_owned()]).await?.swap_remove(0);
    if let Some(cut) = &found.cut {
        output.say(&output.ink(Ink::Warn, &format!("note: the query: {cut}")));
    }
    Ok((found.embedding, Query::Text { text: query.to_owned(), cut: found.cut }))
}
