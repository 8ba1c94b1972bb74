//! Examining: a model's verdict on what the screen shows, checked against the screen.

use std::sync::Arc;

use percept_models::{Completion, Generate, Reply, Sampling};
use percept_tools::ScreenError;

use super::{
    generate::Question,
    think::seed_of_step,
    working::{Working, unexpected},
};
use crate::{
    Check, Ending, Event,
    evidence::{VERDICT_TOKENS, read_verdict, verdict_schema},
    prompts::Prompt,
};

impl Working {
    /// Asks the model this question about the newest screenshot, and holds its quotes against the screen's text.
    ///
    /// # Errors
    ///
    /// The run's ending: what ends any question to the model, or a screen that can't be read.
    pub(super) async fn examine(&mut self, step: usize, question: &str) -> Result<Check, Ending> {
        let visible = self.read(step).await?;
        let max_tokens = VERDICT_TOKENS.min(self.budget.tokens_left());
        if max_tokens == 0 {
            return Err(self.budget.out_of_tokens());
        }
        // Neither a decision's seed nor a lesson's, a plan's or a judgement's.
        let seed = seed_of_step(self.seed.rotate_left(48), step);
        let options = Generate {
            reply: Reply::Json(verdict_schema()),
            sampling: Sampling { temperature: 0.0, seed, ..Sampling::default() },
            max_tokens,
            ..Generate::default()
        };
        let asked =
            move |prompt| Event::Asked { step, vote: 1, temperature: 0.0, seed, exploring: None, prompt };
        let request = self.prompts.filled(Prompt::Verdict, &[("question", question)]);
        let wanted = question.to_owned();
        let told = move |completion: Completion| {
            let (doubt, quotes) = match read_verdict(&completion.text) {
                Ok(opinion) => (opinion.doubt(&visible), opinion.quotes),
                Err(problem) => (Some(format!("the judge's word couldn't be read: {problem}")), Vec::new()),
            };
            let check = Check { what: format!("judged: {wanted}"), holds: doubt.is_none(), found: doubt };
            Event::Examined { step, check, quotes, usage: completion.usage }
        };
        let (request, kinds) = (Some(request), &["examined", "too_long"]);
        match self.generate(Question { step, kinds, options, request, asked, told }).await? {
            Event::Examined { check, .. } => Ok(check),
            other => Err(unexpected(&other)),
        }
    }

    /// The text that the screen shows.
    async fn read(&mut self, step: usize) -> Result<String, Ending> {
        let Some(screen) = self.screen.as_ref().map(Arc::clone) else { return Ok(String::new()) };
        let bounds = self.bounds();
        let work = async move {
            match bounds.within(screen.visible_text()).await? {
                Ok(text) => Ok(Event::Read { step, text }),
                Err(error @ ScreenError::Unsupported { .. }) => {
                    Err(Ending::failed(format!("a judge's quotes can't be checked: {error}")))
                }
                Err(error) => Err(Ending::failed(error.to_string())),
            }
        };
        match self.durable.step(&["read"], Box::pin(work)).await? {
            Event::Read { text, .. } => Ok(text),
            other => Err(unexpected(&other)),
        }
    }
}
