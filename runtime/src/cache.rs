//! What a sequence keeps of what it has read, where the decoder computes: keys and values, one each a token, and the
//! states of layers that have none.

mod checkpoints;
mod crossed;
mod growing;
mod host_copy;
mod shared;
mod states;

use std::{ops::Range, path::PathBuf, rc::Rc};

use ort::{
    memory::{Allocator, MemoryInfo},
    session::{IoBinding, SessionOutputs},
    value::{DynTensor, DynTensorValueType, DynValue},
};

pub(crate) use self::states::{StateTensor, most_bytes};
use self::{crossed::Crossed, growing::GrowingCache, shared::SharedCache, states::States};
use crate::{
    engine::{AttentionWindow, EngineError},
    moved::{Crossing, MovedCounter, Purpose, is_host},
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

    /// Refuses what a run gave for this where it isn't so many positions of each head; `None`: however many.
    fn check(&self, value: &DynValue, positions: Option<usize>) -> Result<(), EngineError> {
        check_shape(&self.present, value, &[Some(1), Some(self.heads), positions, Some(self.head_dim)])
    }

    fn allocate(&self, allocator: &Allocator, positions: usize) -> Result<DynValue, EngineError> {
        let shape = [1, self.heads, positions, self.head_dim];
        Ok(DynTensor::new(allocator, self.element.to_ort(), shape)?.into_dyn())
    }
}

/// What all sequences of a decoder have in common.
pub(crate) struct CacheLayout {
    /// The decoder's file, for errors.
    pub(crate) path: PathBuf,
    /// Its tensors, layer by layer.
    pub(crate) tensors: Vec<CacheTensor>,
    /// Its states, layer by layer; none in a decoder whose every layer attends.
    pub(crate) states: Vec<StateTensor>,
    /// What its first run makes of what it looks at, layer by layer; none in most.
    pub(crate) crossed: Vec<CacheTensor>,
    /// Where they are kept.
    pub(crate) memory: MemoryInfo<'static>,
    /// Where the decoder computes.
    pub(crate) home: MemoryInfo<'static>,
    /// Gives memory there.
    pub(crate) allocator: Allocator,
    /// The form they have.
    pub(crate) form: KeptForm,
    /// What is kept of a long text, if that isn't all.
    pub(crate) window: Option<AttentionWindow>,
    /// Counts what crosses.
    pub(crate) moved: MovedCounter,
}

/// The form that a cache has, once decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptForm {
    /// A new one each step.
    Growing,
    /// One buffer of at most so many positions, which begins with `least` or more.
    Shared { positions: usize, least: usize },
}

impl KeptForm {
    /// Whether a cache of this form can be cut back to a position that isn't its beginning: one buffer anywhere, one that
    /// grows in the host's memory alone, where it can be copied from here.
    fn can_be_cut(self, in_host_memory: bool) -> bool {
        matches!(self, Self::Shared { .. }) || in_host_memory
    }
}

impl CacheLayout {
    /// Whether its caches can be cut back.
    fn can_be_cut(&self) -> bool {
        self.form.can_be_cut(is_host(&self.memory))
    }

    /// Keys and values of so many positions each, holding nothing that means anything.
    fn allocate(&self, positions: usize) -> Result<Vec<DynValue>, EngineError> {
        let allocated = self.tensors.iter().map(|tensor| tensor.allocate(&self.allocator, positions));
        allocated.collect::<Result<_, _>>().map_err(|error| match error {
            EngineError::Library(source) => EngineError::CacheMemory {
                path: self.path.clone(),
                bytes: self.tensors.iter().fold(0, |bytes, tensor| {
                    bytes.saturating_add(tensor.bytes_per_token().saturating_mul(positions))
                }),
                positions,
                source,
            },
            other => other,
        })
    }

    fn count(&self, crossing: Crossing, memory: &MemoryInfo<'_>, bytes: usize) {
        self.moved.count(Purpose::Cache, crossing, memory, &self.home, bytes);
    }

    /// Counts a value of the cache at the seam where it is bound or handed back.
    fn count_value(&self, crossing: Crossing, value: &DynValue, bytes: usize) -> Result<(), EngineError> {
        let view = value.view();
        let view = view.downcast::<DynTensorValueType>()?;
        self.count(crossing, view.memory_info(), bytes);
        Ok(())
    }
}

