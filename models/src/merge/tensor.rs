//! A graph's weight: what it is called and where its numbers lie.

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Component, Path, PathBuf},
};

use percept_runtime::protobuf::Fields;

use super::numbers::Numbers;

// Numbers of fields in onnx.proto (onnx 1.23).
const TENSOR_SHAPE: u64 = 1;
const TENSOR_KIND: u64 = 2;
const TENSOR_NAME: u64 = 8;
const TENSOR_RAW: u64 = 9;
/// An entry about the file that a tensor's numbers lie in.
pub(super) const TENSOR_EXTERNAL: u64 = 13;
/// Numbers in a list of their own type: float, int32, string, int64, double, uint64.
const TENSOR_TYPED: [u64; 6] = [4, 5, 6, 7, 10, 11];
/// Of these the ones that lie as they would raw, by the type of the tensor: floats and doubles. Half floats in such a list are
/// written as numbers of variable length.
const AS_RAW: [(u64, u64); 2] = [(1, 4), (11, 10)];

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
    /// Whether they lie in a list that isn't as it would be raw, so that they can only be compared.
    pub(super) is_list: bool,
}

/// Reads where an initializer's numbers lie.
///
/// # Errors
///
/// If it is torn, or its numbers lie where they can't be merged.
pub(super) fn weight(wire: &mut Fields<File>, place: Range<u64>, path: &Path) -> io::Result<Weight> {
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
    let is_list = listed.is_some_and(|list| Numbers::of(kind).is_some() && !AS_RAW.contains(&(kind, list)));
    let place = match (here, external.is_empty()) {
        (Some(bytes), true) => Place { file: path.to_owned(), bytes },
        (None, true) => Place { file: path.to_owned(), bytes: 0..0 },
        (_, false) => beside(wire, external, path, &name)?,
    };
    Ok(Weight { name, kind, shape, place, is_list })
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
    let mut parts = Path::new(&location).components().filter(|part| *part != Component::CurDir);
    let (Some(Component::Normal(beside)), None) = (parts.next(), parts.next()) else {
        return Err(unmergeable(format!("`{name}` lies in `{location}`, outside of the graph's folder")));
    };
    let file = path.with_file_name(beside);
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
pub(super) fn text(wire: &mut Fields<File>, place: Range<u64>) -> io::Result<String> {
    let start = place.start;
    String::from_utf8(wire.read(place)?).map_err(|_| unmergeable(format!("no text at byte {start}")))
}

/// A type's name in ONNX.
pub(super) fn kind_name(kind: u64) -> String {
    const NAMES: [&str; 23] = [
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
        "float8e4m3fn",
        "float8e4m3fnuz",
        "float8e5m2",
        "float8e5m2fnuz",
        "uint4",
        "int4",
    ];
    usize::try_from(kind)
        .ok()
        .and_then(|kind| NAMES.get(kind))
        .map_or_else(|| format!("type {kind}"), |name| (*name).to_owned())
}

/// What keeps a graph from being merged.
pub(super) fn unmergeable(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
