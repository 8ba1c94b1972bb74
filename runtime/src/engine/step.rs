//! One run of the decoder: everything bound, run, and the last token's scores taken.

use std::path::{Path, PathBuf};

use half::f16;
use ort::{
    memory::MemoryInfo,
    session::{IoBinding, Session, SessionOutputs},
    value::{DynTensorValueType, DynValue},
};

use super::{
    AttentionWindow, EngineError, ReadingOrder, RunSwitch,
    decoder::{DecoderPlan, Feed, Index, IndexPort},
    heads::Heads,
    reading::Reading,
    together::{self, longest_block},
};
use crate::{
    cache::{Cache, CacheBefore, CacheLayout},
    moved::{Crossing, MovedCounter, Purpose},
    rope_position::RopePosition,
    tensor::{Element, HostTensor, TensorError},
};

/// The decoder's session, with what every run of it needs.
///
/// The order of the fields is the order in which they are dropped: what lies in the session's memory before the session.
pub(super) struct Decoder {
    pub(super) binding: IoBinding,
    pub(super) layout: CacheLayout,
    pub(super) plan: DecoderPlan,
    /// The most tokens that one run may read.
    pub(super) longest_run: usize,
    /// The most tokens that one run reads rightly on this device, however many it is asked to read.
    pub(super) read_rightly: usize,
    /// What makes scores of hidden states, where the decoder doesn't.
    pub(super) heads: Heads,
    /// How it is to be read.
    pub(super) order: ReadingOrder,
    /// Whether what its tokens look at is read in a first run alone, which keeps keys and values of it.
    pub(super) looks_at_first: bool,
    /// What it keeps of a long text, if that isn't all.
    pub(super) window: Option<AttentionWindow>,
    pub(super) host: MemoryInfo<'static>,
    pub(super) moved: MovedCounter,
    pub(super) session: Session,
    /// Its file, for errors.
    pub(super) path: PathBuf,
}

impl Decoder {
    /// Reads after what is in the cache, and gives the scores of the token after the last one; `head` is which of its
    /// heads scores, if it has any. A run that fails or is stopped leaves the cache as it was, also where it is stopped as it
    /// ends; from then on it can't be stopped.
    pub(super) fn read(
        &mut self,
        cache: &mut Cache,
        reading: Reading,
        head: usize,
        switch: &RunSwitch,
    ) -> Result<Vec<f32>, EngineError> {
        let mut before = None;
        let mut outcome = Err(EngineError::NoLogits { position: cache.length() });
        let (position, tokens) = (cache.length(), reading.tokens());
        let longest = self.longest_piece(position, &reading)?;
        let runs = match self.window {
            Some(window) => window.runs(position, tokens, longest),
            None => together::lengths(&reading.together, tokens, longest),
        };
        for piece in reading.into_pieces(&runs) {
            outcome = self.read_piece(cache, piece, &mut before, switch);
            if outcome.is_err() {
                break;
            }
        }
        let scores = outcome.and_then(|last| self.heads.score(head, last, switch));
        let scores = scores.and_then(|scores| switch.commit(cache.length()).map(|()| scores));
        if let (Err(_), Some(before)) = (&scores, before) {
            cache.restore(before);
        }
        scores
    }

    /// Lets go what the tokens of this run don't see, and runs. `before` becomes the way back to what was first replaced.
    fn read_piece(
        &mut self,
        cache: &mut Cache,
        piece: Reading,
        before: &mut Option<CacheBefore>,
        switch: &RunSwitch,
    ) -> Result<Vec<f32>, EngineError> {
        if let Some(window) = self.window {
            let unseen = window.sinks..window.begins(cache.length());
            if let Some(replaced) = cache.let_go(&self.layout, unseen)? {
                before.get_or_insert(replaced);
            }
        }
        let (last, replaced) = self.run(cache, piece, switch)?;
        before.get_or_insert(replaced);
        Ok(last)
    }

