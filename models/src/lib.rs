//! Vision-language models: families and their folders, what goes in, and what comes out.
//!
//! **Invariant:** this crate runs no loop and calls no tool. It turns a [`Conversation`] into a
//! [`Generation`] and knows everything that differs from family to family; nothing above it does.
//!
//! [`ChatModel`] is the contract, [`LocalModel`] hosts an exported model in ONNX Runtime sessions, [`RemoteModel`] asks one
//! behind an API, and [`ScriptedModel`] replies from a list, for tests and dry runs. Models
//! that don't converse but put texts and images into one space have a contract of their own, [`DualEncoder`], and so has
//! drawing, [`ImageModel`].

mod address;
mod bundled;
mod chat;
mod compare;
mod conversation;
mod dialect;
mod draw;
mod dual_encoder;
mod error;
mod family;
mod folder;
mod generate;
mod generation;
mod golden;
mod http;
mod hub;
mod images;
mod inner_speech;
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
pub use compare::{Answers, ClickDifference, Comparison, Questions, ReplyDifference, Summary};
pub use conversation::{Content, ContentHash, Conversation, ImageContent, Message, Role, VideoContent};
pub use dialect::{ChosenDialect, Declaration, Dialect, DialectKind, Found, JsonDialect, Located};
pub use draw::{CheckedDraw, Draw, DrawProgress, Drawing, ImageModel};
pub use dual_encoder::{
    Classification, Cut, DualEncoder, Embedding, EmbeddingIndex, EncoderCard, EncoderConfig, EncoderFamily,
    EncoderFolder, EncoderInspection, EncoderLayout, IndexedPicture, LabelScore, LocalDualEncoder, Scoring,
    Temperature, TemperatureSource, TextEmbedding, ZeroShot, nearest,
};
pub use error::{Cause, ModelError};
pub use family::{
    Canvas, DECODER, DrawingPlan, DrawingPrompt, EMBED_TOKENS, Extent, Family, ImageTokens, ImageVocabulary,
    Kept, Painted, Parts, PromptEncoder, Rows, Span, Unconditional, VISION_ENCODER, VideoForm, VideoTimes,
};
pub use folder::{
    FolderSettings, LayoutKind, Missing, ModelConfig, ModelFolder, Precision, SessionFile, Survey,
    SurveyedSession, TextConfig, Weights,
};
pub use generate::{Function, Generate, Reply, Sampling, Thought};
pub use generation::{
    Call, Completion, Generation, GenerationEvent, Stage, StopReason, TokenRecord, Unconfirmed, Usage,
};
pub use golden::{Golden, Verdict, verify};
pub use http::{Pace, Patience, RealPace};
pub use hub::{FileSource, Hub, HubAddress, HubError, HubSettings, Pulled, PulledFile, Removal};
pub use images::LoadedImage;
pub use local::{InspectedSession, Inspection, LoadOptions, LocalModel, Memory, PlacedOperator, ReadPrompt};
pub use merge::{Merge, MergeMethod, Merged, MergedGraph};
pub use processor::{
    AnyresImage, AspectTiles, Backend, Budget as FrameBudget, Filter, FirstSize, FrameProcessor, HdTiles,
    ImageForm, ImageProcessor, LongestEdge, MAX_PIXELS, NaflexImage, Normalise, PanAndScan, PannedImage,
    PatchGrid, PatchedImage, ProcessedImage, SampledVideo, Sampling as FrameSampling, SingleImage, SmartSize,
    SquaredImage, TargetSize, TileGrid, TiledImage, VideoClass, VideoProcessor, Wanted as WantedFrames,
    resize,
};
pub use remote::{ComputerTool, RemoteAddress, RemoteApi, RemoteError, RemoteModel, RemoteOptions};
pub use scripted::{ScriptedCall, ScriptedError, ScriptedModel, ScriptedReply, ScriptedText};
pub use template::{ChatTemplate, TemplateMessage, TemplatePart};
pub use video::{DEFAULT_FRAME, Video};
