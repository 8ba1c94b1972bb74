//! What comes back: a stream of what the model writes, and at its end the whole reply with its cost.

use std::{ops::AddAssign, pin::Pin};

use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Tokens and time that a generation took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens that were computed now, image tokens included.
    pub fresh_tokens: usize,
    /// Prompt tokens whose keys and values were still in the cache.
    pub cached_tokens: usize,
    /// Tokens of the reply, forced ones included.
    pub output_tokens: usize,
    /// Tokens of the reply that the grammar left no choice about.
    pub forced_tokens: usize,
    /// Where the time went.
    pub stage: Stage,
}

/// Milliseconds by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Image preprocessing and the vision encoder.
    pub vision: f64,
    /// Reading the prompt.
    pub prefill: f64,
    /// Writing the reply.
    pub decode: f64,
}

impl AddAssign<&Usage> for Usage {
    fn add_assign(&mut self, more: &Usage) {
        self.fresh_tokens += more.fresh_tokens;
        self.cached_tokens += more.cached_tokens;
        self.output_tokens += more.output_tokens;
        self.forced_tokens += more.forced_tokens;
        self.stage.vision += more.stage.vision;
        self.stage.prefill += more.stage.prefill;
        self.stage.decode += more.stage.decode;
    }
}

/// Why the model stopped writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It wrote its end-of-sequence token, or the grammar was complete.
    End,
    /// It wrote one of the stop texts.
    StopText,
    /// It reached the most tokens it was given.
    MaxTokens,
    /// The context is full.
    Context,
    /// It was cancelled.
    Cancelled,
}

/// A call as the model wrote it, its points in pixels of the screenshot it was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The function's name.
    pub function: String,
    /// Its arguments, by the function's schema, with `[x, y]` points in screenshot pixels.
    pub arguments: serde_json::Value,
}

/// A call that the model's vendor wants a person to confirm before anything is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// What would be done.
    pub call: Call,
    /// The vendor's reason; its words, so data.
    pub why: String,
}

/// One token of a reply with its natural-log probability in the model's own distribution, before penalty, grammar
/// and temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its id.
    pub id: u32,
    /// Its text alone.
    pub text: String,
    /// Log-probability; 0 for a forced token.
    pub log_probability: f32,
    /// Whether the grammar left no choice.
    pub forced: bool,
    /// Whether it belongs to the thought, its marker included, and not to the text; also where a call's thought stands in
    /// the text (the dialect `holo`).
    pub thought: bool,
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Free text before the call or the answer; empty if there was none.
    pub thought: String,
    /// The reply as text: everything written, without thought, markers and special tokens.
    pub text: String,
    /// The call, where one was asked for: `Err` says why the text isn't one (it was cut off, or a remote
    /// model broke the rules).
    pub call: Option<Result<Call, String>>,
    /// The call where only a person's word is missing, which the model's vendor wants to be asked for; `call` holds its refusal,
    /// so that whoever asks nobody does nothing. A call that a person confirmed and that was done is told as
    /// [`Content::Said`](crate::Content::Said) with `confirmed`, by which the vendor learns of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
    /// Why the model stopped.
    pub stop: StopReason,
    /// What it took.
    pub usage: Usage,
    /// Each token, if [`Generate::log_probabilities`](crate::Generate::log_probabilities) asked for them.
    pub tokens: Vec<TokenRecord>,
    /// The same of a remote model, whose API numbers no tokens: the log-probabilities alone, of the text's tokens.
    #[serde(default)]
    pub log_probabilities: Vec<f32>,
}

impl Completion {
    /// How likely the model takes its own text to be, from 0 to 1: the geometric mean of the probabilities of the text's
    /// tokens, those aside about which there was no choice (length-normalised likelihood, Malinin & Gales 2021). `None`
    /// where no token was recorded. It compares answers of one model; it is no probability of being right.
    pub fn likelihood(&self) -> Option<f64> {
        let free = self.tokens.iter().filter(|token| !token.forced && !token.thought);
        let all = free.map(|token| token.log_probability).chain(self.log_probabilities.iter().copied());
        let (sum, count) =
            all.fold((0.0, 0.0), |(sum, count), logarithm| (sum + f64::from(logarithm), count + 1.0));
        (count > 0.0).then(|| (sum / count).exp())
    }
}

/// What happens while a model replies.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GenerationEvent {
    /// More of the thought.
    Thought(String),
    /// More of the text or of the call.
    Text(String),
    /// The end; nothing follows.
    Done(Box<Completion>),
}

/// A reply on its way: a stream of [`GenerationEvent`]s that ends with [`GenerationEvent::Done`] or an error.
/// Dropping it stops the model.
pub struct Generation {
    events: Pin<Box<dyn Stream<Item = Result<GenerationEvent, ModelError>> + Send>>,
}

impl Generation {
    /// Wraps a stream that keeps the rule above.
    pub fn new(events: impl Stream<Item = Result<GenerationEvent, ModelError>> + Send + 'static) -> Self {
        Self { events: Box::pin(events) }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<GenerationEvent, ModelError>> {
        self.events.next().await
    }

    /// Waits for the whole reply.
    ///
    /// # Errors
    ///
    /// Whatever ended the stream early.
    pub async fn complete(mut self) -> Result<Completion, ModelError> {
        while let Some(event) = self.next().await {
            if let GenerationEvent::Done(completion) = event? {
                return Ok(*completion);
            }
        }
        Err(ModelError::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likelihood_is_of_the_texts_free_tokens() {
        let token = |probability: f32, forced, thought| TokenRecord {
            id: 0,
            text: String::new(),
            log_probability: probability.ln(),
            forced,
            thought,
        };
        let cases = [
            (vec![], None),
            (vec![token(1.0, true, false), token(0.2, false, true)], None),
            (vec![token(0.25, false, false), token(1.0, false, false)], Some(0.5)),
            (vec![token(0.01, false, true), token(0.5, false, false), token(1.0, true, false)], Some(0.5)),
        ];
        for (tokens, expected) in cases {
            let completion = Completion {
                thought: String::new(),
                text: String::new(),
                call: None,
                unconfirmed: None,
                stop: StopReason::End,
                usage: Usage::default(),
                tokens,
                log_probabilities: Vec::new(),
            };
            let found = completion.likelihood();
            let is_near =
                found.zip(expected).is_some_and(|(found, expected)| (found - expected).abs() < 1e-6);
            assert!(is_near || found == expected, "{found:?}, not {expected:?}");
        }
    }
}
