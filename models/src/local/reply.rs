//! One reply of a local model: see the images, read the prompt, write under the grammar.

use std::{sync::Arc, time::Instant};

use async_stream::try_stream;
use futures::Stream;
use percept_runtime::{DecodeOptions, DecodeStop, DecodedToken, EmbeddedTokens, HostTensor};

use super::{
    Inner, encoded,
    features::{Features, SeenImage},
    image_tokens, looks,
    pieces::pieces,
    plan::ReplyPlan,
    prefix::{KeptSequence, Lent, Sees},
    prompt::{Prompt, PromptImage, PromptToken},
    reader::ReplyReader,
    rows,
    trouble::{broken_session, engine_error},
};
use crate::{
    Completion, ContentHash, Generate, GenerationEvent, ModelError, Reply, Stage, StopReason, TokenRecord,
    Usage,
};

/// The reply as it comes.
pub(super) fn stream(
    inner: Arc<Inner>,
    prompt: Prompt,
    plan: ReplyPlan,
    options: Generate,
) -> impl Stream<Item = Result<GenerationEvent, ModelError>> + Send {
    try_stream! {
        let mut usage = Usage { stage: Stage { vision: prompt.milliseconds, ..Stage::default() }, ..Usage::default() };
        let cancel = options.cancel.clone();
        let mut lent = Lent::new(&inner);
        let read = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            kept = read(&inner, &prompt, &mut usage, &mut lent) => Some(kept),
        };
        let Some(kept) = read else {
            drop(lent);
            yield GenerationEvent::Done(Box::new(cancelled(usage, &plan)));
            return;
        };
        let kept = kept?;
        let written = [inner.written_tokens.as_slice(), &plan.tags].concat();
        let stops = stops(inner.folder.family.end_texts(), &options);
        let mut reader = ReplyReader::new(&inner.folder.tokenizer, &written, plan.marker.as_ref(), &stops)?
            .telling(plan.speech)
            .behind_space(plan.spaced);
        let mut decoding = kept.sequence.decode(decode_options(&inner, &prompt, &options), plan.constraint);
        let mut thought = 0;
        let mut count = 0;
        let mut ends = Vec::new();
        while let Some(token) = decoding.next().await {
            let token = token.map_err(engine_error)?;
            count += 1;
            let was_thinking = reader.is_thinking();
            for event in reader.push(token.id)? {
                yield event;
            }
            // A thought is known to have begun with the token that completes its tag.
            if was_thinking || reader.is_thinking() {
                thought = count;
            }
            ends.push(reader.text.len());
            if reader.stopped {
                break;
            }
        }
        let decoded = decoding.finish();
        for event in reader.finish()? {
            yield event;
        }
        usage.stage.decode = decoded.milliseconds.total;
        usage.output_tokens = decoded.tokens.len();
        usage.forced_tokens = decoded.forced;
        kept.note_written(decoded.tokens.iter().map(|token| token.id));
        // Before anybody hears of the end: the next reply begins with it.
        drop(lent);
        let stop = if reader.stopped { StopReason::StopText } else { stop_reason(decoded.stop) };
        // Where the text has a thought in it, the tokens before its end are the thought's.
        let begins = plan.functions.as_ref().map_or(0, |_| inner.dialect.call_begins(&reader.text));
        if begins > 0 {
            thought = thought.max(ends.iter().take_while(|end| **end <= begins).count());
        }
        let call = plan.functions.map(|functions| match stop {
            StopReason::End => inner.dialect.read(&reader.text, &functions),
            StopReason::MaxTokens => Err(format!("the reply was cut off after {} tokens", decoded.tokens.len())),
            StopReason::Context => Err("the reply was cut off where the model's context is full".into()),
            StopReason::StopText | StopReason::Cancelled => Err("the reply was broken off".into()),
        });
        yield GenerationEvent::Done(Box::new(Completion {
            thought: match (plan.thinks, call.is_some()) {
                (true, _) => inner.dialect.thought(&reader.thought, &reader.text),
                (false, true) => String::new(),
                (false, false) => reader.thought.trim().to_owned(),
            },
            text: reader.text,
            call,
            unconfirmed: None,
            stop,
            usage,
            tokens: if options.log_probabilities { records(&inner, &decoded.tokens, thought)? } else { Vec::new() },
            log_probabilities: Vec::new(),
        }));
    }
}

