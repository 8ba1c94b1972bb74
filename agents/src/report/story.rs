//! A journal's events, told step by step.

use percept_models::{Call, Usage};
use percept_tools::{Element, Frame};

use crate::{CallResult, Check, Event, PlanItem, Target, Verdict, journal::Recording};

/// A look at the screen.
pub(super) struct Look<'a> {
    pub(super) shot: Option<&'a str>,
    pub(super) frame: Frame,
    pub(super) location: Option<&'a str>,
    pub(super) notes: &'a [String],
    pub(super) milliseconds: f64,
}

/// The model's reply.
#[derive(Clone, Copy)]
pub(super) struct Decision<'a> {
    pub(super) thought: &'a str,
    pub(super) text: &'a str,
    pub(super) call: Option<&'a Call>,
    pub(super) usage: Usage,
    pub(super) memory_bytes: Option<u64>,
}

/// What the model means to do, from a step on.
pub(super) struct Intent<'a> {
    pub(super) because: Option<&'a str>,
    pub(super) items: &'a [PlanItem],
    pub(super) usage: Usage,
}

/// What the model made of a step.
pub(super) struct Lesson<'a> {
    pub(super) because: &'a str,
    pub(super) words: &'a str,
    pub(super) usage: Usage,
}

/// Everything about one step; the last one may hold only a look.
#[derive(Default)]
pub(super) struct Step<'a> {
    pub(super) number: usize,
    pub(super) look: Option<Look<'a>>,
    pub(super) plan: Option<Intent<'a>>,
    pub(super) exploring: Option<&'a str>,
    pub(super) temperature: f32,
    /// Every decision that was made for the step, one for each vote.
    pub(super) votes: Vec<Decision<'a>>,
    /// For each vote the first one that means the same.
    pub(super) alike: &'a [usize],
    /// What a judge took.
    pub(super) judged: Option<Usage>,
    /// The decision that was carried out.
    pub(super) decision: Option<Decision<'a>>,
    /// Why the model's vendor wanted a person to confirm the call.
    pub(super) concern: Option<&'a str>,
    pub(super) approval: Option<(bool, Option<&'a str>)>,
    pub(super) refused: Option<&'a str>,
    /// What stands at the places of the call.
    pub(super) ground: &'a [Element],
    pub(super) targets: &'a [Target],
    pub(super) called: bool,
    pub(super) result: Option<(&'a CallResult, f64)>,
    pub(super) verdict: Option<&'a Verdict>,
    /// A judge's verdict, its quotes, and what it took.
    pub(super) examined: Option<(&'a Check, &'a [String], Usage)>,
    pub(super) expected: Option<&'a Check>,
    /// How many records were summed up, to what, and what that took.
    pub(super) folded: Option<(usize, &'a str, Usage)>,
    /// Of how many actions the circle is that this step closed, and how often it was gone round.
    pub(super) circle: Option<(usize, usize)>,
    pub(super) lesson: Option<Lesson<'a>>,
    /// Limits that were reached after it, each with the word of the person who was asked for more.
    pub(super) limits: Vec<(&'a str, Option<bool>)>,
    /// When its last event was written, in milliseconds since the run began.
    pub(super) until: f64,
}

/// Sorts a recording's events into steps.
pub(super) fn tell(recording: &Recording) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for entry in &recording.entries {
        if looks_back(&mut steps, &entry.event) {
            continue;
        }
        let Some(number) = number(&entry.event) else { continue };
        if steps.last().is_none_or(|last| last.number != number) {
            steps.push(Step { number, ..Step::default() });
        }
        let Some(step) = steps.last_mut() else { continue };
        step.until = entry.at;
        add(step, &entry.event);
    }
    steps
}

fn number(event: &Event) -> Option<usize> {
    match event {
        Event::Looked { step, .. }
        | Event::Asked { step, .. }
        | Event::Planned { step, .. }
        | Event::Decided { step, .. }
        | Event::Voted { step, .. }
        | Event::Judged { step, .. }
        | Event::Grounded { step, .. }
        | Event::Refused { step, .. }
        | Event::ApprovalWanted { step, .. }
        | Event::ApprovalGiven { step, .. }
        | Event::Calling { step, .. }
        | Event::Called { step, .. } => Some(*step),
        _ => None,
    }
}

/// A verdict, an expectation and a lesson, with the question for it, are about a step whose successor has already looked.
fn looks_back<'a>(steps: &mut [Step<'a>], event: &'a Event) -> bool {
    let decided = |number| steps.iter().any(|step| step.number == number && step.decision.is_some());
    let number = match event {
        Event::Checked { step, .. }
        | Event::Examined { step, .. }
        | Event::Folded { step, .. }
        | Event::Expected { step, .. }
        | Event::Circled { step, .. }
        | Event::LimitReached { step, .. }
        | Event::Reflected { step, .. } => *step,
        Event::ApprovalGiven { step, .. } if waits_for_more(steps, *step) => *step,
        Event::Asked { step, .. } if decided(*step) => *step,
        _ => return false,
    };
    if let Some(step) = steps.iter_mut().rev().find(|step| step.number == number) {
        match event {
            Event::Checked { verdict, .. } => step.verdict = Some(verdict),
            Event::Examined { check, quotes, usage, .. } => step.examined = Some((check, quotes, *usage)),
            Event::Expected { check, .. } => step.expected = check.as_ref(),
            Event::Folded { records, summary, usage, .. } => step.folded = Some((*records, summary, *usage)),
            Event::LimitReached { reason, .. } => step.limits.push((reason, None)),
            Event::ApprovalGiven { granted, .. } => {
                step.limits.last_mut().into_iter().for_each(|limit| limit.1 = Some(*granted));
            }
            Event::Circled { actions, rounds, .. } => step.circle = Some((*actions, *rounds)),
            Event::Reflected { because, lesson: words, usage, .. } => {
                step.lesson = Some(Lesson { because, words, usage: *usage });
            }
            _ => {}
        }
    }
    true
}

