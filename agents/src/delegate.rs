//! Handing a sub-task to another agent: a tool call like any other.

use std::{path::Path, time::Instant};

use async_trait::async_trait;
use percept_tools::{Nested, Observation, PartBody, Source, Tool, ToolCard, ToolContext, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    AgentBuilder, AgentError, AtLimit, JournalError, Limits, Outcome, Run, RunFolder, RunResult, journal,
    report,
};

/// A tool that gives a task in words to another agent, with its own model, tools and thinking, and brings back how that
/// ended. The other run stays within what is left of this one's time and tokens, keeps its record in a folder of the
/// call, and is taken up with this one when both were cut off. It can't ask a person: what its policy would ask about is
/// refused.
///
/// ```
/// # fn example(planner: std::sync::Arc<dyn percept::models::ChatModel>, actor: std::sync::Arc<dyn percept::models::ChatModel>, screen: std::sync::Arc<dyn percept::tools::Screen>) -> Result<(), percept::AgentError> {
/// use percept::{Agent, Delegate, tools::{Toolbox, builtin}};
///
/// let hands = builtin::toolbox(&screen);
/// let mut toolbox = Toolbox::new();
/// toolbox.add(Delegate::new("actor", "Does one thing on the page.", move || {
///     Agent::builder(actor.clone(), hands.clone()).screen(screen.clone())
/// }))?;
/// let agent = Agent::builder(planner, toolbox).build()?;
/// # drop(agent);
/// # Ok(())
/// # }
/// ```
pub struct Delegate {
    card: ToolCard,
    make: Box<dyn Fn() -> AgentBuilder + Send + Sync>,
}

impl Delegate {
    /// A tool of this name; `make` gives the other agent, once for each call.
    pub fn new(
        name: &str,
        description: &str,
        make: impl Fn() -> AgentBuilder + Send + Sync + 'static,
    ) -> Self {
        // Called again with the same key it goes on with the run that was begun: that is what makes it idempotent.
        Self { card: ToolCard::changes(name, description, true), make: Box::new(make) }
    }

    /// The other run: begun, or taken up where it was cut off. `Err` holds one that is over.
    fn begin(&self, task: String, cx: &ToolContext) -> Result<Result<Run, Box<RunResult>>, AgentError> {
        let builder = (self.make)();
        let limits = within(builder.limits_so_far(), cx);
        let builder = builder.limits(limits).name(cx.idempotency_key.clone());
        let Some(folder) = &cx.folder else { return Ok(Ok(builder.build()?.run(task))) };
        if !folder.join(journal::JOURNAL_FILE).exists() {
            return Ok(Ok(builder.folder(RunFolder::create(folder)?).build()?.run(task)));
        }
        // The word may be about another call than this run's.
        let is_in_doubt = journal::read(folder).and_then(|recording| journal::doubt(folder, &recording));
        let happened = cx.happened.filter(|_| matches!(is_in_doubt, Ok(Some(_))));
        match builder.resume(folder, happened) {
            Ok(run) => Ok(Ok(run)),
            // It was cut off before it wrote a line, and so before it did anything.
            Err(AgentError::Journal(JournalError::Empty { path })) => {
                std::fs::remove_file(&path).map_err(JournalError::file(&path))?;
                let anew = (self.make)().limits(limits).name(cx.idempotency_key.clone());
                Ok(Ok(anew.folder(RunFolder::create(folder)?).build()?.run(task)))
            }
            Err(AgentError::Journal(over @ JournalError::Over { .. })) => {
                let result = journal::read(folder)?.result().cloned();
                result.map(|result| Err(Box::new(result))).ok_or(AgentError::Journal(over))
            }
            Err(error) => Err(error),
        }
    }
}

