//! A tensor in the host's memory: numbers with a shape, as they go into a graph and come out of it.

use std::fmt;

use half::f16;
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};
use serde::{Deserialize, Serialize};

/// What a tensor's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// Truth values, one byte each.
    Bool,
    /// Bytes.
    U8,
}

impl Element {
    /// Bytes that one number takes.
    pub fn bytes(self) -> usize {
        match self {
            Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 => 2,
            Element::Bool | Element::U8 => 1,
        }
    }

    pub(crate) fn from_ort(element: TensorElementType) -> Option<Self> {
        Some(match element {
            TensorElementType::Float32 => Element::F32,
            TensorElementType::Float16 => Element::F16,
            TensorElementType::Int64 => Element::I64,
            TensorElementType::Int32 => Element::I32,
            TensorElementType::Bool => Element::Bool,
            TensorElementType::Uint8 => Element::U8,
            _ => return None,
        })
    }

    pub(crate) fn to_ort(self) -> TensorElementType {
        match self {
            Element::F32 => TensorElementType::Float32,
            Element::F16 => TensorElementType::Float16,
            Element::I64 => TensorElementType::Int64,
            Element::I32 => TensorElementType::Int32,
            Element::Bool => TensorElementType::Bool,
            Element::U8 => TensorElementType::Uint8,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::F32 => "float32",
            Element::F16 => "float16",
            Element::I64 => "int64",
            Element::I32 => "int32",
            Element::Bool => "bool",
            Element::U8 => "uint8",
        })
    }
}

/// A tensor in host memory, row-major: the last dimension is the one that lies together.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    missing_docs,
    reason = "every variant is the same two things: its shape, and its numbers in row-major order"
)]
pub enum HostTensor {
    F32 { shape: Vec<usize>, data: Vec<f32> },
    F16 { shape: Vec<usize>, data: Vec<f16> },
    I64 { shape: Vec<usize>, data: Vec<i64> },
    I32 { shape: Vec<usize>, data: Vec<i32> },
    Bool { shape: Vec<usize>, data: Vec<bool> },
    U8 { shape: Vec<usize>, data: Vec<u8> },
}

/// A tensor that isn't what its user needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// Shape and numbers don't belong together.
    #[error("a tensor of shape {shape:?} holds {expected} numbers, not {found}")]
    Length {
        /// The shape that was claimed.
        shape: Vec<usize>,
        /// What the shape asks for.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// The numbers are of another kind, and turning them would lose something.
    #[error("expected {expected} numbers, found {found}")]
    Element {
        /// What was needed.
        expected: Element,
        /// What was given.
        found: Element,
    },
    /// The dimensions don't fit.
    #[error("expected a tensor of shape {expected}, found {found:?}")]
    Shape {
        /// What was needed, in words.
        expected: String,
        /// What was given.
        found: Vec<usize>,
    },
    /// A kind of number that this crate doesn't carry.
    #[error("tensors of {0} aren't carried by this engine")]
    Unsupported(String),
}

impl HostTensor {
    /// Rows, columns, and so on, outermost first.
    pub fn shape(&self) -> &[usize] {
        match self {
            HostTensor::F32 { shape, .. }
            | HostTensor::F16 { shape, .. }
            | HostTensor::I64 { shape, .. }
            | HostTensor::I32 { shape, .. }
            | HostTensor::Bool { shape, .. }
            | HostTensor::U8 { shape, .. } => shape,
        }
    }

