//! What an ONNX file says about its operators, read without loading its weights.
//!
//! Whether a decoder's cache can be one shared buffer depends on its operators, which a session doesn't tell.
//! The file does: it is a protocol buffer (<https://protobuf.dev/programming-guides/encoding/>) of the form
//! `ModelProto` (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>), and its nodes are read here field by
//! field. Weights, which may be gigabytes, are stepped over; a file that ends before it says it does is found out.

use std::{fs::File, io, path::Path};

use super::EngineError;
use crate::protobuf::{Fields, Value};

/// One operator in the graph, or in a graph within it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GraphNode {
    /// Its kind (`MatMul`).
    pub(crate) operator: String,
    /// What goes in, in order; an empty name is an input left out.
    pub(crate) inputs: Vec<String>,
    /// What comes out, in order.
    pub(crate) outputs: Vec<String>,
    /// Its attributes that are whole numbers, by name.
    pub(crate) numbers: Vec<(String, i64)>,
    /// Where it isn't of the main graph: the attribute there whose graph it is in (`then_branch`, `else_branch`, `body`),
    /// or [`FUNCTION`].
    pub(crate) within: Option<String>,
}

/// Where the nodes of a function are that the file defines itself.
pub(crate) const FUNCTION: &str = "function";

impl GraphNode {
    /// An attribute that is a whole number.
    fn number(&self, name: &str) -> Option<i64> {
        self.numbers.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }

    /// Whether an input at this place is given.
    fn is_given(&self, place: usize) -> bool {
        self.inputs.get(place).is_some_and(|name| !name.is_empty())
    }
}

// Field numbers of onnx.proto.
const MODEL_GRAPH: u64 = 7;
const MODEL_FUNCTION: u64 = 25;
const GRAPH_NODE: u64 = 1;
const NODE_INPUT: u64 = 1;
const NODE_OUTPUT: u64 = 2;
const NODE_OPERATOR: u64 = 4;
const NODE_ATTRIBUTE: u64 = 5;
const FUNCTION_NODE: u64 = 7;
const ATTRIBUTE_NAME: u64 = 1;
const ATTRIBUTE_NUMBER: u64 = 3;
const ATTRIBUTE_GRAPH: u64 = 6;
const ATTRIBUTE_GRAPHS: u64 = 11;

/// How deep graphs may lie within graphs; merged decoders have one within another.
const DEEPEST: usize = 16;

/// The nodes of a file's main graph, and of the graphs and functions within it. Those of a graph within come before the
/// node that it belongs to.
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
            let (node_field, within) = match field {
                MODEL_GRAPH => (GRAPH_NODE, None),
                MODEL_FUNCTION => (FUNCTION_NODE, Some(FUNCTION)),
                _ => {
                    fields.skip(value)?;
                    continue;
                }
            };
            graphs += usize::from(field == MODEL_GRAPH);
            let end = fields.message(value)?;
            graph(&mut fields, end, node_field, (within, 0), &mut nodes)?;
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

/// Reads a graph's nodes, or a function's, which lie so deep within something.
fn graph(
    fields: &mut Fields<File>,
    end: u64,
    node_field: u64,
    within: (Option<&str>, usize),
    nodes: &mut Vec<GraphNode>,
) -> io::Result<()> {
    if within.1 > DEEPEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its graphs lie too deep within each other"));
    }
    while let Some((field, value)) = fields.next(end)? {
        if field == node_field {
            let end = fields.message(value)?;
            node(fields, end, within, nodes)?;
        } else {
            fields.skip(value)?;
        }
    }
    Ok(())
}

fn node(
    fields: &mut Fields<File>,
    end: u64,
    within: (Option<&str>, usize),
    nodes: &mut Vec<GraphNode>,
) -> io::Result<()> {
    let mut node = GraphNode { within: within.0.map(str::to_owned), ..GraphNode::default() };
    while let Some((field, value)) = fields.next(end)? {
        match field {
            NODE_INPUT => node.inputs.push(fields.text(value)?),
            NODE_OUTPUT => node.outputs.push(fields.text(value)?),
            NODE_OPERATOR => node.operator = fields.text(value)?,
            NODE_ATTRIBUTE => {
                let end = fields.message(value)?;
                node.numbers.extend(attribute(fields, end, within, nodes)?);
            }
            _ => fields.skip(value)?,
        }
    }
    nodes.push(node);
    Ok(())
}

