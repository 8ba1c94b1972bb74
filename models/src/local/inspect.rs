//! What a model is made of, for `models inspect` and `doctor`.

use percept_runtime::{CacheForm, Engine, Moved};
use serde::Serialize;

use super::LocalModel;
use crate::{
    ChatModel, ChosenDialect, ModelCard,
    folder::{FolderSettings, LayoutKind, ModelConfig, SessionFile, Weights},
};

/// A loaded model's parts.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// What it says of itself.
    pub card: ModelCard,
    /// How its folder is laid out.
    pub layout: LayoutKind,
    /// Its configuration, as meant.
    pub config: ModelConfig,
    /// Its own settings for this program, as meant.
    pub settings: FolderSettings,
    /// How it writes a call, and why that is thought.
    pub dialect: ChosenDialect,
    /// Its image processor, in words.
    pub processor: String,
    /// Tokens that end a reply.
    pub end_tokens: Vec<u32>,
    /// Tokens of the vocabulary, special ones included.
    pub vocabulary: usize,
    /// The form that the key-value cache takes.
    pub cache: CacheForm,
    /// The memory that it will need.
    pub memory: Memory,
    /// Its sessions.
    pub sessions: Vec<InspectedSession>,
}

/// The memory that a model will need: its weights, and the cache and the states of its sequences at their longest. What runs need
/// for their own results comes on top, and depends on the prompt.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    /// Each session's weights, wherever they are stored.
    pub weights: Vec<(String, Weights)>,
    /// Bytes of the cache for one token.
    pub cache_bytes_per_token: u64,
    /// Bytes of the states of constant size, with the earlier ones that are kept (convolutions, recurrences).
    pub state_bytes: u64,
    /// The most tokens.
    pub context: u64,
    /// Sequences that are there at once: the last conversation's, which is kept while a picture is drawn, and, of a model that
    /// draws, the one with the picture's words and the one without that guides it.
    pub sequences: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// A session and what its graph declares.
#[derive(Debug, Clone, Serialize)]
pub struct InspectedSession {
    /// Its file.
    pub file: SessionFile,
    /// Its inputs: name, shape and kind.
    pub inputs: Vec<String>,
    /// Its outputs.
    pub outputs: Vec<String>,
    /// How many nodes of which operator run where.
    pub placement: Vec<PlacedOperator>,
    /// Nodes that compute with floating-point numbers on the CPU.
    pub floating_on_cpu: usize,
}

/// One operator at one provider.
#[derive(Debug, Clone, Serialize)]
pub struct PlacedOperator {
    /// The provider.
    pub provider: String,
    /// The operator.
    pub operator: String,
    /// How many nodes.
    pub nodes: usize,
}

impl LocalModel {
    /// What the model is made of.
    pub fn inspect(&self) -> Inspection {
        let inner = &self.inner;
        let parts = inner.folder.family.parts();
        let sessions = inner.folder.sessions.iter().map(|file| {
            let graph = match file.session.as_str() {
                embedding if embedding == parts.embedding => "embedding",
                decoder if decoder == parts.decoder || decoder == crate::family::MODEL => "decoder",
                encoder => encoder,
            };
            inspected(&inner.engine, file, graph)
        });
        Inspection {
            card: self.card().clone(),
            layout: inner.folder.layout,
            config: inner.folder.config.clone(),
            settings: inner.folder.settings.clone(),
            dialect: inner.folder.dialect.clone(),
            processor: match &inner.folder.processor {
                Some(processor) => processor.to_string(),
                None => "none: it reads text alone".into(),
            },
            end_tokens: inner.end_tokens.clone(),
            vocabulary: inner.folder.tokenizer.get_vocab_size(true),
            cache: inner.engine.cache_form(),
            memory: self.memory(),
            sessions: sessions.collect(),
        }
    }

    fn memory(&self) -> Memory {
        let files = &self.inner.folder.sessions;
        // A graph that was opened can be read; if it is gone meanwhile, its weights aren't counted.
        let weigh = |file: &SessionFile| Weights::of_graph(&file.path).unwrap_or_default();
        let weights: Vec<_> = files.iter().map(|file| (file.session.clone(), weigh(file))).collect();
        let engine = &self.inner.engine;
        let (each, context) = (engine.cache_bytes_per_token() as u64, engine.context() as u64);
        let state_bytes = engine.state_bytes() as u64;
        let graphs = weights.iter().map(|(_, weights)| weights.bytes());
        let most = engine.window().map_or(u64::MAX, |window| window.most() as u64);
        let sequence = each.saturating_mul(context.min(most)).saturating_add(state_bytes);
        let drawn = self.inner.folder.drawing().map_or(0, |plan| 1 + u64::from(plan.unconditional.is_some()));
        let sequences = 1 + drawn;
        let total_bytes = graphs.fold(sequence.saturating_mul(sequences), u64::saturating_add);
        Memory { weights, cache_bytes_per_token: each, state_bytes, context, sequences, total_bytes }
    }

    /// Bytes that crossed between host and device since the model was loaded.
    pub fn moved(&self) -> Moved {
        self.inner.engine.moved()
    }
}

/// One session, which the engine knows under the name `graph`.
pub(crate) fn inspected(engine: &Engine, file: &SessionFile, graph: &str) -> InspectedSession {
    let signature = engine.signature(graph).cloned().unwrap_or_default();
    let placement = engine.placement().iter().find(|(name, _)| name == graph).map(|(_, placement)| placement);
    InspectedSession {
        file: file.clone(),
        inputs: signature.inputs.iter().map(ToString::to_string).collect(),
        outputs: signature.outputs.iter().map(ToString::to_string).collect(),
        placement: placement
            .into_iter()
            .flat_map(percept_runtime::Placement::counts)
            .map(|((provider, operator), nodes)| PlacedOperator {
                provider: provider.into(),
                operator: operator.into(),
                nodes,
            })
            .collect(),
        floating_on_cpu: placement.map_or(0, |placement| placement.floating_on_cpu().len()),
    }
}
