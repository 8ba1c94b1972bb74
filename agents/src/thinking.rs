//! Ways of thinking: what may come before an action, and what comes after a failed one.

use percept_models::{Function, Reply};
use serde::{Deserialize, Serialize};

use crate::{AgentError, prompts::Prompt};

mod direct;
mod grounding;
mod planning;
mod react;
mod reflection;
mod voting;
mod wording;

pub(crate) use grounding::mismatch;
pub use planning::PlanItem;
pub(crate) use planning::{PATIENCE, PLAN_FORM, PLAN_TOKENS, Plan, plan_schema, read_plan};
pub(crate) use reflection::LESSON_TOKENS;
pub use voting::Choose;
pub(crate) use voting::{
    JUDGEMENT_TOKENS, MOST_VOTES, Meaning, Place, VOTING, grouped, judgement_schema, majority, proposed,
    read_judgement,
};
pub(crate) use wording::{most_given, normalised};

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
    /// How many decisions are made for each step, of which one is carried out (self-consistency). They share the
    /// prompt, which is read once; all but the first are sampled.
    pub votes: usize,
    /// Who says which of several decisions is carried out. Only a model that thinks aloud can be the judge.
    pub choose: Choose,
    /// The most tokens that a model may think before each plan, lesson, judgement and verdict, beside those of what it then
    /// writes; 0 has it write at once. A model that isn't known to think so is refused before the run, with its reason.
    #[serde(default, skip_serializing_if = "is_none")]
    pub think: usize,
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
            votes: 1,
            choose: Choose::Majority,
            think: 0,
            temperature: 0.0,
            max_tokens: 512,
            max_thought_tokens: 160,
        }
    }
}

/// Whether nothing is to be thought first, as in every run before there was a choice.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none(think: &usize) -> bool {
    *think == 0
}

impl Thinking {
    /// # Errors
    ///
    /// [`AgentError`] for what a model of this style can't do, or nobody can.
    pub(crate) fn checked(&self, style: Style, model: &str) -> Result<(), AgentError> {
        if !(1..=MOST_VOTES).contains(&self.votes) {
            return Err(AgentError::Votes { votes: self.votes, most: MOST_VOTES });
        }
        let is_judge = self.votes > 1 && self.choose == Choose::Judge;
        let words = [(self.plan, "make a plan"), (is_judge, "judge proposals")];
        match words.into_iter().find(|(wanted, _)| *wanted && style == Style::Direct) {
            Some((_, what)) => Err(AgentError::NoWords { model: model.to_owned(), what }),
            None => Ok(()),
        }
    }
}

/// One way of thinking, as the loop uses it.
pub(crate) trait Way: Send + Sync {
    /// What the model is told, once, before the task.
    fn instruction(&self) -> Prompt;

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