/// Reads the nodes of an attribute's graphs; gives its name and its number, if it has one.
fn attribute(
    fields: &mut Fields<File>,
    end: u64,
    (within, depth): (Option<&str>, usize),
    nodes: &mut Vec<GraphNode>,
) -> io::Result<Option<(String, i64)>> {
    let (mut name, mut number, mut graphs) = (String::new(), None, Vec::new());
    while let Some((field, value)) = fields.next(end)? {
        match (field, value) {
            (ATTRIBUTE_NAME, _) => name = fields.text(value)?,
            // Whole numbers below zero are written as their two's complement.
            (ATTRIBUTE_NUMBER, Value::Number(bits)) => number = Some(bits.cast_signed()),
            (ATTRIBUTE_GRAPH | ATTRIBUTE_GRAPHS, _) => {
                let end = fields.message(value)?;
                graph(fields, end, GRAPH_NODE, (None, depth + 1), &mut graphs)?;
            }
            _ => fields.skip(value)?,
        }
    }
    // Only now, because a file may tell an attribute's name after its graph.
    let outer = within.unwrap_or(&name);
    nodes.extend(graphs.into_iter().map(|node| GraphNode { within: Some(outer.to_owned()), ..node }));
    Ok(number.map(|number| (name, number)))
}

/// Whether each of these caches (past, present) goes in and out of a `GroupQueryAttention` operator and nothing
/// else, so that both can be one buffer: its documentation (onnxruntime, `ContribOperators.md`) allows past and
/// present to be the same memory; and whether nothing reads what comes out. Otherwise says what is in the way.
pub(crate) fn can_share(nodes: &[GraphNode], caches: &[(String, String)]) -> Result<(), String> {
    // Where past key and value, and present key and value, stand among the operator's inputs and outputs.
    const PAST: [usize; 2] = [3, 4];
    const PRESENT: [usize; 2] = [1, 2];
    for (past, present) in caches {
        let users: Vec<&GraphNode> = nodes.iter().filter(|node| node.inputs.contains(past)).collect();
        let [user] = users.as_slice() else {
            return Err(format!("{past} goes into {} operators, not one", users.len()));
        };
        if let Some(within) = &user.within {
            return Err(format!("{past} goes into {} within a graph's {within}", user.operator));
        }
        if user.operator != "GroupQueryAttention" {
            return Err(format!("{past} goes into {}, not into GroupQueryAttention", user.operator));
        }
        let goes_in = PAST.iter().position(|&place| user.inputs.get(place) == Some(past));
        let comes_out = PRESENT.iter().position(|&place| user.outputs.get(place) == Some(present));
        if goes_in.is_none() || goes_in != comes_out {
            return Err(format!("{past} and {present} aren't one operator's past and present"));
        }
        // One buffer is as long as the context, and what lies beyond the text in it means nothing.
        if let Some(reader) = nodes.iter().find(|node| node.inputs.contains(present)) {
            return Err(format!("{present} goes into {} too", reader.operator));
        }
    }
    Ok(())
}

/// Whether an attention operator is told which rows of its rotary tables to take (its documentation, as above:
/// `cos_cache` and `position_ids`), instead of counting them from the length of its past.
pub(crate) fn is_told_positions(nodes: &[GraphNode]) -> bool {
    const COS_CACHE: usize = 7;
    attentions(nodes).any(|node| node.is_given(COS_CACHE) && node.is_given(POSITION_IDS))
}

/// The longest window of those that attention keeps in the cache by itself (its documentation, as above:
/// `sliding_window_cache`).
pub(crate) fn kept_window(nodes: &[GraphNode]) -> Option<usize> {
    let keeps = attentions(nodes).filter(|node| node.number("sliding_window_cache") == Some(1));
    keeps.filter_map(|node| usize::try_from(node.number("local_window_size")?).ok()).max()
}

/// Where `GroupQueryAttention` takes positions (its documentation, as above).
const POSITION_IDS: usize = 9;

fn attentions(nodes: &[GraphNode]) -> impl Iterator<Item = &GraphNode> {
    nodes.iter().filter(|node| node.operator == "GroupQueryAttention")
}

