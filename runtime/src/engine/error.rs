//! What can go wrong with a model, sorted by who can do something about it.

use std::path::PathBuf;

use crate::{constraint::ConstraintError, device::DeviceError, tensor::TensorError};

/// A model that can't be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    // --- the model's files
    /// There is no such file.
    #[error("there is no file {}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file ends too early, or isn't an ONNX graph at all.
    #[error("{} is no whole ONNX graph: {reason}; fetch or export it again", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        reason: String,
    },
    /// The graph isn't a decoder, an embedding or an encoder of a form that this engine knows.
    #[error("{} can't be used as {role}: {reason}", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// What it was loaded as.
        role: &'static str,
        /// What is in the way.
        reason: String,
    },
    /// Configuration and graph say different things.
    #[error("the model's configuration says {what} = {config}, but {} says {graph}", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What they disagree about.
        what: &'static str,
        /// What the configuration says.
        config: usize,
        /// What the graph says.
        graph: usize,
    },
    /// The cache can't have the form that was asked for.
    #[error("{} can't keep its cache in a shared buffer: {reason}", path.display())]
    CacheForm {
        /// The decoder's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The decoder's attention lets go of what leaves its window by itself, and so can't be run as asked.
    #[error(
        "{} keeps a window of {window} positions in its cache by itself (`sliding_window_cache`): {reason}",
        path.display()
    )]
    KeepsWindow {
        /// The decoder's file.
        path: PathBuf,
        /// The longest window of its layers.
        window: usize,
        /// What is in the way, and what to do.
        reason: String,
    },
    /// A sequence's keys and values find no memory. WebGPU hands out buffers that it can't back, and its first run fails instead
    /// ([`EngineError::Run`]; seen with plugin 0.4.0).
    #[error(
        "{}: there is no memory for one sequence's cache, {bytes} bytes for {positions} tokens: take a shorter context, or a \
         cache that grows (`CacheForm::Growing`, `CacheForm::Host`): {source}",
        path.display()
    )]
    CacheMemory {
        /// The decoder's file.
        path: PathBuf,
        /// Bytes of all its keys and values.
        bytes: usize,
        /// Tokens that they are for.
        positions: usize,
        /// The library's words.
        #[source]
        source: ort::Error,
    },
    /// The decoder would be wrong with a window.
    #[error("{} can't attend over a window: {reason}; load it without one", path.display())]
    Window {
        /// The decoder's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The graph needs an operator that the library that runs here lacks, on this device or altogether.
    #[error(
        "{} needs the operator {operator}, in a form that {library} doesn't have on {device}: \
         take a newer ONNX Runtime (`ORT_DYLIB_PATH` names one), another device, or an export without it",
        path.display()
    )]
    Operator {
        /// The graph's file.
        path: PathBuf,
        /// The operator's kind (`MoE`), and which attribute the library doesn't know, if it is that.
        operator: String,
        /// The device.
        device: String,
        /// The library: its package and version, or its file.
        library: String,
    },
    /// The device can't be had, or it refuses a graph: the message names the file.
    #[error(transparent)]
    Device(#[from] DeviceError),

    // --- what was asked of it
    /// No encoder has this name.
    #[error("there is no encoder {name}; there are: {known}")]
    NoSuchEncoder {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// No head has this name.
    #[error("there is no head {name}; there are: {known}")]
    NoSuchHead {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The decoder reads token ids itself, so there are no embeddings.
    #[error("this model has no embedding graph: its decoder reads token ids")]
    NoEmbedding,
    /// The model only encodes: it has nothing to write with.
    #[error("this model has no decoder: it only encodes")]
    NoDecoder,
    /// An input that the graph doesn't declare, that is missing, or that is of another kind or shape.
    #[error("{graph}: input {name}: {reason}")]
    Input {
        /// Which graph.
        graph: String,
        /// Which input.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A token that the model doesn't have.
    #[error("token {token} is beyond the model's vocabulary of {vocabulary}")]
    Token {
        /// The token.
        token: u32,
        /// How many there are.
        vocabulary: usize,
    },
    /// More tokens than the context has room for.
    #[error("{more} more tokens after {position} don't fit the context of {context}")]
    ContextFull {
        /// Tokens that the sequence holds.
        position: usize,
        /// Tokens that were to come.
        more: usize,
        /// The most that it may hold.
        context: usize,
    },
    /// Nothing was read, so there is nothing to go on from.
    #[error("nothing has been read at position {position} yet: append at least one token first")]
    NoLogits {
        /// Tokens that the sequence holds.
        position: usize,
    },
    /// The sequence can't go back to there.
    #[error("the sequence can't be rewound from {from} to {to}: {reason}")]
    Rewind {
        /// Tokens that it holds.
        from: usize,
        /// Where it was to go.
        to: usize,
        /// Why not.
        reason: String,
    },
    /// A sampling setting outside its range.
    #[error("{setting} is {value}, but must be {range}")]
    Sampling {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: f32,
        /// What it may be.
        range: &'static str,
    },
    /// A tensor that isn't what its user needs.
    #[error(transparent)]
    Tensor(#[from] TensorError),

    // --- what happened meanwhile
    /// It was cancelled; the sequence is where it was before.
    #[error("cancelled")]
    Cancelled,
    /// No token that may come next has a finite score: the weights, or the precision, are broken.
    #[error("the decoder gave no finite score to any token that may come next")]
    NoToken,
    /// The decoder gave scores that are no numbers: its arithmetic overflowed, or its weights are broken.
    #[error(
        "{} gave {broken} scores of {of} that are no numbers (NaN or infinite): fetch or export it again, or take another \
         precision or device",
        path.display()
    )]
    NotFinite {
        /// The graph's file.
        path: PathBuf,
        /// How many.
        broken: usize,
        /// Of how many.
        of: usize,
    },
    /// The reply left its grammar.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// A graph failed while it ran.
    #[error("{graph} failed: {source}")]
    Run {
        /// Which graph.
        graph: String,
        /// The library's words.
        #[source]
        source: ort::Error,
    },
    /// ONNX Runtime refused something else.
    #[error(transparent)]
    Library(#[from] ort::Error),
    /// The engine's thread is gone, and with it what it held.
    #[error("the thread that runs {} has died: load the model again", path.display())]
    Gone {
        /// The model's decoder, or its first graph where it has none.
        path: PathBuf,
    },
}
