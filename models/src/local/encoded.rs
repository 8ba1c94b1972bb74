//! A prompt that an encoder reads whole, and a decoder that begins its reply with tokens of its own.

use std::{sync::Arc, time::Instant};

use percept_runtime::{EmbeddedTokens, HostTensor, LooksAt};

use super::{
    Inner,
    prefix::{KeptSequence, Lent, Sees},
    prompt::{Prompt, PromptToken},
    reply,
    trouble::{broken_session, engine_error},
};
use crate::{ModelError, Usage, family::PromptEncoder};

/// Has the prompt read, unless what is kept looks at the very same, and the tokens with which a reply begins.
///
/// What the encoder found is handed over with the first of these tokens. A decoder that makes keys and values of it keeps
/// them, and where its graph shows that no later run reads what they were made of, it isn't brought there again.
pub(super) async fn read<'l>(
    inner: &Inner,
    encoder: &PromptEncoder,
    prompt: &Prompt,
    usage: &mut Usage,
    lent: &'l mut Lent<'_>,
) -> Result<&'l mut KeptSequence, ModelError> {
    let begins: Vec<PromptToken> = encoder.begins.iter().copied().map(PromptToken::text).collect();
    let kept = lent.for_prompt(&prompt.tokens, &begins, None, Sees::Before).await?;
    let held = kept.tokens.len();
    let counted = prompt.tokens.len();
    let is_known = held > 0 || kept.found.is_some();
    (usage.fresh_tokens, usage.cached_tokens) = if is_known { (0, counted) } else { (counted, 0) };
    let fresh = &begins[held..];
    let looks_at = if held == 0 {
        let states = match &kept.found {
            Some(found) => Arc::clone(found),
            None => Arc::new(read_prompt(inner, encoder, prompt, usage).await?),
        };
        kept.found = Some(Arc::clone(&states));
        Some(LooksAt { states: states.as_ref().clone(), seen: vec![Some(0); fresh.len()] })
    } else {
        None
    };
    let begun = Instant::now();
    let embeddings = reply::embeddings(inner, fresh, &[]).await?;
    kept.sequence.append(EmbeddedTokens { looks_at, ..embeddings.into() }).await.map_err(engine_error)?;
    kept.note_read(fresh, None);
    kept.prompt = kept.tokens.len();
    usage.stage.prefill += begun.elapsed().as_secs_f64() * 1000.0;
    Ok(kept)
}

/// Has the encoder read the prompt.
async fn read_prompt(
    inner: &Inner,
    encoder: &PromptEncoder,
    prompt: &Prompt,
    usage: &mut Usage,
) -> Result<HostTensor, ModelError> {
    let begun = Instant::now();
    let features = reply::features(inner, prompt, &prompt.tokens).await?;
    usage.stage.vision += begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    let embeddings = reply::embeddings(inner, &prompt.tokens, &features).await?;
    let states = states(inner, encoder, embeddings).await?;
    usage.stage.prefill += begun.elapsed().as_secs_f64() * 1000.0;
    Ok(states)
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
    let gave_nothing =
        || ModelError::Engine(format!("{} gave no `{}`", encoder.session, PromptEncoder::STATES).into());
    let found = PromptEncoder::states(&outputs, |(name, _)| name).ok_or_else(gave_nothing)?.1.clone();
    let (shape, data) = found.into_f32().map_err(|error| ModelError::Engine(error.into()))?;
    // Kept for the prompt's next reply, they would be blamed on the decoder every time.
    let broken = data.iter().filter(|number| !number.is_finite()).count();
    if broken > 0 {
        let path = &inner.folder.session(encoder.session)?.path;
        let problem = format!("{broken} of what it found in a prompt are no numbers (NaN or infinite)");
        return Err(broken_session(path, problem));
    }
    match *shape {
        [1, rows, width] if rows == tokens => Ok(HostTensor::F32 { shape: vec![1, 1, rows, width], data }),
        _ => Err(ModelError::Engine(
            format!("{} gave a tensor of shape {shape:?} for {tokens} tokens", encoder.session).into(),
        )),
    }
}
