//! One reply of a local model: see the images, read the prompt, write under the grammar.

use std::{sync::Arc, time::Instant};

use async_stream::try_stream;
use futures::Stream;
use percept_runtime::{Constraint, DecodeOptions, DecodeStop, DecodedToken, HostTensor, Marker, Sampling};

use super::{
    Inner,
    features::SeenImage,
    prefix::KeptSequence,
    prompt::{Prompt, PromptImage, PromptToken},
    reader::ReplyReader,
    trouble::engine_error,
};
use crate::{
    Completion, ContentHash, Function, Generate, GenerationEvent, ModelError, Reply, Stage, StopReason,
    TokenRecord, Usage, family::VISION_ENCODER, processor::PatchGrid,
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
        let mut reader = ReplyReader::new(&inner.folder.tokenizer, plan.marker.as_ref(), stops(&options))?;
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
    let whole = inner.folder.family.reading().whole_prompt;
    let mut kept = KeptSequence::for_prompt(inner.take_kept(), &prompt.tokens, &inner.engine, whole).await?;
    let fresh = &prompt.tokens[kept.tokens.len()..];
    usage.cached_tokens = kept.tokens.len();
    usage.fresh_tokens = fresh.len();
    let begun = Instant::now();
    let features = features(inner, prompt, fresh).await?;
    usage.stage.vision += begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    append(inner, &mut kept, prompt, fresh, &features).await?;
    usage.stage.prefill = begun.elapsed().as_secs_f64() * 1000.0;
    kept.tokens.extend_from_slice(fresh);
    kept.prompt = kept.tokens.len();
    Ok(kept)
}

/// Reads the fresh tokens: as they are where the decoder looks embeddings up itself, else embedded, with features at
/// their places.
async fn append(
    inner: &Inner,
    kept: &mut KeptSequence,
    prompt: &Prompt,
    fresh: &[PromptToken],
    features: &[(ContentHash, SeenImage)],
) -> Result<(), ModelError> {
    if !inner.folder.family.sees() {
        let ids: Vec<u32> = fresh.iter().map(|token| token.id).collect();
        return kept.sequence.append_tokens(&ids).await.map_err(engine_error);
    }
    let embeddings = embeddings(inner, fresh, features).await?;
    let positions = prompt.positions.as_ref().and_then(|positions| positions.get(kept.tokens.len()..));
    let read = match positions {
        Some(positions) => kept.sequence.append_at(embeddings, positions.to_vec()).await,
        None => kept.sequence.append(embeddings).await,
    };
    read.map_err(engine_error)
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
            Some(PromptImage::Processed { expansion, image }) => {
                let image = image.as_ref().clone();
                let seen = SeenImage {
                    expansion: Arc::clone(expansion),
                    grid: image.patches.map(PatchGrid::features),
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

/// Runs the vision encoder on one image: its features, row after row.
async fn encode(inner: &Inner, image: crate::ProcessedImage) -> Result<Vec<f32>, ModelError> {
    let layout = image.layout();
    let (mut features, mut others) = (Vec::new(), Vec::new());
    for part in image.in_parts(TILES_AT_ONCE) {
        let (rows, rest) = encode_part(inner, part).await?;
        features.extend(rows);
        others = rest;
    }
    inner.folder.family.arrange(&layout, features, others)
}

/// Runs the vision encoder once: the features, and its other outputs.
async fn encode_part(
    inner: &Inner,
    image: crate::ProcessedImage,
) -> Result<(Vec<f32>, Vec<(String, HostTensor)>), ModelError> {
    let mut inputs = inner.folder.family.encoder_inputs(image);
    if let Some(signature) = inner.engine.signature(VISION_ENCODER) {
        inputs.retain(|(name, _)| signature.input(name).is_some());
    }
    let mut outputs = inner.engine.encode(VISION_ENCODER, inputs).await.map_err(engine_error)?;
    let place = outputs.iter().position(|(name, _)| name == "image_features").unwrap_or(0);
    if outputs.is_empty() {
        return Err(ModelError::Engine("the vision encoder has no output".into()));
    }
    let (_, features) = outputs.swap_remove(place);
    let (_, features) = features.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    Ok((features, outputs))
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
    for (token, row) in tokens.iter().zip(data.chunks_exact_mut(hidden.max(1))) {
        let Some((hash, at)) = token.feature else { continue };
        let image = features.iter().find(|(known, _)| *known == hash).map(|(_, image)| &image.features);
        let feature = image.and_then(|features| features.get(at * hidden..(at + 1) * hidden));
        row.copy_from_slice(feature.ok_or_else(|| too_few(features, hash, hidden))?);
    }
    // Too many features would go unnoticed: an image's last row must be its last token's.
    for (hash, image) in features {
        let rows = tokens
            .iter()
            .filter_map(|token| token.feature)
            .filter(|(known, _)| known == hash)
            .map(|(_, at)| at);
        if rows.max().is_some_and(|last| (last + 1) * hidden != image.features.len()) {
            return Err(too_few(features, *hash, hidden));
        }
    }
    Ok(HostTensor::F32 { shape, data })
}

fn too_few(features: &[(ContentHash, SeenImage)], hash: ContentHash, hidden: usize) -> ModelError {
    let found =
        features.iter().find(|(known, _)| *known == hash).map_or(0, |(_, image)| image.features.len());
    ModelError::Image(format!(
        "the vision encoder gave {found} numbers, which aren't one row of {hidden} for each image token of the prompt: \
         the processor's configuration and the vision encoder are of different models"
    ))
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

/// Stop texts end free text only: in a call they may well be typed.
fn stops(options: &Generate) -> &[String] {
    if options.reply == Reply::Text { &options.stop } else { &[] }
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
