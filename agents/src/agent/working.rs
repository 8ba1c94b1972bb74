//! An agent at work: everything that one run holds.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use percept_models::{Call, ChatModel, ContentHash};
use percept_tools::{Screen, Toolbox};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::{
    Approval, Beginning, Demonstration, Ending, Entry, Event, Evidence, JOURNAL_VERSION, Milliseconds,
    Outcome, Policy, Prompts, Reflect, RunResult, SecretCard, Secrets, Style, Thinking, TokenUsage,
    album::Album,
    durable::Durable,
    history::{History, Window},
    limits::Budget,
    memory,
    prompts::Prompt,
    spans,
    thinking::Plan,
    trail::Trail,
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
    pub(super) secrets: Secrets,
    pub(super) prompts: Prompts,
    pub(super) seed: u64,
    pub(super) beginning: Beginning,
    pub(super) durable: Box<dyn Durable>,
    pub(super) album: Arc<Album>,
    pub(super) listener: mpsc::UnboundedSender<Entry>,
    /// A person's word on the call that was under way when an earlier life of the run ended.
    pub(super) happened: Option<bool>,
    pub(super) approvals: mpsc::UnboundedReceiver<Approval>,
    pub(super) cancel: CancellationToken,
    pub(super) budget: Budget,
    pub(super) history: History,
    pub(super) window: Window,
    /// Actions begun on each screen that was seen.
    pub(super) tried: HashMap<ContentHash, usize>,
    /// Every screen that was seen.
    pub(super) seen: HashSet<ContentHash>,
    /// Every action so far.
    pub(super) trail: Trail,
    /// What the model means to do.
    pub(super) plan: Option<Plan>,
    /// The call that the grounding check turned down last.
    pub(super) doubted: Option<Call>,
    /// Whether a person was asked for something since the screen was looked at.
    pub(super) is_stale: bool,
    /// How often the model claimed to be done against the evidence.
    pub(super) claims: usize,
    /// The result so far.
    pub(super) result: RunResult,
}

/// What one run is made of, beside what the journal says of its beginning.
pub(super) struct Parts {
    pub(super) model: Arc<dyn ChatModel>,
    pub(super) toolbox: Toolbox,
    pub(super) screen: Option<Arc<dyn Screen>>,
    pub(super) durable: Box<dyn Durable>,
    pub(super) album: Arc<Album>,
    pub(super) folder: Option<PathBuf>,
    pub(super) listener: mpsc::UnboundedSender<Entry>,
    pub(super) approvals: mpsc::UnboundedReceiver<Approval>,
    pub(super) cancel: CancellationToken,
    pub(super) worked: Duration,
    pub(super) happened: Option<bool>,
    pub(super) secrets: Secrets,
    pub(super) demonstrations: Vec<Demonstration>,
}