/// Reads what the kept sequence doesn't hold of the prompt.
pub(super) async fn read<'l>(
    inner: &Inner,
    prompt: &Prompt,
    usage: &mut Usage,
    lent: &'l mut Lent<'_>,
) -> Result<&'l mut KeptSequence, ModelError> {
    if let Some(encoder) = inner.folder.family.prompt_encoder() {
        return encoded::read(inner, encoder, prompt, usage, lent).await;
    }
    let sees = match (inner.folder.family.reading().whole_prompt, inner.engine.tells_blocks()) {
        (true, _) => Sees::All,
        (false, true) => Sees::ItsImage,
        (false, false) => Sees::Before,
    };
    let kept = lent.for_prompt(&[], &prompt.tokens, prompt.positions.as_deref(), sees).await?;
    let fresh = &prompt.tokens[kept.tokens.len()..];
    usage.cached_tokens = kept.tokens.len();
    usage.fresh_tokens = fresh.len();
    let begun = Instant::now();
    // What is looked at is what the whole prompt shows, however much of it is cached.
    let shown = if inner.folder.family.looks_at_images() { prompt.tokens.as_slice() } else { fresh };
    let features = features(inner, prompt, shown).await?;
    usage.stage.vision += begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    append(inner, kept, prompt, &features).await?;
    usage.stage.prefill = begun.elapsed().as_secs_f64() * 1000.0;
    kept.prompt = kept.tokens.len();
    Ok(kept)
}

/// Reads what the kept sequence lacks of the prompt: as it is where the decoder looks embeddings up itself, else embedded,
/// with features at their places.
async fn append(
    inner: &Inner,
    kept: &mut KeptSequence,
    prompt: &Prompt,
    features: &[(ContentHash, SeenImage)],
) -> Result<(), ModelError> {
    let fresh = &prompt.tokens[kept.tokens.len()..];
    let lengths =
        if inner.engine.keeps_states() { pieces(fresh, &inner.end_tokens) } else { vec![fresh.len()] };
    let mut rest = fresh;
    for length in lengths {
        let (piece, later) = rest.split_at(length);
        rest = later;
        let held = kept.tokens.len();
        let positions = prompt.positions.as_ref().and_then(|positions| positions.get(held..held + length));
        if inner.folder.family.sees() {
            let tokens = embedded(inner, prompt, held, piece, features).await?;
            let tokens = EmbeddedTokens { positions: positions.map(<[_]>::to_vec), ..tokens };
            kept.sequence.append(tokens).await.map_err(engine_error)?;
        } else {
            let ids: Vec<u32> = piece.iter().map(|token| token.id).collect();
            kept.sequence.append_tokens(&ids).await.map_err(engine_error)?;
        }
        kept.note_read(piece, positions);
    }
    Ok(())
}

/// A piece of the prompt, with so many tokens before it, as the decoder takes it, but for where its tokens stand.
async fn embedded(
    inner: &Inner,
    prompt: &Prompt,
    held: usize,
    piece: &[PromptToken],
    features: &[(ContentHash, SeenImage)],
) -> Result<EmbeddedTokens, ModelError> {
    let end = held + piece.len();
    let embeddings = embeddings(inner, piece, features).await?;
    let side_inputs = rows::beside(&inner.engine, piece, features)?;
    let looks_at = match inner.engine.looks_at() {
        Some(width) => looks::looks_at(&prompt.tokens[..end], held, width, features)?,
        None => None,
    };
    let is_told = inner.engine.tells_blocks();
    let together = is_told.then(|| piece.iter().map(|token| token.feature.is_some()).collect());
    Ok(EmbeddedTokens { embeddings, positions: None, side_inputs, looks_at, together })
}

/// The features of every image that the fresh tokens need, remembered or encoded now.
pub(super) async fn features(
    inner: &Inner,
    prompt: &Prompt,
    fresh: &[PromptToken],
) -> Result<Vec<(ContentHash, SeenImage)>, ModelError> {
    let mut needed: Vec<(ContentHash, SeenImage)> = Vec::new();
    for (hash, _) in fresh.iter().filter_map(|token| token.feature) {
        if needed.iter().any(|(known, _)| *known == hash) {
            continue;
        }
        let seen = match prompt.images.get(&hash) {
            Some(PromptImage::Seen(seen)) => seen.clone(),
            Some(PromptImage::Processed { expansion, image, grid }) => {
                let image = image.as_ref().clone();
                let seen = SeenImage {
                    expansion: Arc::clone(expansion),
                    grid: *grid,
                    features: Arc::new(encode(inner, image).await?),
                };
                inner.seen.insert(hash, seen.clone());
                seen
            }
            None => continue,
        };
        needed.push((hash, seen));
    }
    Ok(needed)
}

