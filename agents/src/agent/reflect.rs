//! Reflecting: noticing that an action changed nothing or failed, and making something of it.

use percept_models::{Completion, Reply};

use super::{
    act::Action,
    generate::{Aside, Question},
    working::{Working, unexpected},
};
use crate::{Ending, Event, Percept, Reflect, history::Record, prompts::Prompt, thinking::LESSON_TOKENS};

impl Working {
    /// Looks back at a step: counts it if it led nowhere, and asks the model for a lesson where it can give
    /// one. A model that can't has its next decision on this screen sampled instead (see `think`).
    ///
    /// # Errors
    ///
    /// The run's ending: stuck, or what ends any question to the model.
    pub(super) async fn reflect(
        &mut self,
        step: usize,
        action: &Action,
        failure: Option<&str>,
        before: Option<&Percept>,
        after: Option<&Percept>,
    ) -> Result<(), Ending> {
        let unchanged = self.changed_nothing(action, before, after)?;
        let failure = match (action, failure) {
            (Action::Refused { reason }, _) => Some(format!("it was refused: {reason}")),
            (_, Some(failure)) => Some(failure.to_owned()),
            _ if unchanged => Some("it changed nothing on the screen".into()),
            _ => None,
        };
        if unchanged {
            self.history.push(Record::Note("The last action changed nothing on the screen.".into()));
        }
        let because = match self.thinking.reflect {
            Reflect::Never => None,
            Reflect::OnFailure => failure,
            Reflect::EveryStep => Some(failure.unwrap_or_else(|| "it was carried out".into())),
        };
        match because {
            Some(because) if self.reflects_in_words() => self.learn(step, because).await,
            _ => Ok(()),
        }
    }

    /// Keeps count of the screens that were seen and acted on; whether this action left its screen as it was.
    fn changed_nothing(
        &mut self,
        action: &Action,
        before: Option<&Percept>,
        after: Option<&Percept>,
    ) -> Result<bool, Ending> {
        let (Some(before), Some(after)) = (before, after) else { return Ok(false) };
        *self.tried.entry(before.hash()).or_default() += 1;
        self.seen.insert(before.hash());
        let is_new = self.seen.insert(after.hash());
        let Action::Done { changes: true, .. } = action else { return Ok(false) };
        if is_new {
            self.budget.stalls = 0;
        } else {
            self.budget.take_stall()?;
        }
        Ok(before.hash() == after.hash())
    }

    /// Asks for a lesson and keeps it.
    async fn learn(&mut self, step: usize, because: String) -> Result<(), Ending> {
        let options = self.options(step, Aside::Lesson, Reply::Text, LESSON_TOKENS).await?;
        let request = Some(self.prompts.filled(Prompt::Lesson, &[("because", &because)]));
        let told = move |completion: Completion| Event::Reflected {
            step,
            because: because.clone(),
            lesson: completion.text.trim().to_owned(),
            usage: completion.usage,
        };
        let question = Question::aside(step, &["reflected", "too_long"], options, request, told);
        let reflected = self.generate(question).await?;
        let Event::Reflected { lesson, .. } = reflected else { return Err(unexpected(&reflected)) };
        if !lesson.is_empty() {
            self.history.push(Record::Lesson(lesson));
        }
        Ok(())
    }
}
