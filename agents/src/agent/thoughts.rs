//! What a run may ask its model to think over, so that a thought that can't be had is refused before the run and not in it.

use percept_models::{ChatModel, Generate, Reply, Sampling};

use super::generate::Aside;
use crate::{
    AgentError, Choose, Reflect, Style, Thinking,
    evidence::{VERDICT_TOKENS, verdict_schema},
    thinking::{JUDGEMENT_TOKENS, LESSON_TOKENS, PLAN_TOKENS, judgement_schema, plan_schema},
};

/// Sees to it that the model can think before everything that it may be asked beside decisions.
///
/// # Errors
///
/// [`AgentError::Thought`] for the first that it can't.
pub(super) fn checked(
    model: &dyn ChatModel,
    thinking: &Thinking,
    style: Style,
    is_judge: bool,
) -> Result<(), AgentError> {
    if thinking.think == 0 {
        return Ok(());
    }
    let learns = style == Style::React && model.card().thinks && thinking.reflect != Reflect::Never;
    let chooses = thinking.votes > 1 && thinking.choose == Choose::Judge;
    let json = |schema| Reply::Json(schema);
    let asked = [
        (thinking.plan, "a plan", Aside::Plan, json(plan_schema()), PLAN_TOKENS),
        (learns, "a lesson", Aside::Lesson, Reply::Text, LESSON_TOKENS),
        (chooses, "a judgement", Aside::Judgement, json(judgement_schema(2)), JUDGEMENT_TOKENS),
        (is_judge, "a verdict", Aside::Verdict, json(verdict_schema()), VERDICT_TOKENS),
    ];
    for (_, what, aside, reply, tokens) in asked.into_iter().filter(|(may_be, ..)| *may_be) {
        let sampling = Sampling { temperature: aside.temperature(thinking), ..Sampling::default() };
        let options = Generate {
            reply,
            sampling,
            max_tokens: tokens.saturating_add(thinking.think),
            think: true,
            max_thought_tokens: thinking.think,
            ..Generate::default()
        };
        model.can_think(&options).map_err(|problem| AgentError::Thought { what, problem })?;
    }
    Ok(())
}
