//! A reply put together from its pieces, and told as it comes.

use serde_json::Value;

use super::{
    arguments::{ArgumentPiece, ArgumentReader},
    key::Veil,
    wire::{Piece, Stopped, Tokens},
};
use crate::{
    Completion, Function, GenerationEvent, Reply, Stage, StopReason, Thought, Unconfirmed, Usage,
    dialect::{Native, NativeDialect, unconfirmed},
    http::Key,
    inner_speech::{self, InnerSpeech, Opening},
};

/// What the model called.
#[derive(Debug)]
struct Written {
    number: usize,
    name: String,
    arguments: ArgumentReader,
}

/// A reply so far.
#[derive(Debug)]
pub(super) struct Writing {
    dialect: NativeDialect,
    /// The functions on offer and whether they hold a thought, if a call is asked for.
    offer: Option<(Vec<Function>, Thought)>,
    veils: [Veil; 2],
    /// What tells a thought from an answer, where the server may leave it in the text.
    speech: Option<InnerSpeech>,
    is_json: bool,
    thought: String,
    /// Whether the thought in the arguments has begun.
    argues: bool,
    text: String,
    calls: Vec<Written>,
    /// Log-probabilities of the text's tokens, as far as they are told.
    log_probabilities: Vec<f32>,
    tokens: Option<Tokens>,
    stopped: Option<Stopped>,
}

impl Writing {
    /// A reply of this kind; `opening` is how a thought may stand in its text, where the server doesn't tell it apart.
    pub(super) fn new(
        reply: &Reply,
        dialect: NativeDialect,
        key: Option<&Key>,
        opening: Option<Opening>,
    ) -> Self {
        let offer = match reply {
            // Beside a vendor's tool words come before the call, and an argument called `thought` is the function's own.
            Reply::Call { functions, .. } if dialect.computer.is_some() => {
                Some((functions.clone(), Thought::None))
            }
            Reply::Call { thought, functions } => Some((functions.clone(), *thought)),
            _ => None,
        };
        let veils = [Veil::new(key.cloned()), Veil::new(key.cloned())];
        let (thought, text, calls) = (String::new(), String::new(), Vec::new());
        let log_probabilities = Vec::new();
        let (argues, tokens, stopped) = (false, None, None);
        let speech = opening.filter(|_| offer.is_none()).map(InnerSpeech::possible);
        let is_json = matches!(reply, Reply::Json(_));
        Self {
            dialect,
            offer,
            veils,
            speech,
            is_json,
            thought,
            argues,
            text,
            calls,
            log_probabilities,
            tokens,
            stopped,
        }
    }

    /// Takes a piece, and gives what can be told of it.
    pub(super) fn take(&mut self, piece: Piece) -> Vec<GenerationEvent> {
        match piece {
            Piece::Thought(text) => {
                self.speech.iter_mut().for_each(InnerSpeech::is_told_apart);
                self.think(&text)
            }
            // Where a call is asked for, text before it is the thought.
            Piece::Text(text) if self.offer.is_some() => self.think(&text),
            Piece::Text(text) => self.speak(&text, false),
            Piece::Call(number, name) => self.begin(number, name),
            Piece::Arguments(number, json) => self.fill(number, &json),
            Piece::Tokens(tokens) => {
                self.tokens = Some(tokens);
                Vec::new()
            }
            Piece::LogProbabilities(told) => {
                self.log_probabilities.extend(told);
                Vec::new()
            }
            Piece::Stopped(stopped) => {
                self.stopped = Some(stopped);
                Vec::new()
            }
        }
    }

    /// More of an answer in words, which may begin with a thought.
    fn speak(&mut self, text: &str, last: bool) -> Vec<GenerationEvent> {
        let Some(speech) = &mut self.speech else { return self.write(text) };
        let told = speech.push(text, last);
        let mut events = self.think(&told.thought);
        events.extend(self.write(&told.answer));
        events
    }

    fn begin(&mut self, number: usize, name: String) -> Vec<GenerationEvent> {
        // A tool of a JSON reply is no call: what it takes is the reply.
        let (shown, looks) = match &self.offer {
            Some((_, thought)) => (format!("{name} "), *thought == Thought::Free),
            None => (String::new(), false),
        };
        let is_first = self.calls.is_empty();
        self.calls.push(Written { number, name, arguments: ArgumentReader::new(looks) });
        if is_first { self.write(&shown) } else { Vec::new() }
    }