    /// The most tokens of one run, of so many after so many.
    fn longest_piece(&self, past: usize, reading: &Reading) -> Result<usize, EngineError> {
        let together = match (self.order.whole_prompt, past) {
            (true, 0) => reading.tokens(),
            (true, 1..) => return Ok(1),
            (false, _) => longest_block(&reading.together),
        };
        let most = self.read_rightly;
        if together > most {
            return Err(EngineError::Input {
                graph: "decoder".to_owned(),
                name: self.plan.input.clone(),
                reason: format!(
                    "its {together} tokens see each other and must be read at once, this device reads {most} rightly: take \
                     another one"
                ),
            });
        }
        Ok(self.longest_run)
    }

    fn run(
        &mut self,
        cache: &mut Cache,
        reading: Reading,
        switch: &RunSwitch,
    ) -> Result<(Vec<f32>, CacheBefore), EngineError> {
        if switch.is_thrown() {
            return Err(EngineError::Cancelled);
        }
        let more = reading.tokens();
        let span = tracing::debug_span!("decoder", past = cache.length(), tokens = more);
        let _entered = span.enter();
        self.binding.clear();
        let outcome = self.bind(reading, cache).and_then(|()| {
            let Self { binding, layout, session, host, moved, plan, path, .. } = self;
            let mut outputs =
                session.run_binding_with_options(binding, switch.options()).map_err(|source| {
                    if switch.is_thrown() {
                        return EngineError::Cancelled;
                    }
                    EngineError::Run { graph: "decoder".to_owned(), source }
                })?;
            let last = take_last(&outputs, &plan.output, layout, host, moved)?;
            refuse_broken(&last, path)?;
            let before = cache.take(layout, &mut outputs, more)?;
            Ok((last, before))
        });
        // What is bound is held: a closed sequence's cache must not be.
        self.binding.clear();
        outcome
    }

    fn bind(&mut self, reading: Reading, cache: &mut Cache) -> Result<(), EngineError> {
        let (past, more) = (Past { position: cache.length(), held: cache.held() }, reading.tokens());
        let Reading { input, sides, positions, looking, together } = reading;
        let purpose = match self.plan.feed {
            Feed::Embeddings { .. } => Purpose::Embeddings,
            Feed::Tokens { .. } => Purpose::Indices,
        };
        let name = self.plan.input.clone();
        self.bind_from_host(&name, purpose, input)?;
        for (place, rows) in sides.into_iter().enumerate() {
            let name = self.plan.sides.get(place).map(|port| port.name.clone()).unwrap_or_default();
            self.bind_from_host(&name, Purpose::Embeddings, rows)?;
        }
        // Only what a first run gives makes one of another kind.
        let begins = past.position == 0 && !self.plan.crossed.is_empty();
        if let Some(ports) = &self.plan.looks {
            let is_read = begins || !self.looks_at_first;
            let ([states_name, seen_name], (states, seen)) =
                (ports.names.clone(), looking.inputs(ports, is_read));
            self.bind_from_host(&states_name, Purpose::Embeddings, states)?;
            self.bind_from_host(&seen_name, Purpose::Indices, seen)?;
        }
        for place in 0..self.plan.indices.len() {
            let port = &self.plan.indices[place];
            let first = self.order.first_position;
            let told = Told { positions: &positions, together: &together, first, begins };
            let (name, value) = (port.name.clone(), index(port, past, more, &told)?);
            self.bind_from_host(&name, Purpose::Indices, value)?;
        }
        self.binding.bind_output_to_device(self.plan.output.as_str(), &self.host)?;
        cache.bind(&self.layout, &mut self.binding, more)
    }

    fn bind_from_host(
        &mut self,
        name: &str,
        purpose: Purpose,
        tensor: HostTensor,
    ) -> Result<(), EngineError> {
        let bytes = tensor.bytes();
        let value = tensor.into_value()?;
        self.binding.bind_input(name, &value)?;
        self.moved.count(purpose, Crossing::ToDevice, &memory(&value)?, &self.layout.home, bytes);
        Ok(())
    }
}

