//! What happens in a run, as events: what the journal keeps, an app follows and the report is made of.

use percept_models::{Call, ModelCard, StopReason, Usage};
use percept_tools::{Effect, Element, Frame, Nested, OfferedTool, PixelPoint, PixelRegion, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Check, Evidence, Limit, Limits, PlanItem, Policy, Prices, Prompts, RecordedDemonstration, RunResult,
    SecretCard, Style, Thinking, Verdict,
};

/// The version of the journal's lines. A reader refuses every other.
pub const JOURNAL_VERSION: u32 = 3;

/// One event with its place in the run: a line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// [`JOURNAL_VERSION`] at the time of writing.
    pub v: u32,
    /// Counted from 0 without gaps, events that aren't kept aside.
    pub seq: u64,
    /// Milliseconds since the run began.
    pub at: f64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins.
    Began(Box<Beginning>),
    /// A look at the screen.
    Looked {
        /// The step that follows it, from 1.
        step: usize,
        /// The screenshot's file, relative to the run folder; absent where nothing is written.
        shot: Option<String>,
        /// BLAKE3 hash of size and pixels.
        hash: String,
        /// Size and scale.
        frame: Frame,
        /// The address shown.
        location: Option<String>,
        /// What the screen says about the screenshot.
        notes: Vec<String>,
        /// How long the look took.
        milliseconds: f64,
    },
    /// Something that a reader of the result must know.
    Noted {
        /// In Percept's own words.
        note: String,
    },
    /// The model is asked for a decision or a lesson.
    Asked {
        /// The step.
        step: usize,
        /// Which of the step's votes it is for, from 1.
        vote: usize,
        /// Sampling temperature; 0 is greedy.
        temperature: f32,
        /// Sampling seed, made of the run's seed and the step.
        seed: u64,
        /// Why this decision is sampled although the run is greedy.
        exploring: Option<String>,
        /// SHA-256 of everything that the model is shown and told: messages, images, what a reply may be.
        prompt: String,
    },
    /// The model couldn't take so long a conversation; it is asked again with a shorter one.
    TooLong {
        /// The step.
        step: usize,
        /// What the model says.
        problem: String,
    },
    /// More of what the model writes. It isn't kept in the journal: [`Event::Decided`] has the whole.
    Writing {
        /// Whether it belongs to the thought, or else to the call.
        thought: bool,
        /// The piece.
        text: String,
    },
    /// The model's reply.
    Decided {
        /// The step.
        step: usize,
        /// Which of the step's votes it is, from 1.
        vote: usize,
        /// Free text before the call.
        thought: String,
        /// The call as the model wrote it.
        text: String,
        /// The call; `None` if the text isn't one.
        call: Option<Call>,
        /// Why the text isn't a call.
        malformed: Option<String>,
        /// Why the model's vendor wants a person to confirm the call, where one is asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concern: Option<String>,
        /// Why the model stopped.
        stop: StopReason,
        /// How likely the model takes its text to be, where the run asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        likelihood: Option<f64>,
        /// Tokens and milliseconds.
        usage: Usage,
        /// What the process holds now, in bytes.
        memory_bytes: Option<u64>,
    },
    /// The step's votes were compared.
    Voted {
        /// The step.
        step: usize,
        /// For each vote the first one that means the same, by their indices.
        alike: Vec<usize>,
        /// The index of the vote that stands for the most.
        chosen: usize,
    },
    /// The model judged which vote is the best, as they differed.
    Judged {
        /// The step.
        step: usize,
        /// The index of that vote.
        best: Option<usize>,
        /// Why its word can't be read.
        problem: Option<String>,
        /// Tokens and milliseconds.
        usage: Usage,
    },
    /// What is at the places of a call was looked up before it.
    Grounded {
        /// The step.
        step: usize,
        /// What stands there.
        found: Vec<Element>,
        /// Why that can't be what is meant: then nothing is done, and the model is told.
        problem: Option<String>,
    },
    /// A call waits for a person.
    ApprovalWanted {
        /// The step.
        step: usize,
        /// What is to be done.
        call: Call,
        /// Why the model's vendor wants a person to confirm it, if it does; its words, so data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concern: Option<String>,
    },
    /// A limit is reached, and a person is asked for as much again.
    LimitReached {
        /// The step that was taken last.
        step: usize,
        /// Which limit.
        limit: Limit,
        /// What was taken: "25 steps were taken".
        reason: String,
    },
    /// The person's word.
    ApprovalGiven {
        /// The step.
        step: usize,
        /// Whether the call, or the run, may go on.
        granted: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// A call that isn't one, or that names what isn't there: nothing was done, and the model is told why.
    Refused {
        /// The step.
        step: usize,
        /// Why.
        reason: String,
    },
    /// A tool is about to be called. Where the call changes something, this is on the disk before it begins.
    Calling {
        /// The step.
        step: usize,
        /// The tool and its arguments.
        call: Call,
        /// The places on the screenshot that the arguments name.
        targets: Vec<Target>,
        /// What the call may change.
        effect: Effect,
        /// `run/sequence/tool`: the same for every attempt at this call.
        key: String,
    },
    /// What came of the call.
    Called {
        /// The step.
        step: usize,
        /// The key of the [`Event::Calling`] before it.
        key: String,
        /// The result.
        result: CallResult,
        /// How long the tool took.
        milliseconds: f64,
    },
    /// The evidence was looked for.
    Checked {
        /// The step after which it was; 0 before anything was done.
        step: usize,
        /// What was found.
        verdict: Verdict,
    },
    /// The screen's text was read, for a judge's quotes to be checked.
    Read {
        /// The step after which it was.
        step: usize,
        /// What a person could read.
        text: String,
    },
    /// The model judged whether the screen proves that the task is done.
    Examined {
        /// The step after which it did.
        step: usize,
        /// The question, and whether the verdict proves it.
        check: Check,
        /// What it quotes from the screen.
        quotes: Vec<String>,
        /// Tokens and milliseconds.
        usage: Usage,
    },
    /// The model made a plan.
    Planned {
        /// The step that it begins with.
        step: usize,
        /// Why the one before it failed; `None` for the first.
        because: Option<String>,
        /// What is to be done, in order; empty if the reply is no plan.
        items: Vec<PlanItem>,
        /// Why the reply is no plan.
        problem: Option<String>,
        /// Tokens and milliseconds.
        usage: Usage,
    },
    /// What a plan expects was looked for.
    Expected {
        /// The step after which it was.
        step: usize,
        /// What was to be done.
        what: String,
        /// What was found; `None` where the screen can't tell its text.
        check: Option<Check>,
    },
    /// The model summed up the oldest part of the conversation, which had grown too long for it.
    Folded {
        /// The step.
        step: usize,
        /// How many records the summary stands for.
        records: usize,
        /// What it says.
        summary: String,
        /// Tokens and milliseconds.
        usage: Usage,
    },
    /// The same actions were carried out again on the same screens, with the same results.
    Circled {
        /// The step that closed the circle.
        step: usize,
        /// How many actions it has.
        actions: usize,
        /// How often it was gone round by now.
        rounds: usize,
    },
    /// The model thought about a failure, or about a step.
    Reflected {
        /// The step it is about.
        step: usize,
        /// Why: "the action changed nothing".
        because: String,
        /// What it makes of it.
        lesson: String,
        /// Tokens and milliseconds.
        usage: Usage,
    },
    /// The run is over. After it comes nothing, unless the run is taken up again.
    Ended(Box<RunResult>),
    /// The run is taken up again by another process, which found everything before this line.
    Resumed {
        /// A person's word on a call that was under way: whether it happened.
        happened: Option<bool>,
        /// The device that the model runs on now.
        device: String,
        /// What a reader must know of the lives from here on.
        notes: Vec<String>,
        /// The version of Percept.
        percept: String,
    },
}

