//! One reply of a local model: see the images, read the prompt, write under the grammar.

use std::{sync::Arc, time::Instant};

use async_stream::try_stream;
use futures::Stream;
use percept_runtime::{
    Constraint, DecodeOptions, DecodeStop, DecodedToken, EmbeddedTokens, HostTensor, Marker, Sampling,
};

use super::{
    Inner,
    features::{Features, SeenImage},
    looks,
    pieces::pieces,
    prefix::KeptSequence,
    prompt::{Prompt, PromptImage, PromptToken},
    reader::ReplyReader,
    rows,
    trouble::engine_error,
};
use crate::{
    Completion, ContentHash, Function, Generate, GenerationEvent, ModelError, Reply, Stage, StopReason,
    TokenRecord, Usage, family::VISION_ENCODER,
};

/// What a reply is, decided before it begins.
#[derive(Debug)]
pub(super) struct ReplyPlan {
    /// What it may be; `None` for free text.
    pub(super) constraint: Option<Constraint>,
    /// What ends its thought, if it may begin with one.
    pub(super) marker: Option<Marker>,
    /// The functions on offer, if it is to be a call.
    pub(super) functions: Option<Vec<Function>>,
}

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
        let read = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            kept = read(&inner, &prompt, &mut usage) => Some(kept),
        };
        let Some(kept) = read else {
            yield GenerationEvent::Done(Box::new(cancelled(usage, &plan)));
            return;
        };
        let mut kept = kept?;
        let mut reader = ReplyReader::new(&inner.folder.tokenizer, plan.marker.as_ref(), &stops(inner.folder.family.end_texts(), &options))?;
        let mut decoding = kept.sequence.decode(decode_options(&inner, &prompt, &options), plan.constraint);
        let mut thought = 0;
        while let Some(token) = decoding.next().await {
            let token = token.map_err(engine_error)?;
            thought += usize::from(reader.is_thinking());
            for event in reader.push(token.id)? {
                yield event;
            }
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
        kept.tokens.extend(decoded.tokens.iter().map(|token| PromptToken::text(token.id)));
        kept.tokens.truncate(kept.sequence.position());
        inner.keep(kept);
        let stop = if reader.stopped { StopReason::StopText } else { stop_reason(decoded.stop) };
        let call = plan.functions.map(|functions| match stop {
            StopReason::End => inner.dialect.read(&reader.text, &functions),
            StopReason::MaxTokens => Err(format!("the reply was cut off after {} tokens", decoded.tokens.len())),
            StopReason::Context => Err("the reply was cut off where the model's context is full".into()),
            StopReason::StopText | StopReason::Cancelled => Err("the reply was broken off".into()),
        });
        yield GenerationEvent::Done(Box::new(Completion {
            thought: reader.thought.trim().to_owned(),
            text: reader.text,
            call,
            stop,
            usage,
            tokens: if options.log_probabilities { records(&inner, &decoded.tokens, thought)? } else { Vec::new() },
        }));
    }
}

/// Reads what the kept sequence doesn't hold of the prompt.
pub(super) async fn read(
    inner: &Inner,
    prompt: &Prompt,
    usage: &mut Usage,
) -> Result<KeptSequence, ModelError> {
    let mut kept = KeptSequence::for_prompt(inner.take_kept(), &prompt.tokens, &inner.engine).await?;
    let fresh = &prompt.tokens[kept.tokens.len()..];
    usage.cached_tokens = kept.tokens.len();
    usage.fresh_tokens = fresh.len();
    let begun = Instant::now();
    // What is looked at is what the whole prompt shows, however much of it is cached.
    let shown = if inner.folder.family.looks_at_images() { prompt.tokens.as_slice() } else { fresh };
    let features = features(inner, prompt, shown).await?;
    usage.stage.vision += begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    let lengths = if inner.engine.keeps_states() { pieces(fresh) } else { vec![fresh.len()] };
    for length in lengths {
        let (begun, held) = (kept.tokens.len() - usage.cached_tokens, kept.tokens.len());
        let piece = &fresh[begun..begun + length];
        let embeddings = embeddings(inner, piece, &features).await?;
        let positions = prompt.positions.as_ref().and_then(|positions| positions.get(held..held + length));
        let side_inputs = rows::beside(&inner.engine, piece, &features)?;
        let looks_at = match inner.engine.looks_at() {
            Some(width) => looks::looks_at(&prompt.tokens[..held + length], held, width, &features)?,
            None => None,
        };
        let positions = positions.map(<[_]>::to_vec);
        let tokens = EmbeddedTokens { embeddings, positions, side_inputs, looks_at };
        kept.sequence.append(tokens).await.map_err(engine_error)?;
        kept.tokens.extend_from_slice(piece);
    }
    usage.stage.prefill = begun.elapsed().as_secs_f64() * 1000.0;
    Ok(kept)
}

/// The features of every image that the fresh tokens need, remembered or encoded now.
async fn features(
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

/// Runs the vision encoder on one image.
async fn encode(inner: &Inner, image: crate::ProcessedImage) -> Result<Features, ModelError> {
    let mut inputs = inner.folder.family.encoder_inputs(image);
    if let Some(signature) = inner.engine.signature(VISION_ENCODER) {
        inputs.retain(|(name, _)| signature.input(name).is_some());
    }
    let mut outputs = inner.engine.encode(VISION_ENCODER, inputs).await.map_err(engine_error)?;
    let place = outputs.iter().position(|(name, _)| name == "image_features").unwrap_or(0);
    if outputs.is_empty() {
        return Err(ModelError::Engine("the vision encoder has no output".into()));
    }
    let rows = numbers(outputs.swap_remove(place).1)?;
    outputs.retain(|(name, _)| inner.engine.side_inputs().any(|(input, _)| input == name));
    let beside = outputs.into_iter().map(|(name, tensor)| Ok((name, numbers(tensor)?)));
    Ok(Features { rows, beside: beside.collect::<Result<_, ModelError>>()? })
}

fn numbers(tensor: HostTensor) -> Result<Vec<f32>, ModelError> {
    let (_, numbers) = tensor.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    Ok(numbers)
}

/// The tokens' embeddings, `[1, tokens, hidden]`, with image features in the rows of image tokens.
async fn embeddings(
    inner: &Inner,
    tokens: &[PromptToken],
    features: &[(ContentHash, SeenImage)],
) -> Result<HostTensor, ModelError> {
    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
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
    let sampling = &options.sampling;
    DecodeOptions {
        sampling: Sampling {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            repetition_penalty: sampling.repetition_penalty,
            seed: sampling.seed,
        },
        max_tokens: options.max_tokens,
        end_tokens: if options.stop_at_end { inner.end_tokens.clone() } else { Vec::new() },
        log_probabilities: options.log_probabilities,
        cancel: options.cancel.clone(),
        history: prompt.tokens.iter().map(|token| token.id).collect(),
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
        stop: StopReason::Cancelled,
        usage,
        tokens: Vec::new(),
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
