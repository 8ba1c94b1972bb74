//! The chunks of `streamGenerateContent`. A call comes whole, in one part.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    dialect::THOUGHT,
    remote::{
        events::ServerEvent,
        wire::{Extent, Fault, Piece, Reader, Stopped, Tokens, parsed},
    },
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<Feedback>,
    usage_metadata: Option<Usage>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
    logprobs_result: Option<LogProbabilities>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogProbabilities {
    #[serde(default)]
    chosen_candidates: Vec<LogProbability>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogProbability {
    /// Left out where it is 0.
    #[serde(default)]
    log_probability: f32,
}

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    #[serde(default)]
    thought: bool,
    function_call: Option<FunctionCall>,
}

#[derive(Debug, Deserialize)]
struct FunctionCall {
    name: String,
    #[serde(default)]
    args: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the API's names")]
struct Usage {
    /// Those from the cache included.
    #[serde(default)]
    prompt_token_count: usize,
    #[serde(default)]
    cached_content_token_count: usize,
    #[serde(default)]
    candidates_token_count: usize,
    #[serde(default)]
    thoughts_token_count: usize,
}

/// Reads chunks.
#[derive(Debug, Default)]
pub(crate) struct ChunkReader {
    calls: usize,
    is_finished: bool,
}

impl Reader for ChunkReader {
    fn read(&mut self, event: &ServerEvent, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        let chunk: Chunk = parsed(event)?;
        if chunk.error.is_some() {
            return Err(Fault::Complaint(event.data.clone()));
        }
        if let Some(usage) = chunk.usage_metadata {
            pieces.push(Piece::Tokens(Tokens {
                fresh: usage.prompt_token_count.saturating_sub(usage.cached_content_token_count),
                cached: usage.cached_content_token_count,
                output: usage.candidates_token_count.saturating_add(usage.thoughts_token_count),
            }));
        }
        if let Some(reason) = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason) {
            self.is_finished = true;
            pieces.push(Piece::Stopped(Stopped::Declined(format!("it blocked the prompt ({reason})"))));
        }
        let Some(candidate) = chunk.candidates.into_iter().next() else { return Ok(()) };
        for part in candidate.content.into_iter().flat_map(|content| content.parts) {
            if let Some(text) = part.text.filter(|text| !text.is_empty()) {
                pieces.push(if part.thought { Piece::Thought(text) } else { Piece::Text(text) });
            }
            if let Some(call) = part.function_call {
                pieces.push(Piece::Call(self.calls, call.name));
                pieces.push(Piece::Arguments(self.calls, ordered(call.args).to_string()));
                self.calls += 1;
            }
        }
        if let Some(told) = candidate.logprobs_result {
            let told = told.chosen_candidates.iter().map(|token| token.log_probability);
            pieces.push(Piece::LogProbabilities(told.collect()));
        }
        if let Some(reason) = candidate.finish_reason {
            self.is_finished = true;
            pieces.push(Piece::Stopped(stopped(&reason, candidate.finish_message)?));
        }
        Ok(())
    }

    /// Nothing says that no chunk follows but the end of the stream itself.
    fn extent(&self) -> Extent {
        if self.is_finished { Extent::Whole } else { Extent::Partial }
    }
}

/// Google's servers hand arguments back in an order of their own; a thought is looked for at the beginning.
fn ordered(mut arguments: Map<String, Value>) -> Value {
    let thought = arguments.shift_remove(THOUGHT).map(|thought| (THOUGHT.to_owned(), thought));
    Value::Object(thought.into_iter().chain(arguments).collect())
}

fn stopped(reason: &str, message: Option<String>) -> Result<Stopped, Fault> {
    let told = message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}"));
    Ok(match reason {
        "STOP" => Stopped::End,
        "MAX_TOKENS" => Stopped::MaxTokens,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
            Stopped::Malformed(told)
        }
        "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
        | "IMAGE_SAFETY" | "OTHER" => Stopped::Declined(told),
        _ => return Err(Fault::Malformed(format!("it ended for a reason that isn't known, `{told}`"))),
    })
}
