//! What convolutions and recurrences carry from one token to the next: tensors of one size, however long the text.
//!
//! A run reads them and gives new ones; the old ones are as they were. So keeping a copy costs its memory and no
//! time, wherever it lies. What they can't do is be cut back: a state says nothing of the states before it.

use std::rc::Rc;

use ort::{
    memory::Allocator,
    session::{IoBinding, SessionOutputs},
    value::{DynTensor, DynValue},
};

use super::{CacheLayout, check_shape, checkpoints::Checkpoints, missing};
use crate::{engine::EngineError, moved::Crossing, tensor::Element};

/// Bytes that one sequence's checkpoints may take, and how many there are at most and at least.
const CHECKPOINT_BYTES: usize = 256 << 20;
const MOST_CHECKPOINTS: usize = 16;
const FEWEST_CHECKPOINTS: usize = 2;

/// One state of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateTensor {
    /// The decoder's input that takes it.
    pub(crate) past: String,
    /// The decoder's output that gives the next.
    pub(crate) present: String,
    /// What its numbers are.
    pub(crate) element: Element,
    /// Its shape, `[1, …]`.
    pub(crate) shape: Vec<usize>,
}

impl StateTensor {
    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.element.bytes()
    }
}

/// All states at one position.
pub(super) type Snapshot = Rc<Vec<DynValue>>;

/// One sequence's states, and those that it carried earlier, as far as they are kept.
pub(super) struct States {
    now: Snapshot,
    checkpoints: Checkpoints<Snapshot>,
}

impl States {
    /// Those of an empty sequence: zeros. They begin in host memory, the only one that can be cleared from here, and
    /// the first run carries them over; what it gives lies where the cache lies.
    pub(super) fn empty(layout: &CacheLayout) -> Result<Self, EngineError> {
        Ok(Self { now: zeros(layout)?, checkpoints: Checkpoints::new(most_checkpoints(&layout.states)) })
    }

    pub(super) fn bind(&self, layout: &CacheLayout, binding: &mut IoBinding) -> Result<(), EngineError> {
        for (tensor, value) in layout.states.iter().zip(self.now.iter()) {
            binding.bind_input(tensor.past.as_str(), value)?;
            layout.count_value(Crossing::ToDevice, value, tensor.bytes())?;
            // A new one each run: the old one may be kept.
            binding.bind_output_to_device(tensor.present.as_str(), &layout.memory)?;
        }
        Ok(())
    }

    /// What the run gave, not taken yet.
    pub(super) fn given(
        layout: &CacheLayout,
        outputs: &mut SessionOutputs<'_>,
    ) -> Result<Snapshot, EngineError> {
        let mut values = Vec::with_capacity(layout.states.len());
        for tensor in &layout.states {
            let value = outputs.remove(&tensor.present).ok_or_else(|| missing(&tensor.present))?;
            check_shape(
                &tensor.present,
                &value,
                &tensor.shape.iter().copied().map(Some).collect::<Vec<_>>(),
            )?;
            layout.count_value(Crossing::ToHost, &value, tensor.bytes())?;
            values.push(value);
        }
        Ok(Rc::new(values))
    }

    /// Carries other states from now on, and hands back those before.
    pub(super) fn replace(&mut self, states: Snapshot) -> Snapshot {
        std::mem::replace(&mut self.now, states)
    }

    /// Keeps what is carried at this position.
    pub(super) fn checkpoint(&mut self, position: usize) {
        self.checkpoints.note(position, Rc::clone(&self.now));
    }

    /// The last position, at this one or before it, that can be gone back to.
    pub(super) fn reachable(&self, position: usize) -> usize {
        self.checkpoints.latest(position).map_or(0, |(position, _)| position)
    }

    /// What was carried at a position that is reachable, or at the beginning.
    pub(super) fn carried_at(&self, layout: &CacheLayout, position: usize) -> Result<Snapshot, EngineError> {
        match self.checkpoints.latest(position) {
            Some((found, kept)) if found == position => Ok(Rc::clone(kept)),
            _ => zeros(layout),
        }
    }

    /// Goes back to a position, with what was carried there.
    pub(super) fn rewind(&mut self, position: usize, carried: Snapshot) {
        self.now = carried;
        self.checkpoints.rewind(position);
    }
}

/// How many checkpoints one sequence keeps at most.
fn most_checkpoints(states: &[StateTensor]) -> usize {
    let bytes: usize = states.iter().map(StateTensor::bytes).sum();
    let most = CHECKPOINT_BYTES.checked_div(bytes).unwrap_or(0);
    most.clamp(FEWEST_CHECKPOINTS, MOST_CHECKPOINTS)
}

/// The most bytes that one sequence's states take: those that it carries, and as many checkpoints as it keeps.
pub(crate) fn most_bytes(states: &[StateTensor]) -> usize {
    let bytes: usize = states.iter().map(StateTensor::bytes).sum();
    bytes.saturating_mul(1 + most_checkpoints(states))
}

fn zeros(layout: &CacheLayout) -> Result<Snapshot, EngineError> {
    let host = Allocator::default();
    let zero = |tensor: &StateTensor| -> Result<DynValue, EngineError> {
        Ok(DynTensor::new(&host, tensor.element.to_ort(), tensor.shape.clone())?.into_dyn())
    };
    Ok(Rc::new(layout.states.iter().map(zero).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_states_take_is_bounded_by_the_checkpoints_that_are_kept() {
        let state = |numbers: usize| StateTensor {
            past: String::new(),
            present: String::new(),
            element: Element::F32,
            shape: vec![1, numbers],
        };
        // Numbers of four bytes in each state, and how many times all of them are held.
        let cases: [(&[usize], usize); 4] =
            [(&[], 0), (&[3, 5], 17), (&[8 << 20], 9), (&[64 << 20, 64 << 20], 3)];
        for (sizes, times) in cases {
            let states: Vec<_> = sizes.iter().map(|numbers| state(*numbers)).collect();
            assert_eq!(most_bytes(&states), 4 * times * sizes.iter().sum::<usize>(), "{sizes:?}");
        }
    }
}
