//! Vision-language models: families and their folders, what goes in, and what comes out.
//!
//! **Invariant:** this crate runs no loop and calls no tool. It turns a [`Conversation`] into a
//! [`Generation`] and knows everything that differs from family to family; nothing above it does.
//!
//! [`ChatModel`] is the contract, [`LocalModel`] hosts an exported model in ONNX Runtime sessions, and
//! [`ScriptedModel`] replies from a list, for tests and dry runs.

mod chat;
mod conversation;
mod error;
mod generate;
mod generation;
mod images;
mod processor;

pub use chat::{ChatModel, ModelCard};
pub use conversation::{Content, ContentHash, Conversation, ImageContent, Message, Role};
pub use error::ModelError;
pub use generate::{Function, Generate, Reply, Sampling, Thought};
pub use images::LoadedImage;
pub use processor::{
    Filter, FirstSize, ImageProcessor, MAX_PIXELS, Normalise, ProcessedImage, SingleImage, TargetSize, TileGrid, TiledImage,
    resize,
};
pub use generation::{Call, Completion, Generation, GenerationEvent, Stage, StopReason, TokenRecord, Usage};
