//! Batches through the towers.

use std::sync::Arc;

use image::RgbImage;
use percept_runtime::{Element, Engine, HostTensor, Port};

use super::{
    Inner,
    text::{PaddedText, ReadText},
};
use crate::{
    ModelError,
    dual_encoder::{
        Embedding, EncoderFolder, EncoderLayout, TextEmbedding,
        folder::{JOINT, TEXT, VISION},
    },
    folder::{Precision, SessionFile},
    local::engine_error,
    processor::ProcessedImage,
};

const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";
const PIXEL_VALUES: &str = "pixel_values";
/// What a joint graph reads where no text is asked for.
const STAND_IN: &str = "a";

/// The most texts, and the most images, of one run: bounds the memory between.
const TEXTS: usize = 32;
const IMAGES: usize = 8;

/// Embeds texts.
pub(super) async fn texts(inner: &Inner, texts: &[String]) -> Result<Vec<TextEmbedding>, ModelError> {
    let reader = &inner.folder.reader;
    let read = texts.iter().map(|text| reader.read(text)).collect::<Result<Vec<_>, _>>()?;
    let session = if inner.folder.layout == EncoderLayout::Joint { JOINT } else { TEXT };
    let output = output(&inner.folder, session, TEXT);
    let mut embeddings = Vec::with_capacity(texts.len());
    for batch in read.chunks(at_once(inner, session, INPUT_IDS, TEXTS)) {
        let mut inputs = text_inputs(&inner.engine, &inner.folder, session, batch);
        if session == JOINT {
            inputs.push(pixel_values(&[&inner.blank]));
        }
        let rows = run(&inner.engine, session, inputs, output, batch.len()).await?;
        let embedded = rows.into_iter().zip(batch);
        embeddings
            .extend(embedded.map(|(embedding, text)| TextEmbedding { embedding, cut: text.cut.clone() }));
    }
    Ok(embeddings)
}

/// Embeds images.
pub(super) async fn images(
    inner: &Arc<Inner>,
    images: &[Arc<RgbImage>],
) -> Result<Vec<Embedding>, ModelError> {
    let session = if inner.folder.layout == EncoderLayout::Joint { JOINT } else { VISION };
    let output = output(&inner.folder, session, VISION);
    let mut embeddings = Vec::with_capacity(images.len());
    for batch in images.chunks(at_once(inner, session, PIXEL_VALUES, IMAGES)) {
        let (owner, pixels) = (Arc::clone(inner), batch.to_vec());
        let work = tokio::task::spawn_blocking(move || {
            pixels.iter().map(|image| owner.folder.processor.process(image)).collect::<Result<Vec<_>, _>>()
        });
        let processed = work.await.map_err(|error| ModelError::Engine(error.into()))??;
        let mut inputs = vec![pixel_values(&processed.iter().collect::<Vec<_>>())];
        if session == JOINT {
            let text = inner.folder.reader.read(STAND_IN)?;
            inputs.extend(text_inputs(&inner.engine, &inner.folder, session, &[text]));
        }
        embeddings.extend(run(&inner.engine, session, inputs, output, batch.len()).await?);
    }
    Ok(embeddings)
}

/// The output that holds a tower's embeddings.
pub(super) fn output(folder: &EncoderFolder, session: &str, tower: &str) -> &'static str {
    let (text, image) = folder.config.family.outputs();
    match (session, tower) {
        (JOINT, TEXT) => "text_embeds",
        (JOINT, _) => "image_embeds",
        (_, TEXT) => text,
        _ => image,
    }
}

/// How many rows go through at once. A graph with integers in it scales a whole batch by its largest number, so that
/// a row's result would depend on its neighbours: there each goes alone.
fn at_once(inner: &Inner, session: &str, input: &str, most: usize) -> usize {
    let exact = inner
        .folder
        .sessions
        .iter()
        .filter(|file| file.session == session)
        .all(|file| [Precision::full().to_string(), "fp16".into()].contains(&file.precision.to_string()));
    if exact { fixed_batch(&inner.engine, session, input).unwrap_or(most).max(1) } else { 1 }
}

fn fixed_batch(engine: &Engine, session: &str, input: &str) -> Option<usize> {
    port(engine, session, input)?.shape.first()?.fixed()
}

/// Refuses a graph that only takes several texts or images at once: there aren't always as many.
pub(super) fn check_batch(engine: &Engine, file: &SessionFile) -> Result<(), ModelError> {
    for input in [INPUT_IDS, PIXEL_VALUES] {
        if let Some(batch) = fixed_batch(engine, &file.session, input).filter(|batch| *batch != 1) {
            return Err(ModelError::Folder {
                path: file.path.clone(),
                problem: format!("its `{input}` takes {batch} at once, neither more nor fewer"),
                remedy: "Export it with a batch of any size, or of 1".into(),
            });
        }
    }
    Ok(())
}