    /// What the numbers are.
    pub fn element(&self) -> Element {
        match self {
            HostTensor::F32 { .. } => Element::F32,
            HostTensor::F16 { .. } => Element::F16,
            HostTensor::I64 { .. } => Element::I64,
            HostTensor::I32 { .. } => Element::I32,
            HostTensor::Bool { .. } => Element::Bool,
            HostTensor::U8 { .. } => Element::U8,
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            HostTensor::F32 { data, .. } => data.len(),
            HostTensor::F16 { data, .. } => data.len(),
            HostTensor::I64 { data, .. } => data.len(),
            HostTensor::I32 { data, .. } => data.len(),
            HostTensor::Bool { data, .. } => data.len(),
            HostTensor::U8 { data, .. } => data.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers' size in bytes.
    pub fn bytes(&self) -> usize {
        self.len() * self.element().bytes()
    }

    /// The same tensor with numbers of another kind: floats into floats, integers into integers that hold them all,
    /// anything else only into itself.
    ///
    /// # Errors
    ///
    /// [`TensorError::Element`] where that would turn integers, truth values or bytes into something else, or cut an
    /// integer off.
    pub fn into_element(self, element: Element) -> Result<Self, TensorError> {
        Ok(match (self, element) {
            (HostTensor::F32 { shape, data }, Element::F16) => {
                HostTensor::F16 { shape, data: data.into_iter().map(f16::from_f32).collect() }
            }
            (HostTensor::F16 { shape, data }, Element::F32) => {
                HostTensor::F32 { shape, data: data.into_iter().map(f16::to_f32).collect() }
            }
            (HostTensor::I32 { shape, data }, Element::I64) => {
                HostTensor::I64 { shape, data: data.into_iter().map(i64::from).collect() }
            }
            (HostTensor::I64 { shape, data }, Element::I32)
                if data.iter().all(|number| i32::try_from(*number).is_ok()) =>
            {
                HostTensor::I32 { shape, data: data.into_iter().map(|number| number as i32).collect() }
            }
            (tensor, wanted) if tensor.element() == wanted => tensor,
            (tensor, expected) => return Err(TensorError::Element { expected, found: tensor.element() }),
        })
    }

    /// The numbers as 32-bit floats, and their shape.
    ///
    /// # Errors
    ///
    /// [`TensorError::Element`] where they aren't floats.
    pub fn into_f32(self) -> Result<(Vec<usize>, Vec<f32>), TensorError> {
        match self.into_element(Element::F32)? {
            HostTensor::F32 { shape, data } => Ok((shape, data)),
            other => Err(TensorError::Element { expected: Element::F32, found: other.element() }),
        }
    }

    /// Joins tensors of shape `[1, rows, width]` along their rows, in the element of the first.
    ///
    /// # Errors
    ///
    /// [`TensorError::Shape`] where one has another width or rank, [`TensorError::Element`] where one holds no floats.
    pub(crate) fn concatenate_rows(parts: Vec<HostTensor>) -> Result<HostTensor, TensorError> {
        let mut parts = parts.into_iter();
        let Some(mut joined) = parts.next() else {
            return Err(TensorError::Shape { expected: "[1, rows, width]".to_owned(), found: Vec::new() });
        };
        let (_, width) = joined.rows_and_width()?;
        for part in parts {
            if part.rows_and_width()?.1 != width {
                return Err(TensorError::Shape {
                    expected: format!("[1, rows, {width}]"),
                    found: part.shape().to_vec(),
                });
            }
            let part = part.into_element(joined.element())?;
            match (&mut joined, part) {
                (HostTensor::F32 { shape, data }, HostTensor::F32 { shape: more, data: mut numbers }) => {
                    data.append(&mut numbers);
                    shape[1] += more[1];
                }
                (HostTensor::F16 { shape, data }, HostTensor::F16 { shape: more, data: mut numbers }) => {
                    data.append(&mut numbers);
                    shape[1] += more[1];
                }
                (other, _) => {
                    return Err(TensorError::Element { expected: Element::F32, found: other.element() });
                }
            }
        }
        Ok(joined)
    }

    /// Cuts a `[1, rows]` or `[1, rows, width]` tensor into pieces of these lengths, which are all of its rows.
    pub(crate) fn into_pieces(self, lengths: &[usize]) -> Vec<HostTensor> {
        fn cut<T: Clone>(
            shape: &[usize],
            data: &[T],
            lengths: &[usize],
            piece: impl Fn(Vec<usize>, Vec<T>) -> HostTensor,
        ) -> Vec<HostTensor> {
            let width = shape.get(2).copied().unwrap_or(1).max(1);
            let mut rest = data;
            let mut next = |&rows: &usize| {
                let (data, later) = rest.split_at((rows * width).min(rest.len()));
                rest = later;
                let mut shape = shape.to_vec();
                shape[1] = data.len() / width;
                piece(shape, data.to_vec())
            };
            lengths.iter().map(&mut next).collect()
        }
        match self {
            tensor if lengths.len() < 2 => vec![tensor],
            HostTensor::F32 { shape, data } => {
                cut(&shape, &data, lengths, |shape, data| HostTensor::F32 { shape, data })
            }
            HostTensor::F16 { shape, data } => {
                cut(&shape, &data, lengths, |shape, data| HostTensor::F16 { shape, data })
            }
            HostTensor::I64 { shape, data } => {
                cut(&shape, &data, lengths, |shape, data| HostTensor::I64 { shape, data })
            }
            HostTensor::I32 { shape, data } => {
                cut(&shape, &data, lengths, |shape, data| HostTensor::I32 { shape, data })
            }
            // Neither embeddings nor token ids.
            tensor => vec![tensor],
        }
    }

    /// The rows and the width of a `[1, rows, width]` tensor.
    pub(crate) fn rows_and_width(&self) -> Result<(usize, usize), TensorError> {
        self.check_length()?;
        match self.shape() {
            [1, rows, width] => Ok((*rows, *width)),
            other => {
                Err(TensorError::Shape { expected: "[1, rows, width]".to_owned(), found: other.to_vec() })
            }
        }
    }

    fn check_length(&self) -> Result<(), TensorError> {
        let expected = self.shape().iter().product();
        if expected == self.len() {
            return Ok(());
        }
        Err(TensorError::Length { shape: self.shape().to_vec(), expected, found: self.len() })
    }

    /// A value for ONNX Runtime that owns these numbers.
    pub(crate) fn into_value(self) -> Result<DynValue, crate::engine::EngineError> {
        self.check_length()?;
        Ok(match self {
            HostTensor::F32 { shape, data } => Tensor::from_array((shape, data))?.into_dyn(),
            HostTensor::F16 { shape, data } => Tensor::from_array((shape, data))?.into_dyn(),
            HostTensor::I64 { shape, data } => Tensor::from_array((shape, data))?.into_dyn(),
            HostTensor::I32 { shape, data } => Tensor::from_array((shape, data))?.into_dyn(),
            HostTensor::Bool { shape, data } => Tensor::from_array((shape, data))?.into_dyn(),
            HostTensor::U8 { shape, data } => Tensor::from_array((shape, data))?.into_dyn(),
        })
    }

    /// A copy of a value that lies in host memory.
    pub(crate) fn from_value(value: &DynValue) -> Result<Self, crate::engine::EngineError> {
        let ValueType::Tensor { ty, .. } = value.dtype() else {
            return Err(TensorError::Unsupported(value.dtype().to_string()).into());
        };
        let shape = value.shape().iter().map(|&size| size as usize).collect();
        Ok(match ty {
            TensorElementType::Float32 => {
                HostTensor::F32 { shape, data: value.try_extract_tensor::<f32>()?.1.to_vec() }
            }
            TensorElementType::Float16 => {
                HostTensor::F16 { shape, data: value.try_extract_tensor::<f16>()?.1.to_vec() }
            }
            TensorElementType::Int64 => {
                HostTensor::I64 { shape, data: value.try_extract_tensor::<i64>()?.1.to_vec() }
            }
            TensorElementType::Int32 => {
                HostTensor::I32 { shape, data: value.try_extract_tensor::<i32>()?.1.to_vec() }
            }
            TensorElementType::Bool => {
                HostTensor::Bool { shape, data: value.try_extract_tensor::<bool>()?.1.to_vec() }
            }
            TensorElementType::Uint8 => {
                HostTensor::U8 { shape, data: value.try_extract_tensor::<u8>()?.1.to_vec() }
            }
            other => return Err(TensorError::Unsupported(other.to_string()).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(shape: &[usize], data: &[f32]) -> HostTensor {
        HostTensor::F32 { shape: shape.to_vec(), data: data.to_vec() }
    }

    #[test]
    fn floats_change_their_width_and_integers_stay_what_they_are() {
        let halves = floats(&[2], &[1.0, 0.5]).into_element(Element::F16).unwrap();
        assert_eq!(halves.bytes(), 4);
        assert_eq!(halves.into_f32().unwrap(), (vec![2], vec![1.0, 0.5]));
        let integers = HostTensor::I64 { shape: vec![1], data: vec![3] };
        assert_eq!(
            integers.into_element(Element::F32),
            Err(TensorError::Element { expected: Element::F32, found: Element::I64 })
        );
    }

    #[test]
    fn pieces_joined_are_the_whole() {
        let whole = floats(&[1, 5, 2], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        for sizes in [vec![1; 5], vec![2, 2, 1], vec![1, 4], vec![5]] {
            let pieces = whole.clone().into_pieces(&sizes);
            assert_eq!(pieces.iter().map(|piece| piece.shape()[1]).collect::<Vec<_>>(), sizes);
            assert_eq!(HostTensor::concatenate_rows(pieces).unwrap(), whole);
        }
        let ids = HostTensor::I64 { shape: vec![1, 3], data: vec![7, 8, 9] };
        assert_eq!(ids.into_pieces(&[2, 1])[1], HostTensor::I64 { shape: vec![1, 1], data: vec![9] });
    }

    #[test]
    fn rows_are_joined_only_where_their_widths_agree() {
        let cases = [
            (
                vec![floats(&[1, 1, 2], &[1.0, 2.0]), floats(&[1, 2, 2], &[3.0, 4.0, 5.0, 6.0])],
                Some(vec![1, 3, 2]),
            ),
            (vec![floats(&[1, 1, 2], &[1.0, 2.0]), floats(&[1, 1, 3], &[3.0, 4.0, 5.0])], None),
            (vec![floats(&[1, 2], &[1.0, 2.0])], None),
            (vec![floats(&[1, 1, 2], &[1.0])], None),
            (vec![], None),
        ];
        for (parts, expected) in cases {
            let joined = HostTensor::concatenate_rows(parts.clone());
            assert_eq!(joined.ok().map(|tensor| tensor.shape().to_vec()), expected, "{parts:?}");
        }
    }
}