/// What a run replaced: the way back where a later run of the same prompt fails.
pub(crate) struct CacheBefore {
    /// Keys and values, where they aren't written on into.
    tensors: Vec<DynValue>,
    states: Rc<Vec<DynValue>>,
    /// Positions that were held, and let go.
    held: usize,
    let_go: usize,
}

/// One sequence's cache.
pub(crate) struct Cache {
    attended: Attended,
    /// `None` where the decoder has no states: then it can be cut anywhere.
    states: Option<States>,
    /// Keys and values of what is looked at, where they are kept.
    crossed: Crossed,
}

/// The keys and values.
enum Attended {
    Growing(GrowingCache),
    Shared(SharedCache),
}

impl Cache {
    /// An empty one.
    pub(crate) fn empty(layout: &CacheLayout) -> Result<Self, EngineError> {
        let attended = match layout.form {
            KeptForm::Growing => Attended::Growing(GrowingCache::empty(layout)?),
            KeptForm::Shared { positions, least } => {
                Attended::Shared(SharedCache::empty(layout, positions, least)?)
            }
        };
        let states = if layout.states.is_empty() { None } else { Some(States::empty(layout)?) };
        Ok(Self { attended, states, crossed: Crossed::empty(layout)? })
    }

    /// Tokens that were read into it.
    pub(crate) fn length(&self) -> usize {
        self.held() + self.gap()
    }

    /// Those of them whose keys and values it holds: all, but with a window.
    pub(crate) fn held(&self) -> usize {
        match &self.attended {
            Attended::Growing(cache) => cache.length(),
            Attended::Shared(cache) => cache.length(),
        }
    }

    /// Those that a window let go.
    fn gap(&self) -> usize {
        match &self.attended {
            Attended::Growing(cache) => cache.let_go(),
            Attended::Shared(_) => 0,
        }
    }

    /// Lets go the keys and values of these positions, where it still holds them. Hands back what that replaced.
    pub(crate) fn let_go(
        &mut self,
        layout: &CacheLayout,
        positions: Range<usize>,
    ) -> Result<Option<CacheBefore>, EngineError> {
        let (held, let_go) = (self.held(), self.gap());
        // One buffer is never given a window: what it wrote over couldn't be handed back.
        let Attended::Growing(cache) = &mut self.attended else { return Ok(None) };
        let replaced = cache.drop_range(layout, positions)?;
        Ok(replaced.map(|tensors| CacheBefore { tensors, states: Rc::default(), held, let_go }))
    }

    /// Binds it as past and present of a run that reads `more` tokens.
    pub(crate) fn bind(
        &mut self,
        layout: &CacheLayout,
        binding: &mut IoBinding,
        more: usize,
    ) -> Result<(), EngineError> {
        if let Some(states) = &self.states {
            states.bind(layout, binding)?;
        }
        self.crossed.bind(layout, binding)?;
        match &mut self.attended {
            Attended::Growing(cache) => cache.bind(layout, binding),
            Attended::Shared(cache) => cache.bind(layout, binding, more),
        }
    }

    /// Takes what the run gave, and hands back what it replaced. Until then a run that failed has changed nothing.
    pub(crate) fn take(
        &mut self,
        layout: &CacheLayout,
        outputs: &mut SessionOutputs<'_>,
        more: usize,
    ) -> Result<CacheBefore, EngineError> {
        let given = States::given(layout, outputs)?;
        let (held, let_go) = (self.held(), self.gap());
        let begins = held == 0 && let_go == 0;
        let first = if begins { Some(Crossed::given(layout, outputs)?) } else { None };
        let tensors = match &mut self.attended {
            Attended::Growing(cache) => cache.take(layout, outputs, more)?,
            Attended::Shared(cache) => {
                cache.rewind(held + more);
                Vec::new()
            }
        };
        let states = self.states.as_mut().map(|states| states.replace(given)).unwrap_or_default();
        // What a later run replaces here is never read again: one at the beginning makes it anew.
        if let Some(first) = first {
            self.crossed = first;
        }
        Ok(CacheBefore { tensors, states, held, let_go })
    }

