//! What a graph's weights are and how much room they take, read from its file without loading them.
//!
//! Reference: onnx.proto (onnx 1.23) and onnxruntime's `ContribOperators.md` (`MatMulNBits`, `QMoE`,
//! `GatherBlockQuantized`, `MatMulBnb4`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    ops::Range,
    path::{Component, Path, PathBuf},
};

use percept_runtime::protobuf::Fields;
use serde::Serialize;

use super::{Precision, bad, missing};
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
const KINDS: [(u64, &str, u64); 19] = [
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
    (18, "float8", 8),
    (19, "float8", 8),
    (20, "float8", 8),
    (21, "uint4", 4),
    (22, "int4", 4),
];

/// A graph's initializers; those of graphs inside its nodes aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// Bytes by the kind of number.
    pub bytes_by_kind: BTreeMap<String, u64>,
    /// Bits of the weights that operators unpack while they use them (`MatMulNBits`, `QMoE`, `GatherBlockQuantized`,
    /// `MatMulBnb4`); mostly they are stored as `uint8`.
    pub packed_bits: BTreeSet<u64>,
    /// The files of external data, which lie where the graph says.
    pub data: BTreeSet<PathBuf>,
    /// Whether some of them are packed as bitsandbytes does.
    #[serde(skip)]
    is_bnb4: bool,
    /// The bytes that each file of external data must have.
    #[serde(skip)]
    needed: BTreeMap<PathBuf, u64>,
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
        // Numbers of four bits are weights that are unpacked, whatever the operator (`DequantizeLinear`).
        let has_int4 = bytes("int4") + bytes("uint4") > 0;
        let packed = self.packed_bits.iter().copied().chain(has_int4.then_some(4)).min();
        match packed {
            _ if self.is_bnb4 => Precision("bnb4".into()),
            // What the community's file names call it, and so what is asked for as `q8`.
            Some(8) if suffix.is_empty() => Precision("quantized".into()),
            Some(bits) => Precision(format!("q{bits}{suffix}")),
            None if bytes("float8") > full + half + byte => Precision("fp8".into()),
            None if byte > full + half => Precision("int8".into()),
            None if half > full => Precision("fp16".into()),
            None => Precision::full(),
        }
    }

    /// What is wrong with the files of external data: those that are missing or cut short.
    pub(crate) fn torn(&self) -> impl Iterator<Item = ModelError> {
        self.needed.iter().filter_map(|(path, needed)| match std::fs::metadata(path) {
            Ok(data) if data.is_file() && data.len() >= *needed => None,
            Ok(data) if data.is_file() => {
                let has = data.len();
                Some(bad(path, format!("it ends after {has} bytes, its graph has weights up to {needed}")))
            }
            _ => Some(missing(path)),
        })
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
            b"MatMulNBits" | b"GatherBlockQuantized" => b"bits".as_slice(),
            b"QMoE" => b"expert_weight_bits",
            b"MatMulBnb4" => {
                self.is_bnb4 = true;
                b""
            }
            _ => return Ok(()),
        };
        // What it is where the node doesn't say.
        let mut bits = 4;
        for attribute in fields.into_iter().filter(|field| field.number == NODE_ATTRIBUTE) {
            let parts = wire.all(attribute.place)?;
            let number =
                parts.iter().find(|part| part.number == ATTRIBUTE_NUMBER).and_then(|part| part.value);
            if let Some(name) = parts.iter().find(|part| part.number == ATTRIBUTE_NAME)
                && wire.read(name.place.clone())? == wanted
            {
                bits = number.unwrap_or(bits);
            }
        }
        self.packed_bits.insert(bits);
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
        let known = KINDS.iter().find(|(number, ..)| *number == kind);
        let is_known = known.is_some();
        let (name, bits) = known.map_or(("of another kind", 8), |(_, name, bits)| (*name, *bits));
        let own = count.saturating_mul(bits).div_ceil(8);
        let bytes = self.bytes_by_kind.entry(name.into()).or_default();
        *bytes = bytes.saturating_add(own);
        // What isn't known has no known size, either.
        let (mut data, mut offset, mut length) = (None, 0u64, if is_known { own } else { 0 });
        for entry in external {
            let parts = wire.all(entry)?;
            let mut text = |number| -> io::Result<String> {
                let part = parts.iter().find(|part| part.number == number);
                let text = part.map_or(Ok(Vec::new()), |part| wire.read(part.place.clone()))?;
                Ok(String::from_utf8_lossy(&text).into_owned())
            };
            let (key, value) = (text(ENTRY_KEY)?, text(ENTRY_VALUE)?);
            match key.as_str() {
                "location" => data = Some(path.with_file_name(plain(&value))),
                "offset" => offset = value.parse().unwrap_or(offset),
                "length" => length = value.parse().unwrap_or(length),
                _ => {}
            }
        }
        if let Some(data) = data {
            let needed = self.needed.entry(data.clone()).or_default();
            *needed = (*needed).max(offset.saturating_add(length));
            self.data.insert(data);
        }
        Ok(())
    }
}

