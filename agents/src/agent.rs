//! An agent: a model, tools, perhaps a screen, and the rules of a run.

use std::{path::PathBuf, sync::Arc, time::Duration};

use percept_models::{ChatModel, ModelCard};
use percept_tools::{Screen, Toolbox};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Actor, AgentError, Beginning, Demonstration, Entry, Event, Evidence, JournalError, Limits, Policy,
    Prices, Prompts, RecordedDemonstration, Run, RunFolder, Secrets, Style, Thinking,
    album::Album,
    durable::{Keeper, Tape, worked},
    journal::{Journal, Recording, doubt},
    new_run_name, spans,
};

mod act;
mod ask;
mod check;
mod circle;
mod cycle;
mod examine;
mod generate;
mod ground;
mod look;
mod plan;
mod reflect;
mod replay;
mod room;
mod think;
mod thoughts;
mod vote;
mod working;

pub use replay::{Replayed, replay};
use working::{Parts, Working};

/// A model with tools, ready for one task.
///
/// ```
/// # async fn example(model: std::sync::Arc<dyn percept::models::ChatModel>, screen: std::sync::Arc<dyn percept::tools::Screen>) -> Result<(), percept::AgentError> {
/// use percept::{Agent, Evidence, Outcome};
///
/// let toolbox = percept::tools::builtin::toolbox(&screen);
/// let done = Evidence { text_visible: vec!["Welcome, ada".into()], ..Evidence::default() };
/// let run = Agent::builder(model, toolbox).screen(screen).done(done).build()?.run("Log in as ada.");
/// assert_eq!(run.outcome().await.outcome, Outcome::Done);
/// # Ok(())
/// # }
/// ```
pub struct Agent {
    model: Arc<dyn ChatModel>,
    toolbox: Toolbox,
    screen: Option<Arc<dyn Screen>>,
    secrets: Secrets,
    demonstrations: Vec<Demonstration>,
    beginning: Beginning,
    record: Option<(RunFolder, Journal)>,
}

/// Puts an [`Agent`] together.
pub struct AgentBuilder {
    model: Arc<dyn ChatModel>,
    toolbox: Toolbox,
    screen: Option<Arc<dyn Screen>>,
    thinking: Thinking,
    limits: Limits,
    prices: Option<Prices>,
    policy: Policy,
    secrets: Secrets,
    prompts: Prompts,
    demonstrations: Vec<Demonstration>,
    evidence: Evidence,
    seed: u64,
    name: Option<String>,
    folder: Option<RunFolder>,
    notes: Vec<String>,
}

impl Agent {
    /// An agent with this model and these tools; everything else has a default.
    pub fn builder(model: Arc<dyn ChatModel>, toolbox: Toolbox) -> AgentBuilder {
        AgentBuilder {
            model,
            toolbox,
            screen: None,
            thinking: Thinking::default(),
            limits: Limits::default(),
            prices: None,
            policy: Policy::default(),
            secrets: Secrets::default(),
            prompts: Prompts::default(),
            demonstrations: Vec::new(),
            evidence: Evidence::default(),
            seed: 0,
            name: None,
            folder: None,
            notes: Vec::new(),
        }
    }

    /// Begins to work on a task, on a Tokio runtime.
    pub fn run(self, task: impl Into<String>) -> Run {
        let (folder, journal) = self.record.unzip();
        let album = Arc::new(Album::new(folder.clone()));
        let kept = |shown: &Demonstration| RecordedDemonstration::kept(shown, &album);
        let demonstrations = self.demonstrations.iter().map(kept).collect();
        let beginning =
            Beginning { task: self.secrets.hidden(&task.into()), demonstrations, ..self.beginning };
        let life = Life { folder, album: Arc::clone(&album), worked: Duration::ZERO, happened: None };
        let hands = Hands {
            toolbox: self.toolbox,
            screen: self.screen,
            secrets: self.secrets,
            demonstrations: self.demonstrations,
        };
        start(self.model, hands, beginning, life, |listener| Keeper::new(journal, album, listener))
    }
}

/// What a run is given by where its record is.
struct Life {
    folder: Option<RunFolder>,
    album: Arc<Album>,
    worked: Duration,
    happened: Option<bool>,
}

/// What a run works with.
struct Hands {
    toolbox: Toolbox,
    screen: Option<Arc<dyn Screen>>,
    secrets: Secrets,
    demonstrations: Vec<Demonstration>,
}