/// Its own limits, and what is left of the run that it works for.
fn within(own: Limits, cx: &ToolContext) -> Limits {
    let left = cx.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    // A whole second at least: less isn't a limit, and the call's own deadline ends it in any case.
    let seconds = left.map_or(own.seconds, |left| own.seconds.min(left.as_secs().max(1)));
    let Some(left) = cx.allowance else { return Limits { seconds, at_limit: AtLimit::End, ..own } };
    // At least one token: a limit of none isn't one, and the run's own ends it in any case.
    let (tokens, read_tokens) =
        (own.tokens.min(left.tokens.max(1)), own.read_tokens.min(left.read_tokens.max(1)));
    let left_in_money = left.cost.map(|left| left.max(f64::MIN_POSITIVE));
    let cost = match (own.cost, left_in_money) {
        (Some(own), Some(left)) => Some(own.min(left)),
        (own, left) => own.or(left),
    };
    let memory_mib = own.memory_mib.min(left.memory_mib);
    // It can't ask a person for more.
    let cached_tokens = own.cached_tokens.min(left.cached_tokens.max(1));
    Limits { tokens, read_tokens, cached_tokens, seconds, cost, memory_mib, at_limit: AtLimit::End, ..own }
}

/// What another agent is given.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegateArgs {
    /// What is to be done, in words, with everything that the other agent has to know: it sees nothing else of this.
    task: String,
}

#[async_trait]
impl Tool for Delegate {
    type Args = DelegateArgs;

    fn card(&self) -> ToolCard {
        self.card.clone()
    }

    /// The other agent's model must not see a secret either: it gets the placeholder.
    fn reveals(&self) -> bool {
        false
    }

    async fn call(&self, args: DelegateArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        if args.task.trim().is_empty() {
            return Err(ToolError::refused("the task is empty: say what is to be done"));
        }
        // Where it can't begin, nothing was done.
        let has_begun = cx.folder.as_ref().is_some_and(|folder| folder.join(journal::JOURNAL_FILE).exists());
        let begun = self.begin(args.task, cx).map_err(|error| {
            if has_begun {
                // What it had done, or was doing, nobody can say from here.
                ToolError::broken(&self.card.name, format!("it can't be gone on with: {error}"))
            } else {
                ToolError::refused(format!("it can't begin: {error}"))
            }
        });
        let result = match begun? {
            Ok(run) => followed(run, cx).await,
            Err(result) => *result,
        };
        if let Some(folder) = &cx.folder
            && let Err(error) = report::write(folder)
        {
            tracing::warn!(%error, "the report of a run within can't be written");
        }
        match result.outcome {
            Outcome::Cancelled => Err(ToolError::Stopped { tool: self.card.name.clone() }),
            Outcome::Unknown => Err(ToolError::broken(&self.card.name, result.reason)),
            _ => Ok(self.told(&result, cx.folder.as_deref())),
        }
    }
}

/// Waits for the other run's end.
async fn followed(mut run: Run, cx: &ToolContext) -> RunResult {
    let (cancel, stop) = (run.cancellation(), cx.cancel.clone());
    let watcher = tokio::spawn(async move {
        stop.cancelled().await;
        cancel.cancel();
    });
    while let Some(entry) = run.next_event().await {
        if entry.event.asks_a_person() {
            run.deny("another agent works for a run that can't ask for it");
        }
    }
    watcher.abort();
    run.outcome().await
}

impl Delegate {
    fn told(&self, result: &RunResult, folder: Option<&Path>) -> Observation {
        let verified = if result.verified == Some(true) { ", verified" } else { "" };
        let steps = if result.steps == 1 { "1 step".to_owned() } else { format!("{} steps", result.steps) };
        let note = format!("{}{verified} after {steps}", result.outcome.word());
        let mut observation = Observation::note(note);
        // The other model's words are data here.
        let source = || Source::Tool(self.card.name.clone());
        observation = observation.with(source(), PartBody::Text(result.reason.clone()));
        if let Some(answer) = &result.answer {
            observation = observation.with(source(), PartBody::Text(format!("answer: {answer}")));
        }
        let folder = folder.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        observation.nested(Nested {
            folder,
            tokens: result.usage.output_tokens,
            read: result.usage.fresh_tokens,
            cached: result.usage.cached_tokens,
            cost: result.cost.unwrap_or_default(),
        })
    }
}
