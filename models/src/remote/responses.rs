//! OpenAI's responses (`POST /v1/responses`), the API of its tools for computer use, as the types of its own Python package
//! have it (`openai` 3.57, `types/responses/`).
//!
//! A call of the tool is an item `computer_call`, answered by a `computer_call_output` that is a screenshot; where none is
//! left to show, both are told in words. A call whose safety checks are pending is shown as an item only where a person
//! confirmed it, and then its output acknowledges them: nothing else does. Items have ids made here, because the API's own aren't kept in a conversation.

mod request;
mod stream;

pub(super) use request::body;
pub(super) use stream::EventReader;
