//! A task file: a scripted run, written in TOML.
//!
//! It is two things: what was written, with its lines and its mistakes, and the [`Task`] that it means,
//! checked, with every question answered that can be answered before a model is loaded.

use std::path::{Path, PathBuf};

use percept_models::ModelAddress;
use percept_runtime::Device;
use serde::{Serialize, Serializer};

use crate::{AnswerCheck, Ask, Evidence, Limits, Policy, Reflect, Style, UrlCheck};

mod meaning;
mod mistake;
mod suggestion;
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
    /// Where sampling begins; local pages get it as `?seed=N`.
    pub seed: u64,
    /// What the agent looks at.
    pub screen: ScreenChoice,
    /// How it thinks.
    pub thinking: ThinkingChoice,
    /// What it may take.
    pub limits: Limits,
    /// The tools on offer.
    pub tools: ToolChoice,
    /// What it may do.
    pub policy: PolicyChoice,
    /// What must be seen before the task counts as done.
    pub done: DoneChoice,
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ThinkingChoice {
    /// What may come before an action; `None` takes the model's better default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// Whether it makes a plan first.
    pub plan: bool,
    /// When it reflects.
    pub reflect: Reflect,
}

/// Which tools are on offer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolChoice {
    /// Their names; `None` offers every built-in tool that the screen can take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
}

/// What a run may do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyChoice {
    /// What a person must approve.
    pub ask: Vec<Ask>,
    /// Hosts that pages may reach.
    pub hosts: Vec<String>,
}

/// The evidence, as a task says it.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
        let written = toml::from_str(text).map_err(|error| source.malformed(&error))?;
        meaning::meaning(written, &source)
    }

    /// The task as a task file, nothing left open: what a run folder keeps as `run.toml`.
    ///
    /// # Errors
    ///
    /// The serializer's, for an answer's schema that TOML can't say (it has no null).
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }

    /// The evidence that it asks for.
    pub fn evidence(&self) -> Evidence {
        let DoneChoice { text_visible, url, answer } = self.done.clone();
        Evidence { text_visible, url, answer }
    }

    /// What a person must approve.
    pub fn approval(&self) -> Policy {
        Policy { ask: self.policy.ask.clone() }
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
