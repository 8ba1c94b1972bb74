//! A task file: a scripted run, written in TOML.
//!
//! It is two things: what was written, with its lines and its mistakes, and the [`Task`] that it means,
//! checked, with every question answered that can be answered before a model is loaded.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use percept_models::ModelAddress;
use percept_runtime::Device;
use serde::{Serialize, Serializer};

use crate::{
    AgentError, AnswerCheck, Choose, Demonstration, ElementCheck, Evidence, FileCheck, Grounds, Limits,
    Policy, Prices, Prompts, Reflect, Rule, Secrets, Style, Thinking, UrlCheck,
};

mod meaning;
mod mistake;
mod suggestion;
mod version;
mod written;

pub use mistake::{Place, TaskError};
pub(crate) use suggestion::nearest;

/// The model that a task runs on if it names none.
pub const DEFAULT_MODEL: &str = "bundled:glance";

/// A task as it is meant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// What to do, in words.
    pub task: String,
    /// The model: `bundled:NAME`, `scripted:FILE` or a folder.
    #[serde(serialize_with = "as_written")]
    pub model: ModelAddress,
    /// The device; `auto` takes the best there is.
    pub device: Device,
    /// The most tokens that a conversation with the model may have, where that is to be fewer than it can; only for a
    /// folder's model. On a device, memory for all of them may be taken at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<NonZeroUsize>,
    /// Where sampling begins; local pages get it as `?seed=N`.
    pub seed: u64,
    /// What the agent looks at.
    pub screen: ScreenChoice,
    /// How it thinks.
    pub thinking: ThinkingChoice,
    /// What it may take.
    pub limits: Limits,
    /// What the model's tokens cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
    /// The tools on offer.
    pub tools: ToolChoice,
    /// What it may do.
    pub policy: PolicyChoice,
    /// What its tools may use and nobody sees.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretChoice>,
    /// Other agents, each offered as a tool of its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<String, AgentChoice>,
    /// The store of earlier runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryChoice>,
    /// What must be seen before the task counts as done.
    pub done: DoneChoice,
}

/// Where earlier runs are found, and this one is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryChoice {
    /// The database; it is made if it isn't there.
    pub store: PathBuf,
    /// How many of the runs that fit best are shown before the task.
    pub show: usize,
    /// Whether this run goes in when it ends well.
    pub keep: bool,
}

/// Another agent, which works on the same screen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentChoice {
    /// When to hand something to it: what the run's own model reads.
    pub description: String,
    /// Its model.
    #[serde(serialize_with = "as_written")]
    pub model: ModelAddress,
    /// The tools on offer to it; `None` offers every built-in tool that the screen can take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// How it thinks.
    pub thinking: ThinkingChoice,
    /// What one task of it may take, within what is left of the run's own.
    pub limits: Limits,
    /// What its model's tokens cost, in the same currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// What an agent looks at.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ScreenChoice {
    /// A page in a browser of its own.
    Browser {
        /// The path of a file, or an address.
        browser: String,
        /// The viewport in CSS pixels; `None` takes what the model works best on.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<[u32; 2]>,
        /// Screenshot pixels to a CSS pixel.
        scale: f64,
    },
    /// A still image.
    Image {
        /// Its file.
        image: PathBuf,
    },
    /// Nothing: the agent works with its tools alone.
    Nothing {},
}

/// How an agent thinks, as a task says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThinkingChoice {
    /// What may come before an action; `None` takes the model's better default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// Whether it makes a plan first.
    pub plan: bool,
    /// When it reflects.
    pub reflect: Reflect,
    /// How many decisions are made for each step.
    pub votes: usize,
    /// Who says which of them is carried out.
    pub choose: Choose,
    /// The most tokens of thought before each plan, lesson, judgement and verdict; `None` for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub think: Option<usize>,
    /// A folder of texts in place of Percept's own; see [`Prompts`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PathBuf>,
    /// Folders of earlier runs that the model is shown before the task.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub demonstrations: Vec<PathBuf>,
}

/// Which tools are on offer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolChoice {
    /// Their names; `None` offers every built-in tool that the screen can take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

/// What a run may do; see [`Policy`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PolicyChoice {
    /// What a person must approve.
    pub ask: Vec<Rule>,
    /// What needs no approval although `ask` names it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Rule>,
    /// What is never done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refuse: Vec<Rule>,
    /// Whether a call that misses what it is about is turned down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub grounded: bool,
    /// Whether a person is asked for what the model's vendor wants confirmed, though `ask` names nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
    /// Hosts that pages may reach.
    pub hosts: Vec<String>,
}

/// Where a secret's value is; it is read when the run begins, and written nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretChoice {
    /// The environment variable, or the file, that holds the value.
    #[serde(flatten)]
    pub source: SecretSource,
    /// The hosts on whose pages it may be used; empty: on any page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// What holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, whose last line break doesn't count.
    File(PathBuf),
}

