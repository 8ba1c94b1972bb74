//! The same graph of each model: one architecture, and the same numbers where numbers can't be merged.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::{
    PIECE,
    graph::{Fixed, Graph},
    tensor::Weight,
    weight::{is_equal, refused},
};
use crate::ModelError;

/// A graph of the first model, with that of the second, and of the base where there is one.
#[derive(Debug)]
pub(super) struct Alike {
    pub(super) graph: Graph,
    others: Vec<Graph>,
}

impl Alike {
    /// Opens them, and looks at everything that keeps them from being merged but for the numbers that will be. Nothing is
    /// copied yet: what is refused here costs no time and no room.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] for what isn't a graph, isn't the same architecture, or differs where it mustn't;
    /// [`ModelError::Interrupted`] if it was cancelled.
    pub(super) fn open(a: &Path, others: &[PathBuf], cancel: &CancellationToken) -> Result<Self, ModelError> {
        let graph = Graph::open(a)?;
        let others = others.iter().map(|path| Graph::open(path)).collect::<Result<Vec<_>, _>>()?;
        for other in &others {
            if let Some(difference) = graph.difference(other) {
                let problem = format!("it can't be merged with {}: {difference}", other.path.display());
                return Err(ModelError::Folder {
                    path: a.to_owned(),
                    problem,
                    remedy: "Only models of one architecture, exported in the same way, can be merged".into(),
                });
            }
        }
        let alike = Self { graph, others };
        for (weight, others) in alike.weights() {
            let Some(fixed) = alike.graph.fixed(weight) else { continue };
            let differs = || match &fixed {
                Fixed::Kind(what) => refused(weight, &format!("differs, and {what}")),
                Fixed::Angles => ModelError::Folder {
                    path: weight.place.file.clone(),
                    problem: format!(
                        "the weight `{}` differs, and tells positions, which isn't learnt",
                        weight.name
                    ),
                    remedy: "Only models that turn positions in the same way can be merged".into(),
                },
            };
            if others.iter().any(|other| other.place.length() != weight.place.length()) {
                return Err(differs());
            }
            for part in weight.place.parts(PIECE) {
                if cancel.is_cancelled() {
                    return Err(ModelError::Interrupted);
                }
                if !is_equal(weight, &others, &part)? {
                    return Err(differs());
                }
            }
        }
        Ok(alike)
    }

    /// Each weight of the first model with those of the others.
    pub(super) fn weights(&self) -> impl Iterator<Item = (&Weight, Vec<&Weight>)> {
        self.graph.weights.iter().enumerate().map(|(index, weight)| {
            (weight, self.others.iter().filter_map(|other| other.weights.get(index)).collect())
        })
    }
}
