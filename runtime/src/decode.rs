//! Writing tokens one after another: what is asked for, what comes out, and why it ends.

mod chooser;
mod decoding;
mod no_repeat;
mod penalty;
mod probability;
mod sampling;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use self::{chooser::Chooser, decoding::Decoding, sampling::Sampling};

/// One request for tokens.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// The most tokens that are written, forced ones included.
    pub max_tokens: usize,
    /// Tokens that end the text; they aren't part of it. Empty: none does.
    pub end_tokens: Vec<u32>,
    /// Whether each chosen token carries its log-probability.
    pub log_probabilities: bool,
    /// Ends the decode, in the middle of a step where it has to.
    pub cancel: CancellationToken,
    /// Tokens that are never chosen, whatever their scores; they have no probability. Those that a grammar leaves no choice
    /// about are written all the same: it asked for them.
    pub silent: Vec<u32>,
    /// Tokens that were read before, for the repetition penalty and what may not be repeated.
    pub history: Vec<u32>,
    /// How many tokens in a row may not come twice; 0: any may.
    pub no_repeat: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::default(),
            max_tokens: 512,
            end_tokens: Vec::new(),
            log_probabilities: false,
            cancel: CancellationToken::new(),
            silent: Vec::new(),
            history: Vec::new(),
            no_repeat: 0,
        }
    }
}

/// One token, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DecodedToken {
    /// Its id in the vocabulary.
    pub id: u32,
    /// The natural logarithm of its probability in the model's own distribution, before penalty, grammar and
    /// temperature. `None` for a forced token (nobody asked the model), or where it wasn't asked for.
    pub log_probability: Option<f32>,
    /// Whether the grammar left no choice.
    pub forced: bool,
}

/// Why a decode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeStop {
    /// The model wrote an end token, or the grammar is complete.
    End,
    /// [`DecodeOptions::max_tokens`] are written.
    MaxTokens,
    /// The context has no room for another token.
    Context,
    /// [`DecodeOptions::cancel`] was cancelled, or the caller stopped asking.
    Cancelled,
}

/// What a decode came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Why it ended.
    pub stop: DecodeStop,
    /// The tokens, in order.
    pub tokens: Vec<DecodedToken>,
    /// How many of them the grammar forced.
    pub forced: usize,
    /// Where the time went.
    pub milliseconds: DecodeMilliseconds,
}

/// Where a decode's time went.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct DecodeMilliseconds {
    /// From the first token asked for to the last one given, the caller's own time between them included.
    pub total: f64,
    /// Waiting for the decoder.
    pub decoder: f64,
    /// Working out which tokens the grammar allows (most of it while the decoder runs).
    pub grammar: f64,
    /// Choosing.
    pub sampling: f64,
    /// How often the decoder ran.
    pub runs: usize,
}
