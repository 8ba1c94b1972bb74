//! Ways of thinking: what may come before an action, and what comes after a failed one.

use percept_models::{Function, Reply};
use serde::{Deserialize, Serialize};

mod direct;
mod planning;
mod react;
mod reflection;

pub use planning::PlanItem;
pub(crate) use planning::{PATIENCE, PLAN_TOKENS, Plan, plan_schema, plan_wanted, read_plan};
pub(crate) use reflection::{LESSON_TOKENS, lesson_wanted};

/// What may come before an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// The action at once.
    Direct,
    /// A free thought, then the action (`ReAct`, Yao et al. 2022).
    React,
}

/// When the agent reflects on what it did (Reflexion, Shinn et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reflect {
    /// Never.
    Never,
    /// When an action changed nothing, was refused or failed.
    #[default]
    OnFailure,
    /// After every action.
    EveryStep,
}

/// How an agent thinks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thinking {
    /// What may come before an action; `None` takes the model's own better default.
    pub style: Option<Style>,
    /// Whether it makes a plan before the first action, and a new one when what the plan expects doesn't come. Only a
    /// model that thinks aloud can.
    pub plan: bool,
    /// When it reflects. A model that can't reflect in words has its next decision sampled instead of
    /// taken greedily, which gets it out of doing the same thing again; the journal says when.
    pub reflect: Reflect,
    /// Sampling temperature of decisions; 0 is greedy.
    pub temperature: f32,
    /// The most tokens of one decision.
    pub max_tokens: usize,
    /// The most tokens of thought before the action is forced.
    pub max_thought_tokens: usize,
}

impl Default for Thinking {
    fn default() -> Self {
        Self {
            style: None,
            plan: false,
            reflect: Reflect::OnFailure,
            temperature: 0.0,
            max_tokens: 512,
            max_thought_tokens: 160,
        }
    }
}

/// One way of thinking, as the loop uses it.
pub(crate) trait Way: Send + Sync {
    /// What the model is told, once, before the task.
    fn instruction(&self) -> &'static str;

    /// What a decision may be.
    fn reply(&self, functions: Vec<Function>) -> Reply;
}

impl Style {
    pub(crate) fn way(self) -> &'static dyn Way {
        match self {
            Self::Direct => &direct::Direct,
            Self::React => &react::React,
        }
    }
}
