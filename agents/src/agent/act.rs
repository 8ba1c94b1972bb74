//! Acting: one call, checked, approved where the policy asks for it, written down before and after.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use percept_models::Call;
use percept_tools::{Effect, Observation, Part, PartBody, Source, Then, ToolCard, ToolContext, ToolError};
use tracing::Instrument;

use super::{
    think::Decision,
    working::{Working, milliseconds, unexpected},
};
use crate::{
    CallResult, Ending, Event, Outcome, Percept, RecordedPart, Secrets, album::Album, history::Record,
    policy::Word, run_folder::CALLS, secrets, spans,
};

/// How long a tool that was told to stop may take to do so before it is left behind.
const GRACE: Duration = Duration::from_secs(2);

/// What became of a decision.
pub(super) enum Action {
    /// The tool did it.
    Done {
        /// Whether the tool is one that changes something.
        changes: bool,
        /// What it brought back.
        brought: Vec<RecordedPart>,
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
        let targets = match &decision.targets {
            Ok(targets) => targets.clone(),
            Err(problem) => return self.turn_down(step, format!("bad arguments: {problem}")).await,
        };
        let Some(card) = self.toolbox.card(&call.function) else {
            return self.turn_down(step, format!("no tool is named `{}`", call.function)).await;
        };
        let location = percept.and_then(|seen| seen.screenshot().location.as_deref());
        let used = secrets::used(&self.beginning.secrets, &call.arguments);
        if let Some(why) = used.into_iter().find_map(|secret| secret.forbids(location, call)) {
            return self.forbid(step, why).await;
        }
        let meant = (decision.thought.as_str(), call);
        if let Some(problem) = self.ground(step, meant, &card, &targets, percept).await? {
            return self.turn_down(step, problem).await;
        }
        let is_asked = match self.policy.word(&card, call, location) {
            Word::Refuse(rule) => return self.forbid(step, format!("the policy refuses {rule}")).await,
            Word::Go if decision.concern.is_none() => false,
            Word::Go | Word::Ask => {
                self.ask(step, call, decision.concern.clone()).await?;
                true
            }
        };
        // A person's word, on the call or on a limit while it was decided, may have come days later.
        let is_stale = std::mem::take(&mut self.is_stale);
        if (is_asked || is_stale) && !self.is_as_it_was(step, percept, &targets).await? {
            let why = "the screen isn't as it was when this was decided".to_owned();
            return self.turn_down(step, why).await;
        }
        // What can't begin any more isn't announced.
        self.go_on()?;
        let sequence = self.durable.next_sequence();
        let key = format!("{}/{sequence}/{}", self.result.run, card.name);
        let effect = card.effect;
        self.tell(Event::Calling { step, call: call.clone(), targets, effect, key: key.clone() }).await?;
        let happened = self.in_doubt(step, &card)?;
        if decision.concern.is_some() {
            // Only what is done is told to the vendor as confirmed.
            self.history.confirm();
        }
        // What is left of a person's word is about an effect within this call.
        let word_within = if self.durable.is_in_doubt() { self.happened.take() } else { None };
        let result = self.call(step, call, percept, (sequence, key), (happened, word_within)).await?;
        self.sort(&card, result)
    }

    /// Whether the call that comes next was under way when an earlier life of the run ended. What a person says
    /// of it is `Some`; without a word, a call that must not happen twice ends the run with the question.
    fn in_doubt(&mut self, step: usize, card: &ToolCard) -> Result<Option<bool>, Ending> {
        if !self.durable.is_in_doubt() || card.effect != (Effect::Changes { idempotent: false }) {
            return Ok(None);
        }
        match self.happened.take() {
            Some(happened) => Ok(Some(happened)),
            None => Err(Ending::new(
                Outcome::Unknown,
                format!(
                    "`{}` of step {step} was under way when the run was cut off, and nobody knows whether it happened: \
                     find out, then resume with --happened or --not-happened",
                    card.name
                ),
            )),
        }
    }

