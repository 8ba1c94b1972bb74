//! `percept embed`: pictures and texts as vectors of one space.

use percept::models::{Cut, DualEncoder, Embedding, EncoderCard, LoadOptions, TextEmbedding};
use serde::Serialize;

use super::{
    arguments::EmbedOptions,
    failure::Failure,
    gallery::{Embedded, Gallery, LeftOut, Picture},
    narration::plain,
    output::{Ink, Output},
    progress::Bars,
};

#[derive(Serialize)]
struct Document<'a> {
    embeddings: Vec<Row<'a>>,
    left_out: &'a [LeftOut],
    model: &'a str,
    device: &'a str,
    notes: &'a [String],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Row<'a> {
    Image { image: &'a str, embedding: &'a Embedding, notes: &'a [String] },
    Text { text: &'a str, embedding: &'a Embedding, cut: Option<&'a Cut> },
}

/// Embeds, and prints one JSON document.
pub(crate) async fn embed(options: EmbedOptions, output: &Output) -> Result<u8, Failure> {
    let gallery = match options.images.as_slice() {
        [] => None,
        images => Some(Gallery::of(images)?),
    };
    if gallery.is_none() && options.texts.is_empty() {
        return Err(Failure::bad_input(anyhow::anyhow!("there is nothing to embed"))
            .help("name pictures or folders of them, or a text: --text \"…\""));
    }
    // One torn file at the end would throw away what was made of all before it.
    gallery.as_ref().map_or(Ok(()), Gallery::check_named)?;
    let load = LoadOptions { device: options.device.clone(), ..LoadOptions::default() };
    let model = options.model.open_encoder(load, Bars::new(&output.bars)).await?;
    let card = model.card();
    output.notes(&card.notes);
    let texts = model.embed_texts(&options.texts).await?;
    let Embedded { pictures, left_out, .. } = match &gallery {
        Some(gallery) => gallery.embed(&model, None, output).await?,
        None => Embedded { pictures: Vec::new(), left_out: Vec::new(), known: 0 },
    };
    let mut embeddings: Vec<Row<'_>> = pictures
        .iter()
        .map(|Picture { file, embedding, notes }| Row::Image { image: file, embedding, notes })
        .collect();
    for (text, TextEmbedding { embedding, cut }) in options.texts.iter().zip(&texts) {
        if let Some(cut) = cut {
            output.say(&output.ink(Ink::Warn, &format!("note: {:?}: {cut}", plain(text))));
        }
        embeddings.push(Row::Text { text, embedding, cut: cut.as_ref() });
    }
    let EncoderCard { name, device, notes, .. } = card;
    let document = Document { embeddings, left_out: &left_out, model: name, device, notes };
    // On one line: a number a line would be hundreds for each embedding.
    output.print(&serde_json::to_string(&document).map_err(Failure::broken)?)?;
    Ok(0)
}