/// Tiles that the vision encoder is given at once. Its memory grows with their number, and on a CPU four together take
/// hardly less time than one after another.
const TILES_AT_ONCE: usize = 4;

/// Runs the vision encoder on one image, tile after tile, and puts together what it found.
async fn encode(inner: &Inner, image: crate::ProcessedImage) -> Result<Features, ModelError> {
    let layout = image.layout();
    let session = inner.folder.session(inner.folder.family.parts().vision)?;
    let broken = |problem| broken_session(&session.path, problem);
    let (mut rows, mut tokens, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut beside: Vec<(String, Vec<f32>)> = Vec::new();
    let at_once = if inner.folder.family.reads_tiles_together() { layout.tiles } else { TILES_AT_ONCE };
    for part in image.in_parts(at_once) {
        let (found, rest) = encode_part(inner, part).await?;
        match inner.folder.family.image_vocabulary() {
            Some(vocabulary) => tokens.extend(image_tokens::found(found, vocabulary).map_err(broken)?),
            None => rows.extend(numbers(found)?),
        }
        let is_beside = |name: &str| inner.engine.side_inputs().any(|(input, _)| input == name);
        let (sides, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(name, _)| is_beside(name));
        for (name, tensor) in sides {
            let found = numbers(tensor)?;
            match beside.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => rows.extend(found),
                None => beside.push((name, found)),
            }
        }
        others = rest;
    }
    let features = Features { rows: inner.folder.family.arrange(&layout, rows, others)?, tokens, beside };
    // Remembered, they would be blamed on the decoder for ever after.
    match features.not_finite() {
        0 => Ok(features),
        count => Err(broken(format!("{count} of an image's features are no numbers (NaN or infinite)"))),
    }
}

/// Runs the vision encoder once: the features, and its other outputs.
async fn encode_part(
    inner: &Inner,
    image: crate::ProcessedImage,
) -> Result<(HostTensor, Vec<(String, HostTensor)>), ModelError> {
    let names = &inner.folder.vision_names;
    let mut inputs = inner.folder.family.encoder_inputs(image);
    for (name, _) in &mut inputs {
        if let Some((_, own)) = names.iter().find(|(known, _)| known == name) {
            name.clone_from(own);
        }
    }
    if let Some(signature) = inner.engine.signature(inner.vision()) {
        inputs.retain(|(name, _)| signature.input(name).is_some());
    }
    let mut outputs = inner.engine.encode(inner.vision(), inputs).await.map_err(engine_error)?;
    let place = outputs.iter().position(|(name, _)| inner.features_output.as_ref() == Some(name));
    let place = place.ok_or_else(|| ModelError::Engine("the vision encoder gave no features".into()))?;
    let found = outputs.swap_remove(place).1;
    Ok((found, outputs))
}

fn numbers(tensor: HostTensor) -> Result<Vec<f32>, ModelError> {
    let (_, numbers) = tensor.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    Ok(numbers)
}

