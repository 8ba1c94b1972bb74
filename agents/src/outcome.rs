//! How a run ended, with what it took.

use std::path::PathBuf;

use percept_models::Usage;
use serde::{Deserialize, Serialize};

/// The ways a run can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The task is done: on evidence where the task named some.
    Done,
    /// It isn't: something broke, the model got stuck, or it claimed to be done against the evidence.
    Failed,
    /// A limit was reached.
    Limit,
    /// The policy or a person refused what the task needed.
    Refused,
    /// An effect was begun and nobody knows whether it happened.
    Unknown,
    /// Somebody stopped the run.
    Cancelled,
    /// A call, or more of what a limit bounds, waits for a person's word, and nobody was there to give it: the run can be
    /// taken up with it.
    Waiting,
}

impl Outcome {
    /// The exit code that the command line ends with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Limit => 3,
            Self::Refused => 4,
            Self::Unknown => 5,
            Self::Waiting => 6,
            Self::Cancelled => 130,
        }
    }

    /// The word used in results and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Limit => "limit",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
            Self::Waiting => "waiting",
        }
    }
}

/// Why the loop stopped; an error in the loop's own type, so that `?` ends the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    /// Whether the evidence was there; `None` until somebody looked.
    pub(crate) evidence: Option<bool>,
    pub(crate) answer: Option<String>,
    /// How certain the answer is.
    pub(crate) certainty: Option<f64>,
}

impl Ending {
    pub(crate) fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into(), evidence: None, answer: None, certainty: None }
    }

    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, reason)
    }

    pub(crate) fn limit(reason: impl Into<String>) -> Self {
        Self::new(Outcome::Limit, reason)
    }

    pub(crate) fn waiting(what: &str) -> Self {
        Self::new(Outcome::Waiting, format!("{what}: resume with --approve or --deny"))
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(Outcome::Cancelled, "the run was cancelled")
    }
}

/// Tokens of a whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Prompt tokens that were computed, image tokens included.
    pub fresh_tokens: usize,
    /// Prompt tokens that were still in the cache.
    pub cached_tokens: usize,
    /// Tokens that the model wrote, forced ones included.
    pub output_tokens: usize,
    /// Those that the grammar left no choice about.
    pub forced_tokens: usize,
}

/// Milliseconds of a whole run, by stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Milliseconds {
    /// Waiting for the screen to settle, and taking screenshots.
    pub look: f64,
    /// Image preprocessing and the vision encoder.
    pub vision: f64,
    /// Reading prompts.
    pub prefill: f64,
    /// Writing replies.
    pub decode: f64,
    /// Inside tools.
    pub tools: f64,
    /// From the first look to the last, everything included.
    pub total: f64,
}

/// The result of a run, in the form that `--json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The run's name.
    pub run: String,
    /// Its folder; `None` if nothing was written.
    pub folder: Option<PathBuf>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the evidence that the task names was seen; `None` if the task names none.
    pub verified: Option<bool>,
    /// Why it ended, in words.
    pub reason: String,
    /// The answer that the model gave, where it gave one.
    pub answer: Option<String>,
    /// How certain the answer is, from 0 to 1; `None` where nothing asked for it.
    #[serde(default)]
    pub certainty: Option<f64>,
    /// Actions taken, refused ones included.
    pub steps: usize,
    /// Tokens.
    pub usage: TokenUsage,
    /// What the tokens cost, in the currency of the prices; `None` where none were given.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Milliseconds.
    pub milliseconds: Milliseconds,
    /// The most memory that the process held, in bytes; `None` where the system doesn't tell.
    pub peak_memory_bytes: Option<u64>,
    /// The device that the model ran on.
    pub device: String,
    /// What a reader must know before trusting the result: dropped screenshots, software devices, …
    pub notes: Vec<String>,
}

impl RunResult {
    /// Adds what one generation took.
    pub(crate) fn spend(&mut self, usage: &Usage) {
        self.usage.fresh_tokens += usage.fresh_tokens;
        self.usage.cached_tokens += usage.cached_tokens;
        self.usage.output_tokens += usage.output_tokens;
        self.usage.forced_tokens += usage.forced_tokens;
        self.milliseconds.vision += usage.stage.vision;
        self.milliseconds.prefill += usage.stage.prefill;
        self.milliseconds.decode += usage.stage.decode;
    }
}
