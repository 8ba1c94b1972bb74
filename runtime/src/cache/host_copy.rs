//! Copying positions of a cache tensor in host memory into one of another length.

use std::ops::Range;

use half::f16;
use ort::value::{DynValue, PrimitiveTensorElementType};

use super::CacheTensor;
use crate::{
    engine::EngineError,
    tensor::{Element, TensorError},
};

/// Copies the first `count` positions of each head. Both are `[1, heads, positions, head_dim]`, of any length ≥ `count`.
pub(super) fn positions(
    tensor: &CacheTensor,
    from: &DynValue,
    to: &mut DynValue,
    count: usize,
) -> Result<(), EngineError> {
    range(tensor, from, to, 0..count, 0)
}

/// Copies these positions of each head to those from `at` on. Both are long enough.
pub(super) fn range(
    tensor: &CacheTensor,
    from: &DynValue,
    to: &mut DynValue,
    positions: Range<usize>,
    at: usize,
) -> Result<(), EngineError> {
    match tensor.element {
        Element::F32 => copy::<f32>(tensor, from, to, positions, at),
        Element::F16 => copy::<f16>(tensor, from, to, positions, at),
        other => Err(TensorError::Unsupported(format!("{other} in a cache")).into()),
    }
}

fn copy<T: PrimitiveTensorElementType + Copy>(
    tensor: &CacheTensor,
    from: &DynValue,
    to: &mut DynValue,
    positions: Range<usize>,
    at: usize,
) -> Result<(), EngineError> {
    let (shape, source) = from.try_extract_tensor::<T>()?;
    let source_stride = shape[2] as usize * tensor.head_dim;
    let (shape, target) = to.try_extract_tensor_mut::<T>()?;
    let target_stride = shape[2] as usize * tensor.head_dim;
    let [begin, at, length] = [positions.start, at, positions.len()].map(|count| count * tensor.head_dim);
    for head in 0..tensor.heads {
        let (begin, at) = (head * source_stride + begin, head * target_stride + at);
        let (Some(source), Some(target)) =
            (source.get(begin..begin + length), target.get_mut(at..at + length))
        else {
            return Err(EngineError::Input {
                graph: "decoder".to_owned(),
                name: tensor.past.clone(),
                reason: format!("there are no positions {positions:?} in what is cached for it"),
            });
        };
        target.copy_from_slice(source);
    }
    Ok(())
}
