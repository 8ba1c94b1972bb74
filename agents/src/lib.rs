//! The agent: a loop that looks, thinks, acts and observes, with limits, evidence and a journal.
//!
//! **Invariant:** this crate names no ONNX Runtime, no browser protocol and no window system.
//!
//! Start with [`Agent`]: give it a model, tools and a screen, and [`Agent::run`] a task. What happens
//! arrives as [`Event`]s, what came of it as a [`RunResult`]. [`tools`], [`models`] and [`runtime`] are the
//! rooms below, so that an app needs no other dependency. How to put an agent into an app is told in [`embedding`].

mod agent;
mod album;
mod assembly;
mod delegate;
pub mod demo;
mod demonstration;
mod durable;
#[doc = include_str!("embedding.md")]
pub mod embedding {}
mod error;
pub mod evaluation;
mod event;
mod evidence;
mod footage;
mod history;
mod inquiry;
pub mod journal;
mod limits;
mod memory;
mod notebook;
mod offer;
mod outcome;
mod percept;
mod policy;
mod prices;
mod prompts;
pub mod report;
mod run;
mod run_folder;
mod secrets;
mod silent;
mod spans;
mod store;
pub mod task;
mod thinking;
mod trail;

pub use agent::{Agent, AgentBuilder, Replayed, replay};
pub use assembly::{Assembled, Assembly, Resumed, is_bad_input};
pub use delegate::{Delegate, DelegateArgs};
pub use demonstration::{Demonstration, RecordedDemonstration, RecordedShown, Shown};
pub use durable::Divergence;
pub use error::{AgentError, JournalError};
pub use event::{
    Actor, Area, Beginning, CallResult, Entry, Event, JOURNAL_VERSION, RecordedBody, RecordedPart, Target,
};
pub use evidence::{AnswerCheck, Check, ElementCheck, Evidence, FileCheck, Grounds, UrlCheck, Verdict};
pub use footage::footage;
pub use inquiry::{Answer, Inquiry};
pub use limits::{AtLimit, Limit, Limits};
pub use notebook::Notebook;
pub use outcome::{Milliseconds, Outcome, RunResult, TokenUsage};
pub use percept::Percept;
pub use policy::{Approval, EffectKind, Policy, Rule};
pub use prices::Prices;
pub use prompts::Prompts;
pub use run::Run;
pub use run_folder::{CALLS, RUN_FILE, RunFolder, SHOTS, new_run_name};
pub use secrets::{SecretCard, Secrets};
pub use silent::Silent;
pub use store::{Found, Store, StoreError};
pub use task::{Task, TaskError};
pub use thinking::{Choose, PlanItem, Reflect, Style, Thinking};

pub(crate) use outcome::Ending;

pub use percept_models as models;
pub use percept_runtime as runtime;
pub use percept_tools as tools;

/// The README's programs, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
