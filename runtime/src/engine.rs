//! A model at work: its graphs on a device, and the handle by which everything else asks for their results.
//!
//! One thread owns a model's sessions ([`thread`]). [`Engine`] and [`Sequence`] send it commands and await the
//! answers; no lock is held meanwhile, and any number of handles can wait. Work on one model is done in the
//! order in which it was asked for.

mod command;
mod decoder;
mod encoder;
mod error;
mod form;
mod graph;
mod heads;
mod lacking;
mod load;
mod looking;
mod names;
mod positions;
mod reading;
mod side_inputs;
mod step;
mod thread;
mod together;
mod turns;
mod window;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use self::command::EngineLine;
pub(crate) use self::command::{Chunk, Command, Extended, Reply, RunSwitch, StopOnDrop};
pub use self::{error::EngineError, names::DecoderNames, window::AttentionWindow};
use crate::{
    device::DeviceChoice,
    library::Runtime,
    moved::{Moved, MovedCounter},
    placement::Placement,
    sequence::Sequence,
    signature::Signature,
    tensor::HostTensor,
};

/// The files of one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EngineGraphs {
    /// What turns pixels and the like into features, by name (`vision_encoder`).
    pub encoders: Vec<(String, PathBuf)>,
    /// What turns token ids into embeddings. `None` where the decoder reads token ids itself.
    pub embedding: Option<PathBuf>,
    /// What turns embeddings, or token ids, and a cache into scores of the next token. `None` for a model that
    /// only encodes.
    pub decoder: Option<PathBuf>,
    /// What turns the decoder's hidden states into scores, by name, where the decoder leaves that to others. The first
    /// scores the tokens of text.
    pub heads: Vec<(String, PathBuf)>,
    /// What the embedding graph's inputs beside the token ids are given, by name, where it has any.
    pub beside_tokens: Vec<(String, BesideTokens)>,
}

impl EngineGraphs {
    /// The file by which errors about all of it name it: the decoder, or its first graph where it has none.
    fn first(&self) -> Option<PathBuf> {
        let encoders = self.encoders.iter().map(|(_, path)| path);
        self.decoder.iter().chain(encoders).chain(&self.embedding).next().cloned()
    }
}

/// What an embedding graph that could do more than look tokens up is given so that it does only that.
#[derive(Debug, Clone, PartialEq)]
pub enum BesideTokens {
    /// Always this.
    Always(HostTensor),
    /// This of every token, `[1, tokens]`.
    OfEach(bool),
}

impl BesideTokens {
    /// What so many tokens come with.
    fn of(&self, tokens: usize) -> HostTensor {
        match self {
            Self::Always(tensor) => tensor.clone(),
            Self::OfEach(value) => HostTensor::Bool { shape: vec![1, tokens], data: vec![*value; tokens] },
        }
    }
}

/// How a model is loaded.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where it computes.
    pub device: DeviceChoice,
    /// Threads that one operator may use on the CPU. `None`: as many as there are cores.
    pub threads: Option<usize>,
    /// Where keys and values are kept.
    pub cache: CacheForm,
    /// What the model's configuration says about its decoder.
    pub decoder: DecoderShape,
    /// What the decoder calls its ports, where that isn't the usual.
    pub names: DecoderNames,
    /// The most tokens that a sequence may hold.
    pub context: usize,
    /// The most tokens that one run of the decoder reads. What is longer is read in several runs, one after another, so
    /// that memory is bounded whatever a prompt's length: a decoder that scores every token of a run gives
    /// `tokens × vocabulary` numbers, 1.2 GB for 2,048 tokens of 150,000. `None`: everything in one run, for decoders
    /// whose tokens see what comes after them. A software device whose attention is wrong from 32 tokens on reads 31 in a
    /// run whatever is asked for here.
    pub longest_run: Option<NonZeroUsize>,
    /// How its positions count, and whether it may read a prompt piece by piece.
    pub reading: ReadingOrder,
    /// What is kept of a text that is longer; `None`: all of it. Only for decoders that are told positions and whose
    /// caches lie in the host's memory, where they then grow. A graph with a window of its own is refused where an operator
    /// tells it (`local_window_size`); a mask that is made of the cache's places with standard operators isn't seen, so whoever
    /// has the model's configuration must ask that (`sliding_window`).
    pub window: Option<AttentionWindow>,
}

