//! The chunks of a chat completion.

use serde::Deserialize;

use crate::remote::{
    events::ServerEvent,
    wire::{Extent, Fault, Piece, Reader, Stopped, Tokens, parsed},
};

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    logprobs: Option<LogProbabilities>,
    finish_reason: Option<String>,
    /// vLLM's: the stop text that ended the reply, or a token's number.
    stop_reason: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct LogProbabilities {
    content: Option<Vec<LogProbability>>,
}

#[derive(Debug, Deserialize)]
struct LogProbability {
    logprob: f32,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    /// Not OpenAI's own: the thought that vLLM, llama.cpp and others tell apart.
    reasoning_content: Option<String>,
    /// Its newer name; some send both.
    reasoning: Option<String>,
    #[serde(default, deserialize_with = "or_none")]
    tool_calls: Vec<ToolCall>,
}

/// Some servers write `null` where there is nothing.
fn or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<ToolCall>, D::Error> {
    Ok(Option::<Vec<ToolCall>>::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    prompt_tokens: usize,
    #[serde(default)]
    completion_tokens: usize,
    prompt_tokens_details: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    cached_tokens: Option<usize>,
}

/// Reads chunks.
#[derive(Debug, Default)]
pub(crate) struct ChunkReader {
    /// The calls so far: their number as the server counts, and their id.
    calls: Vec<(Option<usize>, Option<String>)>,
    refusal: String,
    is_finished: bool,
    is_over: bool,
}

impl Reader for ChunkReader {
    fn read(&mut self, event: &ServerEvent, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        if event.data.trim() == "[DONE]" {
            self.is_over = true;
            return Ok(());
        }
        let chunk: Chunk = parsed(event)?;
        if chunk.error.is_some() {
            return Err(Fault::Complaint(event.data.clone()));
        }
        if let Some(usage) = chunk.usage {
            let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0);
            let fresh = usage.prompt_tokens.saturating_sub(cached);
            pieces.push(Piece::Tokens(Tokens { fresh, cached, output: usage.completion_tokens }));
        }
        // Only one choice was asked for.
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(()) };
        let delta = choice.delta;
        let thought = delta.reasoning_content.or(delta.reasoning);
        pieces.extend(thought.filter(|text| !text.is_empty()).map(Piece::Thought));
        pieces.extend(delta.content.filter(|text| !text.is_empty()).map(Piece::Text));
        if let Some(told) = choice.logprobs.and_then(|told| told.content) {
            pieces.push(Piece::LogProbabilities(told.iter().map(|token| token.logprob).collect()));
        }
        self.refusal.extend(delta.refusal);
        for call in delta.tool_calls {
            self.take(call, pieces);
        }
        if let Some(reason) = choice.finish_reason {
            self.is_finished = true;
            pieces.push(Piece::Stopped(self.stopped(&reason, choice.stop_reason.as_ref())?));
        }
        Ok(())
    }

    fn extent(&self) -> Extent {
        match (self.is_over, self.is_finished) {
            (true, true) => Extent::Over,
            (false, true) => Extent::Whole,
            _ => Extent::Partial,
        }
    }
}

impl ChunkReader {
    /// A call's name comes once, its arguments in pieces. A server that doesn't number its calls begins a new one with
    /// each name.
    fn take(&mut self, call: ToolCall, pieces: &mut Vec<Piece>) {
        let function = call.function.unwrap_or(Function { name: None, arguments: None });
        let name = function.name.filter(|name| !name.is_empty());
        let known = match call.index {
            Some(_) => self.calls.iter().rposition(|(index, _)| *index == call.index),
            None if name.is_none() => self.calls.len().checked_sub(1),
            None => None,
        };
        // A second call under the same number has another id.
        let known = known.filter(|at| {
            let id = self.calls[*at].1.as_ref();
            name.is_none() || call.id.is_none() || call.id.as_ref() == id
        });
        let at = known.unwrap_or_else(|| {
            self.calls.push((call.index, call.id));
            pieces.push(Piece::Call(self.calls.len() - 1, name.unwrap_or_default()));
            self.calls.len() - 1
        });
        if let Some(arguments) = function.arguments.filter(|arguments| !arguments.is_empty()) {
            pieces.push(Piece::Arguments(at, arguments));
        }
    }

    fn stopped(&self, reason: &str, text: Option<&serde_json::Value>) -> Result<Stopped, Fault> {
        if !self.refusal.is_empty() {
            return Ok(Stopped::Declined(self.refusal.clone()));
        }
        Ok(match reason {
            "stop" if text.is_some_and(serde_json::Value::is_string) => Stopped::StopText,
            "stop" | "tool_calls" | "function_call" => Stopped::End,
            "length" => Stopped::MaxTokens,
            "content_filter" => Stopped::Declined("its content filter stopped the reply".into()),
            other => {
                return Err(Fault::Malformed(format!("it ended for a reason that isn't known, `{other}`")));
            }
        })
    }
}
