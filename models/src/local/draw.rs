//! Drawing: the prompt read with its words and without, image tokens written by what both say of the next one, and
//! pixels made of the tokens.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use image::RgbImage;
use percept_runtime::{Chooser, HostTensor, Sequence};

use super::{
    Inner, LocalModel,
    prompt::{self, Told},
    trouble::engine_error,
};
use crate::{
    Canvas, CheckedDraw, Conversation, Draw, Drawing, DrawingPlan, DrawingPrompt, Extent, ImageModel,
    ImageTokens, Message, ModelError, Normalise, Painted, Role, Usage,
};

#[async_trait]
impl ImageModel for LocalModel {
    async fn draw(&self, prompt: &str, options: &Draw) -> Result<Drawing, ModelError> {
        let cancel = options.cancel.clone();
        // A future that is dropped stops the run that it waits for.
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ModelError::Cancelled),
            drawing = draw(&self.inner, prompt, options) => drawing,
        }
    }
}

impl LocalModel {
    /// The scores of each image token to come first in a drawing, guided; for goldens.
    ///
    /// # Errors
    ///
    /// Those of [`ImageModel::draw`].
    pub async fn first_drawing_scores(&self, prompt: &str, options: &Draw) -> Result<Vec<f32>, ModelError> {
        let plan = self.inner.folder.drawing()?;
        let mut easel = Easel::new(&self.inner, plan, prompt, options).await?;
        easel.scores().await
    }
}

async fn draw(inner: &Arc<Inner>, prompt: &str, options: &Draw) -> Result<Drawing, ModelError> {
    let plan = inner.folder.drawing()?;
    let mut chooser = Chooser::new(options.sampling()).map_err(engine_error)?;
    let mut usage = Usage::default();
    let begun = Instant::now();
    let mut easel = Easel::new(inner, plan, prompt, options).await?;
    let CheckedDraw { guidance, extent } = easel.asked;
    usage.fresh_tokens = easel.read;
    usage.stage.prefill = begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    let mut tokens = Vec::with_capacity(extent.count);
    while tokens.len() < extent.count {
        let token = chooser.choose(&easel.scores().await?).map_err(engine_error)?;
        tokens.push(token);
        if tokens.len() < extent.count {
            easel.write(token, tokens.len()).await?;
        }
        if let Some(progress) = &options.progress {
            progress.tell(tokens.len(), extent.count);
        }
    }
    usage.output_tokens = tokens.len();
    usage.stage.decode = begun.elapsed().as_secs_f64() * 1000.0;
    let begun = Instant::now();
    let image = paint(inner, plan, &tokens, extent).await?;
    usage.stage.vision = begun.elapsed().as_secs_f64() * 1000.0;
    Ok(Drawing { image: Arc::new(image), tokens, guidance, usage })
}

/// A picture in the making: the sequence that has the prompt, and the one that has none.
struct Easel<'a> {
    inner: &'a Inner,
    plan: &'a DrawingPlan,
    asked: CheckedDraw,
    with_words: Sequence,
    without: Option<Sequence>,
    /// Tokens read for both.
    read: usize,
}

impl<'a> Easel<'a> {
    /// Reads the prompt.
    async fn new(
        inner: &'a Arc<Inner>,
        plan: &'a DrawingPlan,
        words: &str,
        options: &Draw,
    ) -> Result<Self, ModelError> {
        let asked = options.checked(plan)?;
        let ids = prompt_ids(inner, plan, words, asked.extent).await?;
        check_context(inner, plan, "the prompt", ids.len(), asked.extent)?;
        let wordless = match plan.unconditional.as_ref().filter(|_| asked.guidance > 1.0) {
            None => None,
            Some(none) => Some(match (&options.negative, &plan.prompt) {
                (Some(negative), DrawingPrompt::Words { before, .. }) => {
                    let ids = prompt::words_between(inner, [before, ""], negative)?;
                    check_context(inner, plan, "the negative prompt", ids.len(), asked.extent)?;
                    ids
                }
                _ => none.of(&ids),
            }),
        };
        let with_words = read(inner, plan, &ids).await?;
        let fresh = ids.len() + wordless.as_ref().map_or(0, Vec::len);
        let without = match &wordless {
            Some(ids) => Some(read(inner, plan, ids).await?),
            None => None,
        };
        Ok(Self { inner, plan, asked, with_words, without, read: fresh })
    }

    /// The scores of each code of the image's to come next, guided.
    async fn scores(&mut self) -> Result<Vec<f32>, ModelError> {
        let mut scores = codes(self.plan, self.with_words.last_logits().await.map_err(engine_error)?)?;
        if let Some(without) = &mut self.without {
            let blind = codes(self.plan, without.last_logits().await.map_err(engine_error)?)?;
            for (score, blind) in scores.iter_mut().zip(blind) {
                *score = blind + self.asked.guidance * (*score - blind);
            }
        }
        Ok(scores)
    }

    /// Writes a code, which is this one of the picture's, after both.
    async fn write(&mut self, code: u32, done: usize) -> Result<(), ModelError> {
        let sequences = std::iter::once(&mut self.with_words).chain(&mut self.without);
        match &self.plan.tokens {
            ImageTokens::Own { embedding, .. } => {
                let embedded = embed(self.inner, embedding, code).await?;
                for sequence in sequences {
                    sequence.append(embedded.clone()).await.map_err(engine_error)?;
                }
            }
            ImageTokens::OfText(tokens) => {
                let mut written = vec![tokens.get(code as usize).copied().ok_or_else(|| no_such_code(code))?];
                if let Canvas::Rows(rows) = self.plan.canvas
                    && self.asked.extent.ends_row(done)
                {
                    written.push(rows.end);
                }
                for sequence in sequences {
                    sequence.append_tokens(&written).await.map_err(engine_error)?;
                }
            }
        }
        Ok(())
    }
}