impl SecretSource {
    /// The value.
    ///
    /// # Errors
    ///
    /// Why it can't be read.
    fn read(&self) -> Result<String, String> {
        match self {
            Self::Env(name) => std::env::var(name).map_err(|error| format!("the variable {name}: {error}")),
            Self::File(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
        }
    }
}

/// The evidence, as a task says it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DoneChoice {
    /// Texts that must be visible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text_visible: Vec<String>,
    /// Where the screen must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<UrlCheck>,
    /// What the answer must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerCheck>,
    /// What the answer must stand on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounds: Option<Grounds>,
    /// A question that the model must answer with yes, quoting the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// Elements in view and their states.
    #[serde(rename = "element", skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<ElementCheck>,
    /// Files and what is in them.
    #[serde(rename = "file", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileCheck>,
}

impl ThinkingChoice {
    /// The same, with everything that a task doesn't say.
    pub fn thinking(&self) -> Thinking {
        let Self { style, plan, reflect, votes, choose, think, .. } = *self;
        let think = think.unwrap_or(0);
        Thinking { style, plan, reflect, votes, choose, think, ..Thinking::default() }
    }

    /// The earlier runs that the model is shown.
    ///
    /// # Errors
    ///
    /// [`AgentError`] for one that isn't there, or didn't end well.
    pub fn shown(&self) -> Result<Vec<Demonstration>, AgentError> {
        self.demonstrations.iter().map(|folder| Demonstration::read(folder)).collect()
    }

    /// The texts in place of Percept's own.
    ///
    /// # Errors
    ///
    /// [`AgentError::Prompt`] for one that can't stand there.
    pub fn prompts(&self) -> Result<Prompts, AgentError> {
        self.prompts.as_deref().map_or_else(|| Ok(Prompts::default()), Prompts::read)
    }
}

impl Task {
    /// Reads a task file. Paths in it are relative to it.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] that names file, line and remedy.
    pub fn read(path: &Path) -> Result<Self, TaskError> {
        let text = std::fs::read_to_string(path).map_err(|error| TaskError::unreadable(path, &error))?;
        Self::parse(&text, path)
    }

    /// Reads a task file with some of its keys set otherwise: `instead` is TOML, such as
    /// `thinking.reflect = "never"`.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] that names what is wrong, in the file or in what is set instead.
    pub fn read_with(path: &Path, instead: &str) -> Result<Self, TaskError> {
        // A mistake in the file itself is told with the file's own lines.
        Self::read(path)?;
        let text = std::fs::read_to_string(path).map_err(|error| TaskError::unreadable(path, &error))?;
        let set = Path::new("(what is set instead)");
        let malformed = |text: &str, at: &Path, error: &toml::de::Error| {
            mistake::SourceFile { path: at, text }.malformed(error)
        };
        let mut table: toml::Table = toml::from_str(&text).map_err(|error| malformed(&text, path, &error))?;
        let changes: toml::Table =
            toml::from_str(instead).map_err(|error| malformed(instead, set, &error))?;
        merge(&mut table, changes);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        // Beside the file, so that its paths mean what they did.
        Self::parse(&table.to_string(), &path.with_file_name(format!("{name} with what is set instead")))
    }

    /// The same from a text; `path` is what errors name and what paths in it are relative to.
    ///
    /// # Errors
    ///
    /// A [`TaskError`] that names file, line and remedy.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TaskError> {
        let source = mistake::SourceFile { path, text };
        version::check(&source)?;
        let written = toml::from_str(text).map_err(|error| source.malformed(&error))?;
        meaning::meaning(written, &source)
    }

    /// The task as a task file, nothing left open: what a run folder keeps as `run.toml`.
    ///
    /// # Errors
    ///
    /// The serializer's, for an answer's schema that TOML can't say (it has no null).
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        Ok(version::line() + &toml::to_string_pretty(self)?)
    }

    /// The evidence that it asks for.
    pub fn evidence(&self) -> Evidence {
        let DoneChoice { text_visible, url, answer, grounds, judge, elements, files } = self.done.clone();
        Evidence { text_visible, url, elements, files, judge, answer, grounds }
    }

    /// What the run may do by itself, with a person's approval, or not at all.
    pub fn rules(&self) -> Policy {
        let PolicyChoice { ask, allow, refuse, grounded, confirm, .. } = self.policy.clone();
        // Whoever can be asked about a rule can be asked about that.
        let confirm = confirm || !ask.is_empty();
        Policy { ask, allow, refuse, grounded, confirm }
    }

    /// Its secrets, read from where they are.
    ///
    /// # Errors
    ///
    /// [`AgentError::Secret`] for one that isn't there or can't be kept.
    pub fn unlocked(&self) -> Result<Secrets, AgentError> {
        let mut secrets = Secrets::default();
        for (name, SecretChoice { source, hosts }) in &self.secrets {
            let value = source.read().map_err(|why| AgentError::Secret { name: name.clone(), why })?;
            let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
            secrets.add(name, value, &hosts)?;
        }
        Ok(secrets)
    }
}

/// Puts the second table's values over the first one's, table by table.
fn merge(table: &mut toml::Table, changes: toml::Table) {
    for (key, value) in changes {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(changes)) => merge(inner, changes),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

fn as_written<S: Serializer>(address: &ModelAddress, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}
