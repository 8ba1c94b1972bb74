//! What a graph's weights are and how much room they take, read from its file without loading them.
//!
//! Reference: onnx.proto (onnx 1.23) and onnxruntime's `ContribOperators.md` (`MatMulNBits`, `QMoE`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use percept_runtime::protobuf::Fields;
use serde::Serialize;

use super::{Precision, bad};
use crate::ModelError;

// Numbers of fields in onnx.proto.
const MODEL_GRAPH: u64 = 7;
const GRAPH_NODE: u64 = 1;
const GRAPH_INITIALIZER: u64 = 5;
const NODE_OPERATOR: u64 = 4;
const NODE_ATTRIBUTE: u64 = 5;
const ATTRIBUTE_NAME: u64 = 1;
const ATTRIBUTE_NUMBER: u64 = 3;
const TENSOR_SHAPE: u64 = 1;
const TENSOR_KIND: u64 = 2;
const TENSOR_EXTERNAL: u64 = 13;
const ENTRY_KEY: u64 = 1;
const ENTRY_VALUE: u64 = 2;

/// The kinds of numbers by `TensorProto.DataType`, and the bits of one.
const KINDS: [(u64, &str, u64); 17] = [
    (1, "float32", 32),
    (2, "uint8", 8),
    (3, "int8", 8),
    (4, "uint16", 16),
    (5, "int16", 16),
    (6, "int32", 32),
    (7, "int64", 64),
    (9, "bool", 8),
    (10, "float16", 16),
    (11, "float64", 64),
    (12, "uint32", 32),
    (13, "uint64", 64),
    (16, "bfloat16", 16),
    (17, "float8", 8),
    (19, "float8", 8),
    (21, "uint4", 4),
    (22, "int4", 4),
];

/// A graph's initializers; those of graphs inside its nodes aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// Bytes by the kind of number.
    pub bytes_by_kind: BTreeMap<String, u64>,
    /// Bits of the weights that `MatMulNBits` and `QMoE` unpack while they multiply; they are stored as `uint8`.
    pub packed_bits: BTreeSet<u64>,
    /// The files of external data, which lie where the graph says.
    pub data: BTreeSet<PathBuf>,
}

impl Weights {
    /// Reads those of a graph.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] for a file that can't be read or is no whole graph.
    pub fn of_graph(path: &Path) -> Result<Self, ModelError> {
        Self::read(path).map_err(|error| bad(path, format!("it is no whole ONNX graph: {error}")))
    }

    /// All their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes_by_kind.values().sum()
    }

    /// The precision that most of them are in.
    pub(crate) fn precision(&self) -> Precision {
        let bytes = |kind: &str| self.bytes_by_kind.get(kind).copied().unwrap_or(0);
        let (full, half, byte) =
            (bytes("float32"), bytes("float16") + bytes("bfloat16"), bytes("int8") + bytes("uint8"));
        let suffix = if half > full { "f16" } else { "" };
        match self.packed_bits.first() {
            // What the community's file names call it, and so what is asked for as `q8`.
            Some(8) if suffix.is_empty() => Precision("quantized".into()),
            Some(bits) => Precision(format!("q{bits}{suffix}")),
            None if byte > full + half => Precision("int8".into()),
            None if half > full => Precision("fp16".into()),
            None => Precision::full(),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let whole = 0..file.metadata()?.len();
        let mut wire = Fields::new(file);
        let graph = wire.all(whole)?.into_iter().find(|field| field.number == MODEL_GRAPH);
        let graph = graph.ok_or_else(|| io::Error::other("it has no graph"))?;
        let mut found = Self::default();
        for field in wire.all(graph.place)? {
            match field.number {
                GRAPH_NODE => found.node(&mut wire, field.place)?,
                GRAPH_INITIALIZER => found.weight(&mut wire, field.place, path)?,
                _ => {}
            }
        }
        Ok(found)
    }

    fn node(&mut self, wire: &mut Fields<File>, place: Range<u64>) -> io::Result<()> {
        let fields = wire.all(place)?;
        let Some(operator) = fields.iter().find(|field| field.number == NODE_OPERATOR) else {
            return Ok(());
        };
        let wanted = match wire.read(operator.place.clone())?.as_slice() {
            b"MatMulNBits" => b"bits".as_slice(),
            b"QMoE" => b"expert_weight_bits",
            _ => return Ok(()),
        };
        for attribute in fields.into_iter().filter(|field| field.number == NODE_ATTRIBUTE) {
            let parts = wire.all(attribute.place)?;
            let number =
                parts.iter().find(|part| part.number == ATTRIBUTE_NUMBER).and_then(|part| part.value);
            if let Some(name) = parts.iter().find(|part| part.number == ATTRIBUTE_NAME)
                && wire.read(name.place.clone())? == wanted
            {
                self.packed_bits.extend(number);
            }
        }
        Ok(())
    }

    fn weight(&mut self, wire: &mut Fields<File>, place: Range<u64>, path: &Path) -> io::Result<()> {
        let (mut kind, mut count, mut external) = (0, 1u64, Vec::new());
        for field in wire.all(place)? {
            match field.number {
                TENSOR_SHAPE => {
                    let sides = match field.value {
                        Some(side) => vec![side],
                        None => wire.packed(field.place)?,
                    };
                    count = sides.into_iter().fold(count, u64::saturating_mul);
                }
                TENSOR_KIND => kind = field.value.unwrap_or(0),
                TENSOR_EXTERNAL => external.push(field.place),
                _ => {}
            }
        }
        let (name, bits) = KINDS
            .iter()
            .find(|(number, ..)| *number == kind)
            .map_or(("of another kind", 8), |(_, name, bits)| (*name, *bits));
        let bytes = self.bytes_by_kind.entry(name.into()).or_default();
        *bytes = bytes.saturating_add(count.saturating_mul(bits).div_ceil(8));
        for entry in external {
            let parts = wire.all(entry)?;
            let mut text = |number| -> io::Result<Vec<u8>> {
                let part = parts.iter().find(|part| part.number == number);
                part.map_or(Ok(Vec::new()), |part| wire.read(part.place.clone()))
            };
            if text(ENTRY_KEY)? == b"location" {
                let location = String::from_utf8_lossy(&text(ENTRY_VALUE)?).into_owned();
                self.data.insert(path.with_file_name(location));
            }
        }
        Ok(())
    }
}
