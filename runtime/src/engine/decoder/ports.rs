//! What each input and output of a decoder is, and what of it can't be.

use std::path::Path;

use super::{EMBEDDINGS, Feed, Index, TOKENS};
use crate::{
    cache::{CacheTensor, StateTensor},
    engine::{
        DecoderNames, DecoderShape, EngineError,
        looking::{LookKind, LookPorts, PORTS},
        side_inputs::SidePort,
    },
    signature::{Dim, Port, Signature},
    tensor::Element,
};

/// A decoder's signature, with what is known of it otherwise.
pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) signature: &'a Signature,
    pub(super) shape: &'a DecoderShape,
    pub(super) names: &'a DecoderNames,
}

impl Reader<'_> {
    pub(super) fn refused(&self, reason: String) -> EngineError {
        EngineError::Graph { path: self.path.to_owned(), role: "a decoder", reason }
    }

    pub(super) fn element(&self, port: &Port) -> Result<Element, EngineError> {
        port.element.ok_or_else(|| self.refused(format!("its input {port} isn't carried by this engine")))
    }

    /// The input that is fed and what it takes.
    pub(super) fn feed(&self) -> Result<(String, Feed), EngineError> {
        let (embeddings, tokens) = (self.names.own(EMBEDDINGS), self.names.own(TOKENS));
        if let Some(port) = self.signature.input(&embeddings) {
            let element = self.element(port)?;
            let hidden = port.shape.last().and_then(Dim::fixed);
            self.agree("hidden_size", self.shape.hidden, hidden)?;
            let feed = Feed::Embeddings { element, hidden: hidden.or(self.shape.hidden) };
            return Ok((port.name.clone(), feed));
        }
        let port = self
            .signature
            .input(&tokens)
            .ok_or_else(|| self.refused(format!("it has neither an input {embeddings} nor {tokens}")))?;
        Ok((port.name.clone(), Feed::Tokens { element: self.element(port)? }))
    }

    /// Positions with a dimension more have three rows. A fourth, for text, is in no published export.
    pub(super) fn check_rows(&self, port: &Port, index: Index) -> Result<(), EngineError> {
        let rows = port.shape.first().and_then(Dim::fixed);
        if index == Index::PositionIds && port.shape.len() == 3 && rows.is_some_and(|rows| rows != 3) {
            return Err(
                self.refused(format!("its input {port} isn't [3, batch, tokens]: time, height and width"))
            );
        }
        Ok(())
    }

    pub(super) fn side(&self, port: &Port, feed: Feed) -> Result<SidePort, EngineError> {
        let Feed::Embeddings { hidden, .. } = feed else {
            return Err(
                self.refused(format!("its input {port} goes beside {EMBEDDINGS}, which it doesn't take"))
            );
        };
        let element = self.element(port)?;
        match port.shape.as_slice() {
            [_, _, width] if matches!(element, Element::F32 | Element::F16) => {
                let width = width.fixed().or(hidden).ok_or_else(|| {
                    self.refused(format!(
                        "neither its input {port} nor the model's configuration says its width"
                    ))
                })?;
                Ok(SidePort { name: port.name.clone(), element, width })
            }
            _ => Err(self.refused(format!("its input {port} isn't [batch, tokens, width] of floats"))),
        }
    }

    /// What the tokens look at, and which of it each sees: both or neither.
    pub(super) fn looks(&self) -> Result<Option<LookPorts>, EngineError> {
        let mut found = None;
        for (kind, known) in [LookKind::Images, LookKind::Encoder].into_iter().zip(PORTS) {
            let names = known.map(|name| self.names.own(name));
            let ports = names.each_ref().map(|name| self.signature.input(name));
            match ports {
                [None, None] => {}
                [Some(states), Some(seen)] if found.is_none() => {
                    found = Some(self.looks_at(kind, states, seen)?);
                }
                [Some(states), Some(_)] => {
                    return Err(self.refused(format!("it takes {states} beside what it looks at already")));
                }
                [states, _] => {
                    let (has, lacks) =
                        if states.is_some() { (&names[0], &names[1]) } else { (&names[1], &names[0]) };
                    return Err(self.refused(format!("it takes {has} without {lacks}")));
                }
            }
        }
        Ok(found)
    }

    fn looks_at(&self, kind: LookKind, states: &Port, seen: &Port) -> Result<LookPorts, EngineError> {
        let of = (self.element(states)?, self.element(seen)?);
        let is_fit = matches!(of, (Element::F32 | Element::F16, Element::I64 | Element::I32 | Element::Bool));
        let (rows, width) = match (kind, states.shape.as_slice(), seen.shape.as_slice()) {
            (LookKind::Images, [_, _, rows, width], [_, _, _]) if is_fit => (rows.fixed(), width),
            (LookKind::Encoder, [_, rows, width], [_, _]) if is_fit => (rows.fixed(), width),
            _ => {
                let shapes = match kind {
                    LookKind::Images => {
                        "[batch, images, states, width] of floats and [batch, tokens, images]"
                    }
                    LookKind::Encoder => "[batch, states, width] of floats and [batch, states]",
                };
                return Err(self.refused(format!(
                    "its inputs {states} and {seen} aren't {shapes} of integers or truth values"
                )));
            }
        };
        let width = width.fixed().or(self.shape.hidden.filter(|_| kind == LookKind::Encoder));
        let width = width
            .ok_or_else(|| self.refused(format!("its input {states} doesn't say the length of a state")))?;
        Ok(LookPorts {
            kind,
            names: [states.name.clone(), seen.name.clone()],
            states: of.0,
            seen: of.1,
            rows,
            width,
        })
    }

    pub(super) fn cache(&self, port: &Port, present: String) -> Result<CacheTensor, EngineError> {
        let element = self.kept(port, &present)?;
        let [_, heads, _, head_dim] = port.shape.as_slice() else {
            return Err(self.refused(format!("its cache {port} isn't [batch, heads, positions, head_dim]")));
        };
        let of_heads = [self.shape.kv_heads, self.shape.usual_kv_heads];
        let heads = self.size("num_key_value_heads", of_heads, heads.fixed(), port)?;
        let of_head = [self.shape.head_dim, self.shape.usual_head_dim];
        let head_dim = self.size("head_dim", of_head, head_dim.fixed(), port)?;
        Ok(CacheTensor { past: port.name.clone(), present, element, heads, head_dim })
    }

    pub(super) fn state(&self, port: &Port, present: String) -> Result<StateTensor, EngineError> {
        let element = self.kept(port, &present)?;
        let shape: Option<Vec<usize>> = port.shape.iter().skip(1).map(Dim::fixed).collect();
        let sizes = shape.filter(|sizes| !sizes.is_empty()).ok_or_else(|| {
            self.refused(format!(
                "its state {port} doesn't say its size: every dimension after the first must be a number"
            ))
        })?;
        Ok(StateTensor { past: port.name.clone(), present, element, shape: [vec![1], sizes].concat() })
    }

    /// The numbers of something that is kept from one run to the next.
    fn kept(&self, port: &Port, present: &str) -> Result<Element, EngineError> {
        if self.signature.output(present).is_none() {
            return Err(self.refused(format!("it takes {} but gives no {present}", port.name)));
        }
        match self.element(port)? {
            element @ (Element::F32 | Element::F16) => Ok(element),
            _ => Err(self.refused(format!("its cache {port} isn't of floats"))),
        }
    }

    /// What the graph says, else what the configuration says, else what is usual.
    fn size(
        &self,
        what: &'static str,
        [config, usual]: [Option<usize>; 2],
        graph: Option<usize>,
        port: &Port,
    ) -> Result<usize, EngineError> {
        self.agree(what, config, graph)?;
        graph.or(config).or(usual).ok_or_else(|| {
            self.refused(format!(
                "its cache {port} doesn't say {what}, and neither does the model's configuration"
            ))
        })
    }

    pub(super) fn agree(
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