/// How a decoder is to read what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadingOrder {
    /// The position of a sequence's first token, where positions have one row.
    pub first_position: usize,
    /// Whether the tokens of a sequence's first run see each other, later ones too (prefix attention: Raffel et al. 2020,
    /// section 3.2.1). Then that run is never cut, and every token after it has a run of its own.
    pub whole_prompt: bool,
}

/// The usual bound on one run: long enough that a run's own cost doesn't show.
const LONGEST_RUN: NonZeroUsize = NonZeroUsize::new(512).unwrap();

impl EngineOptions {
    /// A device, and the usual about the rest: a context of 2048 tokens, read 512 at a time, and the best cache that the
    /// graph allows.
    pub fn new(device: DeviceChoice) -> Self {
        Self {
            device,
            threads: None,
            cache: CacheForm::Auto,
            decoder: DecoderShape::default(),
            names: DecoderNames::default(),
            context: 2048,
            longest_run: Some(LONGEST_RUN),
            reading: ReadingOrder::default(),
            window: None,
        }
    }
}

/// Where a sequence's keys and values are kept from one step to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheForm {
    /// Shared where the decoder can, growing where not.
    #[default]
    Auto,
    /// Each step gives a new cache, longer by what it read, in the device's memory.
    Growing,
    /// One buffer in the device's memory that each step writes on into. Only for decoders whose every layer is
    /// a `GroupQueryAttention` operator. Rewinding is free.
    Shared {
        /// The most tokens that the buffer will hold; it never holds more than the context. On a device with
        /// memory of its own all of it is taken at once; in host memory it is taken as the sequence grows.
        positions: usize,
    },
    /// Growing, in the host's memory: each step moves all of it over the border. For a model that fits a
    /// device while its caches don't. On `cpu` it is [`CacheForm::Growing`].
    Host,
}

/// What a model's configuration says about its decoder. A graph that says it too must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecoderShape {
    /// Layers with a cache.
    pub layers: Option<usize>,
    /// Heads of keys and values in a layer.
    pub kv_heads: Option<usize>,
    /// Numbers in one head of one token.
    pub head_dim: Option<usize>,
    /// Heads of keys and values where neither it nor the graph says: a graph that says otherwise is right.
    pub usual_kv_heads: Option<usize>,
    /// The same of the numbers in one head of one token.
    pub usual_head_dim: Option<usize>,
    /// Numbers in one token's embedding.
    pub hidden: Option<usize>,
    /// Tokens that are scored.
    pub vocabulary: Option<usize>,
}

/// A loaded model. A clone is another handle to the same one; the last handle gone, the model is unloaded.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use percept_fetch::Silent;
/// use percept_runtime::{DecodeOptions, Device, Engine, EngineGraphs, EngineOptions, Runtime};
///
/// let runtime = Runtime::start(&Device::Auto, &Silent)?;
/// let device = runtime.resolve(&Device::Auto, &Silent)?;
/// let graphs = EngineGraphs { decoder: Some("model/onnx/model.onnx".into()), ..EngineGraphs::default() };
/// let engine = Engine::load(&runtime, graphs, EngineOptions::new(device)).await?;
/// let mut sequence = engine.sequence().await?;
/// sequence.append_tokens(&[5, 7, 9]).await?;
/// let mut decoding = sequence.decode(DecodeOptions::default(), None);
/// while let Some(token) = decoding.next().await {
///     println!("{}", token?.id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    line: EngineLine,
    facts: EngineFacts,
    /// The name of the next sequence.
    next: AtomicU64,
}