/// Whether a person was asked, at this step, for more than a limit allows, and hasn't answered yet.
fn waits_for_more(steps: &[Step<'_>], number: usize) -> bool {
    let step = steps.iter().rev().find(|step| step.number == number);
    step.and_then(|step| step.limits.last()).is_some_and(|(_, word)| word.is_none())
}

fn add<'a>(step: &mut Step<'a>, event: &'a Event) {
    match event {
        Event::Looked { shot, frame, location, notes, milliseconds, .. } => {
            step.look = Some(Look {
                shot: shot.as_deref(),
                frame: *frame,
                location: location.as_deref(),
                notes,
                milliseconds: *milliseconds,
            });
        }
        Event::Asked { temperature, exploring, .. } => {
            step.temperature = *temperature;
            step.exploring = exploring.as_deref();
        }
        Event::Planned { because, items, usage, .. } => {
            step.plan = Some(Intent { because: because.as_deref(), items, usage: *usage });
        }
        Event::Decided { vote, thought, text, call, usage, memory_bytes, .. } => {
            let (call, usage, memory_bytes) = (call.as_ref(), *usage, *memory_bytes);
            let decision = Decision { thought, text, call, usage, memory_bytes };
            // One that a limit cut off was decided again.
            step.votes.truncate(vote.saturating_sub(1));
            step.votes.push(decision);
            step.decision = step.votes.first().copied();
        }
        Event::Voted { alike, chosen, .. } => {
            step.alike = alike;
            step.decision = step.votes.get(*chosen).copied().or(step.decision);
        }
        Event::Judged { best, usage, .. } => {
            step.judged = Some(*usage);
            step.decision = best.and_then(|best| step.votes.get(best).copied()).or(step.decision);
        }
        Event::Grounded { found, .. } => step.ground = found,
        Event::Refused { reason, .. } => step.refused = Some(reason),
        Event::ApprovalWanted { concern, .. } => step.concern = concern.as_deref(),
        Event::ApprovalGiven { granted, reason, .. } => step.approval = Some((*granted, reason.as_deref())),
        Event::Calling { targets, .. } => {
            step.called = true;
            step.targets = targets;
        }
        Event::Called { result, milliseconds, .. } => step.result = Some((result, *milliseconds)),
        _ => {}
    }
}
