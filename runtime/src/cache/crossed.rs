//! Keys and values of what a decoder looks at by cross-attention, where its graph makes them once (`past_key_values.N.encoder`,
//! as Optimum merges a decoder's first run and its later ones): the first run gives them, and every later one takes them as
//! they are.

use ort::{
    session::{IoBinding, SessionOutputs},
    value::DynValue,
};

use super::{CacheLayout, CacheTensor, missing};
use crate::{engine::EngineError, moved::Crossing};

/// What the first run gave, where it left it; nothing before it.
pub(super) struct Crossed(Vec<DynValue>);

impl Crossed {
    /// Those of a sequence that has read nothing.
    pub(super) fn empty(layout: &CacheLayout) -> Result<Self, EngineError> {
        let empty = layout.crossed.iter().map(|tensor| tensor.allocate(&layout.allocator, 0));
        Ok(Self(empty.collect::<Result<_, _>>()?))
    }

    pub(super) fn bind(&self, layout: &CacheLayout, binding: &mut IoBinding) -> Result<(), EngineError> {
        for (tensor, value) in layout.crossed.iter().zip(&self.0) {
            binding.bind_input(tensor.past.as_str(), value)?;
            layout.count_value(Crossing::ToDevice, value, bytes(tensor, value))?;
            // A later run gives something too, which means nothing; it is dropped with the run's other outputs.
            binding.bind_output_to_device(tensor.present.as_str(), &layout.memory)?;
        }
        Ok(())
    }

    /// What a sequence's first run gave, not taken yet.
    pub(super) fn given(layout: &CacheLayout, outputs: &mut SessionOutputs<'_>) -> Result<Self, EngineError> {
        let mut values = Vec::with_capacity(layout.crossed.len());
        for tensor in &layout.crossed {
            let value = outputs.remove(&tensor.present).ok_or_else(|| missing(&tensor.present))?;
            tensor.check(&value, None)?;
            layout.count_value(Crossing::ToHost, &value, bytes(tensor, &value))?;
            values.push(value);
        }
        Ok(Self(values))
    }
}

/// Bytes of one of them, `[1, heads, positions, head_dim]`.
fn bytes(tensor: &CacheTensor, value: &DynValue) -> usize {
    let positions = value.shape().get(2).copied().and_then(|positions| usize::try_from(positions).ok());
    tensor.bytes_per_token() * positions.unwrap_or(0)
}
