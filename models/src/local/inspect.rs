//! What a model is made of, for `models inspect` and `doctor`.

use percept_runtime::{CacheForm, Engine, Moved};
use serde::Serialize;

use super::LocalModel;
use crate::{
    ChatModel, ModelCard,
    folder::{FolderSettings, ModelConfig, SessionFile},
};

/// A loaded model's parts.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// What it says of itself.
    pub card: ModelCard,
    /// Its configuration, as meant.
    pub config: ModelConfig,
    /// Its own settings for this program, as meant.
    pub settings: FolderSettings,
    /// Its image processor, in words.
    pub processor: String,
    /// Tokens that end a reply.
    pub end_tokens: Vec<u32>,
    /// Tokens of the vocabulary, special ones included.
    pub vocabulary: usize,
    /// The form that the key-value cache takes.
    pub cache: CacheForm,
    /// Its sessions.
    pub sessions: Vec<InspectedSession>,
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
        let sessions = inner.folder.sessions.iter().map(|file| {
            let graph = match file.session.as_str() {
                crate::family::EMBED_TOKENS => "embedding",
                crate::family::DECODER | crate::family::MODEL => "decoder",
                encoder => encoder,
            };
            inspected(&inner.engine, file, graph)
        });
        Inspection {
            card: self.card().clone(),
            config: inner.folder.config.clone(),
            settings: inner.folder.settings.clone(),
            processor: match &inner.folder.processor {
                Some(processor) => format!("{processor:?}"),
                None => "none: it reads text alone".into(),
            },
            end_tokens: inner.end_tokens.clone(),
            vocabulary: inner.folder.tokenizer.get_vocab_size(true),
            cache: inner.engine.cache_form(),
            sessions: sessions.collect(),
        }
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
