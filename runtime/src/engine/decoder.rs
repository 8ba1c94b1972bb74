//! What a decoder graph wants and gives, read from what it declares.
//!
//! The names are those of the community's exports (transformers.js, Optimum, onnxruntime-genai): embeddings or
//! token ids, a mask or the lengths that a mask would say, positions where the graph doesn't count them itself,
//! and a cache as `past_key_values.N.key` → `present.N.key`.

use std::path::Path;

use super::{DecoderShape, EngineError};
use crate::{
    cache::CacheTensor,
    signature::{Dim, Port, Signature},
    tensor::Element,
};

/// What a decoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// `inputs_embeds`, `[1, tokens, hidden]`.
    Embeddings { element: Element, hidden: Option<usize> },
    /// `input_ids`, `[1, tokens]`.
    Tokens { element: Element },
}

/// An input made of what the engine knows anyway: how much was read, how much is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    /// `attention_mask`, `[1, total]`, all ones: nothing is padded at batch 1.
    AttentionMask,
    /// `position_ids`, `[1, tokens]`, or `[3, 1, tokens]` where time, height and width are told apart.
    PositionIds,
    /// `seqlens_k`, `[1]`: `GroupQueryAttention`'s total − 1.
    SeqlensK,
    /// `total_sequence_length`, a number.
    TotalSequenceLength,
    /// `num_logits_to_keep`, a number: 1, the last token's.
    NumLogitsToKeep,
    /// `use_cache_branch`, `[1]`: whether there is a cache. The branch for an empty one wants none at all, and
    /// the other takes an empty one as it is.
    UseCacheBranch,
}

const INDICES: [(&str, Index); 6] = [
    ("attention_mask", Index::AttentionMask),
    ("position_ids", Index::PositionIds),
    ("seqlens_k", Index::SeqlensK),
    ("total_sequence_length", Index::TotalSequenceLength),
    ("num_logits_to_keep", Index::NumLogitsToKeep),
    ("use_cache_branch", Index::UseCacheBranch),
];

/// A declared index input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexPort {
    pub(crate) index: Index,
    pub(crate) name: String,
    pub(crate) element: Element,
    /// How many dimensions are declared; 0 for a single number without any.
    pub(crate) rank: usize,
}

/// A decoder's plan: how to feed it, and what to take from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecoderPlan {
    pub(crate) feed: Feed,
    pub(crate) indices: Vec<IndexPort>,
    pub(crate) caches: Vec<CacheTensor>,
    /// The output whose last row is taken: scores, or a hidden state that a head makes scores of.
    pub(crate) output: String,
    /// Tokens that are scored, where the graph or the configuration says it.
    pub(crate) vocabulary: Option<usize>,
}

/// The name of the scores, `[1, tokens kept, vocabulary]`.
pub(crate) const LOGITS: &str = "logits";
/// The name of embeddings.
pub(crate) const EMBEDDINGS: &str = "inputs_embeds";
/// The name of token ids.
pub(crate) const TOKENS: &str = "input_ids";

const PAST: &str = "past_key_values.";
const PRESENT: &str = "present.";

impl DecoderPlan {
    /// Reads the plan from a decoder's signature. `hidden` is the output that heads go on from, where there are any.
    ///
    /// # Errors
    ///
    /// [`EngineError::Graph`] for an input that is unknown or a piece that is missing, [`EngineError::Contradiction`]
    /// where the configuration says something else.
    pub(crate) fn read(
        path: &Path,
        signature: &Signature,
        shape: &DecoderShape,
        hidden: Option<&str>,
    ) -> Result<Self, EngineError> {
        let reader = Reader { path, signature, shape };
        let feed = reader.feed()?;
        let mut indices = Vec::new();
        let mut caches = Vec::new();
        for port in &signature.inputs {
            if port.name == EMBEDDINGS || port.name == TOKENS {
                continue;
            }
            if let Some(layer) = port.name.strip_prefix(PAST) {
                caches.push(reader.cache(port, layer)?);
            } else if let Some((name, index)) = INDICES.into_iter().find(|(name, _)| *name == port.name) {
                let element = reader.element(port)?;
                reader.check_rows(port, index)?;
                indices.push(IndexPort { index, name: name.to_owned(), element, rank: port.shape.len() });
            } else {
                return Err(reader.refused(format!("its input {port} is one that this engine can't feed")));
            }
        }
        if caches.is_empty() {
            return Err(reader.refused(format!("it has no input {PAST}N.key: it keeps no cache")));
        }
        reader.agree("num_hidden_layers", shape.layers, Some(caches.len() / 2))?;
        let output = hidden.unwrap_or(LOGITS);
        let port =
            signature.output(output).ok_or_else(|| reader.refused(format!("it has no output {output}")))?;
        if !matches!(port.element, Some(Element::F32 | Element::F16)) {
            return Err(reader.refused(format!("its output {port} isn't of floats")));
        }
        let declared = port.shape.last().and_then(Dim::fixed);
        let what = if hidden.is_some() { "hidden_size" } else { "vocab_size" };
        let configured = if hidden.is_some() { shape.hidden } else { shape.vocabulary };
        reader.agree(what, configured, declared)?;
        let vocabulary = if hidden.is_some() { shape.vocabulary } else { declared.or(shape.vocabulary) };
        Ok(Self { feed, indices, caches, output: output.to_owned(), vocabulary })
    }