impl Working {
    pub(super) fn new(beginning: Beginning, parts: Parts) -> Self {
        let model = &beginning.model;
        let result = RunResult {
            run: beginning.run.clone(),
            folder: parts.folder,
            outcome: Outcome::Unknown,
            verified: None,
            reason: String::new(),
            answer: None,
            certainty: None,
            steps: 0,
            usage: TokenUsage::default(),
            cost: None,
            milliseconds: Milliseconds::default(),
            peak_memory_bytes: None,
            device: model.device.clone(),
            notes: beginning.notes.iter().chain(&model.notes).cloned().collect(),
        };
        Self {
            window: Window::new(
                model.max_images,
                parts.demonstrations.iter().map(Demonstration::images).sum(),
            ),
            budget: Budget::new(beginning.limits, beginning.prices, parts.worked),
            history: History::new(parts.demonstrations, beginning.task.clone()),
            style: beginning.style,
            thinking: beginning.thinking,
            policy: beginning.policy.clone(),
            evidence: beginning.evidence.clone(),
            prompts: beginning.prompts.clone(),
            seed: beginning.seed,
            model: parts.model,
            toolbox: parts.toolbox,
            screen: parts.screen.map(|screen| parts.secrets.veil(screen)),
            secrets: parts.secrets,
            durable: parts.durable,
            album: parts.album,
            listener: parts.listener,
            happened: parts.happened,
            approvals: parts.approvals,
            cancel: parts.cancel,
            beginning,
            tried: HashMap::new(),
            seen: HashSet::new(),
            trail: Trail::default(),
            plan: None,
            doubted: None,
            is_stale: false,
            claims: 0,
            result,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), Ending> {
        self.tell(Event::Began(Box::new(self.beginning.clone()))).await
    }

    pub(super) async fn tell(&mut self, event: Event) -> Result<(), Ending> {
        self.durable.tell(event).await
    }

    /// Tells whoever reads the result, once.
    pub(super) async fn note(&mut self, note: impl Into<String>) -> Result<(), Ending> {
        let note = note.into();
        if self.result.notes.contains(&note) {
            return Ok(());
        }
        self.result.notes.push(note.clone());
        self.tell(Event::Noted { note }).await
    }

    /// Whether this model can be asked what went wrong. One that doesn't think can't, and neither can one
    /// that was told not to.
    pub(super) fn reflects_in_words(&self) -> bool {
        self.speaks() && self.thinking.reflect != Reflect::Never
    }

    /// Whether the model can say something that isn't a call.
    pub(super) fn speaks(&self) -> bool {
        self.style == Style::React && self.model.card().thinks
    }

    /// What the model is told before the task.
    pub(super) fn instruction(&self) -> String {
        let way = self.prompts.filled(self.style.way().instruction(), &[]);
        let placeholders: Vec<_> = self.beginning.secrets.iter().map(SecretCard::placeholder).collect();
        if placeholders.is_empty() {
            return way;
        }
        let secrets = self.prompts.filled(Prompt::Secrets, &[("placeholders", &placeholders.join(", "))]);
        format!("{way} {secrets}")
    }

    /// How long a step may take.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            cancel: self.cancel.clone(),
            deadline: self.budget.deadline(),
            out_of_time: self.budget.out_of_time(),
        }
    }

    /// The way to the listener, for what the journal doesn't keep.
    pub(super) fn voice(&self) -> Voice {
        let (listener, next) = (self.listener.clone(), self.durable.next_sequence());
        Voice { listener, next, before: self.budget.elapsed(), begun: Instant::now() }
    }

    /// Writes the end down. If even that fails, the run has failed: its record isn't whole.
    pub(super) async fn conclude(mut self, ending: Ending) -> RunResult {
        self.result.outcome = ending.outcome;
        self.result.reason = ending.reason;
        self.result.answer = ending.answer;
        self.result.certainty = ending.certainty;
        self.result.verified =
            if self.evidence.is_empty() { None } else { Some(ending.evidence == Some(true)) };
        self.result.steps = self.budget.steps;
        let has_cost = self.beginning.prices.is_some() || self.budget.cost > 0.0;
        self.result.cost = has_cost.then_some(self.budget.cost);
        self.result.milliseconds.total = milliseconds(self.budget.elapsed());
        self.result.peak_memory_bytes = memory::peak();
        if let Err(unwritten) = self.durable.tell(Event::Ended(Box::new(self.result.clone()))).await {
            self.result.outcome = Outcome::Failed;
            self.result.reason = unwritten.reason;
        }
        spans::ended(&Span::current(), &self.result);
        self.result
    }
}

/// How long a step may take: until the run's time is up, or somebody stops it.
#[derive(Clone)]
pub(super) struct Bounds {
    cancel: CancellationToken,
    deadline: Instant,
    out_of_time: Ending,
}

impl Bounds {
    /// Waits for the work, as long as the run may go on.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Ending::cancelled()),
            () = tokio::time::sleep_until(self.deadline.into()) => Err(self.out_of_time.clone()),
            done = work => Ok(done),
        }
    }
}

/// Tells the listener what happens within a step.
pub(super) struct Voice {
    listener: mpsc::UnboundedSender<Entry>,
    next: u64,
    before: Duration,
    begun: Instant,
}

impl Voice {
    pub(super) fn say(&self, event: Event) {
        let at = milliseconds(self.before + self.begun.elapsed());
        // Nobody listening is no failure.
        let _ = self.listener.send(Entry { v: JOURNAL_VERSION, seq: self.next, at, event });
    }
}

/// A step that brought something else than it was asked for: an engine that doesn't keep its contract.
pub(super) fn unexpected(event: &Event) -> Ending {
    Ending::failed(format!("the record has `{}` where it doesn't belong", event.kind()))
}

/// A duration in milliseconds, to a thousandth.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
