//! Asking a person: about a call, or for more than the run may take.

use std::time::Instant;

use percept_models::Call;

use super::working::{Working, unexpected};
use crate::{Approval, Ending, Event, Outcome, limits::Limit};

impl Working {
    /// Waits for a person's word on a call; `concern` is why the model's vendor wants it, if it does.
    ///
    /// # Errors
    ///
    /// The run's ending: a no, a question left open, a cancellation.
    pub(super) async fn ask(
        &mut self,
        step: usize,
        call: &Call,
        concern: Option<String>,
    ) -> Result<(), Ending> {
        let wanted = Event::ApprovalWanted { step, call: call.clone(), concern };
        let what = format!("`{}` waits for a person's word", call.function);
        match self.word(step, wanted, &what).await? {
            None => Ok(()),
            Some(why) => {
                Err(Ending::new(Outcome::Refused, format!("`{}` was not approved: {why}", call.function)))
            }
        }
    }

    /// Waits for a person's word on whether the run may take as much again.
    ///
    /// # Errors
    ///
    /// As [`Working::ask`]; a no is the limit's own ending.
    pub(super) async fn ask_for_more(&mut self, limit: Limit) -> Result<(), Ending> {
        let (step, reason) = (self.budget.steps, self.budget.told(limit));
        let wanted = Event::LimitReached { step, limit, reason: reason.clone() };
        self.is_stale = true;
        match self.word(step, wanted, &format!("{reason}, and more waits for a person's word")).await? {
            None => {
                self.budget.raise(limit);
                Ok(())
            }
            Some(why) => Err(Ending::limit(format!("{reason}, and no more was granted: {why}"))),
        }
    }

    /// Puts a question to a person: `None` is a yes, `Some` says why not. The time that it takes isn't the run's.
    async fn word(&mut self, step: usize, wanted: Event, what: &str) -> Result<Option<String>, Ending> {
        // A word that came before the question isn't an answer to it.
        while self.approvals.try_recv().is_ok() {}
        self.tell(wanted.clone()).await?;
        if self.durable.is_in_doubt() {
            // The question was put in an earlier life, and not answered: this life's listener must hear it too.
            self.voice().say(wanted);
        }
        let asked = Instant::now();
        let Self { approvals, cancel, durable, .. } = self;
        let work = async move {
            let word = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Ending::cancelled()),
                word = approvals.recv() => word,
            };
            let reason = match word {
                Some(Approval::Granted) => None,
                Some(Approval::Denied(reason)) => Some(reason),
                Some(Approval::Later) => return Err(Ending::waiting(what)),
                None => Some("nobody is there to answer".into()),
            };
            Ok(Event::ApprovalGiven { step, granted: reason.is_none(), reason })
        };
        let given = durable.step(&["approval_given"], Box::pin(work)).await?;
        self.budget.forgive(asked.elapsed());
        match given {
            Event::ApprovalGiven { granted: true, .. } => Ok(None),
            Event::ApprovalGiven { reason, .. } => Ok(Some(reason.unwrap_or_default())),
            other => Err(unexpected(&other)),
        }
    }
}
