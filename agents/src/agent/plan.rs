//! Planning: a list of what is to be done and seen, made before the first action, and anew when what was expected
//! doesn't come.

use std::sync::Arc;

use percept_models::{Completion, Reply};
use percept_tools::ScreenError;

use super::{
    act::Action,
    generate::{Aside, Question},
    working::{Working, unexpected},
};
use crate::{
    Ending, Event, Evidence, Percept,
    evidence::Claim,
    history::Record,
    prompts::Prompt,
    thinking::{PATIENCE, PLAN_FORM, PLAN_TOKENS, Plan, PlanItem, plan_schema, read_plan},
};

impl Working {
    /// Makes a plan, if this run wants one: the first, or a new one for this reason.
    ///
    /// # Errors
    ///
    /// What ends any question to the model.
    pub(super) async fn plan(&mut self, step: usize, because: Option<&str>) -> Result<(), Ending> {
        if !self.thinking.plan || (because.is_none() && self.plan.is_some()) {
            return Ok(());
        }
        let options = self.options(step, Aside::Plan, Reply::Json(plan_schema()), PLAN_TOKENS).await?;
        let reason = because.map(str::to_owned);
        let told = move |completion: Completion| {
            let (items, problem) = match read_plan(&completion.text) {
                Ok(items) => (items, None),
                Err(problem) => (Vec::new(), Some(problem)),
            };
            Event::Planned { step, because: reason.clone(), items, problem, usage: completion.usage }
        };
        let wanted = match because {
            None => self.prompts.filled(Prompt::Plan, &[("form", PLAN_FORM)]),
            Some(because) => {
                self.prompts.filled(Prompt::Replan, &[("because", because), ("form", PLAN_FORM)])
            }
        };
        let question = Question::aside(step, &["planned", "too_long"], options, Some(wanted), told);
        let planned = self.generate(question).await?;
        let Event::Planned { items, problem, .. } = planned else { return Err(unexpected(&planned)) };
        if let Some(problem) = problem {
            self.note(format!("the model's plan couldn't be read ({problem}): the run goes on without one"))
                .await?;
        }
        let plan = Plan::new(items);
        if !plan.items.is_empty() {
            self.history.push(Record::Plan(plan.told()));
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Compares what the plan expects with what came of an action. `Some` says what didn't come, although it had
    /// its time: then the plan has failed.
    ///
    /// # Errors
    ///
    /// The run's ending, if the screen can't be read any more.
    pub(super) async fn expect(
        &mut self,
        step: usize,
        action: &Action,
        before: Option<&Percept>,
        after: Option<&Percept>,
    ) -> Result<Option<String>, Ending> {
        let Some(item) = self.plan.as_ref().and_then(Plan::item).cloned() else { return Ok(None) };
        let is_new = before.is_none() || before.map(Percept::hash) != after.map(Percept::hash);
        let did_something = is_new && matches!(action, Action::Done { changes: true, .. });
        let holds = did_something && (item.expect.is_empty() || self.shows(step, &item, after).await?);
        let Some(plan) = &mut self.plan else { return Ok(None) };
        if holds {
            plan.advance();
            let next = plan.item().map(|next| format!("Next: {}.", next.what.trim_end_matches('.')));
            let next = next.unwrap_or_else(|| "That was the last of it.".into());
            self.history.push(Record::Note(format!("“{}” of the plan is done. {next}", item.what)));
            return Ok(None);
        }
        plan.tries += 1;
        if plan.tries < PATIENCE {
            return Ok(None);
        }
        let expected = match item.expect.as_str() {
            "" => "that it can be done".to_owned(),
            text => format!("that the screen shows “{text}”"),
        };
        Ok(Some(format!(
            "for “{}” it expected {expected}, and after {} actions it isn't so",
            item.what, plan.tries
        )))
    }

    /// Whether the screen shows the text that an item of the plan expects. A screen of pixels alone can't tell: what
    /// is expected of it is taken to have come.
    async fn shows(&mut self, step: usize, item: &PlanItem, after: Option<&Percept>) -> Result<bool, Ending> {
        let Some(screen) = self.screen.as_ref().map(Arc::clone) else { return Ok(true) };
        let (bounds, what) = (self.bounds(), item.what.clone());
        let wanted = Evidence { text_visible: vec![item.expect.clone()], ..Evidence::default() };
        let (seen, claim) = (after.map(Percept::screenshot), Claim::default());
        let work = async move {
            let looking = wanted.look_for(Some(screen.as_ref()), seen, &claim);
            let check = match bounds.within(looking).await? {
                Ok(verdict) => verdict.checks.into_iter().next(),
                Err(ScreenError::Unsupported { .. }) => None,
                Err(error) => return Err(Ending::failed(error.to_string())),
            };
            Ok(Event::Expected { step, what, check })
        };
        match self.durable.step(&["expected"], Box::pin(work)).await? {
            Event::Expected { check: Some(check), .. } => Ok(check.holds),
            Event::Expected { check: None, .. } => {
                self.note("this screen can't tell its text, so what the plan expects can't be checked")
                    .await?;
                Ok(true)
            }
            other => Err(unexpected(&other)),
        }
    }
}
