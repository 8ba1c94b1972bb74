//! An agent at work: everything that one run holds.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::Arc,
};

use percept_models::{ChatModel, ContentHash};
use percept_tools::{Screen, Toolbox};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Agent;
use crate::{
    Approval, Beginning, Ending, Entry, Event, Evidence, Milliseconds, Outcome, Policy, Reflect, RunResult,
    Style, Thinking, TokenUsage,
    history::{History, Window},
    limits::Budget,
    memory,
    recorder::Recorder,
};

/// One run.
pub(super) struct Working {
    pub(super) model: Arc<dyn ChatModel>,
    pub(super) toolbox: Toolbox,
    pub(super) screen: Option<Arc<dyn Screen>>,
    pub(super) thinking: Thinking,
    pub(super) style: Style,
    pub(super) policy: Policy,
    pub(super) evidence: Evidence,
    pub(super) seed: u64,
    pub(super) beginning: Beginning,
    pub(super) recorder: Recorder,
    pub(super) approvals: mpsc::UnboundedReceiver<Approval>,
    pub(super) cancel: CancellationToken,
    pub(super) budget: Budget,
    pub(super) history: History,
    pub(super) window: Window,
    /// Actions begun on each screen that was seen.
    pub(super) tried: HashMap<ContentHash, usize>,
    /// Every screen that was seen.
    pub(super) seen: HashSet<ContentHash>,
    /// How often the model claimed to be done against the evidence.
    pub(super) claims: usize,
    /// The result so far.
    pub(super) result: RunResult,
}

impl Working {
    pub(super) fn new(
        agent: Agent,
        task: String,
        listener: mpsc::UnboundedSender<Entry>,
        approvals: mpsc::UnboundedReceiver<Approval>,
        cancel: CancellationToken,
    ) -> Self {
        let card = agent.model.card();
        let style = agent.thinking.style.unwrap_or(if card.thinks { Style::React } else { Style::Direct });
        let beginning = Beginning {
            run: agent.name.clone(),
            task: task.clone(),
            model: card.name.clone(),
            family: card.family.clone(),
            device: card.device.clone(),
            notes: agent.notes.iter().chain(&card.notes).cloned().collect(),
            tools: agent.toolbox.offered().into_iter().map(|tool| tool.card.name).collect(),
            style,
            reflect: agent.thinking.reflect,
            limits: agent.limits,
            seed: agent.seed,
            evidence: agent.evidence.described(),
            percept: env!("CARGO_PKG_VERSION").into(),
        };
        let result = RunResult {
            run: agent.name,
            folder: agent.record.as_ref().map(|(folder, _)| folder.path().to_owned()),
            outcome: Outcome::Unknown,
            verified: None,
            reason: String::new(),
            answer: None,
            steps: 0,
            usage: TokenUsage::default(),
            milliseconds: Milliseconds::default(),
            peak_memory_bytes: None,
            device: card.device.clone(),
            notes: beginning.notes.clone(),
        };
        Self {
            style,
            window: Window::new(card.max_images),
            budget: Budget::new(agent.limits),
            history: History::new(task),
            recorder: Recorder::new(agent.record, listener),
            model: agent.model,
            toolbox: agent.toolbox,
            screen: agent.screen,
            thinking: agent.thinking,
            policy: agent.policy,
            evidence: agent.evidence,
            seed: agent.seed,
            beginning,
            approvals,
            cancel,
            tried: HashMap::new(),
            seen: HashSet::new(),
            claims: 0,
            result,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), Ending> {
        self.record(Event::Began(Box::new(self.beginning.clone()))).await
    }

    pub(super) async fn record(&mut self, event: Event) -> Result<(), Ending> {
        self.recorder.record(event).await
    }

    /// Tells whoever reads the result, once.
    pub(super) async fn note(&mut self, note: impl Into<String>) -> Result<(), Ending> {
        let note = note.into();
        if self.result.notes.contains(&note) {
            return Ok(());
        }
        self.result.notes.push(note.clone());
        self.record(Event::Noted { note }).await
    }

    /// Whether this model can be asked what went wrong. One that doesn't think can't, and neither can one
    /// that was told not to.
    pub(super) fn reflects_in_words(&self) -> bool {
        self.style == Style::React && self.model.card().thinks && self.thinking.reflect != Reflect::Never
    }

    /// Waits for the work, as long as the run may go on.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Ending::cancelled()),
            () = tokio::time::sleep_until(self.budget.deadline().into()) => Err(self.budget.out_of_time()),
            done = work => Ok(done),
        }
    }

    /// Writes the end down. If even that fails, the run has failed: its record isn't whole.
    pub(super) async fn conclude(mut self, ending: Ending) -> RunResult {
        self.result.outcome = ending.outcome;
        self.result.reason = ending.reason;
        self.result.answer = ending.answer;
        self.result.verified =
            if self.evidence.is_empty() { None } else { Some(ending.evidence == Some(true)) };
        self.result.steps = self.budget.steps;
        self.result.milliseconds.total = milliseconds(self.budget.elapsed());
        self.result.peak_memory_bytes = memory::peak();
        if let Err(unwritten) = self.recorder.record(Event::Ended(Box::new(self.result.clone()))).await {
            self.result.outcome = Outcome::Failed;
            self.result.reason = unwritten.reason;
        }
        self.result
    }
}

/// A duration in milliseconds, to a thousandth.
pub(super) fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
