//! What an ONNX file says about its operators, read without loading its weights.
//!
//! Whether a decoder's cache can be one shared buffer depends on its operators, which a session doesn't tell.
//! The file does: it is a protocol buffer (<https://protobuf.dev/programming-guides/encoding/>) of the form
//! `ModelProto` (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>), and its nodes are read here field by
//! field. Weights, which may be gigabytes, are stepped over; a file that ends before it says it does is found out.

use std::{fs::File, io, path::Path};

use super::EngineError;
use crate::protobuf::Fields;

/// One operator in the graph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GraphNode {
    /// Its kind (`MatMul`).
    pub(crate) operator: String,
    /// What goes in, in order; an empty name is an input left out.
    pub(crate) inputs: Vec<String>,
    /// What comes out, in order.
    pub(crate) outputs: Vec<String>,
}

// Field numbers of onnx.proto.
const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;
const NODE_INPUT: u64 = 1;
const NODE_OUTPUT: u64 = 2;
const NODE_OPERATOR: u64 = 4;

/// The nodes of a file's main graph.
///
/// # Errors
///
/// [`EngineError::Missing`] where there is no file, [`EngineError::Torn`] where it ends early or isn't ONNX.
pub(crate) fn nodes(path: &Path) -> Result<Vec<GraphNode>, EngineError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EngineError::Missing { path: path.to_owned() });
        }
        Err(error) => return Err(torn(path, &error.to_string())),
    };
    let length = file.metadata().map_err(|error| torn(path, &error.to_string()))?.len();
    let mut fields = Fields::new(file);
    let mut nodes = Vec::new();
    let mut graphs = 0;
    let mut read = || -> io::Result<()> {
        while let Some((field, value)) = fields.next(length)? {
            if field != MODEL_GRAPH {
                fields.skip(value)?;
                continue;
            }
            graphs += 1;
            let end = fields.message(value)?;
            while let Some((field, value)) = fields.next(end)? {
                if field == GRAPH_NODE {
                    let end = fields.message(value)?;
                    nodes.push(node(&mut fields, end)?);
                } else {
                    fields.skip(value)?;
                }
            }
        }
        Ok(())
    };
    read().map_err(|broken| torn(path, &broken.to_string()))?;
    if graphs == 0 {
        return Err(torn(path, "it has no graph"));
    }
    Ok(nodes)
}

fn torn(path: &Path, reason: &str) -> EngineError {
    EngineError::Torn { path: path.to_owned(), reason: reason.to_owned() }
}

fn node(fields: &mut Fields<File>, end: u64) -> io::Result<GraphNode> {
    let mut node = GraphNode::default();
    while let Some((field, value)) = fields.next(end)? {
        match field {
            NODE_INPUT => node.inputs.push(fields.text(value)?),
            NODE_OUTPUT => node.outputs.push(fields.text(value)?),
            NODE_OPERATOR => node.operator = fields.text(value)?,
            _ => fields.skip(value)?,
        }
    }
    Ok(node)
}

/// Whether each of these caches (past, present) goes in and out of a `GroupQueryAttention` operator and nothing
/// else, so that both can be one buffer: its documentation (onnxruntime, `ContribOperators.md`) allows past and
/// present to be the same memory. Otherwise says what is in the way.
pub(crate) fn can_share(nodes: &[GraphNode], caches: &[(String, String)]) -> Result<(), String> {
    // Where past key and value, and present key and value, stand among the operator's inputs and outputs.
    const PAST: [usize; 2] = [3, 4];
    const PRESENT: [usize; 2] = [1, 2];
    for (past, present) in caches {
        let users: Vec<&GraphNode> = nodes.iter().filter(|node| node.inputs.contains(past)).collect();
        let [user] = users.as_slice() else {
            return Err(format!("{past} goes into {} operators, not one", users.len()));
        };
        if user.operator != "GroupQueryAttention" {
            return Err(format!("{past} goes into {}, not into GroupQueryAttention", user.operator));
        }
        let goes_in = PAST.iter().position(|&place| user.inputs.get(place) == Some(past));
        let comes_out = PRESENT.iter().position(|&place| user.outputs.get(place) == Some(present));
        if goes_in.is_none() || goes_in != comes_out {
            return Err(format!("{past} and {present} aren't one operator's past and present"));
        }
    }
    Ok(())
}

/// Whether an attention operator is told which rows of its rotary tables to take (its documentation, as above:
/// `cos_cache` and `position_ids`), instead of counting them from the length of its past.
pub(crate) fn is_told_positions(nodes: &[GraphNode]) -> bool {
    const COS_CACHE: usize = 7;
    const POSITION_IDS: usize = 9;
    let has = |node: &GraphNode, place: usize| node.inputs.get(place).is_some_and(|name| !name.is_empty());
    nodes
        .iter()
        .any(|node| node.operator == "GroupQueryAttention" && has(node, COS_CACHE) && has(node, POSITION_IDS))
}

