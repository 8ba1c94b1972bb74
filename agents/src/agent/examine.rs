//! Examining: a model's verdict on what the screen shows, checked against the screen.

use std::sync::Arc;

use percept_models::{Completion, Reply};
use percept_tools::ScreenError;

use super::{
    generate::{Aside, Question},
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
        let options =
            self.options(step, Aside::Verdict, Reply::Json(verdict_schema()), VERDICT_TOKENS).await?;
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
        let question = Question::aside(step, &["examined", "too_long"], options, Some(request), told);
        match self.generate(question).await? {
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