impl Event {
    /// Whether the journal keeps it.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::Writing { .. })
    }

    /// Whether a person is asked for a word, which [`Run::approve`](crate::Run::approve) and its like give.
    pub fn asks_a_person(&self) -> bool {
        matches!(self, Self::ApprovalWanted { .. } | Self::LimitReached { .. })
    }

    /// Whether it brings images that must be there when it is.
    pub(crate) fn shows_images(&self) -> bool {
        match self {
            Self::Began(beginning) => !beginning.demonstrations.is_empty(),
            Self::Called { result: CallResult::Observed { parts, .. }, .. } => {
                parts.iter().any(|part| matches!(part.body, RecordedBody::Image { .. }))
            }
            _ => false,
        }
    }

    /// When it must be on the disk.
    pub(crate) fn urgency(&self) -> Urgency {
        match self {
            Self::Calling { effect: Effect::Changes { .. }, .. } | Self::Ended(_) => Urgency::Now,
            Self::Called { .. } | Self::ApprovalGiven { .. } | Self::Resumed { .. } => Urgency::Soon,
            _ => Urgency::Sometime,
        }
    }
}

impl Event {
    /// The step that it belongs to, where it belongs to one.
    pub fn step(&self) -> Option<usize> {
        match self {
            Self::Looked { step, .. }
            | Self::Asked { step, .. }
            | Self::TooLong { step, .. }
            | Self::Decided { step, .. }
            | Self::Voted { step, .. }
            | Self::Judged { step, .. }
            | Self::Grounded { step, .. }
            | Self::ApprovalWanted { step, .. }
            | Self::LimitReached { step, .. }
            | Self::ApprovalGiven { step, .. }
            | Self::Refused { step, .. }
            | Self::Calling { step, .. }
            | Self::Called { step, .. }
            | Self::Checked { step, .. }
            | Self::Read { step, .. }
            | Self::Examined { step, .. }
            | Self::Planned { step, .. }
            | Self::Expected { step, .. }
            | Self::Folded { step, .. }
            | Self::Circled { step, .. }
            | Self::Reflected { step, .. } => Some(*step),
            Self::Began(_)
            | Self::Noted { .. }
            | Self::Writing { .. }
            | Self::Ended(_)
            | Self::Resumed { .. } => None,
        }
    }

