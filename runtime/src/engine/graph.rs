//! What an ONNX file says about its operators, read without loading its weights.
//!
//! Whether a decoder's cache can be one shared buffer depends on its operators, which a session doesn't tell.
//! The file does: it is a protocol buffer (<https://protobuf.dev/programming-guides/encoding/>) of the form
//! `ModelProto` (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>), and its nodes are read here field by
//! field. Weights, which may be gigabytes, are stepped over; a file that ends before it says it does is found out.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use super::EngineError;

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
    let mut reader = Fields { source: BufReader::new(file), place: 0 };
    let mut nodes = Vec::new();
    let mut graphs = 0;
    let mut read = || -> Result<(), Broken> {
        while let Some((field, value)) = reader.next(length)? {
            if field != MODEL_GRAPH {
                reader.skip(value, length)?;
                continue;
            }
            graphs += 1;
            let end = reader.end_of(value, length)?;
            while let Some((field, value)) = reader.next(end)? {
                if field == GRAPH_NODE {
                    let end = reader.end_of(value, end)?;
                    nodes.push(reader.node(end)?);
                } else {
                    reader.skip(value, end)?;
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

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it ends in the middle, at byte {0}")]
    Short(u64),
    #[error("byte {0} can't be part of it")]
    Nonsense(u64),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a field holds: a number, or so many bytes that follow.
#[derive(Debug, Clone, Copy)]
enum FieldValue {
    Number,
    Bytes(u64),
}

struct Fields<R> {
    source: R,
    place: u64,
}

impl<R: Read + Seek> Fields<R> {
    /// The next field before `end`.
    fn next(&mut self, end: u64) -> Result<Option<(u64, FieldValue)>, Broken> {
        if self.place == end {
            return Ok(None);
        }
        let begin = self.place;
        let key = self.varint(end)?;
        let value = match key & 7 {
            0 => {
                self.varint(end)?;
                FieldValue::Number
            }
            1 => FieldValue::Bytes(8),
            2 => FieldValue::Bytes(self.varint(end)?),
            5 => FieldValue::Bytes(4),
            _ => return Err(Broken::Nonsense(begin)),
        };
        if key >> 3 == 0 {
            return Err(Broken::Nonsense(begin));
        }
        Ok(Some((key >> 3, value)))
    }

    fn varint(&mut self, end: u64) -> Result<u64, Broken> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1, end)?;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Broken::Nonsense(self.place))
    }

    fn bytes(&mut self, count: u64, end: u64) -> Result<Vec<u8>, Broken> {
        if count > end.saturating_sub(self.place) {
            return Err(Broken::Short(end));
        }
        let mut bytes = vec![0; count as usize];
        self.source.read_exact(&mut bytes)?;
        self.place += count;
        Ok(bytes)
    }

    fn end_of(&self, value: FieldValue, end: u64) -> Result<u64, Broken> {
        match value {
            FieldValue::Bytes(count) if count <= end - self.place => Ok(self.place + count),
            FieldValue::Bytes(_) => Err(Broken::Short(end)),
            FieldValue::Number => Err(Broken::Nonsense(self.place)),
        }
    }

    fn skip(&mut self, value: FieldValue, end: u64) -> Result<(), Broken> {
        if let FieldValue::Bytes(_) = value {
            self.place = self.end_of(value, end)?;
            self.source.seek(SeekFrom::Start(self.place))?;
        }
        Ok(())
    }

    fn node(&mut self, end: u64) -> Result<GraphNode, Broken> {
        let mut node = GraphNode::default();
        while let Some((field, value)) = self.next(end)? {
            match (field, value) {
                (NODE_INPUT | NODE_OUTPUT | NODE_OPERATOR, FieldValue::Bytes(count)) => {
                    let text = String::from_utf8_lossy(&self.bytes(count, end)?).into_owned();
                    match field {
                        NODE_INPUT => node.inputs.push(text),
                        NODE_OUTPUT => node.outputs.push(text),
                        _ => node.operator = text,
                    }
                }
                _ => self.skip(value, end)?,
            }
        }
        Ok(node)
    }
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
