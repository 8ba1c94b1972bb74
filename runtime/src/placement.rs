//! Where a session's nodes run: the provider of each, as ONNX Runtime recorded it when it split the graph.

mod arithmetic;

use std::{collections::BTreeMap, path::Path};

use ort::session::Session;
use serde::Serialize;

use self::arithmetic::Arithmetic;
use crate::ort_boundary;

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
    /// The set of operators that it is from: empty for ONNX's own, `com.microsoft` for ONNX Runtime's.
    pub domain: String,
    /// The node's own name in the graph.
    pub name: String,
    /// Whether it computes with floating-point numbers; see [`Placement::floating_on_cpu`].
    pub floating: bool,
}

impl Placement {
    /// Where the nodes of a session run that [`Runtime::open_session`](crate::Runtime) opened from this file.
    ///
    /// # Errors
    ///
    /// If the session recorded nothing.
    pub(crate) fn of(session: &Session, path: &Path) -> ort::Result<Self> {
        let arithmetic = Arithmetic::read(path).unwrap_or_else(|error| {
            tracing::debug!(%error, path = %path.display(), "no types to be read; every node counts as floating");
            Arithmetic::default()
        });
        let nodes = ort_boundary::assigned_nodes(session)?.into_iter().map(|node| PlacedNode {
            floating: arithmetic.is_floating(&node.name, &node.operator),
            provider: node.provider,
            operator: node.operator,
            domain: node.domain,
            name: node.name,
        });
        Ok(Self { nodes: nodes.collect() })
    }

    /// How many nodes of each operator run at each provider.
    pub fn counts(&self) -> BTreeMap<(&str, &str), usize> {
        let mut counts = BTreeMap::new();
        for node in &self.nodes {
            *counts.entry((node.provider.as_str(), node.operator.as_str())).or_default() += 1;
        }
        counts
    }

    /// The nodes that the processor runs and that compute with floating-point numbers: on a model that was put
    /// on a device, the ones that fell back.
    ///
    /// A node computes with floating-point numbers if one of its inputs or results is a tensor of them, by the
    /// types that its file declares or that follow from its operators. `Shape` and `Size` look at no elements,
    /// and a `Cast` of integers reads none that float: these don't. A node whose types can't be told (an
    /// optimiser made it, or it is inside an `If`) counts as floating, so an empty answer can be relied on.
    /// What is left for the processor is the arithmetic of shapes, positions and masks, which providers leave
    /// there on purpose.
    pub fn floating_on_cpu(&self) -> Vec<&PlacedNode> {
        self.nodes.iter().filter(|node| node.floating && node.provider == CPU_PROVIDER).collect()
    }
}

#[cfg(test)]
mod tests {
    use percept_fetch::Silent;

    use super::*;
    use crate::{Device, Runtime};

    /// Opens one of the test graphs on a device, and gives what `of` says of its placement.
    fn check<T>(graph: &str, device: &Device, of: impl Fn(&Placement) -> T) -> T {
        let runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
        let choice = runtime.resolve(device, &Silent).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(graph);
        let session = runtime.open_session(&path, &choice, None).unwrap();
        of(&Placement::of(&session, &path).unwrap())
    }

    #[test]
    fn floating_point_nodes_on_the_processor_are_told_from_integers() {
        let names = |placement: &Placement| -> Vec<String> {
            placement.floating_on_cpu().iter().map(|node| node.operator.clone()).collect()
        };
        let cases: [(&str, &[&str]); 4] = [
            // Their masks are made of integers, on the processor.
            ("grouped.onnx", &[]),
            ("plain.onnx", &[]),
            ("half.onnx", &[]),
            // It has one node of floats that the plugin has no kernel for.
            ("lacking.onnx", &["Shrink"]),
        ];
        for (graph, expected) in cases {
            assert_eq!(check(graph, &Device::WebGpu(0), names), expected, "{graph}");
        }
        assert!(!check("grouped.onnx", &Device::Cpu, names).is_empty());
    }

    #[test]
    fn every_node_is_counted_at_its_provider() {
        for (device, provider) in
            [(Device::Cpu, CPU_PROVIDER), (Device::WebGpu(0), "WebGpuExecutionProvider")]
        {
            let (attention, all, nodes, said) = check("grouped.onnx", &device, |placement| {
                let counts = placement.counts();
                (
                    counts.get(&(provider, "GroupQueryAttention")).copied(),
                    counts.values().sum::<usize>(),
                    placement.nodes.len(),
                    format!("{counts:?}"),
                )
            });
            assert_eq!(attention, Some(2), "{said}");
            assert_eq!(all, nodes);
        }
    }
}
