//! Keys and values of what a sequence has read, kept where the decoder computes.

mod growing;
mod host_copy;
mod shared;

use ort::{
    memory::{Allocator, MemoryInfo},
    session::{IoBinding, SessionOutputs},
    value::{DynTensor, DynTensorValueType, DynValue},
};

use self::{growing::GrowingCache, shared::SharedCache};
use crate::{
    engine::EngineError,
    moved::{Crossing, MovedCounter, Purpose},
    tensor::Element,
};

/// One tensor of the cache: a layer's keys, or its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CacheTensor {
    /// The decoder's input that takes it.
    pub(crate) past: String,
    /// The decoder's output that gives it, longer.
    pub(crate) present: String,
    /// What its numbers are.
    pub(crate) element: Element,
    /// Heads.
    pub(crate) heads: usize,
    /// Numbers in one head of one token.
    pub(crate) head_dim: usize,
}

impl CacheTensor {
    /// Bytes that one token takes.
    pub(crate) fn bytes_per_token(&self) -> usize {
        self.heads * self.head_dim * self.element.bytes()
    }

    fn allocate(&self, allocator: &Allocator, positions: usize) -> Result<DynValue, EngineError> {
        let shape = [1, self.heads, positions, self.head_dim];
        Ok(DynTensor::new(allocator, self.element.to_ort(), shape)?.into_dyn())
    }
}

/// What all sequences of a decoder have in common.
pub(crate) struct CacheLayout {
    /// Its tensors, layer by layer.
    pub(crate) tensors: Vec<CacheTensor>,
    /// Where they are kept.
    pub(crate) memory: MemoryInfo<'static>,
    /// Where the decoder computes.
    pub(crate) home: MemoryInfo<'static>,
    /// Gives memory there.
    pub(crate) allocator: Allocator,
    /// The form they have.
    pub(crate) form: KeptForm,
    /// Counts what crosses.
    pub(crate) moved: MovedCounter,
}

/// The form that a cache has, once decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptForm {
    /// A new one each step.
    Growing,
    /// One buffer of at most so many positions.
    Shared { positions: usize },
}

impl CacheLayout {
    fn count(&self, crossing: Crossing, memory: &MemoryInfo<'_>, bytes: usize) {
        self.moved.count(Purpose::Cache, crossing, memory, &self.home, bytes);
    }

    /// Counts a value of the cache at the seam where it is bound or handed back.
    fn count_value(
        &self,
        crossing: Crossing,
        value: &DynValue,
        tensor: &CacheTensor,
        positions: usize,
    ) -> Result<(), EngineError> {
        let view = value.view();
        let view = view.downcast::<DynTensorValueType>()?;
        self.count(crossing, view.memory_info(), tensor.bytes_per_token() * positions);
        Ok(())
    }
}

/// What a run replaced: the way back where a later run of the same prompt fails.
pub(crate) struct CacheBefore {
    /// The tensors, where they aren't written on into.
    tensors: Vec<DynValue>,
    length: usize,
}

/// One sequence's cache.
pub(crate) enum Cache {
    Growing(GrowingCache),
    Shared(SharedCache),
}

impl Cache {
    /// An empty one.
    pub(crate) fn empty(layout: &CacheLayout) -> Result<Self, EngineError> {
        Ok(match layout.form {
            KeptForm::Growing => Cache::Growing(GrowingCache::empty(layout)?),
            KeptForm::Shared { positions } => Cache::Shared(SharedCache::empty(layout, positions)?),
        })
    }

    /// Tokens in it.
    pub(crate) fn length(&self) -> usize {
        match self {
            Cache::Growing(cache) => cache.length(),
            Cache::Shared(cache) => cache.length(),
        }
    }

    /// Binds it as past and present of a run that reads `more` tokens.
    pub(crate) fn bind(
        &mut self,
        layout: &CacheLayout,
        binding: &mut IoBinding,
        more: usize,
    ) -> Result<(), EngineError> {
        match self {
            Cache::Growing(cache) => cache.bind(layout, binding),
            Cache::Shared(cache) => cache.bind(layout, binding, more),
        }
    }

    /// Takes what the run gave, and hands back what it replaced. Until then a run that failed has changed nothing.
    pub(crate) fn take(
        &mut self,
        layout: &CacheLayout,
        outputs: &mut SessionOutputs<'_>,
        more: usize,
    ) -> Result<CacheBefore, EngineError> {
        match self {
            Cache::Growing(cache) => cache.take(layout, outputs, more),
            Cache::Shared(cache) => {
                let length = cache.length();
                cache.rewind(length + more);
                Ok(CacheBefore { tensors: Vec::new(), length })
            }
        }
    }

    /// Goes back to what an earlier run replaced.
    pub(crate) fn restore(&mut self, before: CacheBefore) {
        match self {
            Cache::Growing(cache) => cache.restore(before),
            Cache::Shared(cache) => cache.rewind(before.length),
        }
    }

    /// Forgets everything after `position`.
    pub(crate) fn rewind(&mut self, layout: &CacheLayout, position: usize) -> Result<(), EngineError> {
        match self {
            Cache::Growing(cache) => cache.rewind(layout, position),
            Cache::Shared(cache) => {
                cache.rewind(position);
                Ok(())
            }
        }
    }
}