/// Where a value lies, asked of the value itself.
fn memory(value: &DynValue) -> Result<MemoryInfo<'static>, EngineError> {
    let view = value.view();
    Ok(view.downcast::<DynTensorValueType>()?.memory_info().to_owned())
}

/// What a run reads on from.
#[derive(Debug, Clone, Copy)]
struct Past {
    /// Tokens that were read.
    position: usize,
    /// Those of them whose keys and values are held.
    held: usize,
}

/// What index inputs say of the tokens of one run beside their number.
struct Told<'a> {
    /// Where they stand, where positions come in rows.
    positions: &'a [RopePosition],
    /// Which see their neighbours.
    together: &'a [bool],
    /// The position of a sequence's first token.
    first: usize,
    /// Whether the run makes what later ones go by.
    begins: bool,
}

/// What an index input holds for a run that reads `more` tokens after `past`. Lengths are those of the cache, positions
/// those of the text.
fn index(
    port: &IndexPort,
    Past { position, held }: Past,
    more: usize,
    told: &Told<'_>,
) -> Result<HostTensor, EngineError> {
    let total = (held + more) as i64;
    let (shape, numbers): (Vec<usize>, Vec<i64>) = match port.index {
        Index::AttentionMask => (vec![1, held + more], vec![1; held + more]),
        Index::PositionIds if port.rank == 3 => (vec![3, 1, more], rows(told.positions)),
        Index::PositionIds => (vec![1, more], ((position + told.first) as i64..).take(more).collect()),
        Index::TokenTypes => (vec![1, more], told.together.iter().map(|&mark| mark.into()).collect()),
        Index::SeqlensK => (vec![1; port.rank], vec![total - 1]),
        Index::TotalSequenceLength => (vec![1; port.rank], vec![total]),
        Index::NumLogitsToKeep => (vec![1; port.rank], vec![1]),
        Index::UseCacheBranch => (vec![1; port.rank], vec![i64::from(!told.begins)]),
    };
    of_element(port, shape, numbers)
}

/// The numbers as the input takes them.
fn of_element(port: &IndexPort, shape: Vec<usize>, numbers: Vec<i64>) -> Result<HostTensor, EngineError> {
    match port.element {
        Element::I64 => Ok(HostTensor::I64 { shape, data: numbers }),
        Element::I32 => {
            Ok(HostTensor::I32 { shape, data: numbers.into_iter().map(|number| number as i32).collect() })
        }
        Element::Bool => {
            Ok(HostTensor::Bool { shape, data: numbers.into_iter().map(|number| number != 0).collect() })
        }
        found => Err(EngineError::Input {
            graph: "decoder".to_owned(),
            name: port.name.clone(),
            reason: TensorError::Element { expected: Element::I64, found }.to_string(),
        }),
    }
}

/// All times, then all heights, then all widths.
fn rows(positions: &[RopePosition]) -> Vec<i64> {
    let times = positions.iter().map(|position| position.time);
    let heights = positions.iter().map(|position| position.height);
    times.chain(heights).chain(positions.iter().map(|position| position.width)).collect()
}

/// The last token's scores or hidden state, as 32-bit floats.
fn take_last(
    outputs: &SessionOutputs<'_>,
    name: &str,
    layout: &CacheLayout,
    host: &MemoryInfo<'static>,
    moved: &MovedCounter,
) -> Result<Vec<f32>, EngineError> {
    let broken =
        |reason: String| EngineError::Input { graph: "decoder".to_owned(), name: name.to_owned(), reason };
    let value = outputs.get(name).ok_or_else(|| broken("the run gave no such output".to_owned()))?;
    let shape = value.shape().to_vec();
    let width = shape.last().copied().unwrap_or(0) as usize;
    let (row, total, element) = if let Ok((_, numbers)) = value.try_extract_tensor::<f32>() {
        (last(numbers, width).to_vec(), numbers.len(), Element::F32)
    } else {
        let (_, numbers) = value.try_extract_tensor::<f16>()?;
        (last(numbers, width).iter().copied().map(f16::to_f32).collect(), numbers.len(), Element::F16)
    };
    if width == 0 || row.len() != width {
        return Err(broken(format!("a shape of {shape:?} holds nothing of a token")));
    }
    moved.count(Purpose::Logits, Crossing::ToHost, host, &layout.home, total * element.bytes());
    Ok(row)
}

