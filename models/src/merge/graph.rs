//! An ONNX graph, as far as merging needs it: what each node does, and where each weight lies.

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use percept_runtime::protobuf::Fields;
use sha2::{Digest, Sha256};

use super::numbers::Numbers;
use crate::{ModelError, folder::bad};

/// Where a weight's numbers lie, little-endian and without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file: the graph's own, or one of external data beside it.
    pub(super) file: PathBuf,
    /// The bytes in it.
    pub(super) bytes: Range<u64>,
}

impl Place {
    /// How many bytes.
    pub(super) fn length(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// Its bytes, counted from its beginning, in parts of at most this many.
    pub(super) fn parts(&self, most: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        let length = self.length();
        let mut start = 0u64;
        std::iter::from_fn(move || {
            let part = start..length.min(start.saturating_add(most));
            start = part.end;
            (part.start < part.end).then_some(part)
        })
    }
}

/// One initializer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weight {
    /// Its name, which is the same in every graph of one architecture.
    pub(super) name: String,
    /// The number of its type in ONNX's `TensorProto.DataType`.
    pub(super) kind: u64,
    /// Its shape.
    pub(super) shape: Vec<u64>,
    /// Its numbers.
    pub(super) place: Place,
}

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
    /// Its inputs and outputs, the operators' versions, and functions of its own.
    ports: [u8; 32],
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
const TENSOR_SHAPE: u64 = 1;
const TENSOR_KIND: u64 = 2;
const TENSOR_NAME: u64 = 8;
const TENSOR_RAW: u64 = 9;
const TENSOR_EXTERNAL: u64 = 13;
/// Numbers in a list of their own type: float, int32, string, int64, double, uint64.
const TENSOR_TYPED: [u64; 6] = [4, 5, 6, 7, 10, 11];
/// Of these the ones that lie as they would raw, by the type of the tensor: floats and doubles. Half floats in such a list are
/// written as numbers of variable length.
const AS_RAW: [(u64, u64); 2] = [(1, 4), (11, 10)];

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
            let mut found =
                Self { path: path.to_owned(), nodes: Vec::new(), weights: Vec::new(), ports: [0; 32] };
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
        let mut within = Vec::new();
        for field in wire.all(place)? {
            let place = field.place;
            match field.number {
                NODE_OPERATOR => operator = text(wire, place.clone())?,
                NODE_OUTPUT if output.is_empty() => output = text(wire, place.clone())?,
                NODE_INPUT | NODE_OUTPUT | NODE_DOMAIN => {}
                NODE_ATTRIBUTE => {
                    if keeps_numbers_elsewhere(wire, place.clone())? {
                        let problem =
                            format!("a node of the kind `{operator}` keeps numbers in another file");
                        return Err(unmergeable(problem));
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
        self.nodes.push(Node { operator, output, digest: digest.finalize().into() });
        within.into_iter().try_for_each(|graph| self.gather(wire, graph, ports, depth + 1))
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

/// Whether an attribute is a tensor whose numbers lie in a file of external data.
fn keeps_numbers_elsewhere(wire: &mut Fields<File>, attribute: Range<u64>) -> io::Result<bool> {
    let tensor = wire.all(attribute)?.into_iter().find(|field| field.number == ATTRIBUTE_TENSOR);
    // An attribute's text may have the same number in another message: only a message has fields.
    let Some(tensor) = tensor.filter(|tensor| tensor.value.is_none()) else { return Ok(false) };
    Ok(wire.all(tensor.place)?.iter().any(|field| field.number == TENSOR_EXTERNAL))
}

/// The graphs in an attribute.
fn graphs(wire: &mut Fields<File>, attribute: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let fields = wire.all(attribute)?.into_iter();
    Ok(fields.filter(|field| field.number == ATTRIBUTE_GRAPH).map(|field| field.place).collect())
}

fn weight(wire: &mut Fields<File>, place: Range<u64>, path: &Path) -> io::Result<Weight> {
    let (mut name, mut kind, mut shape) = (String::new(), 0, Vec::new());
    let (mut here, mut external, mut listed) = (None, Vec::new(), None);
    for field in wire.all(place)? {
        match field.number {
            TENSOR_SHAPE => match field.value {
                Some(side) => shape.push(side),
                None => shape.extend(wire.packed(field.place)?),
            },
            TENSOR_KIND => kind = field.value.unwrap_or(0),
            TENSOR_NAME => name = text(wire, field.place)?,
            TENSOR_EXTERNAL => external.push(field.place),
            number if number == TENSOR_RAW || TENSOR_TYPED.contains(&number) => {
                if field.value.is_some() || here.is_some() {
                    return Err(unmergeable(format!("the numbers of `{name}` are stored one by one")));
                }
                here = Some(field.place);
                listed = Some(number).filter(|number| *number != TENSOR_RAW);
            }
            _ => {}
        }
    }
    if let (Some(list), true) = (listed, Numbers::of(kind).is_some())
        && !AS_RAW.contains(&(kind, list))
    {
        let problem = format!("the numbers of `{name}` are {} in a list of another type", kind_name(kind));
        return Err(unmergeable(problem));
    }
    let place = match (here, external.is_empty()) {
        (Some(bytes), true) => Place { file: path.to_owned(), bytes },
        (None, true) => Place { file: path.to_owned(), bytes: 0..0 },
        (_, false) => beside(wire, external, path, &name)?,
    };
    Ok(Weight { name, kind, shape, place })
}

/// The place of external data, which must lie in the graph's own folder.
fn beside(wire: &mut Fields<File>, entries: Vec<Range<u64>>, path: &Path, name: &str) -> io::Result<Place> {
    let (mut location, mut offset, mut length) = (None, 0, None);
    for entry in entries {
        let mut pair = (String::new(), String::new());
        for field in wire.all(entry)? {
            match field.number {
                1 => pair.0 = text(wire, field.place)?,
                2 => pair.1 = text(wire, field.place)?,
                _ => {}
            }
        }
        let number = || {
            pair.1.parse::<u64>().map_err(|_| unmergeable(format!("`{}` of `{name}` is no number", pair.0)))
        };
        match pair.0.as_str() {
            "location" => location = Some(pair.1),
            "offset" => offset = number()?,
            "length" => length = Some(number()?),
            _ => {}
        }
    }
    let location = location.ok_or_else(|| unmergeable(format!("`{name}` lies in an unnamed file")))?;
    if Path::new(&location).components().count() != 1 || Path::new(&location).file_name().is_none() {
        return Err(unmergeable(format!("`{name}` lies in `{location}`, outside of the graph's folder")));
    }
    let file = path.with_file_name(&location);
    let size = std::fs::metadata(&file)
        .map_err(|error| unmergeable(format!("`{name}` lies in {}: {error}", file.display())))?
        .len();
    let end = length.map_or(Some(size), |length| offset.checked_add(length));
    let end = end.filter(|end| offset <= *end && *end <= size);
    let end = end.ok_or_else(|| {
        unmergeable(format!("`{name}` ends beyond {}, which has {size} bytes", file.display()))
    })?;
    Ok(Place { file, bytes: offset..end })
}

/// The text at a place.
fn text(wire: &mut Fields<File>, place: Range<u64>) -> io::Result<String> {
    let start = place.start;
    String::from_utf8(wire.read(place)?).map_err(|_| unmergeable(format!("no text at byte {start}")))
}

/// A type's name in ONNX.
pub(super) fn kind_name(kind: u64) -> String {
    const NAMES: [&str; 17] = [
        "undefined",
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    usize::try_from(kind)
        .ok()
        .and_then(|kind| NAMES.get(kind))
        .map_or_else(|| format!("type {kind}"), |name| (*name).to_owned())
}

fn unmergeable(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