    /// Calls the tool, unless a person says that the call has happened already. On a limit or a cancellation the
    /// tool is told, and gets a moment to say how far it came.
    async fn call(
        &mut self,
        step: usize,
        call: &Call,
        percept: Option<&Percept>,
        (sequence, key): (u64, String),
        (happened, word_within): (Option<bool>, Option<bool>),
    ) -> Result<CallResult, Ending> {
        let context = ToolContext {
            deadline: Some(self.budget.deadline()),
            cancel: self.cancel.child_token(),
            idempotency_key: key.clone(),
            frame: percept.map(Percept::frame),
            folder: self.result.folder.as_ref().map(|folder| folder.join(CALLS).join(sequence.to_string())),
            allowance: Some(self.budget.allowance()),
            happened: word_within,
        };
        let (cancel, deadline) = (self.cancel.clone(), self.budget.deadline());
        let out_of_time = self.budget.out_of_time();
        let (toolbox, album, secrets) = (&self.toolbox, Arc::clone(&self.album), &self.secrets);
        let work = async move {
            let begun = Instant::now();
            // It is known not to have happened, and with no time left it won't.
            if happened == Some(false) && begun >= deadline {
                return Err(out_of_time);
            }
            let called = async {
                if happened == Some(true) {
                    return Ok(Observation::note("it happened before the run was taken up again"));
                }
                let span = spans::tool(&call.function, step, &context.idempotency_key);
                let mut arguments = call.arguments.clone();
                if toolbox.reveals(&call.function) {
                    arguments = secrets.revealed(arguments);
                }
                let called = toolbox.call(&call.function, arguments, &context).instrument(span.clone()).await;
                if let Err(error) = &called {
                    span.record("error.type", error.kind());
                }
                called
            };
            let over = async {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = tokio::time::sleep_until(deadline.into()) => {}
                }
                tokio::time::sleep(GRACE).await;
            };
            let called = tokio::select! {
                done = called => done,
                () = over => Err(ToolError::Stopped { tool: call.function.clone() }),
            };
            let milliseconds = milliseconds(begun.elapsed());
            Ok(Event::Called { step, key, result: recorded(called, &album, secrets), milliseconds })
        };
        match self.durable.step(&["called"], Box::pin(work)).await? {
            Event::Called { result, milliseconds, .. } => {
                self.result.milliseconds.tools += milliseconds;
                Ok(result)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// What happens next goes by the kind of failure: the model's is shown to it, ours ends the run.
    fn sort(&mut self, card: &ToolCard, result: CallResult) -> Result<Action, Ending> {
        let changes = matches!(card.effect, Effect::Changes { .. });
        match result {
            CallResult::Observed { parts, finish, answer, nested } => {
                self.budget.refusals = 0;
                if let Some(nested) = &nested {
                    self.budget.spend_within(nested);
                    self.result.usage.output_tokens += nested.tokens;
                    self.result.usage.fresh_tokens += nested.read;
                    self.result.usage.cached_tokens += nested.cached;
                }
                let observed = self.album.parts(&parts)?;
                self.history.push(Record::Observed(told(observed)));
                Ok(Action::Done { changes, brought: parts, finish, answer })
            }
            CallResult::BadArguments { reason } => {
                self.refuse(ToolError::BadArguments(reason).to_string(), Outcome::Failed)
            }
            CallResult::Refused { reason } => self.refuse(reason, Outcome::Refused),
            CallResult::Stopped => Err(self.durable.recorded_ending().unwrap_or_else(|| self.stopped(card))),
            // What broke on the way may have done its work first: a page that dies of a click was clicked.
            CallResult::Broken { reason } if changes => {
                Err(Ending::new(Outcome::Unknown, format!("{reason}: its effect may have happened")))
            }
            CallResult::Broken { reason } => Err(Ending::failed(reason)),
        }
    }

    /// Refuses what doesn't even reach a tool.
    async fn turn_down(&mut self, step: usize, reason: String) -> Result<Action, Ending> {
        self.tell(Event::Refused { step, reason: reason.clone() }).await?;
        self.refuse(reason, Outcome::Failed)
    }

    /// Refuses what the run has no right to.
    async fn forbid(&mut self, step: usize, reason: String) -> Result<Action, Ending> {
        self.tell(Event::Refused { step, reason: reason.clone() }).await?;
        self.refuse(reason, Outcome::Refused)
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

/// What the journal keeps of a call.
fn recorded(called: Result<Observation, ToolError>, album: &Album, secrets: &Secrets) -> CallResult {
    let hidden = |reason: String| secrets.hidden(&reason);
    match called {
        Ok(mut observation) => {
            for part in &mut observation.parts {
                match &mut part.body {
                    PartBody::Text(text) => *text = secrets.hidden(text),
                    PartBody::Json(value) => secrets.hidden_in(value),
                    _ => {}
                }
                if let Source::Screen(place) | Source::File(place) | Source::Tool(place) = &mut part.source {
                    *place = secrets.hidden(place);
                }
            }
            let parts = album.recorded(&observation.parts);
            let (finish, answer) = match observation.then {
                Then::Finish { answer } => (true, answer.map(hidden)),
                _ => (false, None),
            };
            CallResult::Observed { parts, finish, answer, nested: observation.nested }
        }
        Err(ToolError::BadArguments(reason)) => CallResult::BadArguments { reason: hidden(reason) },
        Err(ToolError::Refused { reason }) => CallResult::Refused { reason: hidden(reason) },
        Err(ToolError::Stopped { .. }) => CallResult::Stopped,
        Err(broken) => CallResult::Broken { reason: hidden(broken.to_string()) },
    }
}

/// What the model is told of an observation: every call gets a reply, even one that brought nothing back.
fn told(parts: Vec<Part>) -> Vec<Part> {
    if parts.is_empty() {
        return vec![Part { source: Source::Runtime, body: PartBody::Text("done".into()) }];
    }
    parts
}
