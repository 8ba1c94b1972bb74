//! Operators that a graph needs and the library that runs here doesn't have, or not on this device.
//!
//! ONNX Runtime grows operators and their forms from version to version (`MoE`, `QMoE`, `LinearAttention`, …). What it
//! says of one that it lacks names neither its own version nor a way on.

use std::path::Path;

use super::{EngineError, graph};
use crate::{
    device::{DeviceChoice, DeviceError},
    library::{LibraryReport, LibrarySource},
};

/// What ONNX Runtime says of an operator, with its name at the place of the mark: of one of ONNX's own domain that it
/// doesn't know, of one of another domain, and of one that this device, or this kind of number, has no implementation of.
const WORDS: [(&str, &str); 3] = [
    ("No Op registered for ", " with domain_version"),
    ("Fatal error: ", "(-1) is not a registered function/op"),
    ("Could not find an implementation for ", "("),
];

/// What it says of an attribute that the operator doesn't have yet, and before the operator's name.
const ATTRIBUTE: (&str, &str) = ("Unrecognized attribute: ", " for operator ");

/// The error of a graph that couldn't be opened: one that names the operator, where that is what was in the way.
pub(super) fn explain(
    path: &Path,
    choice: &DeviceChoice,
    library: &LibraryReport,
    error: DeviceError,
) -> EngineError {
    let DeviceError::Graph { reason, .. } = &error else { return error.into() };
    match graph::nodes(path).ok().and_then(|nodes| operator(reason, &nodes)) {
        Some(operator) => EngineError::Operator {
            path: path.to_owned(),
            operator,
            device: choice.device.to_string(),
            library: match &library.source {
                LibrarySource::Package(name) => name.clone(),
                LibrarySource::Named => library.path.display().to_string(),
            },
        },
        None => error.into(),
    }
}

/// The operator of the graph that the library says it lacks, or whose attribute it doesn't know.
fn operator(reason: &str, nodes: &[graph::GraphNode]) -> Option<String> {
    let known = |name: &str| nodes.iter().any(|node| node.operator == name);
    let lacking = WORDS.iter().find_map(|(before, after)| {
        let (named, _) = reason.split_once(before)?.1.split_once(after)?;
        // `com.microsoft:MoE`, or without the domain.
        let name = named.rsplit([':', '.']).next()?;
        known(name).then(|| name.to_owned())
    });
    lacking.or_else(|| {
        let (attribute, rest) = reason.split_once(ATTRIBUTE.0)?.1.split_once(ATTRIBUTE.1)?;
        let name = rest.split(|letter: char| !letter.is_alphanumeric()).next()?;
        known(name).then(|| format!("{name} with `{attribute}`"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_found_in_what_the_library_says() {
        let node = |operator: &str| graph::GraphNode { operator: operator.to_owned(), ..Default::default() };
        let nodes = [node("MatMul"), node("MoE")];
        let cases = [
            ("Error No Op registered for MoE with domain_version of 21", Some("MoE")),
            ("Fatal error: com.microsoft:MoE(-1) is not a registered function/op", Some("MoE")),
            ("Could not find an implementation for MoE(1) node with name 'moe_1'", Some("MoE")),
            ("Could not find an implementation for com.microsoft.MoE(1) node with name ''", Some("MoE")),
            ("Could not find an implementation for QMoE(1) node with name ''", None),
            ("Error Unrecognized attribute: block_size for operator MoE", Some("MoE with `block_size`")),
            ("Error Unrecognized attribute: block_size for operator QMoE\n", None),
            ("Load model failed: no such file", None),
        ];
        for (reason, expected) in cases {
            assert_eq!(operator(reason, &nodes).as_deref(), expected, "{reason}");
        }
    }
}
