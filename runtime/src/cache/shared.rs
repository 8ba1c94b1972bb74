//! A cache in one buffer that each step writes on into.

use ort::{session::IoBinding, value::DynValue};

use super::{CacheLayout, host_copy};
use crate::{
    engine::EngineError,
    moved::{Crossing, is_host},
};

/// Positions that a buffer in host memory begins with.
const FIRST_POSITIONS: usize = 256;

/// Buffers bound as past and present of the same run. What lies beyond the length is what a rewound or stopped
/// run left there; nothing reads it, and the next run writes over it.
pub(crate) struct SharedCache {
    buffers: Vec<DynValue>,
    length: usize,
    capacity: usize,
    positions: usize,
}

impl SharedCache {
    /// In a device's own memory the buffer has its full size from the beginning: it can't grow without a copy
    /// that keeps heads apart, which the library has no call for. In host memory it grows, because there the
    /// memory is cleared when it is taken, and a short text needn't pay for a long one.
    ///
    /// An operator that keeps a window in it by itself refuses a shorter one than that (`least`), even if no text gets so
    /// long.
    pub(super) fn empty(layout: &CacheLayout, positions: usize, least: usize) -> Result<Self, EngineError> {
        let first = if is_host(&layout.memory) { FIRST_POSITIONS.min(positions) } else { positions };
        let capacity = first.max(least);
        Ok(Self { buffers: layout.allocate(capacity)?, length: 0, capacity, positions })
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn bind(
        &mut self,
        layout: &CacheLayout,
        binding: &mut IoBinding,
        more: usize,
    ) -> Result<(), EngineError> {
        self.make_room(layout, more)?;
        for (tensor, buffer) in layout.tensors.iter().zip(&mut self.buffers) {
            binding.bind_input(tensor.past.as_str(), &*buffer)?;
            let token = tensor.bytes_per_token();
            layout.count_value(Crossing::ToDevice, buffer, token * self.length)?;
            layout.count_value(Crossing::ToHost, buffer, token * (self.length + more))?;
            binding.bind_output(tensor.present.as_str(), &mut *buffer)?;
        }
        Ok(())
    }

    /// Goes to a position, back or on.
    pub(super) fn rewind(&mut self, position: usize) {
        self.length = position;
    }

    /// Doubles the buffers until so many more tokens fit.
    fn make_room(&mut self, layout: &CacheLayout, more: usize) -> Result<(), EngineError> {
        let needed = self.length + more;
        if needed <= self.capacity {
            return Ok(());
        }
        if needed > self.positions {
            return Err(EngineError::ContextFull { position: self.length, more, context: self.positions });
        }
        let capacity = needed.next_power_of_two().min(self.positions);
        let mut buffers = layout.allocate(capacity)?;
        for ((tensor, buffer), larger) in layout.tensors.iter().zip(&self.buffers).zip(&mut buffers) {
            host_copy::positions(tensor, buffer, larger, self.length)?;
        }
        self.buffers = buffers;
        self.capacity = capacity;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ort::memory::{Allocator, MemoryInfo};
    use percept_fetch::Silent;

    use super::*;
    use crate::{
        Device, Runtime,
        cache::{CacheTensor, KeptForm},
        moved::MovedCounter,
        tensor::Element,
    };

    #[test]
    fn what_finds_no_memory_names_the_decoder_and_how_much_it_would_have_been() {
        let _runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
        // More than a process can address.
        let tensor = CacheTensor {
            past: "past".to_owned(),
            present: "present".to_owned(),
            element: Element::F32,
            heads: 1 << 40,
            head_dim: 2,
        };
        let layout = CacheLayout {
            path: "model/decoder.onnx".into(),
            tensors: vec![tensor],
            states: Vec::new(),
            crossed: Vec::new(),
            memory: MemoryInfo::default(),
            home: MemoryInfo::default(),
            allocator: Allocator::default(),
            form: KeptForm::Shared { positions: 1024, least: 0 },
            window: None,
            moved: MovedCounter::default(),
        };
        let error = SharedCache::empty(&layout, 1024, 0).err().unwrap().to_string();
        for said in ["model/decoder.onnx", "2251799813685248 bytes for 256 tokens", "take a shorter context"]
        {
            assert!(error.contains(said), "{error}");
        }
    }
}