fn port<'a>(engine: &'a Engine, session: &str, input: &str) -> Option<&'a Port> {
    engine.signature(session)?.input(input)
}

/// Token ids and, where the graph asks for it, the mask of those that are attended.
pub(super) fn text_inputs(
    engine: &Engine,
    folder: &EncoderFolder,
    session: &str,
    texts: &[ReadText],
) -> Vec<(String, HostTensor)> {
    let ids = port(engine, session, INPUT_IDS);
    let fixed = ids.and_then(|port| port.shape.get(1)?.fixed());
    let rows = folder.reader.padded(texts, fixed);
    let masked = port(engine, session, ATTENTION_MASK);
    let numbers = |name: &str, port: Option<&Port>, number: &dyn Fn(&PaddedText, usize) -> i64| {
        let shape = vec![rows.len(), rows.first().map_or(0, |row| row.ids.len())];
        let all = rows.iter().flat_map(|row| (0..row.ids.len()).map(move |place| number(row, place)));
        let tensor = match port.and_then(|port| port.element) {
            Some(Element::I32) => HostTensor::I32 { shape, data: all.map(|number| number as i32).collect() },
            _ => HostTensor::I64 { shape, data: all.collect() },
        };
        (name.to_owned(), tensor)
    };
    let mut inputs = vec![numbers(INPUT_IDS, ids, &|row, place| i64::from(row.ids[place]))];
    if masked.is_some() {
        inputs.push(numbers(ATTENTION_MASK, masked, &|row, place| i64::from(place < row.attended)));
    }
    inputs
}

/// Pictures of one size as one tensor.
pub(super) fn pixel_values(images: &[&ProcessedImage]) -> (String, HostTensor) {
    let (height, width) = images.first().map_or((0, 0), |image| (image.height, image.width));
    let shape = vec![images.len(), 3, height, width];
    let data = images.iter().flat_map(|image| &image.values).copied().collect();
    (PIXEL_VALUES.into(), HostTensor::F32 { shape, data })
}

/// Runs a graph and takes so many rows of one output, each scaled to length 1.
async fn run(
    engine: &Engine,
    session: &str,
    inputs: Vec<(String, HostTensor)>,
    output: &str,
    count: usize,
) -> Result<Vec<Embedding>, ModelError> {
    let mut outputs = engine.encode(session, inputs).await.map_err(engine_error)?;
    rows(&mut outputs, session, output, count)?.into_iter().map(Embedding::new).collect()
}

/// Takes the rows of an output `[rows, width]` by its name. There must be as many as texts or images went in, or they
/// would be taken for each other's.
pub(super) fn rows(
    outputs: &mut Vec<(String, HostTensor)>,
    session: &str,
    name: &str,
    count: usize,
) -> Result<Vec<Vec<f32>>, ModelError> {
    let wrong = |problem: String| ModelError::Engine(format!("the graph `{session}` gave {problem}").into());
    let missing = || wrong(format!("no rows as `{name}`"));
    let place = outputs.iter().position(|(output, _)| output == name).ok_or_else(missing)?;
    let (shape, data) =
        outputs.swap_remove(place).1.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    match shape[..] {
        [rows, width] if rows * width == data.len() && width > 0 => {
            if rows != count {
                return Err(wrong(format!("{rows} row(s) as `{name}` for {count}")));
            }
            Ok(data.chunks_exact(width).map(<[f32]>::to_vec).collect())
        }
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use percept_runtime::HostTensor;

    use super::rows;

    #[test]
    fn a_graph_that_gives_other_rows_than_it_was_asked_for_is_named() {
        let cases: [(&[usize], usize, Result<usize, &str>); 6] = [
            (&[2, 3], 2, Ok(2)),
            (&[0, 3], 2, Err("the graph `text_model` gave 0 row(s) as `embeds` for 2")),
            (&[1, 3], 2, Err("the graph `text_model` gave 1 row(s) as `embeds` for 2")),
            (&[3, 3], 2, Err("the graph `text_model` gave 3 row(s) as `embeds` for 2")),
            (&[2, 0], 2, Err("the graph `text_model` gave no rows as `embeds`")),
            (&[6], 2, Err("the graph `text_model` gave no rows as `embeds`")),
        ];
        for (shape, wanted, expected) in cases {
            let data = vec![1.0; shape.iter().product()];
            let mut outputs = vec![("embeds".into(), HostTensor::F32 { shape: shape.to_vec(), data })];
            match (rows(&mut outputs, "text_model", "embeds", wanted), expected) {
                (Ok(rows), Ok(expected)) => assert_eq!(rows.len(), expected),
                (Err(error), Err(expected)) => {
                    let error = format!("{error} {error:?}");
                    assert!(error.contains(expected), "{error}");
                }
                (found, _) => panic!("{shape:?}: {found:?}"),
            }
        }
        assert!(rows(&mut Vec::new(), "text_model", "embeds", 2).is_err());
    }
}
