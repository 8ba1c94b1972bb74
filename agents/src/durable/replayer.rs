//! The engine that does nothing: it goes through a run that was, and says where it would go another way today.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Durable, Tape, Work};
use crate::{Ending, Entry, Event, JOURNAL_VERSION, Outcome, RunResult};

/// Where a replay goes another way than the run that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Divergence {
    /// "step 3, event 17".
    pub place: String,
    /// What was recorded, and what comes instead.
    pub problem: String,
}

/// What a replay found, shared with whoever started it.
pub(crate) type Finding = Arc<Mutex<Option<Divergence>>>;

/// A recorded run, gone through again without a model and without a screen.
pub(crate) struct Replayer {
    tape: Tape,
    /// Whether the end is taken from the record because nothing else explains it.
    is_cut: bool,
    step: usize,
    /// The number of the event that was taken last.
    last: u64,
    finding: Finding,
    listener: mpsc::UnboundedSender<Entry>,
}

impl Replayer {
    pub(crate) fn new(tape: Tape, finding: Finding, listener: mpsc::UnboundedSender<Entry>) -> Self {
        Self { tape, is_cut: false, step: 0, last: 0, finding, listener }
    }

    fn take(&mut self) -> Option<Entry> {
        let entry = self.tape.take()?;
        self.last = entry.seq;
        self.step = entry.event.step().unwrap_or(self.step);
        // Nobody listening is no failure.
        let _ = self.listener.send(entry.clone());
        Some(entry)
    }

    /// The journal of a run that was killed ends anywhere.
    fn killed(&mut self) -> Ending {
        self.is_cut = true;
        Ending::failed("the run was cut off here; `percept resume` takes it up again")
    }

    fn diverges(&mut self, problem: String) -> Ending {
        let place = match self.step {
            0 => format!("before the first step, event {}", self.last),
            step => format!("step {step}, event {}", self.last),
        };
        let divergence = Divergence { place, problem };
        let ending = Ending::failed(format!("the replay goes another way at {divergence}"));
        self.finding.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(divergence);
        ending
    }

    fn has_diverged(&self) -> bool {
        self.finding.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

#[async_trait]
impl Durable for Replayer {
    async fn step(&mut self, kinds: &[&'static str], _: Work<'_>) -> Result<Event, Ending> {
        if let Some(ending) = self.tape.ending() {
            // What the run itself decided it must decide again; the rest happened to it.
            if matches!(ending.outcome, Outcome::Done | Outcome::Refused) {
                let needed = kinds.join("` or `");
                return Err(self.diverges(format!("the journal ends here, where the run needs `{needed}`")));
            }
            self.is_cut = true;
            return Err(ending);
        }
        let Some(entry) = self.take() else { return Err(self.killed()) };
        if kinds.contains(&entry.event.kind()) {
            return Ok(entry.event);
        }
        let needed = kinds.join("` or `");
        Err(self.diverges(format!("the journal has `{}` where the run needs `{needed}`", entry.event.kind())))
    }

    async fn tell(&mut self, event: Event) -> Result<(), Ending> {
        if self.has_diverged() {
            return Ok(());
        }
        let Some(entry) = self.take() else {
            // The end of a run that was killed was never written.
            return if matches!(event, Event::Ended(_)) { Ok(()) } else { Err(self.killed()) };
        };
        let is_same = match (&entry.event, &event) {
            (Event::Ended(then), Event::Ended(now)) => ended_alike(then, now, self.is_cut),
            (then, now) => then == now,
        };
        if !is_same {
            return Err(self.diverges(difference(&entry.event, &event)));
        }
        if matches!(event, Event::Ended(_)) && self.take().is_some() {
            return Err(self.diverges("the journal goes on after the end of the run".into()));
        }
        Ok(())
    }

    fn next_sequence(&self) -> u64 {
        self.tape.next().map_or(self.last + 1, |entry| entry.seq)
    }

    fn is_in_doubt(&self) -> bool {
        false
    }

    fn is_recalling(&self) -> bool {
        true
    }

    fn recalls(&self, kind: &str) -> bool {
        self.tape.next().is_some_and(|entry| entry.event.kind() == kind)
    }

    fn recorded_ending(&self) -> Option<Ending> {
        self.tape.ending()
    }
}

/// What a result says of the process that computed it.
const OF_ONE_LIFE: [&str; 3] = ["folder", "milliseconds", "peak_memory_bytes"];

/// Time and memory differ from life to life; what a reply that was broken off had cost isn't recorded.
fn ended_alike(then: &RunResult, now: &RunResult, is_cut: bool) -> bool {
    let told = |result: &RunResult| {
        (result.outcome, result.verified, result.reason.clone(), result.answer.clone(), result.steps)
    };
    let cost = |result: &RunResult| (result.usage, result.cost);
    told(then) == told(now)
        && then.certainty == now.certainty
        && then.notes == now.notes
        && (is_cut || cost(then) == cost(now))
}

/// How two events of which one should be the other differ: the first value that does.
fn difference(then: &Event, now: &Event) -> String {
    if let (false, Event::Ended(now)) = (matches!(then, Event::Ended(_)), now) {
        return format!("the journal has `{}` where the run now ends: {}", then.kind(), now.reason);
    }
    if then.kind() != now.kind() {
        return format!("the journal has `{}` where the run comes to `{}`", then.kind(), now.kind());
    }
    let write = |event: &Event| {
        let entry = Entry { v: JOURNAL_VERSION, seq: 0, at: 0.0, event: event.clone() };
        serde_json::to_value(entry).ok().and_then(|entry| entry.get("event").cloned()).unwrap_or_default()
    };
    let (then_written, now_written) = (write(then), write(now));
    let of_this_life =
        |name: &String| matches!(then, Event::Ended(_)) && OF_ONE_LIFE.contains(&name.as_str());
    let differs = then_written.as_object().and_then(|fields| {
        fields
            .iter()
            .find(|(name, value)| !of_this_life(name) && now_written.get(name.as_str()) != Some(value))
    });
    match differs {
        Some((name, value)) => {
            let now = now_written.get(name).unwrap_or(&serde_json::Value::Null);
            format!("`{}` has {name} {} in the journal, and {} now", then.kind(), short(value), short(now))
        }
        None => format!("`{}` differs", then.kind()),
    }
}

fn short(value: &serde_json::Value) -> String {
    const LONGEST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