/// What is known once a model is loaded.
#[derive(Debug)]
struct EngineFacts {
    signatures: Vec<(String, Signature)>,
    placement: Vec<(String, Placement)>,
    cache_form: CacheForm,
    keeps_states: bool,
    context: usize,
    window: Option<AttentionWindow>,
    vocabulary: usize,
    side_inputs: Vec<(String, usize)>,
    looks_at: Option<usize>,
    tells_blocks: bool,
    token_bytes: usize,
    state_bytes: usize,
    embeds_features: bool,
    moved: MovedCounter,
    doubt: Option<String>,
}

impl Engine {
    /// Loads a model's graphs onto a device.
    ///
    /// The embedding graph is a table whose rows are wanted in host memory, where they are merged with image
    /// features; it is opened on the CPU whatever the device.
    ///
    /// Dropping the future ends the loading after the graph that is being opened, and doesn't wait for that.
    ///
    /// # Errors
    ///
    /// An [`EngineError`] that names the file: it is missing, torn, refused by the device, asks for an input
    /// that this engine doesn't know, or says something else than `options.decoder`.
    #[tracing::instrument(level = "debug", skip_all, fields(decoder = ?graphs.decoder))]
    pub async fn load(
        runtime: &Runtime,
        graphs: EngineGraphs,
        options: EngineOptions,
    ) -> Result<Engine, EngineError> {
        let (line, facts) = thread::start(runtime.clone(), graphs, options).await?;
        Ok(Engine { inner: Arc::new(Inner { line, facts, next: AtomicU64::default() }) })
    }

    /// What a graph declares: an encoder or a head by its name, `"embedding"` or `"decoder"`.
    pub fn signature(&self, graph: &str) -> Option<&Signature> {
        self.inner.facts.signatures.iter().find(|(name, _)| name == graph).map(|(_, signature)| signature)
    }

    /// The form that the cache took; never [`CacheForm::Auto`]. Without a decoder there is no cache, and this says
    /// nothing.
    pub fn cache_form(&self) -> CacheForm {
        self.inner.facts.cache_form
    }

    /// Whether some of the decoder's layers carry a state of constant size (a convolution's, a recurrence's) in place
    /// of keys and values. Such a sequence goes back only to where an append ended: see [`Sequence::rewind_near`]. Where
    /// keys and values grow in a device's memory ([`CacheForm::Growing`]) it goes back to its beginning alone.
    pub fn keeps_states(&self) -> bool {
        self.inner.facts.keeps_states
    }

    /// Which of each graph's nodes landed on which provider.
    pub fn placement(&self) -> &[(String, Placement)] {
        &self.inner.facts.placement
    }

    /// What is known to go wrong with such graphs on this device although they run, in words.
    pub fn doubt(&self) -> Option<&str> {
        self.inner.facts.doubt.as_deref()
    }

    /// The most tokens that a sequence may hold.
    pub fn context(&self) -> usize {
        self.inner.facts.context
    }

    /// What is kept of a text that is longer; `None`: all of it.
    pub fn window(&self) -> Option<AttentionWindow> {
        self.inner.facts.window
    }

    /// Bytes that one token takes in the cache; 0 without a decoder.
    pub fn cache_bytes_per_token(&self) -> usize {
        self.inner.facts.token_bytes
    }

    /// The most bytes that one sequence's states of constant size take ([`Engine::keeps_states`]): those that it carries,
    /// and the earlier ones that it keeps to go back to; 0 where it has none.
    pub fn state_bytes(&self) -> usize {
        self.inner.facts.state_bytes
    }

    /// How many tokens the decoder scores; 0 without one.
    pub fn vocabulary(&self) -> usize {
        self.inner.facts.vocabulary
    }

