//! A run as lines on the terminal, while it happens.

use percept::{CallResult, Entry, Event, Outcome, RecordedBody, RunResult, models::Call};

use super::output::{Ink, Output};

/// Longest text of a line, in characters.
const LONGEST: usize = 96;

/// Tells a run.
pub(crate) struct Narration<'a> {
    output: &'a Output,
    /// The call that is under way.
    call: String,
    /// Every vote of the step.
    votes: Vec<String>,
}

impl<'a> Narration<'a> {
    pub(crate) fn new(output: &'a Output) -> Self {
        Self { output, call: String::new(), votes: Vec::new() }
    }

    /// Tells one event.
    pub(crate) fn tell(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Began(beginning) => {
                self.line(Ink::Strong, &beginning.task);
                self.line(
                    Ink::Soft,
                    &format!(
                        "  {} on {}, seed {}",
                        beginning.model.name, beginning.model.device, beginning.seed
                    ),
                );
                let notes = beginning.notes.iter().chain(&beginning.model.notes);
                notes.for_each(|note| self.line(Ink::Soft, &format!("  {}", plain(note))));
            }
            Event::Resumed { device, notes, .. } => {
                self.line(Ink::Strong, &format!("taken up again on {device}"));
                for note in notes {
                    self.line(Ink::Warn, &format!("     note: {}", plain(note)));
                }
            }
            Event::Noted { note } => self.line(Ink::Warn, &format!("     note: {}", plain(note))),
            Event::Decided { step, vote, thought, text, call, .. } => {
                if !thought.trim().is_empty() {
                    self.line(Ink::Soft, &format!("     “{}”", shortened(thought.trim())));
                }
                self.call = format!("{step:>3}  {}", call.as_ref().map_or_else(|| shortened(text), written));
                if *vote == 1 {
                    self.votes.clear();
                }
                self.votes.push(self.call.clone());
            }
            Event::Refused { reason, .. } => self.told(Ink::Bad, reason, 0.0),
            Event::ApprovalGiven { granted: false, reason, .. } => {
                self.told(Ink::Bad, reason.as_deref().unwrap_or("not approved"), 0.0);
            }
            Event::Called { result, milliseconds, .. } => self.called(result, *milliseconds),
            Event::Planned { because, items, .. } => {
                let word = if because.is_some() { "new plan" } else { "plan" };
                for (index, item) in items.iter().enumerate() {
                    let head = if index == 0 { format!("     {word}: ") } else { " ".repeat(word.len() + 7) };
                    self.line(Ink::Soft, &format!("{head}{}. {}", index + 1, shortened(&item.what)));
                }
            }
            Event::Voted { alike, chosen, .. } => {
                let supporters = alike.iter().filter(|first| *first == chosen).count();
                self.line(Ink::Soft, &format!("     {supporters} of {} votes for it", alike.len()));
                self.chosen(*chosen);
            }
            Event::Judged { best: Some(best), .. } => {
                self.line(Ink::Soft, "     the judge chose among them");
                self.chosen(*best);
            }
            Event::Circled { actions, rounds, .. } => {
                let what = if *actions == 1 { "action".to_owned() } else { format!("{actions} actions") };
                self.line(Ink::Warn, &format!("     in circles: the last {what}, {rounds} times over"));
            }
            Event::Reflected { lesson, .. } => {
                self.line(Ink::Warn, &format!("     lesson: {}", shortened(lesson)));
            }
            _ => {}
        }
    }

    /// Tells how it ended.
    pub(crate) fn ended(&self, result: &RunResult) {
        let ink = match result.outcome {
            Outcome::Done => Ink::Good,
            Outcome::Failed | Outcome::Unknown => Ink::Bad,
            _ => Ink::Warn,
        };
        self.line(ink, &in_a_line(result));
    }

    /// The vote that is carried out.
    fn chosen(&mut self, index: usize) {
        if let Some(call) = self.votes.get(index) {
            self.call.clone_from(call);
        }
    }

    fn called(&self, result: &CallResult, milliseconds: f64) {
        match result {
            CallResult::Observed { parts, .. } => {
                let said = parts.iter().find_map(|part| match &part.body {
                    RecordedBody::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                self.told(Ink::Soft, said.unwrap_or("done"), milliseconds);
            }
            CallResult::Refused { reason }
            | CallResult::BadArguments { reason }
            | CallResult::Broken { reason } => self.told(Ink::Bad, reason, milliseconds),
            CallResult::Stopped => self.told(Ink::Bad, "stopped", milliseconds),
            _ => {}
        }
    }

    fn told(&self, ink: Ink, what: &str, milliseconds: f64) {
        let what = self.output.ink(ink, &shortened(what));
        self.output.say(&format!("{}  → {what} ({milliseconds:.0} ms)", self.call));
    }

    fn line(&self, ink: Ink, text: &str) {
        self.output.say(&self.output.ink(ink, text));
    }
}

/// How a run ended, in one line.
pub(crate) fn in_a_line(result: &RunResult) -> String {
    let verified = match result.verified {
        Some(true) => ", verified",
        Some(false) => ", not verified",
        None => ", unverified",
    };
    let steps = if result.steps == 1 { "1 step".into() } else { format!("{} steps", result.steps) };
    format!(
        "{}{verified}: {} ({steps}, {:.1} s)",
        result.outcome.word(),
        plain(&result.reason),
        result.milliseconds.total / 1000.0
    )
}

/// A call as a person would write it down.
pub(crate) fn written(call: &Call) -> String {
    shortened(&format!("{} {}", call.function, call.arguments))
}

/// The text on one line, without anything that a terminal would obey: pages and models write some of it.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The plain text, not too long.
fn shortened(text: &str) -> String {
    let plain = plain(text);
    let mut characters = plain.chars();
    let mut short: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}
