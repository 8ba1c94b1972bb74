//! A weight's numbers, from their bytes and back.

use half::{bf16, f16};

/// The floating-point types that can be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    Float,
    Float16,
    BFloat16,
    Double,
}

impl Numbers {
    /// The type of this number in ONNX's `TensorProto.DataType`, if it is one of them.
    pub(super) fn of(kind: u64) -> Option<Self> {
        match kind {
            1 => Some(Self::Float),
            10 => Some(Self::Float16),
            11 => Some(Self::Double),
            16 => Some(Self::BFloat16),
            _ => None,
        }
    }

    /// The bytes of one.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Float16 | Self::BFloat16 => 2,
            Self::Float => 4,
            Self::Double => 8,
        }
    }

    /// The numbers in these bytes; `None` if they aren't whole.
    pub(super) fn read(self, bytes: &[u8]) -> Option<Vec<f64>> {
        match self {
            Self::Float => whole(bytes, |bytes| f64::from(f32::from_le_bytes(bytes))),
            Self::Float16 => whole(bytes, |bytes| f64::from(f16::from_le_bytes(bytes))),
            Self::BFloat16 => whole(bytes, |bytes| f64::from(bf16::from_le_bytes(bytes))),
            Self::Double => whole(bytes, f64::from_le_bytes),
        }
    }

    /// The bytes of these numbers, each rounded to the nearest that the type has.
    #[allow(clippy::cast_possible_truncation, reason = "rounding is what is meant")]
    pub(super) fn write(self, numbers: &[f64]) -> Vec<u8> {
        match self {
            Self::Float => numbers.iter().flat_map(|number| (*number as f32).to_le_bytes()).collect(),
            Self::Float16 => numbers.iter().flat_map(|number| f16::from_f64(*number).to_le_bytes()).collect(),
            Self::BFloat16 => {
                numbers.iter().flat_map(|number| bf16::from_f64(*number).to_le_bytes()).collect()
            }
            Self::Double => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        }
    }
}

fn whole<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| chunks.iter().map(|chunk| read(*chunk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_near_as_their_type_allows() {
        let numbers = [0.0, 1.0, -2.5, 1e-3, 1234.5];
        for (kind, error) in [(1, 1e-7), (10, 1e-3), (11, 0.0), (16, 1e-2)] {
            let form = Numbers::of(kind).unwrap();
            let back = form.read(&form.write(&numbers)).unwrap();
            for (one, other) in numbers.iter().zip(&back) {
                assert!((one - other).abs() <= error * one.abs(), "{form:?}: {one}, {other}");
            }
            assert_eq!(form.read(&[0; 3]), None, "{form:?}");
        }
        assert_eq!(Numbers::of(7), None);
    }
}
