//! A cache that each step gives anew, longer by what it read.

use ort::{
    session::{IoBinding, SessionOutputs},
    value::DynValue,
};

use super::{CacheLayout, host_copy, missing};
use crate::{engine::EngineError, moved::Crossing};

/// The tensors that the last run gave, where it left them. They are handed back as the next run's past without
/// being touched.
pub(crate) struct GrowingCache {
    tensors: Vec<DynValue>,
    length: usize,
}

impl GrowingCache {
    pub(super) fn empty(layout: &CacheLayout) -> Result<Self, EngineError> {
        let tensors = layout
            .tensors
            .iter()
            .map(|tensor| tensor.allocate(&layout.allocator, 0))
            .collect::<Result<_, _>>()?;
        Ok(Self { tensors, length: 0 })
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn bind(&self, layout: &CacheLayout, binding: &mut IoBinding) -> Result<(), EngineError> {
        for (tensor, value) in layout.tensors.iter().zip(&self.tensors) {
            binding.bind_input(tensor.past.as_str(), value)?;
            layout.count_value(Crossing::ToDevice, value, tensor.bytes_per_token() * self.length)?;
            // Each run, because each run's is longer.
            binding.bind_output_to_device(tensor.present.as_str(), &layout.memory)?;
        }
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        layout: &CacheLayout,
        outputs: &mut SessionOutputs<'_>,
        more: usize,
    ) -> Result<Vec<DynValue>, EngineError> {
        let mut tensors = Vec::with_capacity(layout.tensors.len());
        for tensor in &layout.tensors {
            let value = outputs.remove(&tensor.present).ok_or_else(|| missing(&tensor.present))?;
            let bytes = tensor.bytes_per_token() * (self.length + more);
            layout.count_value(Crossing::ToHost, &value, bytes)?;
            tensors.push(value);
        }
        self.length += more;
        Ok(std::mem::replace(&mut self.tensors, tensors))
    }

    pub(super) fn restore(&mut self, tensors: Vec<DynValue>, length: usize) {
        self.tensors = tensors;
        self.length = length;
    }

    pub(super) fn rewind(&mut self, layout: &CacheLayout, position: usize) -> Result<(), EngineError> {
        if position == 0 {
            *self = Self::empty(layout)?;
            return Ok(());
        }
        if !layout.can_be_cut() {
            return Err(EngineError::Rewind {
                from: self.length,
                to: position,
                reason: "a growing cache in a device's memory can't be cut; begin a new sequence, or load a decoder whose \
                         cache can be shared"
                    .to_owned(),
            });
        }
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for (tensor, value) in layout.tensors.iter().zip(&self.tensors) {
            let mut shorter = tensor.allocate(&layout.allocator, position)?;
            host_copy::positions(tensor, value, &mut shorter, position)?;
            tensors.push(shorter);
        }
        self.tensors = tensors;
        self.length = position;
        Ok(())
    }
}
