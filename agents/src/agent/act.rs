//! Acting: one call, checked, approved where the policy asks for it, written down before and after.

use std::time::{Duration, Instant};

use percept_models::Call;
use percept_tools::{Effect, Observation, Part, PartBody, Source, Then, ToolCard, ToolContext, ToolError};

use super::{
    think::Decision,
    working::{Working, milliseconds},
};
use crate::{Approval, CallResult, Ending, Event, Outcome, Percept, history::Record, offer};

/// How long a tool that was told to stop may take to do so before it is left behind.
const GRACE: Duration = Duration::from_secs(2);

/// What became of a decision.
pub(super) enum Action {
    /// The tool did it.
    Done {
        /// Whether the tool is one that changes something.
        changes: bool,
        /// Whether the tool takes the task for finished.
        finish: bool,
        /// The answer that it gave with the end.
        answer: Option<String>,
    },
    /// Nothing was done; the model has been told why.
    Refused {
        /// Why.
        reason: String,
    },
}

impl Working {
    /// Carries a decision out.
    ///
    /// # Errors
    ///
    /// The run's ending: too many refusals, a person's no, a tool that broke or was stopped.
    pub(super) async fn act(
        &mut self,
        step: usize,
        decision: &Decision,
        percept: Option<&Percept>,
    ) -> Result<Action, Ending> {
        let call = match &decision.call {
            Ok(call) => call,
            Err(problem) => return self.turn_down(step, format!("that was no call: {problem}")).await,
        };
        let targets = match offer::targets(call, &decision.functions) {
            Ok(targets) => targets,
            Err(problem) => return self.turn_down(step, format!("bad arguments: {problem}")).await,
        };
        let Some(card) = self.toolbox.card(&call.function) else {
            return self.turn_down(step, format!("no tool is named `{}`", call.function)).await;
        };
        if self.policy.asks_about(&card) {
            self.ask(step, call).await?;
        }
        let key = format!("{}/{}/{}", self.result.run, self.recorder.next_sequence(), card.name);
        let effect = card.effect;
        self.record(Event::Calling { step, call: call.clone(), targets, effect, key: key.clone() }).await?;
        let begun = Instant::now();
        let called = self.call(call, percept, &key).await;
        let took = milliseconds(begun.elapsed());
        self.result.milliseconds.tools += took;
        let result = self.recorded(&called);
        self.record(Event::Called { step, key, result, milliseconds: took }).await?;
        self.sort(&card, called)
    }

