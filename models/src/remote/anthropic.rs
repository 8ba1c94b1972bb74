//! Anthropic's messages (`POST /v1/messages`, version 2023-06-01), as its API reference described them in 2026.
//!
//! A call is forced by `tool_choice: any`, a second one turned off by `disable_parallel_tool_use`. A JSON reply is the
//! input of a forced tool, which every model knows. The last block of the conversation is marked for the prompt cache,
//! since the next conversation begins with the same.

mod request;
mod stream;

pub(super) use request::{body, check_thought};
pub(super) use stream::EventReader;
