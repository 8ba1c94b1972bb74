//! Where a session's nodes run: the provider of each, as ONNX Runtime recorded it when it split the graph.

use std::{collections::BTreeMap, path::Path};

use ort::session::Session;
use serde::Serialize;

use crate::{library::Runtime, ort_boundary};

/// The provider whose kernels run on the processor.
pub const CPU_PROVIDER: &str = "CPUExecutionProvider";

/// Where each node of a graph runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Placement {
    /// One entry a node, grouped by provider.
    pub nodes: Vec<PlacedNode>,
}

/// A node and the provider that runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedNode {
    /// The provider, by ONNX Runtime's name: `CPUExecutionProvider`.
    pub provider: String,
    /// The operator: `MatMulNBits`.
    pub operator: String,
    /// The node's own name in the graph.
    pub name: String,
    /// Whether it computes with floating-point numbers; see [`Placement::floating_on_cpu`].
    pub floating: bool,
}

impl Placement {
    /// How many nodes of each operator run at each provider.
    pub fn counts(&self) -> BTreeMap<(&str, &str), usize> {
        let mut counts = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry((node.provider.as_str(), node.operator.as_str())).or_default() += 1;
        }
        counts
    }
}

impl Runtime {
    /// Where the nodes of a session run that [`Runtime::open_session`] opened from this file.
    ///
    /// # Errors
    ///
    /// If the session recorded nothing.
    pub(crate) fn placement(&self, session: &Session, _path: &Path) -> ort::Result<Placement> {
        let nodes = ort_boundary::assigned_nodes(session)?
            .into_iter()
            .map(|node| PlacedNode {
                floating: true,
                provider: node.provider,
                operator: node.operator,
                name: node.name,
            })
            .collect();
        Ok(Placement { nodes })
    }
}