    /// Waits for a person's word. The time that it takes isn't the run's.
    async fn ask(&mut self, step: usize, call: &Call) -> Result<(), Ending> {
        // A word that came before the question isn't an answer to it.
        while self.approvals.try_recv().is_ok() {}
        self.record(Event::ApprovalWanted { step, call: call.clone() }).await?;
        let asked = Instant::now();
        let word = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Ending::cancelled()),
            word = self.approvals.recv() => word,
        };
        self.budget.forgive(asked.elapsed());
        let denied = match word {
            Some(Approval::Granted) => None,
            Some(Approval::Denied(reason)) => Some(reason),
            None => Some("nobody is there to approve it".into()),
        };
        self.record(Event::ApprovalGiven { step, granted: denied.is_none(), reason: denied.clone() }).await?;
        denied.map_or(Ok(()), |reason| {
            Err(Ending::new(Outcome::Refused, format!("`{}` was not approved: {reason}", call.function)))
        })
    }

    /// Calls the tool. On a limit or a cancellation the tool is told, and gets a moment to say how far it came.
    async fn call(
        &self,
        call: &Call,
        percept: Option<&Percept>,
        key: &str,
    ) -> Result<Observation, ToolError> {
        let context = ToolContext {
            deadline: Some(self.budget.deadline()),
            cancel: self.cancel.child_token(),
            idempotency_key: key.to_owned(),
            frame: percept.map(Percept::frame),
        };
        let work = self.toolbox.call(&call.function, call.arguments.clone(), &context);
        let over = async {
            tokio::select! {
                () = self.cancel.cancelled() => {}
                () = tokio::time::sleep_until(self.budget.deadline().into()) => {}
            }
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            done = work => done,
            () = over => Err(ToolError::Stopped { tool: call.function.clone() }),
        }
    }

    fn recorded(&mut self, called: &Result<Observation, ToolError>) -> CallResult {
        match called {
            Ok(observation) => {
                let (finish, answer) = match &observation.then {
                    Then::Finish { answer } => (true, answer.clone()),
                    _ => (false, None),
                };
                CallResult::Observed { parts: self.recorder.parts(&observation.parts), finish, answer }
            }
            Err(ToolError::BadArguments(reason)) => CallResult::BadArguments { reason: reason.clone() },
            Err(ToolError::Refused { reason }) => CallResult::Refused { reason: reason.clone() },
            Err(ToolError::Stopped { .. }) => CallResult::Stopped,
            Err(broken) => CallResult::Broken { reason: broken.to_string() },
        }
    }

    /// What happens next goes by the kind of failure: the model's is shown to it, ours ends the run.
    fn sort(&mut self, card: &ToolCard, called: Result<Observation, ToolError>) -> Result<Action, Ending> {
        let changes = matches!(card.effect, Effect::Changes { .. });
        match called {
            Ok(observation) => {
                self.budget.refusals = 0;
                let (finish, answer) = match observation.then {
                    Then::Finish { answer } => (true, answer),
                    _ => (false, None),
                };
                self.history.push(Record::Observed(told(observation.parts)));
                Ok(Action::Done { changes, finish, answer })
            }
            Err(error @ ToolError::BadArguments(_)) => self.refuse(error.to_string(), Outcome::Failed),
            Err(ToolError::Refused { reason }) => self.refuse(reason, Outcome::Refused),
            Err(ToolError::Stopped { .. }) => Err(self.stopped(card)),
            // What broke on the way may have done its work first: a page that dies of a click was clicked.
            Err(broken) if changes => {
                Err(Ending::new(Outcome::Unknown, format!("{broken}: its effect may have happened")))
            }
            Err(broken) => Err(Ending::failed(broken.to_string())),
        }
    }

    /// Refuses what doesn't even reach a tool.
    async fn turn_down(&mut self, step: usize, reason: String) -> Result<Action, Ending> {
        self.record(Event::Refused { step, reason: reason.clone() }).await?;
        self.refuse(reason, Outcome::Failed)
    }

    /// Shows the model why nothing was done, and counts it.
    fn refuse(&mut self, reason: String, outcome: Outcome) -> Result<Action, Ending> {
        self.history.push(Record::Refused(reason.clone()));
        self.budget.take_refusal(outcome, &reason)?;
        Ok(Action::Refused { reason })
    }

    /// A tool that was stopped on the way: where it changes something, nobody knows whether it did.
    fn stopped(&self, card: &ToolCard) -> Ending {
        let doubt = match card.effect {
            Effect::Reads => String::new(),
            Effect::Changes { .. } => format!(" while `{}` was under way: it may have happened", card.name),
        };
        if self.cancel.is_cancelled() {
            let cancelled = Ending::cancelled();
            return Ending { reason: format!("{}{doubt}", cancelled.reason), ..cancelled };
        }
        let limit = self.budget.out_of_time();
        let outcome = if doubt.is_empty() { limit.outcome } else { Outcome::Unknown };
        Ending { outcome, reason: format!("{}{doubt}", limit.reason), ..limit }
    }
}

/// What the model is told of an observation: every call gets a reply, even one that brought nothing back.
fn told(parts: Vec<Part>) -> Vec<Part> {
    if parts.is_empty() {
        return vec![Part { source: Source::Runtime, body: PartBody::Text("done".into()) }];
    }
    parts
}
