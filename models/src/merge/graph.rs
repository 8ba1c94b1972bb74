//! An ONNX graph, as far as merging needs it: what each node does, and where each weight lies.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use percept_runtime::protobuf::Fields;
use sha2::{Digest, Sha256};

use super::{
    numbers::Numbers,
    tensor::{TENSOR_EXTERNAL, Weight, kind_name, text, unmergeable, weight},
};
use crate::{ModelError, folder::bad};

/// What a node does, without its name and its documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    operator: String,
    output: String,
    digest: [u8; 32],
}

/// A graph with the graphs inside its nodes.
#[derive(Debug)]
pub(super) struct Graph {
    /// Its file.
    pub(super) path: PathBuf,
    nodes: Vec<Node>,
    /// Every initializer, in the order of the file.
    pub(super) weights: Vec<Weight>,
    /// The names of what nodes take as tables of angles.
    tables: BTreeSet<String>,
    /// Its inputs and outputs, the operators' versions, and functions of its own.
    ports: [u8; 32],
}

/// What keeps a weight's numbers from being merged.
pub(super) enum Fixed {
    /// How they are written: what they are.
    Kind(String),
    /// They are cosines, sines or frequencies of positions: the mean of two angles' cosines is no angle's.
    Angles,
}

// Numbers of fields in onnx.proto (onnx 1.23).
const MODEL_GRAPH: u64 = 7;
const MODEL_OPSET: u64 = 8;
const MODEL_FUNCTION: u64 = 25;
const GRAPH_NODE: u64 = 1;
const GRAPH_INITIALIZER: u64 = 5;
const GRAPH_INPUT: u64 = 11;
const GRAPH_OUTPUT: u64 = 12;
const GRAPH_SPARSE_INITIALIZER: u64 = 15;
const NODE_INPUT: u64 = 1;
const NODE_OUTPUT: u64 = 2;
const NODE_OPERATOR: u64 = 4;
const NODE_ATTRIBUTE: u64 = 5;
const NODE_DOMAIN: u64 = 7;
const ATTRIBUTE_NAME: u64 = 1;
const ATTRIBUTE_TENSOR: u64 = 5;
const ATTRIBUTE_GRAPH: u64 = 6;
const ATTRIBUTE_TENSORS: u64 = 10;
const ATTRIBUTE_GRAPHS: u64 = 11;
/// How many graphs may lie one inside another. Nothing that an exporter makes comes near.
const DEEPEST: usize = 16;

