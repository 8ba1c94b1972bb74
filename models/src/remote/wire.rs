//! What the APIs have in common: the request before it is written in one's form, and the answer after it was read.

use super::{computer::ComputerTool, events::ServerEvent, turns::Turns};
use crate::{
    Generate,
    dialect::{Declared, Offering},
};

/// A request, all decided but its form.
pub(super) struct Asked<'a> {
    /// The model's name.
    pub(super) model: &'a str,
    /// The conversation.
    pub(super) turns: &'a Turns,
    /// What is asked for. A reply that is a schema has it as the API takes it.
    pub(super) options: &'a Generate,
    /// The functions on offer; none unless a call is asked for.
    pub(super) declared: &'a [Declared],
    /// The vendor's tool for computer use, if it is on offer too, and what of it can be done.
    pub(super) computer: Option<(ComputerTool, &'a Offering)>,
    /// The schema of the reply, if it is to be a JSON document.
    pub(super) schema: Option<&'a serde_json::Value>,
    /// The temperature within what the API takes; `None` where the model is to sample in its own way.
    pub(super) temperature: Option<f32>,
    /// Whether this is the vendor's own server, and not one that is compatible with it.
    pub(super) is_vendor: bool,
}

impl Asked<'_> {
    /// Whether a call is asked for. A tool may be there without: some models answer nothing where it isn't.
    pub(super) fn wants_call(&self) -> bool {
        matches!(self.options.reply, crate::Reply::Call { .. })
    }

    /// Whether words may come before it. A function's own arguments have a place for a thought, a vendor's tool has none.
    pub(super) fn speaks_first(&self) -> bool {
        let is_free = matches!(self.options.reply, crate::Reply::Call { thought: crate::Thought::Free, .. });
        is_free && self.computer.is_some()
    }

    /// Whether words or JSON are to be thought over first.
    pub(super) fn thinks(&self) -> bool {
        self.options.think && !self.wants_call()
    }

    /// The run's seed in 31 bits, which every API takes; none where the model is to sample in its own way.
    pub(super) fn seed(&self) -> Option<u32> {
        let seed = self.options.sampling.seed;
        self.temperature.map(|_| ((seed ^ (seed >> 32)) as u32) & 0x7fff_ffff)
    }

    /// The share of the likeliest tokens, if not all.
    pub(super) fn top_p(&self) -> Option<f32> {
        let top_p = self.options.sampling.top_p;
        (self.temperature.is_some() && top_p < 1.0).then_some(top_p)
    }

    /// The texts that end the reply.
    pub(super) fn stops(&self) -> Vec<&str> {
        let stops = self.options.stop.iter().filter(|stop| !stop.is_empty());
        if self.options.reply == crate::Reply::Text {
            stops.map(String::as_str).collect()
        } else {
            Vec::new()
        }
    }
}

/// A number without the noise of its short form: 0.7, and not 0.699999988079071.
pub(super) fn decimal(number: f32) -> serde_json::Value {
    number.to_string().parse::<f64>().map_or(serde_json::Value::Null, Into::into)
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// The model thinks, in a part that the API keeps apart.
    Thought(String),
    /// It writes.
    Text(String),
    /// It begins a call, the one with this number.
    Call(usize, String),
    /// It writes more of that call's arguments, as JSON.
    Arguments(usize, String),
    /// How likely it took tokens of its text to be, in natural logarithms.
    LogProbabilities(Vec<f32>),
    /// What it took so far, whole each time.
    Tokens(Tokens),
    /// Why it stopped.
    Stopped(Stopped),
}

/// Tokens as an API counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tokens {
    /// Of the prompt, read now.
    pub(super) fresh: usize,
    /// Of the prompt, from the API's cache.
    pub(super) cached: usize,
    /// Written, hidden thoughts included.
    pub(super) output: usize,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It was done.
    End,
    /// It came to one of the stop texts.
    StopText,
    /// It wrote as many tokens as it was given.
    MaxTokens,
    /// The context is full.
    Context,
    /// It wrote a call that the API itself couldn't read.
    Malformed(String),
    /// It, or a filter around it, declined.
    Declined(String),
}

/// Whether an answer may end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Something is missing.
    Partial,
    /// Nothing need follow, but something may.
    Whole,
    /// Nothing follows.
    Over,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It isn't in the API's form.
    Malformed(String),
    /// The server complains in the middle of it.
    Complaint(String),
}

/// Reads an answer event by event.
pub(super) trait Reader: Send {
    /// What the event adds.
    fn read(&mut self, event: &ServerEvent, pieces: &mut Vec<Piece>) -> Result<(), Fault>;

    /// Whether the answer may end after what was read.
    fn extent(&self) -> Extent;
}

/// Reads the event's JSON.
pub(super) fn parsed<'a, T: serde::Deserialize<'a>>(event: &'a ServerEvent) -> Result<T, Fault> {
    serde_json::from_str(&event.data).map_err(|error| {
        let shown: String = event.data.chars().take(200).collect();
        Fault::Malformed(format!("{error} in `{shown}`"))
    })
}