fn start(
    model: Arc<dyn ChatModel>,
    Hands { toolbox, screen, secrets, demonstrations }: Hands,
    beginning: Beginning,
    life: Life,
    keeper: impl FnOnce(mpsc::UnboundedSender<Entry>) -> Keeper,
) -> Run {
    let (name, cancel) = (beginning.run.clone(), CancellationToken::new());
    let (listener, events) = mpsc::unbounded_channel();
    let (approve, approvals) = mpsc::unbounded_channel();
    let parts = Parts {
        model,
        toolbox,
        screen,
        durable: Box::new(keeper(listener.clone())),
        album: life.album,
        folder: life.folder.map(|folder| folder.path().to_owned()),
        listener,
        approvals,
        cancel: cancel.clone(),
        worked: life.worked,
        happened: life.happened,
        secrets,
        demonstrations,
    };
    let span = spans::run(&beginning);
    let worker = tokio::spawn(Working::new(beginning, parts).run().instrument(span));
    Run::new(name, events, approve, cancel, worker)
}

impl AgentBuilder {
    /// The screen that the agent looks at before every decision. Without one it works with its tools alone.
    /// The screen stays open when the run ends: whoever opened it closes it.
    #[must_use]
    pub fn screen(mut self, screen: Arc<dyn Screen>) -> Self {
        self.screen = Some(screen);
        self
    }

    /// How it thinks.
    #[must_use]
    pub fn thinking(mut self, thinking: Thinking) -> Self {
        self.thinking = thinking;
        self
    }

    /// What it may take.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The limits as they are now.
    pub(crate) fn limits_so_far(&self) -> Limits {
        self.limits
    }

    /// What the model's tokens cost: without it no cost is counted, and none can be limited.
    #[must_use]
    pub fn prices(mut self, prices: Prices) -> Self {
        self.prices = Some(prices);
        self
    }

    /// What it may do by itself, with a person's approval, or not at all.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The secrets that its tools may use. The run's own looks hide them; tools that look at a screen themselves must be
    /// given [`Secrets::veil`]'s.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// Texts in place of Percept's own.
    #[must_use]
    pub fn prompts(mut self, prompts: Prompts) -> Self {
        self.prompts = prompts;
        self
    }

    /// Earlier runs that the model is shown before its task, each step as image, thought and action.
    #[must_use]
    pub fn demonstrations(mut self, demonstrations: Vec<Demonstration>) -> Self {
        self.demonstrations = demonstrations;
        self
    }

    /// What must be seen before the task counts as done.
    #[must_use]
    pub fn done(mut self, evidence: Evidence) -> Self {
        self.evidence = evidence;
        self
    }

    /// Where sampling begins: the same seed, model and observations make the same run.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The run's name; by default the time.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where the run is recorded. Without it the events go to the [`Run`]'s listener alone.
    #[must_use]
    pub fn folder(mut self, folder: RunFolder) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Something that a reader of the result must know.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Checks everything that can be checked before the run.
    ///
    /// # Errors
    ///
    /// An [`AgentError`] that names what to change.
    pub fn build(self) -> Result<Agent, AgentError> {
        if self.toolbox.offered().is_empty() {
            return Err(AgentError::NoTools);
        }
        let prices = self.prices.map(Prices::checked).transpose()?;
        let limits = self.limits.checked(prices)?;
        self.policy.checked(&self.toolbox)?;
        self.evidence.checked(self.screen.is_some())?;
        let card = self.model.card();
        let style = self.thinking.style.unwrap_or(if card.thinks { Style::React } else { Style::Direct });
        self.thinking.checked(style, &card.name)?;
        self.evidence.certain(self.thinking.votes, card)?;
        thoughts::checked(self.model.as_ref(), &self.thinking, style, self.evidence.judge.is_some())?;
        if self.evidence.judge.is_some() && style == Style::Direct {
            return Err(AgentError::NoWords { model: card.name.clone(), what: "judge the evidence" });
        }
        if self.screen.is_some() && card.max_images == Some(0) {
            return Err(AgentError::SeesNothing {
                model: card.name.clone(),
                what: "the run has a screen".into(),
            });
        }
        let shown: usize = self.demonstrations.iter().map(Demonstration::images).sum();
        if let Some(most) = card.max_images.filter(|most| shown > 0 && shown >= *most) {
            return Err(AgentError::TooManyImages { model: card.name.clone(), images: shown, most });
        }
        let mut notes = self.notes;
        let mut demonstrations = Vec::new();
        for demonstration in self.demonstrations {
            let (demonstration, is_own) = demonstration.in_the_words_of(self.model.as_ref(), &self.toolbox);
            if !is_own {
                notes.push(format!(
                    "the demonstration “{}” is shown in the words of {}: {} may write calls, and places, otherwise",
                    demonstration.task, demonstration.by, card.name
                ));
            }
            demonstrations.push(demonstration);
        }
        let record = match self.folder {
            Some(folder) => {
                let journal = folder.journal()?;
                Some((folder, journal))
            }
            None => None,
        };
        let beginning = Beginning {
            run: self.name.unwrap_or_else(new_run_name),
            task: String::new(),
            actor: Actor::Model,
            model: card.clone(),
            notes,
            tools: self.toolbox.offered(),
            screen: self.screen.is_some(),
            style,
            thinking: self.thinking,
            limits,
            prices,
            policy: self.policy,
            demonstrations: Vec::new(),
            secrets: self.secrets.cards(),
            prompts: self.prompts.clone(),
            seed: self.seed,
            evidence: self.evidence,
            percept: env!("CARGO_PKG_VERSION").into(),
        };
        let Self { model, toolbox, screen, secrets, .. } = self;
        Ok(Agent { model, toolbox, screen, secrets, demonstrations, beginning, record })
    }

