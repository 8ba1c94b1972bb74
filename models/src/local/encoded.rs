//! A prompt that an encoder reads whole, and a decoder that begins its reply with tokens of its own.

use std::time::Instant;

use percept_runtime::{EmbeddedTokens, HostTensor, LooksAt};

use super::{
    Inner,
    prefix::{KeptSequence, Lent, Sees},
    prompt::{Prompt, PromptToken},
    reply,
    trouble::engine_error,
};
use crate::{ModelError, Usage, family::PromptEncoder};

/// Has the prompt read, unless what is kept looks at the very same, and the tokens with which a reply begins.
///
/// What the encoder found goes to the device once, with the first of these tokens; a decoder that makes keys and values of
/// it keeps them.
pub(super) async fn read<'l>(
    inner: &Inner,
    encoder: &PromptEncoder,
    prompt: &Prompt,
    usage: &mut Usage,
    lent: &'l mut Lent<'_>,
) -> Result<&'l mut KeptSequence, ModelError> {
    let begins: Vec<PromptToken> = encoder.begins.iter().copied().map(PromptToken::text).collect();
    let kept = lent.for_prompt(&prompt.tokens, &begins, Sees::Before).await?;
    let held = kept.tokens.len();
    let (read, counted) = (&prompt.tokens, prompt.tokens.len());
    (usage.fresh_tokens, usage.cached_tokens) = if held == 0 { (counted, 0) } else { (0, counted) };
    let fresh = &begins[held..];
    let looks_at = if held == 0 {
        let begun = Instant::now();
        let features = reply::features(inner, prompt, read).await?;
        usage.stage.vision += begun.elapsed().as_secs_f64() * 1000.0;
        let begun = Instant::now();
        let states = states(inner, encoder, reply::embeddings(inner, read, &features).await?).await?;
        usage.stage.prefill += begun.elapsed().as_secs_f64() * 1000.0;
        Some(LooksAt { states, seen: vec![Some(0); fresh.len()] })
    } else {
        None
    };
    let begun = Instant::now();
    let embeddings = reply::embeddings(inner, fresh, &[]).await?;
    kept.sequence.append(EmbeddedTokens { looks_at, ..embeddings.into() }).await.map_err(engine_error)?;
    kept.tokens.extend_from_slice(fresh);
    kept.prompt = kept.tokens.len();
    usage.stage.prefill += begun.elapsed().as_secs_f64() * 1000.0;
    Ok(kept)
}

/// What the encoder finds in a prompt of these embeddings: `[1, 1, tokens, width]`.
async fn states(
    inner: &Inner,
    encoder: &PromptEncoder,
    embeddings: HostTensor,
) -> Result<HostTensor, ModelError> {
    let tokens = embeddings.shape().get(1).copied().unwrap_or(0);
    // Nothing fills up a batch of one.
    let mask = HostTensor::I64 { shape: vec![1, tokens], data: vec![1; tokens] };
    let inputs = vec![("inputs_embeds".to_owned(), embeddings), ("attention_mask".to_owned(), mask)];
    let outputs = inner.engine.encode(encoder.session, inputs).await.map_err(engine_error)?;
    let gave_nothing = || ModelError::Engine(format!("{} gave nothing", encoder.session).into());
    let (_, found) = outputs.into_iter().next().ok_or_else(gave_nothing)?;
    let (shape, data) = found.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    match *shape {
        [1, rows, width] if rows == tokens => Ok(HostTensor::F32 { shape: vec![1, 1, rows, width], data }),
        _ => Err(ModelError::Engine(
            format!("{} gave a tensor of shape {shape:?} for {tokens} tokens", encoder.session).into(),
        )),
    }
}
