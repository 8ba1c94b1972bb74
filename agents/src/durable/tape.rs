//! The tape: what an earlier life of a run wrote, in the order in which it is asked for again.

use std::{collections::VecDeque, time::Duration};

use percept_models::StopReason;

use crate::{CallResult, Ending, Entry, Event, Outcome, RunResult};

/// Entries of an earlier life, without the seams between lives.
#[derive(Debug)]
pub(crate) struct Tape(VecDeque<Entry>);

impl Tape {
    /// Nothing: the run begins.
    pub(crate) fn empty() -> Self {
        Self(VecDeque::new())
    }

    /// The entries as if the run had lived once. Where it was taken up again after an end, that end is left out,
    /// and with it a call that was stopped then: its result came later.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut tape = VecDeque::new();
        for entry in entries {
            if matches!(entry.event, Event::Resumed { .. }) {
                take_up(&mut tape);
            } else {
                tape.push_back(entry.clone());
            }
        }
        Self(tape)
    }

    /// The same, ready to be gone on from: an end that allows it is left out.
    pub(crate) fn continued(entries: &[Entry]) -> Self {
        let Self(mut tape) = Self::of(entries);
        take_up(&mut tape);
        Self(tape)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn next(&self) -> Option<&Entry> {
        self.0.front()
    }

    pub(crate) fn take(&mut self) -> Option<Entry> {
        self.0.pop_front()
    }

    /// How many replies of the model it holds.
    pub(crate) fn replies(&self) -> usize {
        let is_reply = |event: &Event| {
            matches!(
                event,
                Event::Decided { .. }
                    | Event::Judged { .. }
                    | Event::Examined { .. }
                    | Event::Folded { .. }
                    | Event::Planned { .. }
                    | Event::Reflected { .. }
                    | Event::TooLong { .. }
            )
        };
        self.0.iter().filter(|entry| is_reply(&entry.event)).count()
    }

    /// The end, if it is what comes next.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match &self.next()?.event {
            Event::Ended(result) => Some(ending(result)),
            _ => None,
        }
    }
}

/// Takes off an end after which the run went on, and the call or reply that was broken off for it. The end itself
/// may never have been written.
fn take_up(tape: &mut VecDeque<Entry>) {
    if let Some(Event::Ended(result)) = tape.back().map(|entry| &entry.event) {
        if !can_go_on(result) {
            return;
        }
        tape.pop_back();
    }
    let broken_off = tape.back().is_some_and(|entry| match &entry.event {
        Event::Called { result, .. } => matches!(result, CallResult::Stopped | CallResult::Broken { .. }),
        Event::Decided { stop, .. } => *stop == StopReason::Cancelled,
        _ => false,
    });
    if broken_off {
        tape.pop_back();
    }
}

/// Whether a run that ended like this can be taken up again.
pub(crate) fn can_go_on(result: &RunResult) -> bool {
    matches!(result.outcome, Outcome::Unknown | Outcome::Cancelled | Outcome::Waiting)
}

fn ending(result: &RunResult) -> Ending {
    Ending {
        outcome: result.outcome,
        reason: result.reason.clone(),
        evidence: result.verified,
        answer: result.answer.clone(),
        certainty: result.certainty,
    }
}

/// The time that the lives so far worked, a person's thinking aside.
pub(crate) fn worked(entries: &[Entry]) -> Duration {
    let until = entries.last().map_or(0.0, |entry| entry.at);
    let mut asked = None;
    let mut waited = 0.0;
    for entry in entries {
        match &entry.event {
            Event::ApprovalWanted { .. } | Event::LimitReached { .. } => asked = Some(entry.at),
            Event::ApprovalGiven { .. } => waited += asked.take().map_or(0.0, |asked| entry.at - asked),
            // Stopped while the question stood, which is put again in the next life.
            Event::Ended(_) => {
                if let Some(since) = &mut asked {
                    waited += entry.at - *since;
                    *since = entry.at;
                }
            }
            _ => {}
        }
    }
    Duration::try_from_secs_f64((until - waited).max(0.0) / 1000.0).unwrap_or_default()
}