impl Graph {
    /// Reads what lies where in a file.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] for a file that can't be read, isn't a graph, or keeps weights in a way that can't be merged.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let read = || -> io::Result<Self> {
            let file = File::open(path)?;
            let whole = 0..file.metadata()?.len();
            let mut wire = Fields::new(file);
            let model = wire.all(whole)?;
            let graph =
                model.iter().find(|field| field.number == MODEL_GRAPH).map(|field| field.place.clone());
            let graph = graph.ok_or_else(|| unmergeable("it holds no graph".into()))?;
            let (nodes, weights, tables) = (Vec::new(), Vec::new(), BTreeSet::new());
            let mut found = Self { path: path.to_owned(), nodes, weights, tables, ports: [0; 32] };
            let mut ports = Sha256::new();
            for field in model.iter().filter(|field| [MODEL_OPSET, MODEL_FUNCTION].contains(&field.number)) {
                ports.update(wire.read(field.place.clone())?);
            }
            found.gather(&mut wire, graph, &mut ports, 0)?;
            found.ports = ports.finalize().into();
            Ok(found)
        };
        read().map_err(|error| bad(path, error.to_string()))
    }

    fn gather(
        &mut self,
        wire: &mut Fields<File>,
        graph: Range<u64>,
        ports: &mut Sha256,
        depth: usize,
    ) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(unmergeable(format!("graphs lie in it more than {DEEPEST} deep")));
        }
        for field in wire.all(graph)? {
            let place = field.place;
            match field.number {
                GRAPH_NODE => self.node(wire, place, ports, depth)?,
                GRAPH_INITIALIZER => {
                    let weight = weight(wire, place, &self.path)?;
                    self.weights.push(weight);
                }
                GRAPH_INPUT | GRAPH_OUTPUT => ports.update(wire.read(place)?),
                GRAPH_SPARSE_INITIALIZER => return Err(unmergeable("it has sparse weights".into())),
                _ => {}
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        wire: &mut Fields<File>,
        place: Range<u64>,
        ports: &mut Sha256,
        depth: usize,
    ) -> io::Result<()> {
        let (mut operator, mut output, mut digest) = (String::new(), String::new(), Sha256::new());
        let (mut within, mut inputs) = (Vec::new(), Vec::new());
        for field in wire.all(place)? {
            let place = field.place;
            match field.number {
                NODE_OPERATOR => operator = text(wire, place.clone())?,
                NODE_OUTPUT if output.is_empty() => output = text(wire, place.clone())?,
                NODE_INPUT => inputs.push(place.clone()),
                NODE_OUTPUT | NODE_DOMAIN => {}
                NODE_ATTRIBUTE => {
                    if let Some(what) = hides(wire, place.clone())? {
                        return Err(unmergeable(format!("a node of the kind `{operator}` keeps {what}")));
                    }
                    let graphs = graphs(wire, place.clone())?;
                    if !graphs.is_empty() {
                        // What lies in a branch is compared node by node.
                        within.extend(graphs);
                        let name = wire.all(place)?.into_iter().find(|field| field.number == ATTRIBUTE_NAME);
                        if let Some(name) = name {
                            digest.update(wire.read(name.place)?);
                        }
                        continue;
                    }
                }
                _ => continue,
            }
            digest.update(field.number.to_le_bytes());
            digest.update((place.end - place.start).to_le_bytes());
            digest.update(wire.read(place)?);
        }
        for place in inputs.get(tables_of(&operator, inputs.len())).unwrap_or_default() {
            self.tables.insert(text(wire, place.clone())?);
        }
        self.nodes.push(Node { operator, output, digest: digest.finalize().into() });
        within.into_iter().try_for_each(|graph| self.gather(wire, graph, ports, depth + 1))
    }

    /// Why a weight's numbers must be the same in all models; `None` if they can be merged.
    pub(super) fn fixed(&self, weight: &Weight) -> Option<Fixed> {
        let kind = kind_name(weight.kind);
        if Numbers::of(weight.kind).is_none() {
            Some(Fixed::Kind(format!("is of the type {kind}")))
        } else if self.tables.contains(&weight.name) || weight.name.ends_with("inv_freq") {
            Some(Fixed::Angles)
        } else {
            weight.is_list.then(|| Fixed::Kind(format!("is {kind} in a list of another type")))
        }
    }

    /// Where another graph isn't one of the same architecture; `None` if it is.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let pairs = self.nodes.iter().zip(&other.nodes);
        let unlike = pairs.enumerate().find(|(_, (one, other))| one != other);
        if let Some((index, (one, other))) = unlike {
            return Some(format!(
                "node {index} is `{}` that gives `{}` in one, and `{}` that gives `{}`{} in the other",
                one.operator,
                one.output,
                other.operator,
                other.output,
                if one.operator == other.operator { ", or with other inputs or attributes," } else { "" }
            ));
        }
        if self.nodes.len() != other.nodes.len() {
            return Some(format!("one has {} nodes, the other {}", self.nodes.len(), other.nodes.len()));
        }
        for (one, other) in self.weights.iter().zip(&other.weights) {
            if one.name != other.name {
                return Some(format!(
                    "one has the weight `{}` where the other has `{}`",
                    one.name, other.name
                ));
            }
            if (one.kind, &one.shape) != (other.kind, &other.shape) {
                return Some(format!(
                    "the weight `{}` is {} {:?} in one, and {} {:?} in the other",
                    one.name,
                    kind_name(one.kind),
                    one.shape,
                    kind_name(other.kind),
                    other.shape
                ));
            }
        }
        if self.weights.len() != other.weights.len() {
            return Some(format!(
                "one has {} weights, the other {}",
                self.weights.len(),
                other.weights.len()
            ));
        }
        (self.ports != other.ports)
            .then(|| "their inputs, outputs, functions or the versions of their operators differ".into())
    }
}

/// What an attribute keeps that can't be merged, if it does.
fn hides(wire: &mut Fields<File>, attribute: Range<u64>) -> io::Result<Option<&'static str>> {
    // A number may have the same field in another message: only a message has fields.
    let fields = wire.all(attribute)?.into_iter().filter(|field| field.value.is_none());
    for field in fields {
        match field.number {
            ATTRIBUTE_TENSORS | ATTRIBUTE_GRAPHS => {
                return Ok(Some("several tensors or graphs in one attribute"));
            }
            ATTRIBUTE_TENSOR
                if wire.all(field.place)?.iter().any(|field| field.number == TENSOR_EXTERNAL) =>
            {
                return Ok(Some("numbers in another file"));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Which of a node's inputs are cosines and sines: in `ai.onnx` they follow the first input of `RotaryEmbedding`, in
/// `com.microsoft` the places of the tokens are before them.
fn tables_of(operator: &str, inputs: usize) -> Range<usize> {
    match operator {
        "RotaryEmbedding" => 1..inputs,
        "GroupQueryAttention" => 7..inputs.min(9),
        _ => 0..0,
    }
}

/// The graphs in an attribute.
fn graphs(wire: &mut Fields<File>, attribute: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let fields = wire.all(attribute)?.into_iter();
    Ok(fields.filter(|field| field.number == ATTRIBUTE_GRAPH).map(|field| field.place).collect())
}
