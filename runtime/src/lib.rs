//! The engine: ONNX Runtime's library and sessions, devices, key-value caches, decoding and constraints.
//!
//! **Invariant:** this crate knows no image, no chat message and no tool.

mod cache;
mod constraint;
mod decode;
mod device;
pub mod doctor;
mod embedded_tokens;
mod engine;
mod library;
mod moved;
mod ort_boundary;
mod placement;
pub mod protobuf;
mod provider;
mod rope_position;
mod sequence;
mod signature;
mod tensor;

pub use self::{
    constraint::{Constraint, ConstraintError, Form, Grammar, Marker, Prelude, TokenMask, Vocabulary},
    decode::{
        Chooser, DecodeMilliseconds, DecodeOptions, DecodeStop, Decoded, DecodedToken, Decoding, Sampling,
    },
    device::{Device, DeviceChoice, DeviceError, UnknownDevice},
    doctor::ProviderReport,
    embedded_tokens::{EmbeddedTokens, LooksAt},
    engine::{
        AttentionWindow, BesideTokens, CacheForm, DecoderNames, DecoderShape, Engine, EngineError,
        EngineGraphs, EngineOptions, ReadingOrder,
    },
    library::{LibraryError, LibraryReport, LibrarySource, Runtime},
    moved::Moved,
    placement::{CPU_PROVIDER, PlacedNode, Placement},
    rope_position::RopePosition,
    sequence::Sequence,
    signature::{Dim, Port, Signature},
    tensor::{Element, HostTensor, TensorError},
};

// What starting a runtime asks for, so that whoever starts one needs no other crate.
pub use percept_fetch::{Cache, Progress, Silent};