/// A location without the `.` that some write in front of it.
fn plain(location: &str) -> PathBuf {
    Path::new(location).components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    /// A weight of 64 numbers of this kind.
    fn weight(kind: u8) -> Vec<u8> {
        field(5, &[1 << 3, 64, 2 << 3, kind])
    }

    /// A node of this kind with a number as its attribute.
    fn node(operator: &str, attribute: Option<(&str, u8)>) -> Vec<u8> {
        let attribute = attribute
            .map(|(name, number)| field(5, &[field(1, name.as_bytes()), vec![3 << 3, number]].concat()));
        field(1, &[field(4, operator.as_bytes()), attribute.unwrap_or_default()].concat())
    }

    fn read(graph: &[Vec<u8>]) -> (tempfile::TempDir, Weights) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, field(7, &graph.concat())).unwrap();
        let weights = Weights::of_graph(&path).unwrap();
        (folder, weights)
    }

    #[test]
    fn the_precision_is_what_most_weights_are_in_or_what_is_unpacked() {
        let [full, byte, half, int4, uint4] = [1, 2, 10, 22, 21];
        let bits = |bits| Some(("bits", bits));
        let cases = [
            (vec![weight(full)], "fp32"),
            (vec![weight(half)], "fp16"),
            (vec![weight(3)], "int8"),
            (vec![weight(17)], "fp8"),
            (vec![weight(20), weight(20), weight(half)], "fp16"),
            (vec![weight(18), weight(19), weight(byte)], "fp8"),
            (vec![node("MatMulNBits", bits(4)), weight(byte), weight(full)], "q4"),
            (vec![node("MatMulNBits", bits(8)), weight(byte), weight(full)], "quantized"),
            (vec![node("MatMulNBits", None), weight(byte), weight(half)], "q4f16"),
            (vec![node("QMoE", Some(("expert_weight_bits", 8))), weight(byte), weight(half)], "q8f16"),
            (vec![node("GatherBlockQuantized", bits(4)), weight(byte), weight(full)], "q4"),
            (vec![node("GatherBlockQuantized", bits(8)), weight(byte), weight(half)], "q8f16"),
            (vec![node("MatMulBnb4", Some(("quant_type", 1))), weight(byte), weight(full)], "bnb4"),
            (vec![node("DequantizeLinear", None), weight(int4), weight(full)], "q4"),
            (vec![node("DequantizeLinear", None), weight(uint4), weight(half)], "q4f16"),
            (vec![node("MatMulNBits", bits(8)), weight(byte), weight(int4), weight(full)], "q4"),
        ];
        for (graph, precision) in cases {
            let (_kept, weights) = read(&graph);
            assert_eq!(weights.precision().to_string(), precision, "{weights:?}");
        }
    }

    /// The entries beside the location, the bytes that the file has, and what is wrong.
    type Case<'a> = (&'a [(&'a str, &'a str)], usize, Option<&'a str>);

    #[test]
    fn data_that_ends_before_the_last_weight_is_torn() {
        let entry = |key: &str, value: &str| {
            field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
        };
        let floats = |entries: &[(&str, &str)]| {
            let entries = entries.iter().flat_map(|(key, value)| entry(key, value)).collect();
            field(5, &[vec![1 << 3, 4, 2 << 3, 1], entries].concat())
        };
        let cases: [Case; 6] = [
            (&[("offset", "4"), ("length", "16")], 20, None),
            (
                &[("offset", "4"), ("length", "16")],
                19,
                Some("it ends after 19 bytes, its graph has weights up to 20"),
            ),
            (&[("offset", "4")], 19, Some("up to 20")),
            (&[], 16, None),
            (&[], 15, Some("up to 16")),
            (&[("offset", "99999999999999999999")], 16, None),
        ];
        for (entries, bytes, problem) in cases {
            let all = [&[("location", "./x.data")], entries].concat();
            let (folder, weights) = read(&[floats(&all)]);
            let data = folder.path().join("x.data");
            assert_eq!(
                weights.data.iter().map(|data| data.as_os_str()).collect::<Vec<_>>(),
                [data.as_os_str()]
            );
            assert!(weights.torn().next().unwrap().to_string().contains("it is missing"));
            std::fs::write(&data, vec![0; bytes]).unwrap();
            let told = weights.torn().next().map(|error| error.to_string());
            assert_eq!(told.is_some(), problem.is_some(), "{entries:?}: {told:?}");
            assert!(
                problem.is_none_or(|problem| told.is_some_and(|told| told.contains(problem))),
                "{entries:?}"
            );
        }
    }
}
