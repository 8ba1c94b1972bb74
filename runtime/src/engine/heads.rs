//! Heads: graphs that make scores of a decoder's last hidden state, one for each kind of token that it can write.

use std::path::{Path, PathBuf};

use super::{EngineError, RunSwitch, encoder::Encoder, step::refuse_broken};
use crate::{
    signature::{Dim, Signature},
    tensor::HostTensor,
};

/// A decoder's heads; none where it scores by itself.
#[derive(Default)]
pub(super) struct Heads(Vec<Head>);

/// One head.
pub(super) struct Head {
    pub(super) graph: Encoder,
    /// Its one input, which is the decoder's output of the same name.
    pub(super) input: String,
    /// Its file, for errors.
    path: PathBuf,
}

impl Head {
    /// A head, if it takes one tensor and gives one.
    ///
    /// # Errors
    ///
    /// [`EngineError::Graph`] otherwise.
    pub(super) fn new(path: &Path, graph: Encoder) -> Result<Self, EngineError> {
        let Signature { inputs, outputs } = &graph.signature;
        let ([input], [_]) = (inputs.as_slice(), outputs.as_slice()) else {
            return Err(EngineError::Graph {
                path: path.to_owned(),
                role: "a head",
                reason: format!(
                    "it has {} inputs and {} outputs, not one of each",
                    inputs.len(),
                    outputs.len()
                ),
            });
        };
        Ok(Self { input: input.name.clone(), path: path.to_owned(), graph })
    }

    /// How many tokens it scores, where it says so.
    fn scored(&self) -> Option<usize> {
        self.graph.signature.outputs.first()?.shape.last().and_then(Dim::fixed)
    }
}

impl Heads {
    pub(super) fn new(heads: Vec<Head>) -> Self {
        Self(heads)
    }

    /// The output of the decoder that they go on from.
    pub(super) fn input(&self) -> Option<&str> {
        self.0.first().map(|head| head.input.as_str())
    }

    /// How many tokens the first one scores, where it says so.
    pub(super) fn vocabulary(&self) -> Option<usize> {
        self.0.first().and_then(Head::scored)
    }

    /// The place of the head of this name; of no name, the first.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoSuchHead`] where no head is called so.
    pub(super) fn place(&self, name: Option<&str>) -> Result<usize, EngineError> {
        let Some(name) = name else { return Ok(0) };
        self.0.iter().position(|head| head.graph.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.0.iter().map(|head| head.graph.name.as_str()).collect();
            EngineError::NoSuchHead { name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// The scores that a head makes of a hidden state; where there is no head, these are scores already.
    ///
    /// # Errors
    ///
    /// [`EngineError::NotFinite`] if one of them is no number, [`EngineError::Graph`] if there are others than it declares.
    pub(super) fn score(
        &mut self,
        place: usize,
        last: Vec<f32>,
        switch: &RunSwitch,
    ) -> Result<Vec<f32>, EngineError> {
        let Some(head) = self.0.get_mut(place) else { return Ok(last) };
        let declared = head.scored();
        let Head { graph, input, path } = head;
        let hidden = HostTensor::F32 { shape: vec![1, 1, last.len()], data: last };
        let outputs = graph.run(vec![(input.clone(), hidden)], switch)?;
        let (name, scores) = outputs.into_iter().next().ok_or_else(|| EngineError::Input {
            graph: graph.name.clone(),
            name: input.clone(),
            reason: "the run gave no scores".to_owned(),
        })?;
        tracing::trace!(head = %graph.name, output = %name, "scored");
        let (_, scores) = scores.into_f32()?;
        if let Some(expected) = declared.filter(|expected| *expected != scores.len()) {
            return Err(EngineError::Graph {
                path: path.clone(),
                role: "a head",
                reason: format!("of one token it gives {} scores, and says {expected}", scores.len()),
            });
        }
        // What the decoder gave was finite; a head in half precision can still overflow.
        refuse_broken(&scores, path)?;
        Ok(scores)
    }
}