/// A score that is no number, or is infinite upwards, comes of an overflow or of broken weights; whatever is then chosen
/// means nothing. Minus infinity is how graphs forbid a token.
pub(super) fn refuse_broken(logits: &[f32], path: &Path) -> Result<(), EngineError> {
    let is_broken = |score: &&f32| score.is_nan() || **score == f32::INFINITY;
    match logits.iter().filter(is_broken).count() {
        0 => Ok(()),
        broken => Err(EngineError::NotFinite { path: path.to_owned(), broken, of: logits.len() }),
    }
}

fn last<T>(numbers: &[T], count: usize) -> &[T] {
    &numbers[numbers.len().saturating_sub(count)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_inputs_say_what_was_read_and_what_is_to_be_read() {
        let long =
            |shape: &[usize], data: &[i64]| HostTensor::I64 { shape: shape.to_vec(), data: data.to_vec() };
        let int =
            |shape: &[usize], data: &[i32]| HostTensor::I32 { shape: shape.to_vec(), data: data.to_vec() };
        let positions =
            [(5, 6, 8), (5, 7, 9)].map(|(time, height, width)| RopePosition { time, height, width });
        let told = |first| Told { positions: &positions, together: &[false, true], first, begins: false };
        let cases = [
            (Index::AttentionMask, Element::I64, 2, long(&[1, 5], &[1; 5])),
            (Index::TokenTypes, Element::I64, 2, long(&[1, 2], &[0, 1])),
            (Index::PositionIds, Element::I64, 2, long(&[1, 2], &[3, 4])),
            (Index::PositionIds, Element::I64, 3, long(&[3, 1, 2], &[5, 5, 6, 7, 8, 9])),
            (Index::SeqlensK, Element::I32, 1, int(&[1], &[4])),
            (Index::TotalSequenceLength, Element::I32, 0, int(&[], &[5])),
            (Index::TotalSequenceLength, Element::I32, 1, int(&[1], &[5])),
            (Index::NumLogitsToKeep, Element::I64, 0, long(&[], &[1])),
            (Index::UseCacheBranch, Element::Bool, 1, HostTensor::Bool { shape: vec![1], data: vec![true] }),
        ];
        for (kind, element, rank, expected) in cases {
            let port = IndexPort { index: kind, name: "name".to_owned(), element, rank };
            let past = Past { position: 3, held: 3 };
            assert_eq!(index(&port, past, 2, &told(0)).unwrap(), expected, "{kind:?}");
        }
        let port =
            IndexPort { index: Index::PositionIds, name: "name".to_owned(), element: Element::I64, rank: 2 };
        let past = |position, held| Past { position, held };
        for (begins, expected) in [(true, 0), (false, 1)] {
            let kind = Index::UseCacheBranch;
            let port = IndexPort { index: kind, name: "name".to_owned(), element: Element::I64, rank: 1 };
            let told = Told { begins, ..told(0) };
            assert_eq!(index(&port, past(0, 0), 2, &told).unwrap(), long(&[1], &[expected]));
        }
        assert_eq!(index(&port, past(0, 0), 2, &told(1)).unwrap(), long(&[1, 2], &[1, 2]));
        assert_eq!(index(&port, past(3, 3), 1, &told(1)).unwrap(), long(&[1, 1], &[4]));
        // What is no longer held is counted as text, and not as cache.
        assert_eq!(index(&port, past(9, 3), 2, &told(0)).unwrap(), long(&[1, 2], &[9, 10]));
        let port = IndexPort { index: Index::AttentionMask, ..port };
        assert_eq!(index(&port, past(9, 3), 2, &told(0)).unwrap(), long(&[1, 5], &[1; 5]));
    }
}