/// The comparison that the values of an input go into, if they do before they become angles or rows of a table: a graph
/// that makes its causal mask of positions, and not of the places in its cache.
pub(crate) fn compares<'a>(nodes: &'a [GraphNode], input: &str) -> Option<&'a str> {
    const COMPARES: [&str; 5] = ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"];
    // Behind these is no position any more: a rotation, or how many there are.
    const ENDS: [&str; 7] =
        ["Cos", "Sin", "RotaryEmbedding", "GroupQueryAttention", "MultiHeadAttention", "Shape", "Size"];
    let mut reached = std::collections::HashSet::from([input]);
    // Nodes stand in the order in which they run.
    for node in nodes {
        let goes_in =
            |place: usize| node.inputs.get(place).is_some_and(|name| reached.contains(name.as_str()));
        let is_reached = (0..node.inputs.len()).any(goes_in);
        let looks_up = node.operator.starts_with("Gather") && !goes_in(0);
        if !is_reached || looks_up || ENDS.contains(&node.operator.as_str()) {
            continue;
        }
        if COMPARES.contains(&node.operator.as_str()) {
            return Some(&node.operator);
        }
        reached.extend(node.outputs.iter().map(String::as_str));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> GraphNode {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        GraphNode { operator: operator.to_owned(), inputs: owned(inputs), outputs: owned(outputs) }
    }

    #[test]
    fn only_group_query_attention_shares_its_cache() {
        let caches = [("pk".to_owned(), "ck".to_owned()), ("pv".to_owned(), "cv".to_owned())];
        let attention =
            node("GroupQueryAttention", &["q", "k", "v", "pk", "pv", "s", "t"], &["o", "ck", "cv"]);
        let crossed = node("GroupQueryAttention", &["q", "k", "v", "pk", "pv", "s", "t"], &["o", "cv", "ck"]);
        let cases = [
            (vec![attention.clone()], true),
            (vec![crossed], false),
            (vec![node("Concat", &["pk", "k"], &["ck"]), node("Concat", &["pv", "v"], &["cv"])], false),
            (vec![attention.clone(), node("Shape", &["pk"], &["length"])], false),
            (vec![], false),
        ];
        for (nodes, expected) in cases {
            assert_eq!(can_share(&nodes, &caches).is_ok(), expected, "{nodes:?}");
        }
    }

    #[test]
    fn positions_that_are_compared_are_told_from_those_that_turn() {
        let angles = [
            node("Unsqueeze", &["p", "axes"], &["rows"]),
            node("Cast", &["rows"], &["floats"]),
            node("MatMul", &["frequencies", "floats"], &["angles"]),
            node("Cos", &["angles"], &["cosines"]),
            node("Less", &["cosines", "x"], &["y"]),
        ];
        let table = [node("Gather", &["table", "p"], &["row"]), node("Less", &["row", "x"], &["y"])];
        let length = [node("Shape", &["p"], &["length"]), node("Less", &["places", "length"], &["y"])];
        let mask =
            [node("Unsqueeze", &["p", "axes"], &["rows"]), node("LessOrEqual", &["columns", "rows"], &["y"])];
        let picked = [node("Gather", &["p", "first"], &["one"]), node("Equal", &["one", "x"], &["y"])];
        let cases: [(&[GraphNode], _); 6] = [
            (&angles, None),
            (&table, None),
            (&length, None),
            (&mask, Some("LessOrEqual")),
            (&picked, Some("Equal")),
            (&[], None),
        ];
        for (nodes, expected) in cases {
            assert_eq!(compares(nodes, "p"), expected, "{nodes:?}");
        }
    }

    #[test]
    fn attention_that_is_told_positions_is_known_by_its_inputs() {
        let start = ["q", "k", "v", "pk", "pv", "s", "t"];
        let cases: [(&[&str], bool); 5] = [
            (&["cos", "sin", "positions"], true),
            (&["cos", "sin", "positions", "bias"], true),
            (&["cos", "sin"], false),
            (&["cos", "sin", "", "bias"], false),
            (&["", "", "", "bias"], false),
        ];
        for (rest, expected) in cases {
            let inputs = [&start[..], rest].concat();
            let nodes = [node("MatMul", &["a", "b"], &["q"]), node("GroupQueryAttention", &inputs, &["o"])];
            assert_eq!(is_told_positions(&nodes), expected, "{rest:?}");
        }
    }

    #[test]
    fn a_file_that_ends_early_or_is_something_else_is_found_out() {
        // ir_version 8, then a graph of 10 bytes with one node: input "a", operator "Relu".
        let whole = [&[0x08, 8, 0x3a, 11, 0x0a, 9, 0x0a, 1, b'a', 0x22, 4][..], b"Relu"].concat();
        let directory = std::env::temp_dir().join(format!("percept-graph-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("graph.onnx");
        let cases: [(Vec<u8>, &str); 6] = [
            (whole.clone(), ""),
            (whole[..whole.len() - 1].to_vec(), "ends in the middle"),
            (whole[..3].to_vec(), "ends in the middle"),
            (Vec::new(), "no graph"),
            (b"<!DOCTYPE html>".to_vec(), "can't be part of it"),
            (b"version https://git-lfs.github.com/spec/v1".to_vec(), "no whole ONNX graph"),
        ];
        for (bytes, expected) in cases {
            std::fs::write(&path, &bytes).unwrap();
            match nodes(&path) {
                Ok(found) => {
                    assert!(expected.is_empty(), "{bytes:?} was read");
                    assert_eq!(found, [node("Relu", &["a"], &[])]);
                }
                Err(error) => {
                    let error = error.to_string();
                    assert!(!expected.is_empty() && error.contains(expected), "{bytes:?}: {error}");
                }
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(matches!(nodes(&path), Err(EngineError::Missing { .. })));
    }
}
