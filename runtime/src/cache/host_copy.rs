//! Copying the first positions of a cache tensor in host memory into one of another length.

use half::f16;
use ort::value::{DynValue, PrimitiveTensorElementType};

use super::CacheTensor;
use crate::{
    engine::EngineError,
    tensor::{Element, TensorError},
};

/// Copies `count` positions of each head. Both are `[1, heads, positions, head_dim]`, of any length ≥ `count`.
pub(super) fn positions(
    tensor: &CacheTensor,
    from: &DynValue,
    to: &mut DynValue,
    count: usize,
) -> Result<(), EngineError> {
    match tensor.element {
        Element::F32 => copy::<f32>(tensor, from, to, count),
        Element::F16 => copy::<f16>(tensor, from, to, count),
        other => Err(TensorError::Unsupported(format!("{other} in a cache")).into()),
    }
}

fn copy<T: PrimitiveTensorElementType + Copy>(
    tensor: &CacheTensor,
    from: &DynValue,
    to: &mut DynValue,
    count: usize,
) -> Result<(), EngineError> {
    let (shape, source) = from.try_extract_tensor::<T>()?;
    let source_stride = shape[2] as usize * tensor.head_dim;
    let (shape, target) = to.try_extract_tensor_mut::<T>()?;
    let target_stride = shape[2] as usize * tensor.head_dim;
    let length = count * tensor.head_dim;
    for head in 0..tensor.heads {
        target[head * target_stride..][..length].copy_from_slice(&source[head * source_stride..][..length]);
    }
    Ok(())
}