/// Why a decoder with an input for positions may be wrong where something of its cache was let go, as far as its operators
/// show it.
pub(crate) fn counts_by_cache(nodes: &[GraphNode], positions: &str) -> Option<String> {
    if let Some(node) = nodes.iter().find(|node| node.within.is_some()) {
        let within = node.within.as_deref().unwrap_or_default();
        return Some(format!(
            "a part of it is a graph or a function of its own (`{within}`), and what that does with positions isn't known"
        ));
    }
    if !nodes.iter().any(|node| node.inputs.iter().any(|name| name == positions)) {
        return Some(format!(
            "it makes no use of `{positions}`, so it counts positions by its cache's length"
        ));
    }
    // Without positions its rotation goes by the length of the past.
    let counts = |node: &GraphNode| node.number("do_rotary") == Some(1) && !node.is_given(POSITION_IDS);
    if attentions(nodes).any(counts) {
        return Some(
            "its attention (`GroupQueryAttention` with `do_rotary`) isn't told positions and counts them by its cache's \
             length"
                .to_owned(),
        );
    }
    // -1 is its documented word for none.
    let own = |node: &GraphNode| node.number("local_window_size").filter(|size| *size != -1);
    if let Some(size) = attentions(nodes).find_map(own) {
        return Some(format!(
            "its attention has a window of {size} positions of its own (`local_window_size`), counted within its cache"
        ));
    }
    compares(nodes, positions).map(|operator| {
        format!(
            "it compares positions with the places of its cache ({operator} of `{positions}`), which part once something is \
             let go"
        )
    })
}

/// Whether this input is read in a first run alone: nothing takes it but the other branch of what `switch` chooses
/// (`use_cache_branch`), which runs where there is no cache.
pub(crate) fn is_read_at_first(nodes: &[GraphNode], input: &str, switch: &str) -> bool {
    let chosen = |node: &GraphNode| node.inputs.first().is_some_and(|condition| condition == switch);
    let own = || nodes.iter().filter(|node| node.within.is_none());
    let mut choices = own().filter(|node| node.operator == "If");
    let takes = |node: &&GraphNode| node.inputs.iter().any(|name| name == input);
    let first = |node: &GraphNode| node.within.as_deref() == Some("else_branch");
    choices.all(chosen) && nodes.iter().filter(takes).all(first)
}

