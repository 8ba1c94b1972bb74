//! Vision-language models: families and their folders, what goes in, and what comes out.
//!
//! **Invariant:** this crate runs no loop and calls no tool. It turns a [`Conversation`] into a
//! [`Generation`] and knows everything that differs from family to family; nothing above it does.
//!
//! [`ChatModel`] is the contract, [`LocalModel`] hosts an exported model in ONNX Runtime sessions, [`RemoteModel`] asks one
//! behind an API, and [`ScriptedModel`] replies from a list, for tests and dry runs. Models
//! that don't converse but put texts and images into one space have a contract of their own, [`DualEncoder`].

mod address;
mod bundled;
mod chat;
mod conversation;
mod dialect;
mod dual_encoder;
mod error;
mod family;
mod folder;
mod generate;
mod generation;
mod http;
mod hub;
mod images;
mod local;
mod merge;
mod processor;
mod remote;
mod scripted;
mod template;
mod video;

pub use address::ModelAddress;
pub use bundled::{bundled_folder, bundled_names};
pub use chat::{ChatModel, ModelCard};
pub use conversation::{Content, ContentHash, Conversation, ImageContent, Message, Role, VideoContent};
pub use dialect::{Dialect, JsonDialect};
pub use dual_encoder::{
    Classification, Cut, DualEncoder, Embedding, EncoderCard, EncoderConfig, EncoderFamily, EncoderFolder,
    EncoderInspection, EncoderLayout, LabelScore, LocalDualEncoder, Scoring, Temperature, TemperatureSource,
    TextEmbedding, ZeroShot, nearest,
};
pub use error::{Cause, ModelError};
pub use family::{DECODER, EMBED_TOKENS, Family, Span, VISION_ENCODER, VideoForm, VideoTimes};
pub use folder::{DialectKind, FolderSettings, ModelConfig, ModelFolder, Precision, SessionFile, TextConfig};
pub use generate::{Function, Generate, Reply, Sampling, Thought};
pub use generation::{Call, Completion, Generation, GenerationEvent, Stage, StopReason, TokenRecord, Usage};
pub use http::{Pace, Patience, RealPace};
pub use hub::{FileSource, Hub, HubAddress, HubError, HubSettings, Pulled, PulledFile};
pub use images::LoadedImage;
pub use local::{InspectedSession, Inspection, LoadOptions, LocalModel, PlacedOperator, ReadPrompt};
pub use merge::{Merge, MergeMethod, Merged, MergedGraph};
pub use processor::{
    Backend, Filter, FirstSize, FrameProcessor, ImageProcessor, MAX_PIXELS, NaflexImage, Normalise,
    PatchGrid, PatchedImage, ProcessedImage, SampledVideo, Sampling as FrameSampling, SingleImage, SmartSize,
    TargetSize, TileGrid, TiledImage, VideoClass, VideoProcessor, resize,
};
pub use remote::{RemoteAddress, RemoteApi, RemoteError, RemoteModel, RemoteOptions};
pub use scripted::{ScriptedCall, ScriptedError, ScriptedModel, ScriptedReply, ScriptedText};
pub use template::{ChatTemplate, TemplateMessage, TemplatePart};
pub use video::{DEFAULT_FRAME, Video};