    /// Only the first call is told; another one is counted, and refused at the end.
    fn fill(&mut self, number: usize, json: &str) -> Vec<GenerationEvent> {
        let Some(at) = self.calls.iter().position(|call| call.number == number) else { return Vec::new() };
        let pieces = self.calls[at].arguments.push(json);
        if at > 0 {
            return Vec::new();
        }
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(match piece {
                ArgumentPiece::Thought(text) => self.argue(&text),
                ArgumentPiece::Json(text) => self.write(&text),
            });
        }
        events
    }

    /// More of the thought in the arguments, on a line of its own after whatever was thought before.
    fn argue(&mut self, text: &str) -> Vec<GenerationEvent> {
        let is_first = !std::mem::replace(&mut self.argues, true);
        if is_first && !self.thought.is_empty() {
            return self.think(&format!("\n{text}"));
        }
        self.think(text)
    }

    fn think(&mut self, text: &str) -> Vec<GenerationEvent> {
        let text = self.veils[0].push(text);
        self.thought.push_str(&text);
        if text.is_empty() { Vec::new() } else { vec![GenerationEvent::Thought(text)] }
    }

    fn write(&mut self, text: &str) -> Vec<GenerationEvent> {
        let text = self.veils[1].push(text);
        self.text.push_str(&text);
        if text.is_empty() { Vec::new() } else { vec![GenerationEvent::Text(text)] }
    }

    /// What was held back, when nothing more comes.
    pub(super) fn rest(&mut self) -> Vec<GenerationEvent> {
        let mut events = self.speak("", true);
        let [thought, text] = [self.veils[0].finish(), self.veils[1].finish()];
        self.thought.push_str(&thought);
        self.text.push_str(&text);
        if !thought.is_empty() {
            events.push(GenerationEvent::Thought(thought));
        }
        if !text.is_empty() {
            events.push(GenerationEvent::Text(text));
        }
        events
    }

    /// Why the model declined, if it did.
    pub(super) fn declined(&self) -> Option<&str> {
        match &self.stopped {
            Some(Stopped::Declined(reason)) => Some(reason),
            _ => None,
        }
    }

    /// Whether the server said how many tokens it took.
    pub(super) fn is_counted(&self) -> bool {
        self.tokens.is_some()
    }

    /// The whole reply. `mask` takes the key out of what didn't come through a veil.
    pub(super) fn completion(
        mut self,
        stage: Stage,
        is_cancelled: bool,
        mask: impl Fn(&str) -> String,
    ) -> Completion {
        let tokens = self.tokens.unwrap_or_default();
        let stop = match self.stopped {
            _ if is_cancelled => StopReason::Cancelled,
            Some(Stopped::StopText) => StopReason::StopText,
            Some(Stopped::MaxTokens) => StopReason::MaxTokens,
            Some(Stopped::Context) => StopReason::Context,
            _ => StopReason::End,
        };
        let mut waits = None;
        let call = self.offer.take().map(|(functions, thought)| {
            let Native { thought, mut call, concern } =
                self.call(stop, tokens.output, &functions, thought).map_err(|problem| mask(&problem))?;
            // A thought that didn't come first in the arguments wasn't told while it was written.
            if self.thought.is_empty() {
                self.thought = mask(&thought);
            }
            mask_all(&mut call.arguments, &mask);
            let Some(why) = concern.map(|why| mask(&why)) else { return Ok(call) };
            let refusal = unconfirmed(&why);
            waits = Some(Unconfirmed { call, why });
            Err(refusal)
        });
        let usage = Usage {
            fresh_tokens: tokens.fresh,
            cached_tokens: tokens.cached,
            output_tokens: tokens.output,
            forced_tokens: 0,
            stage,
        };
        // Told while it was written it was the answer's; it is taken for what it was.
        let leaked = self.leaked().map(|(thought, answer)| (thought.to_owned(), answer.to_owned()));
        if let Some(parts) = leaked {
            (self.thought, self.text) = parts;
            self.log_probabilities.clear();
        }
        let thought = self.thought.trim().to_owned();
        // A call whose arguments never came ends with the space before them.
        let text = if call.is_some() { self.text.trim_end().to_owned() } else { self.text };
        // Beside a call they would be of the words before it, and with a thought in the text of the thought too.
        let has_others = call.is_some() || self.speech.is_some_and(|speech| speech.has_thought());
        let log_probabilities = if has_others { Vec::new() } else { self.log_probabilities };
        Completion {
            thought,
            text,
            call,
            unconfirmed: waits,
            stop,
            usage,
            tokens: Vec::new(),
            log_probabilities,
        }
    }

    /// The thought and the answer, where the text turns out to begin within a thought that wasn't held back.
    fn leaked(&self) -> Option<(&str, &str)> {
        let is_possible = self.speech.is_some() && self.thought.is_empty();
        is_possible.then(|| inner_speech::parted(&self.text, self.is_json)).flatten()
    }

    fn call(
        &self,
        stop: StopReason,
        output: usize,
        functions: &[Function],
        thought: Thought,
    ) -> Result<Native, String> {
        match stop {
            StopReason::Cancelled => return Err("the reply was broken off".into()),
            StopReason::MaxTokens => return Err(format!("the reply was cut off after {output} tokens")),
            StopReason::Context => {
                return Err("the reply was cut off where the model's context is full".into());
            }
            StopReason::End | StopReason::StopText => {}
        }
        if let Some(Stopped::Malformed(problem)) = &self.stopped {
            return Err(format!("the call couldn't be read ({problem}): write it again"));
        }
        match self.calls.as_slice() {
            [] => Err("the reply calls no function: call one of those on offer".into()),
            [call] => self.dialect.read(&call.name, &call.arguments.raw, thought, functions),
            calls => {
                let names: Vec<String> = calls.iter().map(|call| format!("`{}`", call.name)).collect();
                Err(format!(
                    "the reply makes {} calls ({}): make one at a time",
                    calls.len(),
                    names.join(", ")
                ))
            }
        }
    }
}

/// Masks every text of a value, however it was spelled on the wire.
fn mask_all(value: &mut Value, mask: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = mask(text),
        Value::Array(values) => values.iter_mut().for_each(|value| mask_all(value, mask)),
        Value::Object(entries) => {
            *entries = std::mem::take(entries)
                .into_iter()
                .map(|(name, mut value)| {
                    mask_all(&mut value, mask);
                    (mask(&name), value)
                })
                .collect();
        }
        _ => {}
    }
}
