//! Google's Gemini API (`POST /v1beta/models/NAME:streamGenerateContent?alt=sse`), as its API reference described it in
//! 2026.
//!
//! A call is forced by the function-calling mode `ANY`. A second one can't be turned off; it is asked for in words, and
//! refused when it comes. Schemas are JSON Schema (`parametersJsonSchema`, `responseJsonSchema`).

mod request;
mod stream;

pub(super) use request::body;
pub(super) use stream::ChunkReader;