    /// Takes up a run that was killed, cancelled or left with a call in doubt, on a Tokio runtime. Everything but
    /// model, tools and screen is as the run began: task, thinking, limits, policy, evidence, seed and name. What
    /// its journal has isn't done again; it goes on from there.
    ///
    /// `happened` is a person's word on a call that was under way when the run was cut off; see
    /// [`doubt`](crate::journal::doubt).
    ///
    /// The screen is a new one: whoever opens it brings it to where the run left off, as far as that is possible.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if there is no such run, if it is over, or if another process is at work on it;
    /// [`JournalError::Misfit`] if model, tools or screen aren't such as it began with.
    pub fn resume(self, folder: impl Into<PathBuf>, happened: Option<bool>) -> Result<Run, AgentError> {
        self.take_up(Cut::open(folder)?, happened)
    }

    pub(crate) fn take_up(self, cut: Cut, happened: Option<bool>) -> Result<Run, AgentError> {
        let Cut { folder, journal, recording } = cut;
        let beginning = recording.beginning.clone();
        if happened.is_some() && doubt(folder.path(), &recording)?.is_none() {
            return Err(misfit("no call of it is in doubt, so there is nothing to say about one"));
        }
        self.fits(&beginning)?;
        let names: Vec<_> = beginning.tools.iter().map(|tool| &tool.card.name).collect();
        let toolbox = self.toolbox.only(&names)?;
        if let Some(tool) = toolbox.offered().iter().find(|tool| !beginning.tools.contains(tool)) {
            return Err(misfit(format!("the tool `{}` isn't the one that it began with", tool.card.name)));
        }
        let tape = Tape::continued(&recording.entries);
        self.model.taken_up(tape.replies());
        let album = Arc::new(Album::new(Some(folder.clone())));
        let (before, next) = recording.entries.last().map_or((0.0, 0), |last| (last.at, last.seq + 1));
        let life = Life {
            folder: Some(folder),
            album: Arc::clone(&album),
            worked: worked(&recording.entries),
            happened,
        };
        let card = self.model.card();
        let new = card.notes.iter().filter(|note| !beginning.model.notes.contains(note));
        let seam = Event::Resumed {
            happened,
            device: card.device.clone(),
            notes: self.notes.iter().chain(new).cloned().collect(),
            percept: env!("CARGO_PKG_VERSION").into(),
        };
        let restored = beginning.demonstrations.iter().map(|shown| shown.restored(&album));
        let demonstrations = restored.collect::<Result<_, _>>()?;
        let hands = Hands { toolbox, screen: self.screen, secrets: self.secrets, demonstrations };
        Ok(start(self.model, hands, beginning, life, |listener| {
            Keeper::new(Some(journal), album, listener).taking_up(tape, before, next, seam)
        }))
    }

    /// Whether model and screen are such as the run began with.
    fn fits(&self, beginning: &Beginning) -> Result<(), AgentError> {
        let kind = |card: &ModelCard| (card.name.clone(), card.family.clone(), card.thinks, card.max_images);
        let (then, now) = (&beginning.model, self.model.card());
        if kind(then) != kind(now) {
            return Err(misfit(format!("it began with the model {}, not with {}", then.name, now.name)));
        }
        if self.secrets.cards() != beginning.secrets {
            return Err(misfit("it began with other secrets"));
        }
        if self.screen.is_some() != beginning.screen {
            let (then, now) = if beginning.screen { ("a", "no") } else { ("no", "a") };
            return Err(misfit(format!("it began with {then} screen, and there is {now} screen now")));
        }
        Ok(())
    }
}

/// A run that was cut off, with its journal locked for going on.
pub(crate) struct Cut {
    folder: RunFolder,
    journal: Journal,
    pub(crate) recording: Recording,
}

impl Cut {
    /// # Errors
    ///
    /// [`JournalError`] if there is no such run, if it is over, or if another process is at work on it.
    pub(crate) fn open(folder: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let folder = RunFolder::open(folder)?;
        let (journal, recording) = Journal::reopen(folder.path())?;
        recording.check_resumable(folder.path())?;
        Ok(Self { folder, journal, recording })
    }
}

fn misfit(problem: impl Into<String>) -> AgentError {
    JournalError::Misfit { problem: problem.into() }.into()
}
