//! A cache that each step gives anew, longer by what it read.

use std::ops::Range;

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
    /// Positions that it holds.
    length: usize,
    /// Positions that were let go between the first ones and the last.
    let_go: usize,
}

impl GrowingCache {
    pub(super) fn empty(layout: &CacheLayout) -> Result<Self, EngineError> {
        Ok(Self { tensors: layout.allocate(0)?, length: 0, let_go: 0 })
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn let_go(&self) -> usize {
        self.let_go
    }

    /// Lets these positions of the text go, as far as they are still held; hands back what that replaced, if anything.
    pub(super) fn drop_range(
        &mut self,
        layout: &CacheLayout,
        positions: Range<usize>,
    ) -> Result<Option<Vec<DynValue>>, EngineError> {
        let (start, count) = (positions.start, positions.len().saturating_sub(self.let_go));
        if count == 0 {
            return Ok(None);
        }
        let length = self.length - count;
        let mut tensors = layout.allocate(length)?;
        for ((tensor, value), shorter) in layout.tensors.iter().zip(&self.tensors).zip(&mut tensors) {
            host_copy::positions(tensor, value, shorter, start)?;
            host_copy::range(tensor, value, shorter, start + count..self.length, start)?;
        }
        self.length = length;
        self.let_go += count;
        Ok(Some(std::mem::replace(&mut self.tensors, tensors)))
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
            tensor.check(&value, Some(self.length + more))?;
            let bytes = tensor.bytes_per_token() * (self.length + more);
            layout.count_value(Crossing::ToHost, &value, bytes)?;
            tensors.push(value);
        }
        self.length += more;
        Ok(std::mem::replace(&mut self.tensors, tensors))
    }

    pub(super) fn restore(&mut self, tensors: Vec<DynValue>, length: usize, let_go: usize) {
        self.tensors = tensors;
        self.length = length;
        self.let_go = let_go;
    }

    /// Cuts it back to so many positions of those that it holds; to 0, it begins anew.
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
        let mut tensors = layout.allocate(position)?;
        for ((tensor, value), shorter) in layout.tensors.iter().zip(&self.tensors).zip(&mut tensors) {
            host_copy::positions(tensor, value, shorter, position)?;
        }
        self.tensors = tensors;
        self.length = position;
        Ok(())
    }
}
