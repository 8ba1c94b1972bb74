//! Asking the model, within what the run may still take.

use percept_models::{
    Completion, Conversation, Generate, GenerationEvent, Message, ModelError, Role, StopReason,
};

use super::working::Working;
use crate::{Ending, Event, history::LeftOut};

impl Working {
    /// Shows the model the history, with one more request at its end perhaps, and waits for the reply. A
    /// conversation that is too long is shortened, and the journal says so.
    ///
    /// # Errors
    ///
    /// The run's ending: a limit, a cancellation, a model that broke.
    pub(super) async fn generate(
        &mut self,
        options: Generate,
        request: Option<String>,
    ) -> Result<Completion, Ending> {
        let options = Generate { cancel: self.cancel.child_token(), ..options };
        loop {
            let instruction = self.style.way().instruction();
            let (mut conversation, left_out) = self.history.conversation(instruction, self.window);
            if let Some(request) = &request {
                conversation.push(Message::text(Role::User, request.as_str()));
            }
            self.note_left_out(left_out).await?;
            match self.reply(&conversation, &options).await? {
                Ok(completion) => {
                    self.budget.tokens += completion.usage.output_tokens;
                    self.result.spend(&completion.usage);
                    if completion.stop == StopReason::Cancelled {
                        return Err(Ending::cancelled());
                    }
                    return Ok(completion);
                }
                Err(ModelError::Conversation(problem)) => {
                    let Some(smaller) = self.window.halved(self.history.len()) else {
                        return Err(Ending::failed(format!(
                            "the model can't take the conversation: {problem}"
                        )));
                    };
                    self.window = smaller;
                }
                Err(error) => return Err(Ending::failed(format!("the model failed: {error}"))),
            }
        }
    }

    /// One attempt. Dropping the generation on a limit stops the model.
    async fn reply(
        &mut self,
        conversation: &Conversation,
        options: &Generate,
    ) -> Result<Result<Completion, ModelError>, Ending> {
        let model = self.model.clone();
        let mut generation = match self.within(model.generate(conversation, options)).await? {
            Ok(generation) => generation,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            let event = match self.within(generation.next()).await? {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Ok(Err(error)),
                None => return Ok(Err(ModelError::Interrupted)),
            };
            match event {
                GenerationEvent::Thought(text) => self.record(Event::Writing { thought: true, text }).await?,
                GenerationEvent::Text(text) => self.record(Event::Writing { thought: false, text }).await?,
                GenerationEvent::Done(completion) => return Ok(Ok(*completion)),
                _ => {}
            }
        }
    }

    async fn note_left_out(&mut self, left_out: LeftOut) -> Result<(), Ending> {
        if left_out.images > 0 {
            let images = self.window.images;
            let shown = if images == 1 { "newest one is".into() } else { format!("newest {images} are") };
            self.note(format!(
                "older screenshots were left out of what the model is shown: the {shown} in it"
            ))
            .await?;
        }
        if left_out.records > 0 {
            self.note("the conversation grew too long for the model: its oldest part was left out").await?;
        }
        Ok(())
    }
}