/// The tokens' embeddings, `[1, tokens, hidden]`, with image features in the rows of image tokens, or with an image's own
/// tokens in their places.
pub(super) async fn embeddings(
    inner: &Inner,
    tokens: &[PromptToken],
    features: &[(ContentHash, SeenImage)],
) -> Result<HostTensor, ModelError> {
    if inner.folder.family.image_vocabulary().is_some() {
        return inner.engine.embed(&image_tokens::placed(tokens, features)?).await.map_err(engine_error);
    }
    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
    let by_graph = inner.engine.embeds_features() && inner.folder.family.finds_places_by_image_token();
    if by_graph && tokens.iter().any(|token| token.feature.is_some()) {
        let width = inner.engine.signature("embedding").and_then(|embedding| embedding.outputs.first());
        let width =
            width.and_then(|port| port.shape.last()?.fixed()).or(inner.folder.config.text.hidden_size);
        let hidden = width.ok_or_else(|| {
            ModelError::Engine("neither the embedding graph nor the configuration tells `hidden_size`".into())
        })?;
        let seeing: Vec<PromptToken> =
            tokens.iter().filter(|token| token.feature.is_some()).copied().collect();
        let mut data = vec![0.0; seeing.len() * hidden];
        rows::place(&mut data, hidden, &seeing, features, |image| Some(image.rows.as_slice()))?;
        let taken = HostTensor::F32 { shape: vec![seeing.len(), hidden], data };
        return inner.engine.embed_features(&ids, taken).await.map_err(engine_error);
    }
    let embedded = inner.engine.embed(&ids).await.map_err(engine_error)?;
    let (shape, mut data) = embedded.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    let hidden = shape.last().copied().unwrap_or(0);
    if inner.folder.family.looks_at_images() {
        // An image's token keeps its own embedding.
        return Ok(HostTensor::F32 { shape, data });
    }
    rows::place(&mut data, hidden, tokens, features, |image| Some(image.rows.as_slice()))?;
    Ok(HostTensor::F32 { shape, data })
}

fn decode_options(inner: &Inner, prompt: &Prompt, options: &Generate) -> DecodeOptions {
    let encoder = inner.folder.family.prompt_encoder();
    DecodeOptions {
        sampling: options.sampling.of_engine(),
        max_tokens: options.max_tokens,
        end_tokens: if options.stop_at_end { inner.end_tokens.clone() } else { Vec::new() },
        log_probabilities: options.log_probabilities,
        cancel: options.cancel.clone(),
        history: match encoder {
            Some(encoder) => encoder.begins.clone(),
            None => prompt.tokens.iter().map(|token| token.id).collect(),
        },
        silent: inner.silent().to_vec(),
        // What a grammar asks for may well be the same again.
        no_repeat: encoder.filter(|_| options.reply == Reply::Text).map_or(0, |encoder| encoder.no_repeat),
    }
}

/// Stop texts end free text only: in a call they may well be typed. The family's own stand for a token that would end a
/// reply, and count where such a token would.
fn stops(family: &[&str], options: &Generate) -> Vec<String> {
    if options.reply != Reply::Text {
        return Vec::new();
    }
    let own = family.iter().filter(|_| options.stop_at_end).map(|&text| text.into());
    options.stop.iter().cloned().chain(own).collect()
}

fn stop_reason(stop: DecodeStop) -> StopReason {
    match stop {
        DecodeStop::End => StopReason::End,
        DecodeStop::MaxTokens => StopReason::MaxTokens,
        DecodeStop::Context => StopReason::Context,
        DecodeStop::Cancelled => StopReason::Cancelled,
    }
}

fn cancelled(usage: Usage, plan: &ReplyPlan) -> Completion {
    Completion {
        thought: String::new(),
        text: String::new(),
        call: plan.functions.as_ref().map(|_| Err("the reply was cancelled before it began".into())),
        unconfirmed: None,
        stop: StopReason::Cancelled,
        usage,
        tokens: Vec::new(),
        log_probabilities: Vec::new(),
    }
}

/// The tokens, of which so many are the thought's.
fn records(inner: &Inner, tokens: &[DecodedToken], thought: usize) -> Result<Vec<TokenRecord>, ModelError> {
    tokens
        .iter()
        .enumerate()
        .map(|(index, token)| {
            Ok(TokenRecord {
                id: token.id,
                text: inner.folder.tokenizer.decode(&[token.id], false).map_err(ModelError::Engine)?,
                log_probability: token.log_probability.unwrap_or(0.0),
                forced: token.forced,
                thought: index < thought,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_familys_own_texts_end_a_free_reply_where_its_tokens_would() {
        let asked = |reply, stop_at_end| Generate {
            reply,
            stop: vec!["END".into()],
            stop_at_end,
            ..Generate::default()
        };
        let cases = [
            (asked(Reply::Text, true), vec!["END", "\nUser:"]),
            (asked(Reply::Text, false), vec!["END"]),
            (asked(Reply::Json(serde_json::json!({})), true), vec![]),
        ];
        for (options, expected) in cases {
            assert_eq!(stops(&["\nUser:"], &options), expected, "{options:?}");
        }
    }
}