    /// Whether a token's position is three numbers: time, height and width.
    pub(crate) fn takes_rows_of_positions(&self) -> bool {
        self.indices.iter().any(|port| port.index == Index::PositionIds && port.rank == 3)
    }
}

struct Reader<'a> {
    path: &'a Path,
    signature: &'a Signature,
    shape: &'a DecoderShape,
}

impl Reader<'_> {
    fn refused(&self, reason: String) -> EngineError {
        EngineError::Graph { path: self.path.to_owned(), role: "a decoder", reason }
    }

    fn element(&self, port: &Port) -> Result<Element, EngineError> {
        port.element.ok_or_else(|| self.refused(format!("its input {port} isn't carried by this engine")))
    }

    fn feed(&self) -> Result<Feed, EngineError> {
        if let Some(port) = self.signature.input(EMBEDDINGS) {
            let element = self.element(port)?;
            let hidden = port.shape.last().and_then(Dim::fixed);
            self.agree("hidden_size", self.shape.hidden, hidden)?;
            return Ok(Feed::Embeddings { element, hidden: hidden.or(self.shape.hidden) });
        }
        let port = self
            .signature
            .input(TOKENS)
            .ok_or_else(|| self.refused(format!("it has neither an input {EMBEDDINGS} nor {TOKENS}")))?;
        Ok(Feed::Tokens { element: self.element(port)? })
    }

    /// Positions with a dimension more have three rows. A fourth, for text, is in no published export.
    fn check_rows(&self, port: &Port, index: Index) -> Result<(), EngineError> {
        let rows = port.shape.first().and_then(Dim::fixed);
        if index == Index::PositionIds && port.shape.len() == 3 && rows.is_some_and(|rows| rows != 3) {
            return Err(
                self.refused(format!("its input {port} isn't [3, batch, tokens]: time, height and width"))
            );
        }
        Ok(())
    }

    fn cache(&self, port: &Port, layer: &str) -> Result<CacheTensor, EngineError> {
        let present = format!("{PRESENT}{layer}");
        if self.signature.output(&present).is_none() {
            return Err(self.refused(format!("it takes {} but gives no {present}", port.name)));
        }
        let element = self.element(port)?;
        if !matches!(element, Element::F32 | Element::F16) {
            return Err(self.refused(format!("its cache {port} isn't of floats")));
        }
        let [_, heads, _, head_dim] = port.shape.as_slice() else {
            return Err(self.refused(format!("its cache {port} isn't [batch, heads, positions, head_dim]")));
        };
        let heads = self.size("num_key_value_heads", self.shape.kv_heads, heads.fixed(), port)?;
        let head_dim = self.size("head_dim", self.shape.head_dim, head_dim.fixed(), port)?;
        Ok(CacheTensor { past: port.name.clone(), present, element, heads, head_dim })
    }

    /// What the graph says, else what the configuration says.
    fn size(
        &self,
        what: &'static str,
        config: Option<usize>,
        graph: Option<usize>,
        port: &Port,
    ) -> Result<usize, EngineError> {
        self.agree(what, config, graph)?;
        graph.or(config).ok_or_else(|| {
            self.refused(format!(
                "its cache {port} doesn't say {what}, and neither does the model's configuration"
            ))
        })
    }

    fn agree(
        &self,
        what: &'static str,
        config: Option<usize>,
        graph: Option<usize>,
    ) -> Result<(), EngineError> {
        match (config, graph) {
            (Some(config), Some(graph)) if config != graph => {
                Err(EngineError::Contradiction { path: self.path.to_owned(), what, config, graph })
            }
            _ => Ok(()),
        }
    }
}