    /// Goes back to what an earlier run replaced.
    pub(crate) fn restore(&mut self, before: CacheBefore) {
        let CacheBefore { tensors, states: replaced, held, let_go } = before;
        match &mut self.attended {
            Attended::Growing(cache) => cache.restore(tensors, held, let_go),
            Attended::Shared(cache) => cache.rewind(held),
        }
        if let Some(states) = &mut self.states {
            states.replace(replaced);
        }
    }

    /// Keeps a copy of the states, so that [`Cache::rewind`] can come back to here. Where keys and values couldn't come
    /// along, it would be memory for nothing, and none is kept.
    pub(crate) fn checkpoint(&mut self, layout: &CacheLayout) {
        if !layout.can_be_cut() {
            return;
        }
        let position = self.length();
        if let Some(states) = &mut self.states {
            states.checkpoint(position);
        }
    }

    /// The last position, at this one or before it, that [`Cache::rewind`] can go back to as far as states and windows go.
    pub(crate) fn reachable(&self, layout: &CacheLayout, position: usize) -> usize {
        if position >= self.length() {
            return position;
        }
        match (&self.states, layout.window) {
            (Some(states), _) => states.reachable(position),
            // A token there must see what it saw when it was first read.
            (None, Some(window)) if window.begins(position) < window.sinks + self.gap() => 0,
            (None, _) => position,
        }
    }

    /// Forgets everything after `position`. What can't be gone back to is an error, and nothing has changed then.
    pub(crate) fn rewind(&mut self, layout: &CacheLayout, position: usize) -> Result<(), EngineError> {
        let (from, reachable) = (self.length(), self.reachable(layout, position));
        if position == from {
            return Ok(());
        }
        if reachable != position && position != 0 {
            let reason = match layout.window {
                Some(_) => {
                    format!("{} positions before it were let go for its window; begin anew", self.gap())
                }
                None => format!(
                    "its decoder's convolutions or recurrences carry states, which can't be cut back; the nearest \
                     place before it where they were kept is {reachable}"
                ),
            };
            return Err(EngineError::Rewind { from, to: position, reason });
        }
        // What may fail comes before what changes anything.
        let carried = self.states.as_ref().map(|states| states.carried_at(layout, position)).transpose()?;
        match &mut self.attended {
            Attended::Growing(cache) => cache.rewind(layout, position.saturating_sub(cache.let_go()))?,
            Attended::Shared(cache) => cache.rewind(position),
        }
        if let (Some(states), Some(carried)) = (&mut self.states, carried) {
            states.rewind(position, carried);
        }
        Ok(())
    }
}

/// A run that left out an output that the graph declares.
fn missing(output: &str) -> EngineError {
    EngineError::Input {
        graph: "decoder".to_owned(),
        name: output.to_owned(),
        reason: "the run gave no such output".to_owned(),
    }
}

/// Refuses what a run gave where it has another shape than what the next one is to be given. Fed all the same, it would be
/// read as what it isn't, or cut where it has nothing.
fn check_shape(output: &str, value: &DynValue, expected: &[Option<usize>]) -> Result<(), EngineError> {
    let shape = value.shape();
    let fits = |(&found, wanted): (&i64, &Option<usize>)| {
        wanted.is_none_or(|wanted| i64::try_from(wanted) == Ok(found))
    };
    if shape.len() == expected.len() && shape.iter().zip(expected).all(fits) {
        return Ok(());
    }
    let expected: Vec<String> =
        expected.iter().map(|side| side.map_or("any".to_owned(), |side| side.to_string())).collect();
    Err(EngineError::Input {
        graph: "decoder".to_owned(),
        name: output.to_owned(),
        reason: format!(
            "the run gave it the shape {:?}, and all that was read has [{}]: a graph that forgets by itself can't be used",
            &shape[..],
            expected.join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_growing_cache_on_a_device_cannot_be_cut() {
        let shared = KeptForm::Shared { positions: 8, least: 0 };
        let cases = [
            (KeptForm::Growing, true, true),
            (KeptForm::Growing, false, false),
            (shared, true, true),
            (shared, false, true),
        ];
        for (form, in_host_memory, expected) in cases {
            assert_eq!(form.can_be_cut(in_host_memory), expected, "{form:?} {in_host_memory}");
        }
    }
}
