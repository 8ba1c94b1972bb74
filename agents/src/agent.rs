//! An agent: a model, tools, perhaps a screen, and the rules of a run.

use std::sync::Arc;

use percept_models::ChatModel;
use percept_tools::{Screen, Toolbox};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{AgentError, Evidence, Limits, Policy, Run, RunFolder, Thinking, journal::Journal, new_run_name};

mod act;
mod check;
mod cycle;
mod generate;
mod look;
mod reflect;
mod think;
mod working;

use working::Working;

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
    thinking: Thinking,
    limits: Limits,
    policy: Policy,
    evidence: Evidence,
    seed: u64,
    name: String,
    record: Option<(RunFolder, Journal)>,
    notes: Vec<String>,
}

/// Puts an [`Agent`] together.
pub struct AgentBuilder {
    model: Arc<dyn ChatModel>,
    toolbox: Toolbox,
    screen: Option<Arc<dyn Screen>>,
    thinking: Thinking,
    limits: Limits,
    policy: Policy,
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
            policy: Policy::default(),
            evidence: Evidence::default(),
            seed: 0,
            name: None,
            folder: None,
            notes: Vec::new(),
        }
    }

    /// Begins to work on a task, on a Tokio runtime.
    pub fn run(self, task: impl Into<String>) -> Run {
        let (name, cancel) = (self.name.clone(), CancellationToken::new());
        let (listener, events) = mpsc::unbounded_channel();
        let (approve, approvals) = mpsc::unbounded_channel();
        let working = Working::new(self, task.into(), listener, approvals, cancel.clone());
        let worker = tokio::spawn(working.run());
        Run::new(name, events, approve, cancel, worker)
    }
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

    /// What a person must approve.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
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
        let limits = self.limits.checked()?;
        self.policy.checked(&self.toolbox)?;
        self.evidence.checked(self.screen.is_some())?;
        let record = match self.folder {
            Some(folder) => {
                let journal = folder.journal()?;
                Some((folder, journal))
            }
            None => None,
        };
        Ok(Agent {
            model: self.model,
            toolbox: self.toolbox,
            screen: self.screen,
            thinking: self.thinking,
            limits,
            policy: self.policy,
            evidence: self.evidence,
            seed: self.seed,
            name: self.name.unwrap_or_else(new_run_name),
            record,
            notes: self.notes,
        })
    }
}