    /// What happens, as the journal writes it: `looked`, `asked`, `decided`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Began(_) => "began",
            Self::Looked { .. } => "looked",
            Self::Noted { .. } => "noted",
            Self::Asked { .. } => "asked",
            Self::TooLong { .. } => "too_long",
            Self::Writing { .. } => "writing",
            Self::Decided { .. } => "decided",
            Self::Voted { .. } => "voted",
            Self::Judged { .. } => "judged",
            Self::Grounded { .. } => "grounded",
            Self::ApprovalWanted { .. } => "approval_wanted",
            Self::LimitReached { .. } => "limit_reached",
            Self::ApprovalGiven { .. } => "approval_given",
            Self::Refused { .. } => "refused",
            Self::Calling { .. } => "calling",
            Self::Called { .. } => "called",
            Self::Checked { .. } => "checked",
            Self::Read { .. } => "read",
            Self::Examined { .. } => "examined",
            Self::Planned { .. } => "planned",
            Self::Expected { .. } => "expected",
            Self::Folded { .. } => "folded",
            Self::Circled { .. } => "circled",
            Self::Reflected { .. } => "reflected",
            Self::Ended(_) => "ended",
            Self::Resumed { .. } => "resumed",
        }
    }
}

/// When an event must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Before anything else happens: an effect comes next.
    Now,
    /// As soon as the disk can, while the agent looks and thinks; in any case before the next effect.
    Soon,
    /// When the system likes, or with the next that is urgent.
    Sometime,
}

/// Who acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The model decides, the loop carries it out.
    #[default]
    Model,
    /// A person did everything, and was watched: nothing of it follows from anything else in the journal.
    Person,
}

impl Actor {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_model(&self) -> bool {
        *self == Self::Model
    }
}

/// What is known when a run begins: all that decides how it goes on, so that it can be taken up or replayed from
/// the journal alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beginning {
    /// The run's name.
    pub run: String,
    /// The task in words.
    pub task: String,
    /// Who acts.
    #[serde(default, skip_serializing_if = "Actor::is_model")]
    pub actor: Actor,
    /// The model; where a person acts, a card that says so.
    pub model: ModelCard,
    /// What a reader of the result must know from the start.
    pub notes: Vec<String>,
    /// The tools on offer.
    pub tools: Vec<OfferedTool>,
    /// Whether there is a screen to look at.
    pub screen: bool,
    /// What comes before an action, the model's default filled in.
    pub style: Style,
    /// The way of thinking.
    pub thinking: Thinking,
    /// The limits.
    pub limits: Limits,
    /// What the model's tokens cost.
    #[serde(default)]
    pub prices: Option<Prices>,
    /// What it may do.
    pub policy: Policy,
    /// Texts in place of Percept's own.
    #[serde(default, skip_serializing_if = "Prompts::is_empty")]
    pub prompts: Prompts,
    /// Earlier runs that the model is shown before the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demonstrations: Vec<RecordedDemonstration>,
    /// What may be known of its secrets.
    #[serde(default)]
    pub secrets: Vec<SecretCard>,
    /// The run's seed.
    pub seed: u64,
    /// The evidence that is asked for.
    pub evidence: Evidence,
    /// The version of Percept.
    pub percept: String,
}

/// A place on the screenshot that a call names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The argument.
    pub argument: String,
    /// Where.
    pub area: Area,
}

/// A pixel or a rectangle of the screenshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// One pixel.
    Point(PixelPoint),
    /// A rectangle.
    Region(PixelRegion),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CallResult {
    /// The tool did what it was asked.
    Observed {
        /// What it brought back.
        parts: Vec<RecordedPart>,
        /// Whether it takes the task for finished.
        finish: bool,
        /// The answer, where it gave one.
        answer: Option<String>,
        /// The run of another agent, if the call made one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nested: Option<Nested>,
    },
    /// The call was refused; the model is told why.
    Refused {
        /// Why.
        reason: String,
    },
    /// The arguments don't fit; the model is told why.
    BadArguments {
        /// Why.
        reason: String,
    },
    /// The call was stopped on the way: its effect may have happened.
    Stopped,
    /// The tool broke.
    Broken {
        /// What happened.
        reason: String,
    },
}

/// One piece of an observation as the journal keeps it: images by reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedPart {
    /// Where it came from.
    pub source: Source,
    /// What it is.
    #[serde(flatten)]
    pub body: RecordedBody,
}

/// The content of a [`RecordedPart`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordedBody {
    /// Plain text.
    Text(String),
    /// Structured data.
    Json(Value),
    /// An image.
    Image {
        /// Its file, relative to the run folder; `None` where nothing is written.
        shot: Option<String>,
        /// BLAKE3 hash of size and pixels.
        hash: String,
    },
}