/// The comparison that the values of an input go into, if they do before they become angles or rows of a table: a graph
/// that makes its causal mask of positions, and not of the places in its cache.
fn compares<'a>(nodes: &'a [GraphNode], input: &str) -> Option<&'a str> {
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
        let (inputs, outputs) = (owned(inputs), owned(outputs));
        GraphNode { operator: operator.to_owned(), inputs, outputs, ..GraphNode::default() }
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
            (vec![attention.clone(), node("Shape", &["ck"], &["length"])], false),
            (vec![GraphNode { within: Some("then_branch".to_owned()), ..attention.clone() }], false),
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
    fn the_longest_window_that_a_cache_is_kept_in_is_known() {
        let attends = |window, keeps| GraphNode {
            numbers: vec![
                ("local_window_size".to_owned(), window),
                ("sliding_window_cache".to_owned(), i64::from(keeps)),
            ],
            ..node("GroupQueryAttention", &[], &[])
        };
        for (nodes, expected) in [
            (vec![], None),
            (vec![attends(8, false), attends(-1, false)], None),
            (vec![attends(8, true), attends(16, true), attends(32, false)], Some(16)),
        ] {
            assert_eq!(kept_window(&nodes), expected, "{nodes:?}");
        }
    }

    #[test]
    fn a_graph_that_may_count_by_its_cache_is_told_from_one_that_is_told_where_its_tokens_stand() {
        let within = |node: GraphNode| GraphNode { within: Some("then_branch".to_owned()), ..node };
        let attends = |positions: &str, number: Option<(&str, i64)>| {
            let inputs = ["q", "k", "v", "pk", "pv", "s", "t", "cos", "sin", positions];
            let numbers = number.map(|(name, number)| (name.to_owned(), number));
            GraphNode {
                numbers: numbers.into_iter().collect(),
                ..node("GroupQueryAttention", &inputs, &["o"])
            }
        };
        let turns = || node("RotaryEmbedding", &["x", "p", "cos", "sin"], &["y"]);
        let cases = [
            (vec![turns()], None),
            (vec![attends("p", Some(("do_rotary", 1)))], None),
            (vec![turns(), attends("", Some(("do_rotary", 0)))], None),
            (vec![attends("p", Some(("local_window_size", -1)))], None),
            (vec![node("Relu", &["x"], &["y"])], Some("makes no use of `p`")),
            (vec![], Some("makes no use of `p`")),
            (vec![turns(), attends("", Some(("do_rotary", 1)))], Some("isn't told positions")),
            (vec![attends("p", Some(("local_window_size", 8)))], Some("window of 8 positions of its own")),
            (vec![within(node("Less", &["p", "x"], &["y"])), turns()], Some("(`then_branch`)")),
            (vec![node("Less", &["p", "x"], &["y"])], Some("(Less of `p`)")),
        ];
        for (nodes, expected) in cases {
            let reason = counts_by_cache(&nodes, "p");
            assert_eq!(reason.is_some(), expected.is_some(), "{nodes:?}: {reason:?}");
            assert!(reason.unwrap_or_default().contains(expected.unwrap_or_default()), "{nodes:?}");
        }
    }

    #[test]
    fn what_only_a_first_run_reads_is_known_where_nothing_else_takes_it() {
        let within =
            |name: &str| GraphNode { within: Some(name.to_owned()), ..node("MatMul", &["s", "w"], &["k"]) };
        let choice = || node("If", &["switch"], &["logits"]);
        let cases = [
            (vec![within("else_branch"), choice()], true),
            (vec![within("then_branch"), choice()], false),
            (vec![within("else_branch"), within("then_branch"), choice()], false),
            (vec![within("else_branch"), node("If", &["other"], &["logits"])], false),
            (vec![node("Cast", &["s"], &["t"]), within("else_branch"), choice()], false),
            (vec![within(FUNCTION), choice()], false),
        ];
        for (nodes, expected) in cases {
            assert_eq!(is_read_at_first(&nodes, "s", "switch"), expected, "{nodes:?}");
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

    #[test]
    fn what_lies_in_branches_and_functions_is_read_with_where_it_lies() {
        // A field that is a text or a message of less than 128 bytes.
        fn field(number: u8, content: &[u8]) -> Vec<u8> {
            [&[number << 3 | 2, content.len() as u8][..], content].concat()
        }
        let relu = [field(1, b"a"), field(4, b"Relu")].concat();
        // Another `If` lies in the branch; its attribute's name comes last.
        let inner =
            [field(4, b"If"), field(5, &[field(6, &field(1, &relu)), field(1, b"body")].concat())].concat();
        let branch = [field(1, b"then_branch"), field(6, &field(1, &inner))].concat();
        let minus_one = [&field(1, b"size")[..], &[0x18], &[0xff; 9], &[1]].concat();
        let choice = [field(1, b"s"), field(4, b"If"), field(5, &branch), field(5, &minus_one)].concat();
        // The number of functions doesn't fit into one byte with its kind.
        let function = [&[0xca, 1, relu.len() as u8 + 2][..], &field(7, &relu)].concat();
        let model = [field(7, &field(1, &choice)), function].concat();
        let directory = std::env::temp_dir().join(format!("percept-branches-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("graph.onnx");
        std::fs::write(&path, &model).unwrap();
        let found = nodes(&path).unwrap();
        let told: Vec<_> =
            found.iter().map(|node| (node.operator.as_str(), node.within.as_deref())).collect();
        let within = Some("then_branch");
        assert_eq!(told, [("Relu", within), ("If", within), ("If", None), ("Relu", Some(FUNCTION))]);
        assert_eq!((found[2].number("size"), found[2].number("other")), (Some(-1), None));
        // However deep it goes, reading it comes to an end.
        let deep = |levels: usize| {
            let within = |graph: Vec<u8>, _| {
                let length = |bytes: &[u8]| [bytes.len() as u8 & 0x7f | 0x80, (bytes.len() >> 7) as u8];
                [0x32, 0x2a, 0x0a]
                    .into_iter()
                    .fold(graph, |content, key: u8| [&[key][..], &length(&content), &content].concat())
            };
            let graph = (0..levels).fold(field(1, &relu), within);
            [&[0x3a, graph.len() as u8 & 0x7f | 0x80, (graph.len() >> 7) as u8][..], &graph].concat()
        };
        for (levels, is_read) in [(16, true), (17, false), (200, false)] {
            std::fs::write(&path, deep(levels)).unwrap();
            assert_eq!(nodes(&path).is_ok(), is_read, "{levels}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
