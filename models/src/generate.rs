//! What is asked of a model: how to choose tokens, when to stop, and what a reply may be.

use percept_runtime::{Chooser, Sampling as EngineSampling};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::ModelError;

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token always (greedy); 1 samples from the model's own distribution.
    pub temperature: f32,
    /// Nucleus sampling (Holtzman et al. 2019): the smallest set of tokens with this much probability. 1 keeps all.
    pub top_p: f32,
    /// Min-p sampling (Nguyen et al. 2024): drops tokens below this share of the likeliest one's probability. 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens already written (CTRL, Keskar et al. 2019). 1 leaves them.
    pub repetition_penalty: f32,
    /// Same seed, same model, same conversation, same device: same reply.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Whether tokens can be chosen so; no model is needed to know.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] naming the setting that lies outside its range.
    pub fn checked(&self) -> Result<(), ModelError> {
        Chooser::new(self.of_engine()).map(drop).map_err(|error| ModelError::Request(error.to_string()))
    }

    pub(crate) fn of_engine(&self) -> EngineSampling {
        let Self { temperature, top_p, min_p, repetition_penalty, seed } = *self;
        EngineSampling { temperature, top_p, min_p, repetition_penalty, seed }
    }
}

/// Whether a call may be preceded by a thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thought {
    /// Free text (a chain of thought, Wei et al. 2022), then the call.
    Free,
    /// The call at once.
    None,
}

/// A function on offer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// When to call it.
    pub description: String,
    /// JSON Schema of the arguments (an object). A place on the screenshot carries the mark
    /// `"x-percept": {"kind": "point" | "region", "width": W, "height": H}` with the size in pixels of
    /// the screenshot that it is about: the last image of the conversation.
    pub schema: serde_json::Value,
}

/// What a reply may be. Anything but [`Reply::Text`] is enforced on local models while they write.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Whatever the model writes.
    Text,
    /// One JSON document that fits this schema.
    Json(serde_json::Value),
    /// One call of one of these functions.
    Call {
        /// Whether a thought may come first.
        thought: Thought,
        /// The functions on offer.
        functions: Vec<Function>,
    },
}

/// One request.
#[derive(Debug, Clone)]
pub struct Generate {
    /// What the reply may be.
    pub reply: Reply,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The most tokens a reply may have, forced ones included.
    pub max_tokens: usize,
    /// Whether an answer in words or JSON may be thought over first: the template is asked for a thought, which comes apart
    /// from the answer ([`Completion::thought`](crate::Completion::thought)) and counts as written. A model that can't is an
    /// error. [`Reply::Call`] says for itself whether it has a thought.
    pub think: bool,
    /// The most tokens of thought before the call, or the answer, is forced. In the dialect `holo`, whose thought and note stand
    /// in the call's own JSON, both together have about so many, by their characters. A thought before words isn't ended so by a
    /// remote model that has no setting for it, nor where no grammar can be laid over the tokenizer.
    pub max_thought_tokens: usize,
    /// Texts that end a [`Reply::Text`]; they aren't part of it.
    pub stop: Vec<String>,
    /// Whether the end-of-sequence token ends the reply. `false` only for measuring and goldens.
    pub stop_at_end: bool,
    /// Whether to record each token with its log-probability.
    pub log_probabilities: bool,
    /// Ends the generation within one step.
    pub cancel: CancellationToken,
}

impl Default for Generate {
    fn default() -> Self {
        Self {
            reply: Reply::Text,
            sampling: Sampling::default(),
            max_tokens: 512,
            think: false,
            max_thought_tokens: 160,
            stop: Vec::new(),
            stop_at_end: true,
            log_probabilities: false,
            cancel: CancellationToken::new(),
        }
    }
}
