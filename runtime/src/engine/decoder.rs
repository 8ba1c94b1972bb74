//! What a decoder graph wants and gives, read from what it declares.
//!
//! The names are those of the community's exports (transformers.js, Optimum, onnxruntime-genai): embeddings or
//! token ids, a mask or the lengths that a mask would say, positions where the graph doesn't count them itself,
//! a cache as `past_key_values.N.key` → `present.N.key`, and what has a row a token beside the embeddings.
//! Layers that carry a state instead have `past_conv.N` → `present_conv.N` and the like, or
//! `past_key_values.N.conv_state` → `present.N.conv_state`. A decoder that looks at what an encoder read may keep keys and
//! values of that beside those of its own tokens: `past_key_values.N.encoder.key` beside `past_key_values.N.decoder.key`.

mod ports;

use std::{collections::BTreeSet, path::Path};

use self::ports::Reader;
use super::{
    DecoderNames, DecoderShape, EngineError,
    looking::{LookKind, LookPorts, PORTS},
    side_inputs::{SidePort, is_side_input},
    together::TOKEN_TYPES,
};
use crate::{
    cache::{CacheTensor, StateTensor},
    signature::{Dim, Signature},
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
    /// the other takes an empty one as it is. Only where the first run makes what later ones take
    /// ([`DecoderPlan::crossed`]) is there a beginning.
    UseCacheBranch,
    /// `token_type_ids`, `[1, tokens]`: 1 for tokens that see their neighbours of this type, later ones too.
    TokenTypes,
}

const INDICES: [(&str, Index); 7] = [
    ("attention_mask", Index::AttentionMask),
    ("position_ids", Index::PositionIds),
    ("seqlens_k", Index::SeqlensK),
    ("total_sequence_length", Index::TotalSequenceLength),
    ("num_logits_to_keep", Index::NumLogitsToKeep),
    ("use_cache_branch", Index::UseCacheBranch),
    (TOKEN_TYPES, Index::TokenTypes),
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
    /// What the graph calls the input that is fed.
    pub(crate) input: String,
    /// The output whose last row is taken: scores, or a hidden state that a head makes scores of.
    pub(crate) output: String,
    pub(crate) indices: Vec<IndexPort>,
    /// What has a row a token beside the embeddings.
    pub(crate) sides: Vec<SidePort>,
    /// What its tokens look at beside one another.
    pub(crate) looks: Option<LookPorts>,
    pub(crate) caches: Vec<CacheTensor>,
    pub(crate) states: Vec<StateTensor>,
    /// Keys and values of what its tokens look at, which the first run makes.
    pub(crate) crossed: Vec<CacheTensor>,
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
/// States by themselves: convolutions' and recurrences' (transformers.js).
const KEPT: [(&str, &str); 3] = [
    ("past_conv.", "present_conv."),
    ("past_recurrent.", "present_recurrent."),
    ("past_ssm.", "present_ssm."),
];
/// How states end that are named among keys and values (mobius-onnx): `.conv_state`, `.recurrent_state`.
const STATE: &str = "_state";

/// How keys and values are named that are of what an encoder read.
const CROSSED: &str = ".encoder.";

/// What is kept from one run to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Keys or values, longer with each token.
    Tokens,
    /// A state of one size.
    State,
    /// Keys or values of what is looked at, made once.
    Crossed,
}

