//! Failures of putting an agent together and of keeping its record, sorted by who can mend them.

use std::path::PathBuf;

use percept_models::ModelError;
use percept_tools::{ScreenError, ToolboxError};

use crate::StoreError;

/// An agent that can't be put together: something that whoever asked for it can change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// There is nothing the agent could call.
    #[error("the toolbox is empty: offer at least one tool")]
    NoTools,
    /// A limit of zero, which would end the run before its first step.
    #[error("the limit on {limit} is zero: give it at least 1")]
    ZeroLimit {
        /// Which limit.
        limit: &'static str,
    },
    /// A limit on cost without the prices that it is counted by.
    #[error("a limit on cost needs the prices of the model's tokens: give them, or leave the limit out")]
    NoPrices,
    /// A price that isn't an amount of money.
    #[error("the price of {tokens} tokens is {price}: write what a million of them cost, 0 or more")]
    Price {
        /// Which tokens: fresh, cached or output.
        tokens: &'static str,
        /// The price.
        price: f64,
    },
    /// A plan or a judgement is asked of a model that acts without a word.
    #[error("{model} acts at once and can't {what}: leave that out, or take the style `react`")]
    NoWords {
        /// The model.
        model: String,
        /// What it would have to say.
        what: &'static str,
    },
    /// A thought is wished from a model that can't have one.
    #[error(
        "`think` in `[thinking]` wants a thought before {what}, and that can't be had: {problem}. Leave `think` out, or take a \
         model that thinks"
    )]
    Thought {
        /// Before what it would be.
        what: &'static str,
        /// Why it can't be had.
        problem: ModelError,
    },
    /// No vote at all, or more than are of use.
    #[error("{votes} votes can't be held: ask for 1 to {most}")]
    Votes {
        /// How many were asked for.
        votes: usize,
        /// The most.
        most: usize,
    },
    /// Evidence that this run could never gather.
    #[error("{what} can't be checked: {why}")]
    Evidence {
        /// The check.
        what: String,
        /// What is in its way.
        why: String,
    },
    /// A rule of the policy that no call could fit.
    #[error("the policy can't be kept: {problem}")]
    Policy {
        /// What is wrong with it.
        problem: String,
    },
    /// A text that can't stand in another's place.
    #[error("the prompt `{name}`: {why}")]
    Prompt {
        /// Its name, or its file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A run that can't be shown as an example.
    #[error("{path} can't be a demonstration: {why}")]
    Demonstration {
        /// The run folder.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// More images in demonstrations than the model takes.
    #[error(
        "the demonstrations show {images} images, and {model} takes {most} in all: show fewer runs, or shorter ones"
    )]
    TooManyImages {
        /// The model.
        model: String,
        /// How many they show.
        images: usize,
        /// The most that the model takes.
        most: usize,
    },
    /// A model that reads text alone is given what needs eyes.
    #[error("{model} reads text alone, and {what}: leave it out, or take a model that sees")]
    SeesNothing {
        /// The model.
        model: String,
        /// What it was given.
        what: String,
    },
    /// A secret that can't be kept, or isn't there.
    #[error("the secret `{name}`: {why}")]
    Secret {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The policy names a tool that isn't on offer, or the toolbox clashes.
    #[error(transparent)]
    Toolbox(#[from] ToolboxError),
    /// The model can't be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The screen can't be opened.
    #[error(transparent)]
    Screen(#[from] ScreenError),
    /// The run folder can't be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store of earlier runs can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run's record that can't be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file or folder can't be made, written or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The folder already holds a run.
    #[error("{path} already holds a run: name another folder with --out, or move this one away")]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A line before the last can't be read: the file was changed by something else.
    #[error("{path}:{line}: not an event of a journal: {problem}")]
    Line {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// A line that isn't the one that was written, or doesn't follow on the one before it.
    #[error(
        "{path}:{line}: the journal was changed here (step {step}): this line isn't the one that was written, or the \
         one before it is missing"
    )]
    Changed {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The step that it belongs to; 0 before the first.
        step: usize,
    },
    /// A journal that another version of Percept wrote.
    #[error("{path}:{line}: this is version {found} of the journal, and this Percept reads version {known}")]
    Version {
        /// The journal.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The version found.
        found: u32,
        /// The version that can be read.
        known: u32,
    },
    /// Another process is at work on this run.
    #[error("{path} is being written: another process is at work on this run")]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// A run that can't be taken up again: it is over.
    #[error("{path}: the run is over ({outcome}): {reason}")]
    Over {
        /// The run folder.
        path: PathBuf,
        /// How it ended, in a word.
        outcome: &'static str,
        /// Why, in words.
        reason: String,
    },
    /// A recording of a person, where a run of a model is wanted.
    #[error(
        "{path}: a person acted here, so there is nothing to take up or to go through again: it can be shown to a model \
         ([thinking] demonstrations), kept (percept memory add) and read (percept report)"
    )]
    ByHand {
        /// The run folder.
        path: PathBuf,
    },
    /// A run that hasn't so many steps.
    #[error("{path}: there is no step {step}: the last one is {last}")]
    NoStep {
        /// The run folder.
        path: PathBuf,
        /// The step that was asked for.
        step: usize,
        /// The last step of the run.
        last: usize,
    },
    /// A run that can't be taken up with what is there now.
    #[error("the run can't be taken up: {problem}")]
    Misfit {
        /// What differs from when it began.
        problem: String,
    },
    /// A journal without a beginning.
    #[error("{path} holds no run: it has no event that says how one began")]
    Empty {
        /// The journal.
        path: PathBuf,
    },
    /// An image that can't be stored, or isn't there any more as it was.
    #[error("{path}: {problem}")]
    Image {
        /// The image file.
        path: PathBuf,
        /// What the encoder says.
        problem: String,
    },
}

impl JournalError {
    /// Wraps what the system says about a path.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
