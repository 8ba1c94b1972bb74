//! OpenAI's chat completions (`POST /v1/chat/completions`), as its API reference described them in 2026, and as vLLM,
//! llama.cpp, Ollama and others are compatible with them.
//!
//! A call is forced by `tool_choice: "required"`, a second one turned off by `parallel_tool_calls: false`. A compatible
//! server gets `max_tokens`, which they all know, the vendor's own `max_completion_tokens`, which its newer models demand.

mod request;
mod stream;

pub(super) use request::{body, is_strict};
pub(super) use stream::ChunkReader;