/// The prompt's tokens, to the beginning of the image.
async fn prompt_ids(
    inner: &Arc<Inner>,
    plan: &DrawingPlan,
    words: &str,
    extent: Extent,
) -> Result<Vec<u32>, ModelError> {
    match &plan.prompt {
        DrawingPrompt::Turn { after, begin } => {
            let conversation: Conversation = [Message::text(Role::User, words)].into_iter().collect();
            let prompt = prompt::prepare_between(inner, ["", after], &conversation, Told::default()).await?;
            Ok(prompt.tokens.iter().map(|token| token.id).chain([*begin]).collect())
        }
        DrawingPrompt::Words { before, sized: [begin, end] } => {
            let size = extent.rows().zip(extent.columns).map(|(rows, columns)| format!("{rows}*{columns}"));
            let after = format!("{begin}{}{end}", size.unwrap_or_default());
            prompt::words_between(inner, [before, &after], words)
        }
    }
}

fn check_context(
    inner: &Inner,
    plan: &DrawingPlan,
    what: &str,
    prompt: usize,
    extent: Extent,
) -> Result<(), ModelError> {
    let context = inner.engine.context();
    if prompt.saturating_add(extent.read_back()) <= context {
        return Ok(());
    }
    let remedy = match plan.canvas {
        Canvas::Fixed(_) => "shorten the prompt",
        Canvas::Rows(_) => "shorten the prompt, or ask for a smaller area",
    };
    // The ends of rows too, and the last token, which is never read back.
    let picture = extent.count + extent.rows().map_or(0, |rows| rows.saturating_sub(1));
    Err(ModelError::Conversation(format!(
        "{what} has {prompt} tokens and the picture {picture}, the model's context holds {context}: {remedy}"
    )))
}

async fn read(inner: &Inner, plan: &DrawingPlan, tokens: &[u32]) -> Result<Sequence, ModelError> {
    let opened = match plan.tokens {
        ImageTokens::Own { head, .. } => inner.engine.sequence_scored_by(head).await,
        ImageTokens::OfText(_) => inner.engine.sequence().await,
    };
    let mut sequence = opened.map_err(engine_error)?;
    sequence.append_tokens(tokens).await.map_err(engine_error)?;
    Ok(sequence)
}

/// The scores of the image's codes among those of all tokens.
fn codes(plan: &DrawingPlan, scores: Vec<f32>) -> Result<Vec<f32>, ModelError> {
    match &plan.tokens {
        ImageTokens::Own { .. } => Ok(scores),
        ImageTokens::OfText(tokens) => tokens
            .iter()
            .map(|token| scores.get(*token as usize).copied().ok_or_else(|| no_such_code(*token)))
            .collect(),
    }
}

fn no_such_code(code: u32) -> ModelError {
    ModelError::Engine(format!("the model has no image token {code}").into())
}

async fn embed(inner: &Inner, session: &str, code: u32) -> Result<HostTensor, ModelError> {
    let ids = HostTensor::I64 { shape: vec![1, 1], data: vec![i64::from(code)] };
    let outputs = inner.engine.encode(session, vec![("image_ids".into(), ids)]).await;
    first_output(session, outputs.map_err(engine_error)?)
}

/// Pixels of a whole picture's codes.
async fn paint(
    inner: &Inner,
    plan: &DrawingPlan,
    codes: &[u32],
    extent: Extent,
) -> Result<RgbImage, ModelError> {
    let data = codes.iter().map(|code| i64::from(*code)).collect();
    let shape = match extent.columns {
        Some(columns) => vec![1, codes.len() / columns, columns],
        None => vec![1, codes.len()],
    };
    let ids = HostTensor::I64 { shape, data };
    let outputs = inner.engine.encode(plan.decoder, vec![("generated_tokens".into(), ids)]).await;
    let (shape, values) = first_output(plan.decoder, outputs.map_err(engine_error)?)?
        .into_f32()
        .map_err(|error| ModelError::Engine(error.into()))?;
    let [1, 3, height, width] = shape[..] else {
        return Err(ModelError::Engine(
            format!("{} gave {shape:?}, which is no picture [1, 3, height, width]", plan.decoder).into(),
        ));
    };
    if values.iter().any(|value| !value.is_finite()) {
        return Err(ModelError::Engine(
            format!(
                "{} gave a number that isn't finite: its weights, or its precision, are broken",
                plan.decoder
            )
            .into(),
        ));
    }
    if plan.painted == Painted::MinusOneToOne {
        return Normalise::minus_one_to_one().image_of_planes(&values, height as u32, width as u32);
    }
    let processor = inner
        .folder
        .processor_of(1)
        .ok_or_else(|| ModelError::Engine("a model that sees nothing has no colours to draw in".into()))?;
    processor.normalise().image_of_planes(&values, height as u32, width as u32)
}

fn first_output(session: &str, outputs: Vec<(String, HostTensor)>) -> Result<HostTensor, ModelError> {
    let first = outputs.into_iter().next().map(|(_, tensor)| tensor);
    first.ok_or_else(|| ModelError::Engine(format!("{session} has no output").into()))
}