/// What a past gives in the end, and what it is.
fn present_of(past: &str) -> Option<(String, Kept)> {
    if let Some(layer) = past.strip_prefix(PAST) {
        let kept = match layer {
            _ if layer.ends_with(STATE) => Kept::State,
            _ if layer.contains(CROSSED) => Kept::Crossed,
            _ => Kept::Tokens,
        };
        return Some((format!("{PRESENT}{layer}"), kept));
    }
    KEPT.iter().find_map(|(prefix, present)| {
        past.strip_prefix(prefix).map(|layer| (format!("{present}{layer}"), Kept::State))
    })
}

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
        names: &DecoderNames,
        hidden: Option<&str>,
    ) -> Result<Self, EngineError> {
        let reader = Reader { path, signature, shape, names };
        let (input, feed) = reader.feed()?;
        let mut indices = Vec::new();
        let (mut sides, mut caches, mut states, mut crossed) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut layers = BTreeSet::new();
        for port in &signature.inputs {
            // What is bound goes by the graph's own name; a second port that is known by the same is one too many.
            if port.name == input || PORTS.iter().flatten().any(|known| names.own(known) == port.name) {
                continue;
            }
            let known = names.known(&port.name);
            if let Some((present, kept)) = present_of(&known) {
                layers.extend(known.split('.').nth(1).map(str::to_owned));
                let present = names.own(&present).into_owned();
                match kept {
                    Kept::Tokens => caches.push(reader.cache(port, present)?),
                    Kept::State => states.push(reader.state(port, present)?),
                    Kept::Crossed => crossed.push(reader.cache(port, present)?),
                }
            } else if let Some((_, index)) = INDICES.into_iter().find(|(name, _)| *name == known) {
                let element = reader.element(port)?;
                reader.check_rows(port, index)?;
                indices.push(IndexPort { index, name: port.name.clone(), element, rank: port.shape.len() });
            } else if is_side_input(&known) {
                sides.push(reader.side(port, feed)?);
            } else {
                return Err(reader.refused(format!("its input {port} is one that this engine can't feed")));
            }
        }
        if layers.is_empty() {
            return Err(reader.refused(format!("it has no input {PAST}N.key: it keeps no cache")));
        }
        reader.agree("num_hidden_layers", shape.layers, Some(layers.len()))?;
        let output = names.own(hidden.unwrap_or(LOGITS)).into_owned();
        let port =
            signature.output(&output).ok_or_else(|| reader.refused(format!("it has no output {output}")))?;
        if !matches!(port.element, Some(Element::F32 | Element::F16)) {
            return Err(reader.refused(format!("its output {port} isn't of floats")));
        }
        let declared = port.shape.last().and_then(Dim::fixed);
        let (what, configured) = match hidden {
            Some(_) => ("hidden_size", shape.hidden),
            None => ("vocab_size", shape.vocabulary),
        };
        reader.agree(what, configured, declared)?;
        let declared = declared.filter(|_| hidden.is_none());
        let looks = reader.looks()?;
        let tells_beginnings = indices.iter().any(|port: &IndexPort| port.index == Index::UseCacheBranch);
        let looks_at_text = looks.as_ref().is_some_and(|ports| ports.kind == LookKind::Encoder);
        if let Some(first) = crossed.first().filter(|_| !looks_at_text || !tells_beginnings) {
            return Err(reader.refused(format!(
                "it takes {}, which is made of `encoder_hidden_states` in the first run, and lacks that input or \
                 `use_cache_branch`: take the merged export",
                first.past
            )));
        }
        Ok(Self {
            feed,
            input,
            output,
            indices,
            sides,
            looks,
            caches,
            states,
            crossed,
            vocabulary: declared.or(shape.vocabulary),
        })
    }

    /// Numbers in one token's embedding, where they are fed and somebody says how many.
    pub(crate) fn hidden(&self) -> Option<usize> {
        match self.feed {
            Feed::Embeddings { hidden, .. } => hidden,
            Feed::Tokens { .. } => None,
        }
    }

    /// Whether a token's position is three numbers: time, height and width.
    pub(crate) fn takes_rows_of_positions(&self) -> bool {
        self.indices.iter().any(|port| port.index == Index::PositionIds && port.rank == 3)
    }

    /// Whether it is told which tokens see each other.
    pub(crate) fn tells_blocks(&self) -> bool {
        self.indices.iter().any(|port| port.index == Index::TokenTypes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Port;

    fn port(name: &str, element: Element, shape: &[Option<usize>]) -> Port {
        let dim = |size: &Option<usize>| size.map_or(Dim::Named("any".to_owned()), Dim::Fixed);
        Port { name: name.to_owned(), element: Some(element), shape: shape.iter().map(dim).collect() }
    }

    /// The plan of a decoder with these inputs beside embeddings and a layer's keys.
    fn plan(more: &[Port], names: &DecoderNames) -> Result<DecoderPlan, EngineError> {
        let cache = |name: &str| port(name, Element::F32, &[None, Some(2), None, Some(4)]);
        let embeddings = port(EMBEDDINGS, Element::F32, &[None, None, Some(8)]);
        let signature = Signature {
            inputs: [&[embeddings, cache("past_key_values.0.key")], more].concat(),
            outputs: vec![
                port(LOGITS, Element::F32, &[None, None, Some(16)]),
                cache("present.0.key"),
                cache("present.0.encoder.key"),
            ],
        };
        DecoderPlan::read(Path::new("decoder.onnx"), &signature, &DecoderShape::default(), names, None)
    }

    #[test]
    fn what_a_decoder_looks_at_and_takes_beside_goes_by_its_own_names() {
        let [states_name, seen_name] = PORTS[0];
        let states = |name: &str| port(name, Element::F32, &[None, None, Some(3), Some(8)]);
        let seen = |name: &str| port(name, Element::I64, &[None, None, None]);
        let usual = DecoderNames::default();
        let own = usual
            .clone()
            .with(states_name, "pictures")
            .with(seen_name, "sees")
            .with("deepstack.%d", "deep_%d");
        let side = port("deep_0", Element::F32, &[None, None, Some(8)]);
        for (inputs, names, expected) in [
            ([states(states_name), seen(seen_name)], &usual, [states_name, seen_name]),
            ([states("pictures"), seen("sees")], &own, ["pictures", "sees"]),
        ] {
            assert_eq!(plan(&inputs, names).unwrap().looks.unwrap().names, expected);
        }
        assert_eq!(plan(&[side], &own).unwrap().sides[0].name, "deep_0");
    }

    #[test]
    fn an_input_that_nothing_feeds_is_refused_at_loading() {
        let states = || port(PORTS[0][0], Element::F32, &[None, None, Some(3), Some(8)]);
        let own = DecoderNames::default().with(PORTS[0][0], "pictures");
        let cases = [
            (port(TOKENS, Element::I64, &[None, None]), &DecoderNames::default(), "input_ids"),
            (states(), &own, "image_hidden_states"),
            (port("cache_position", Element::I64, &[None]), &own, "cache_position"),
        ];
        for (input, names, name) in cases {
            let error = plan(&[input], names).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("can't feed"), "{error}");
        }
    }

    #[test]
    fn what_an_encoder_read_is_kept_where_a_first_run_makes_it() {
        let [states_name, seen_name] = PORTS[1];
        let states = port(states_name, Element::F32, &[None, None, Some(8)]);
        let seen = port(seen_name, Element::I64, &[None, None]);
        let branch = port("use_cache_branch", Element::Bool, &[Some(1)]);
        let crossed = port("past_key_values.0.encoder.key", Element::F32, &[None, Some(2), None, Some(4)]);
        let usual = DecoderNames::default();
        let read = plan(&[states.clone(), seen.clone(), branch.clone(), crossed.clone()], &usual).unwrap();
        assert_eq!((read.caches.len(), read.crossed.len()), (1, 1));
        assert_eq!(read.looks.unwrap().kind, LookKind::Encoder);
        // Without what tells a first run, or what it makes them of.
        let cases = [
            (vec![states.clone(), seen.clone(), crossed.clone()], "use_cache_branch"),
            (vec![branch.clone(), crossed.clone()], "encoder_hidden_states"),
            // Images may come later, and keys and values of them wouldn't be made.
            (
                vec![
                    port(PORTS[0][0], Element::F32, &[None, None, Some(3), Some(8)]),
                    port(PORTS[0][1], Element::I64, &[None, None, None]),
                    branch,
                    crossed,
                ],
                "encoder_hidden_states",
            ),
            (vec![states], "without encoder_attention_mask"),
        ];
        for (inputs, expected) in cases {
            let error = plan(&inputs, &usual).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        // Made anew in every run, they are no cache.
        let read = plan(&[port(states_name, Element::F32, &[None, None, Some(8)]), seen], &usual).unwrap();
        assert!(read.crossed.is_empty() && read.looks.is_some());
    }
}