    /// What the decoder declares beside its embeddings with a row a token, and the numbers in a row:
    /// [`EmbeddedTokens::side_inputs`](crate::EmbeddedTokens::side_inputs) must have each of them.
    pub fn side_inputs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.inner.facts.side_inputs.iter().map(|(name, width)| (name.as_str(), *width))
    }

    /// The length of the states that the decoder looks at by cross-attention
    /// ([`EmbeddedTokens::looks_at`](crate::EmbeddedTokens::looks_at)); `None` if it looks at nothing.
    pub fn looks_at(&self) -> Option<usize> {
        self.inner.facts.looks_at
    }

    /// Whether the decoder is told which tokens see each other
    /// ([`EmbeddedTokens::together`](crate::EmbeddedTokens::together)).
    pub fn tells_blocks(&self) -> bool {
        self.inner.facts.tells_blocks
    }

    /// What crossed between host and device since the model was loaded.
    pub fn moved(&self) -> Moved {
        self.inner.facts.moved.read()
    }

    /// Runs an encoder, or the embedding graph under the name `"embedding"`. Floats are widened or narrowed to what it declares. Dropping the future stops the run.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoSuchEncoder`], [`EngineError::Input`] for an input that it doesn't declare, that is
    /// missing or of another kind, [`EngineError::Run`] where the run fails.
    pub async fn encode(
        &self,
        encoder: &str,
        inputs: Vec<(String, HostTensor)>,
    ) -> Result<Vec<(String, HostTensor)>, EngineError> {
        let encoder = encoder.to_owned();
        self.ask(|switch, reply| Command::Encode { encoder, inputs, switch, reply }).await
    }

    /// The embeddings of these tokens, `[1, tokens, hidden]`.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoEmbedding`] where the decoder reads token ids itself, [`EngineError::Token`] for a token
    /// beyond the vocabulary.
    pub async fn embed(&self, tokens: &[u32]) -> Result<HostTensor, EngineError> {
        let tokens = tokens.to_vec();
        self.ask(|switch, reply| Command::Embed { tokens, features: None, switch, reply }).await
    }

    /// The embeddings of one image's tokens, `[1, tokens, hidden]`, by an embedding graph that puts features,
    /// `[tokens, hidden]`, into the places of image tokens itself ([`Engine::embeds_features`]).
    ///
    /// # Errors
    ///
    /// As [`Engine::embed`], and [`EngineError::Input`] where the graph doesn't take the features.
    pub async fn embed_features(
        &self,
        tokens: &[u32],
        features: HostTensor,
    ) -> Result<HostTensor, EngineError> {
        let tokens = tokens.to_vec();
        self.ask(|switch, reply| Command::Embed { tokens, features: Some(features), switch, reply }).await
    }

    /// Whether the embedding graph takes features beside tokens, as those of onnxruntime-genai's folders do.
    pub fn embeds_features(&self) -> bool {
        self.inner.facts.embeds_features
    }

    /// A new sequence, with nothing read yet.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoDecoder`] where the model only encodes, [`EngineError::Gone`] if the engine's thread has
    /// died, or what the device says where it has no memory left.
    pub async fn sequence(&self) -> Result<Sequence, EngineError> {
        self.open(None).await
    }

    /// A new sequence whose next tokens are scored by this head of the model.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::sequence`], and [`EngineError::NoSuchHead`].
    pub async fn sequence_scored_by(&self, head: &str) -> Result<Sequence, EngineError> {
        self.open(Some(head.to_owned())).await
    }

    /// Dropped, the handle closes what it names: also where this future is dropped before anybody has the handle.
    async fn open(&self, head: Option<String>) -> Result<Sequence, EngineError> {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let sequence = Sequence::new(self.clone(), id);
        self.ask(|_, reply| Command::Open { sequence: id, head, reply }).await?;
        Ok(sequence)
    }

    /// Sends one command and awaits its answer. Dropping the future stops the run that it is waiting for.
    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(Arc<RunSwitch>, Reply<T>) -> Command,
    ) -> Result<T, EngineError> {
        let switch = Arc::new(RunSwitch::new()?);
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.send(command(Arc::clone(&switch), reply))?;
        let stop_if_dropped = StopOnDrop::new(switch);
        let answer = answer.await.map_err(|_| self.gone())?;
        stop_if_dropped.disarm();
        answer
    }

    /// What is said where the thread doesn't answer.
    pub(crate) fn gone(&self) -> EngineError {
        self.inner.line.gone()
    }

    pub(crate) fn send(&self, command: Command) -> Result<(), EngineError> {
        self.inner.line.send(command)
    }
}
