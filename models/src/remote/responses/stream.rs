//! The events of a response. Types that aren't known are passed over.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    dialect::{COMPUTER, PENDING},
    remote::{
        events::ServerEvent,
        wire::{Extent, Fault, Piece, Reader, Stopped, Tokens, parsed},
    },
};

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "response.output_text.delta")]
    Text { delta: String },
    #[serde(rename = "response.reasoning_summary_text.delta", alias = "response.reasoning_text.delta")]
    Thought { delta: String },
    #[serde(rename = "response.refusal.delta")]
    Refusal { delta: String },
    #[serde(rename = "response.output_item.added")]
    Added { output_index: usize, item: Item },
    #[serde(rename = "response.function_call_arguments.delta")]
    Arguments { output_index: usize, delta: String },
    #[serde(rename = "response.output_item.done")]
    Done { output_index: usize, item: Item },
    #[serde(rename = "response.completed", alias = "response.incomplete")]
    Over { response: Response },
    #[serde(rename = "response.failed")]
    Failed { response: Failed },
    #[serde(rename = "error")]
    Error,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    FunctionCall {
        name: String,
    },
    ComputerCall {
        action: Option<Map<String, Value>>,
        actions: Option<Vec<Value>>,
        #[serde(default)]
        pending_safety_checks: Vec<Value>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Response {
    usage: Option<Usage>,
    incomplete_details: Option<Incomplete>,
}

#[derive(Debug, Deserialize)]
struct Failed {
    /// What a body that is an error has under the same name.
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the API's names")]
struct Usage {
    /// Those from the cache included.
    input_tokens: usize,
    #[serde(default)]
    output_tokens: usize,
    input_tokens_details: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    cached_tokens: Option<usize>,
}

/// Reads events.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    refusal: String,
    is_over: bool,
}

impl Reader for EventReader {
    fn read(&mut self, event: &ServerEvent, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        match parsed(event)? {
            Event::Text { delta } => pieces.push(Piece::Text(delta)),
            Event::Thought { delta } => pieces.push(Piece::Thought(delta)),
            Event::Refusal { delta } => self.refusal.push_str(&delta),
            Event::Added { output_index, item: Item::FunctionCall { name } } => {
                pieces.push(Piece::Call(output_index, name));
            }
            Event::Arguments { output_index, delta } => pieces.push(Piece::Arguments(output_index, delta)),
            // It comes whole; where it begins nothing of it is known.
            Event::Done {
                output_index,
                item: Item::ComputerCall { action, actions, pending_safety_checks },
            } => {
                pieces.push(Piece::Call(output_index, COMPUTER.into()));
                let mut call = match actions {
                    Some(actions) => Map::from_iter([("actions".to_owned(), json!(actions))]),
                    None => action.unwrap_or_default(),
                };
                if !pending_safety_checks.is_empty() {
                    call.insert(PENDING.into(), json!(pending_safety_checks));
                }
                pieces.push(Piece::Arguments(output_index, Value::Object(call).to_string()));
            }
            Event::Over { response } => {
                self.is_over = true;
                if let Some(usage) = response.usage {
                    let cached = usage.input_tokens_details.and_then(|details| details.cached_tokens);
                    let cached = cached.unwrap_or(0);
                    let fresh = usage.input_tokens.saturating_sub(cached);
                    pieces.push(Piece::Tokens(Tokens { fresh, cached, output: usage.output_tokens }));
                }
                let reason = response.incomplete_details.and_then(|details| details.reason);
                pieces.push(Piece::Stopped(self.stopped(reason.as_deref())?));
            }
            Event::Error => return Err(Fault::Complaint(event.data.clone())),
            Event::Failed { response } => {
                return Err(Fault::Complaint(match response.error {
                    Some(error) => json!({ "error": error }).to_string(),
                    None => event.data.clone(),
                }));
            }
            Event::Added { .. } | Event::Done { .. } | Event::Other => {}
        }
        Ok(())
    }

    fn extent(&self) -> Extent {
        if self.is_over { Extent::Over } else { Extent::Partial }
    }
}

impl EventReader {
    fn stopped(&self, reason: Option<&str>) -> Result<Stopped, Fault> {
        if !self.refusal.is_empty() {
            return Ok(Stopped::Declined(self.refusal.clone()));
        }
        Ok(match reason {
            None => Stopped::End,
            Some("max_output_tokens") => Stopped::MaxTokens,
            Some("content_filter") => Stopped::Declined("its content filter stopped the reply".into()),
            Some(other) => {
                return Err(Fault::Malformed(format!("it ended for a reason that isn't known, `{other}`")));
            }
        })
    }
}
