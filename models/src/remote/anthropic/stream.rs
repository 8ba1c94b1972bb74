//! The events of a message. Types that aren't known are passed over, as the documentation asks for.

use serde::Deserialize;

use crate::remote::{
    events::ServerEvent,
    wire::{Extent, Fault, Piece, Reader, Stopped, Tokens, parsed},
};

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta,
    },
    MessageDelta {
        delta: Ending,
        usage: Option<Usage>,
    },
    MessageStop,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Message {
    usage: Usage,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    ToolUse {
        name: String,
    },
    Text {
        #[serde(default)]
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::enum_variant_names, reason = "the API's names")]
enum Delta {
    TextDelta {
        text: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Ending {
    stop_reason: Option<String>,
}

/// Counts so far; what an event doesn't name stays.
#[derive(Debug, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the API's names")]
struct Usage {
    input_tokens: Option<usize>,
    cache_creation_input_tokens: Option<usize>,
    cache_read_input_tokens: Option<usize>,
    output_tokens: Option<usize>,
}

/// Reads events.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    input: usize,
    created: usize,
    tokens: Tokens,
    is_finished: bool,
    is_over: bool,
}

impl Reader for EventReader {
    fn read(&mut self, event: &ServerEvent, pieces: &mut Vec<Piece>) -> Result<(), Fault> {
        match parsed(event)? {
            Event::MessageStart { message } => pieces.push(self.count(&message.usage)),
            Event::ContentBlockStart { index, content_block } => match content_block {
                Block::ToolUse { name } => pieces.push(Piece::Call(index, name)),
                Block::Text { text } if !text.is_empty() => pieces.push(Piece::Text(text)),
                _ => {}
            },
            Event::ContentBlockDelta { index, delta } => match delta {
                Delta::TextDelta { text } => pieces.push(Piece::Text(text)),
                Delta::ThinkingDelta { thinking } => pieces.push(Piece::Thought(thinking)),
                Delta::InputJsonDelta { partial_json } => pieces.push(Piece::Arguments(index, partial_json)),
                Delta::Other => {}
            },
            Event::MessageDelta { delta, usage } => {
                pieces.extend(usage.map(|usage| self.count(&usage)));
                if let Some(reason) = delta.stop_reason {
                    self.is_finished = true;
                    pieces.push(Piece::Stopped(stopped(&reason)?));
                }
            }
            Event::MessageStop => self.is_over = true,
            Event::Error => return Err(Fault::Complaint(event.data.clone())),
            Event::Other => {}
        }
        Ok(())
    }

    fn extent(&self) -> Extent {
        match (self.is_over, self.is_finished) {
            (true, _) => Extent::Over,
            (false, true) => Extent::Whole,
            (false, false) => Extent::Partial,
        }
    }
}

impl EventReader {
    fn count(&mut self, usage: &Usage) -> Piece {
        self.input = usage.input_tokens.unwrap_or(self.input);
        self.created = usage.cache_creation_input_tokens.unwrap_or(self.created);
        self.tokens = Tokens {
            // What is put into the cache now was read now.
            fresh: self.input.saturating_add(self.created),
            cached: usage.cache_read_input_tokens.unwrap_or(self.tokens.cached),
            output: usage.output_tokens.unwrap_or(self.tokens.output),
        };
        Piece::Tokens(self.tokens)
    }
}

fn stopped(reason: &str) -> Result<Stopped, Fault> {
    Ok(match reason {
        "end_turn" | "tool_use" | "pause_turn" => Stopped::End,
        "stop_sequence" => Stopped::StopText,
        "max_tokens" => Stopped::MaxTokens,
        "model_context_window_exceeded" => Stopped::Context,
        "refusal" => Stopped::Declined("the model refused".into()),
        other => return Err(Fault::Malformed(format!("it ended for a reason that isn't known, `{other}`"))),
    })
}
