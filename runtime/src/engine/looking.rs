//! What the tokens of a sequence look at beside one another, and which of it each of them sees.
//!
//! A decoder of the older kind (Vaswani et al. 2017; BART) looks at all that an encoder made of a text that was read before:
//! `encoder_hidden_states`, `[batch, states, width]`, of which `encoder_attention_mask`, `[batch, states]`, leaves out what
//! only fills up a batch; here nothing does. That text is there when the first token is read, and stays as it is.
//!
//! Idefics, the open Flamingo (Alayrac et al. 2022), has layers of cross-attention that look at what a resampler made of
//! images: `image_hidden_states`, `[batch, images, latents, width]`, the same for a whole sequence, and
//! `image_attention_mask`, `[batch, tokens, images]`, which says what each token sees. A written token sees what the one
//! before it saw.
//!
//! A decoder makes keys and values of all that it is given in every run, so a run is given no more than its tokens see:
//! one image while a reply is written, however many are shown before it. What isn't seen has no weight, so that changes
//! nothing but the order of a sum.

use std::sync::Arc;

use super::{Chunk, EngineError};
use crate::tensor::{Element, HostTensor};

/// What there is to look at, and what each token sees of it, by kind.
pub(super) const PORTS: [[&str; 2]; 2] =
    [["image_hidden_states", "image_attention_mask"], ["encoder_hidden_states", "encoder_attention_mask"]];

/// What a decoder looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookKind {
    /// Several images, of which each token sees one or none.
    Images,
    /// One text, which every token sees whole.
    Encoder,
}

/// Both inputs, as a decoder declares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LookPorts {
    /// What they are.
    pub(crate) kind: LookKind,
    /// What the graph calls them: what there is to look at, and what each token sees of it.
    pub(crate) names: [String; 2],
    /// Floats of either width.
    pub(crate) states: Element,
    /// Integers or truth values.
    pub(crate) seen: Element,
    /// Rows of a group, where the graph says it.
    pub(crate) rows: Option<usize>,
    /// Numbers in a row.
    pub(crate) width: usize,
}

/// What a sequence looks at: all that was given last, and the group that each of its tokens sees. A sequence of any
/// other decoder leaves it empty.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Looking {
    /// `[1, groups, rows, width]` in the decoder's element.
    states: Option<Arc<HostTensor>>,
    seen: Vec<Option<usize>>,
}

impl Looking {
    /// What the chunks' tokens look at: as given, or else what the token before them sees. What was given is taken out.
    ///
    /// # Errors
    ///
    /// [`EngineError::Input`] where the states aren't the decoder's, or a token sees something that isn't there.
    pub(super) fn of_chunks(&self, ports: &LookPorts, chunks: &mut [Chunk]) -> Result<Self, EngineError> {
        let (mut states, mut seen) = (self.states.clone(), Vec::new());
        let mut last = self.seen.last().copied().flatten();
        for chunk in chunks {
            let (tokens, given) = match chunk {
                Chunk::Tokens(tokens) => (tokens.len(), None),
                Chunk::Embedded(given) => {
                    (given.embeddings.shape().get(1).copied().unwrap_or(0), given.looks_at.take())
                }
            };
            let Some(given) = given else {
                seen.extend(std::iter::repeat_n(last, tokens));
                continue;
            };
            if given.seen.len() != tokens {
                let found = given.seen.len();
                return Err(refused(
                    &ports.names[1],
                    format!("it is said of {found} tokens what they see, of {tokens} not"),
                ));
            }
            // Keys and values that a first run made of other states would still be those that are looked at.
            if ports.kind == LookKind::Encoder && (states.is_some() || !seen.is_empty()) {
                let problem =
                    "a sequence looks at what its first tokens came with: begin a new one".to_owned();
                return Err(ports.refused(problem));
            }
            states = Some(Arc::new(ports.fitting(given.states)?));
            last = given.seen.last().copied().unwrap_or(last);
            seen.extend(given.seen);
        }
        if ports.kind == LookKind::Encoder && (states.is_none() || seen.contains(&None)) {
            return Err(ports.refused("each of its tokens looks at it, and it wasn't given".to_owned()));
        }
        let groups = states.as_ref().and_then(|states| states.shape().get(1).copied()).unwrap_or(0);
        match seen.iter().flatten().find(|&&group| group >= groups) {
            Some(group) => {
                let problem = format!("a token sees what comes as number {}, there are {groups}", group + 1);
                Err(refused(&ports.names[1], problem))
            }
            None => Ok(Self { states, seen }),
        }
    }

    /// Notes what was read.
    pub(super) fn extend(&mut self, read: Self) {
        self.states = read.states;
        self.seen.extend(read.seen);
    }

    /// Forgets what tokens saw after so many of them.
    pub(super) fn rewind(&mut self, tokens: usize) {
        self.seen.truncate(tokens);
        if tokens == 0 {
            self.states = None;
        }
    }

    /// The next so many tokens, taken from the front.
    pub(super) fn take_front(&mut self, tokens: usize) -> Self {
        let later = self.seen.split_off(tokens.min(self.seen.len()));
        let seen = std::mem::replace(&mut self.seen, later);
        Self { states: self.states.clone(), seen }
    }

    /// Both inputs of a run: the states that its tokens see, `[1, groups, rows, width]`, and which of them each sees,
    /// `[1, tokens, groups]`. Where nothing is seen there is one group of zeros, and nobody sees it.
    ///
    /// What an encoder found may be read in a first run alone. Where it isn't (`is_read`) there are zeros in its place, and
    /// only its marks tell how long it is.
    pub(super) fn inputs(&self, ports: &LookPorts, is_read: bool) -> (HostTensor, HostTensor) {
        if let (LookKind::Encoder, Some(states)) = (ports.kind, self.states.as_deref()) {
            return ports.whole(states, is_read);
        }
        let mut groups: Vec<usize> = self.seen.iter().copied().flatten().collect();
        groups.sort_unstable();
        groups.dedup();
        let states = match self.states.as_deref() {
            Some(states) if !groups.is_empty() => ports.picked(states, &groups),
            _ => ports.zeros(vec![1, 1, ports.rows.unwrap_or(1), ports.width]),
        };
        let columns = groups.len().max(1);
        let marks_of = |seen: &Option<usize>| {
            let place = seen.and_then(|group| groups.binary_search(&group).ok());
            (0..columns).map(move |column| place == Some(column))
        };
        let marks = self.seen.iter().flat_map(marks_of);
        (states, ports.marks(vec![1, self.seen.len(), columns], marks))
    }
}

impl LookPorts {
    /// What is seen, in numbers of the decoder's kind.
    fn marks(&self, shape: Vec<usize>, marks: impl Iterator<Item = bool>) -> HostTensor {
        match self.seen {
            Element::Bool => HostTensor::Bool { shape, data: marks.collect() },
            Element::I32 => HostTensor::I32 { shape, data: marks.map(i32::from).collect() },
            _ => HostTensor::I64 { shape, data: marks.map(i64::from).collect() },
        }
    }

    /// Both inputs where everything is seen.
    fn whole(&self, states: &HostTensor, is_read: bool) -> (HostTensor, HostTensor) {
        let rows = states.shape().get(2).copied().unwrap_or(0);
        let seen = self.marks(vec![1, rows], std::iter::repeat_n(true, rows));
        if !is_read {
            return (self.zeros(vec![1, self.rows.unwrap_or(1), self.width]), seen);
        }
        let shape = vec![1, rows, self.width];
        let states = match states {
            HostTensor::F16 { data, .. } => HostTensor::F16 { shape, data: data.clone() },
            HostTensor::F32 { data, .. } => HostTensor::F32 { shape, data: data.clone() },
            // What fits is of floats.
            _ => self.zeros(shape),
        };
        (states, seen)
    }

    fn refused(&self, reason: String) -> EngineError {
        refused(&self.names[0], reason)
    }

    fn fitting(&self, states: HostTensor) -> Result<HostTensor, EngineError> {
        let fits = match *states.shape() {
            [1, groups, rows, width] => {
                (groups == 1 || self.kind == LookKind::Images)
                    && width == self.width
                    && self.rows.is_none_or(|fixed| fixed == rows)
            }
            _ => false,
        };
        if !fits {
            let rows = self.rows.map_or("rows".to_owned(), |rows| rows.to_string());
            let (found, width) = (states.shape(), self.width);
            let groups = if self.kind == LookKind::Images { "images" } else { "1" };
            let problem = format!("a tensor of shape {found:?} isn't [1, {groups}, {rows}, {width}]");
            return Err(self.refused(problem));
        }
        states.into_element(self.states).map_err(|error| self.refused(error.to_string()))
    }

    fn picked(&self, states: &HostTensor, groups: &[usize]) -> HostTensor {
        let rows = states.shape().get(2).copied().unwrap_or(0);
        let shape = vec![1, groups.len(), rows, self.width];
        let group = rows * self.width;
        match states {
            HostTensor::F16 { data, .. } => HostTensor::F16 { shape, data: pick(data, groups, group) },
            HostTensor::F32 { data, .. } => HostTensor::F32 { shape, data: pick(data, groups, group) },
            // What fits is of floats.
            _ => self.zeros(shape),
        }
    }

    fn zeros(&self, shape: Vec<usize>) -> HostTensor {
        let numbers = shape.iter().product();
        match self.states {
            Element::F16 => HostTensor::F16 { shape, data: vec![half::f16::ZERO; numbers] },
            _ => HostTensor::F32 { shape, data: vec![0.0; numbers] },
        }
    }
}

/// The parts of these numbers, each of so many elements.
fn pick<T: Copy>(data: &[T], groups: &[usize], group: usize) -> Vec<T> {
    let part = |&number: &usize| data.get(number * group..(number + 1) * group).unwrap_or_default();
    groups.iter().flat_map(part).copied().collect()
}

/// Refuses something to look at for a decoder that doesn't look.
pub(super) fn refuse_given(chunks: &[Chunk]) -> Result<(), EngineError> {
    let looks = |chunk: &Chunk| matches!(chunk, Chunk::Embedded(given) if given.looks_at.is_some());
    if chunks.iter().any(looks) {
        return Err(refused(PORTS[0][0], "the decoder has no such input".to_owned()));
    }
    Ok(())
}

fn refused(name: &str, reason: String) -> EngineError {
    EngineError::Input { graph: "decoder".to_owned(), name: name.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded_tokens::{EmbeddedTokens, LooksAt};

    const PORTS: LookPorts = LookPorts {
        kind: LookKind::Images,
        names: [String::new(), String::new()],
        states: Element::F32,
        seen: Element::I64,
        rows: Some(1),
        width: 2,
    };

    /// Groups of one row, whose numbers are the group's.
    fn states(groups: &[f32]) -> HostTensor {
        let data = groups.iter().flat_map(|&number| [number; 2]).collect();
        HostTensor::F32 { shape: vec![1, groups.len(), 1, 2], data }
    }

    fn embedded(tokens: usize, looks_at: Option<LooksAt>) -> Chunk {
        let embeddings = HostTensor::F32 { shape: vec![1, tokens, 1], data: vec![0.0; tokens] };
        Chunk::Embedded(EmbeddedTokens { looks_at, ..embeddings.into() })
    }

    fn looks(groups: &[f32], seen: &[Option<usize>]) -> LooksAt {
        LooksAt { states: states(groups), seen: seen.to_vec() }
    }

    #[test]
    fn a_run_is_given_what_its_tokens_see_and_a_written_token_sees_what_the_last_one_saw() {
        let none =
            (PORTS.zeros(vec![1, 1, 1, 2]), HostTensor::I64 { shape: vec![1, 2, 1], data: vec![0, 0] });
        let mut looking = Looking::default();
        let steps = [
            (vec![Chunk::Tokens(vec![1, 2])], none),
            // Before the first image, at it, and at the second; then a token that was written.
            (
                vec![
                    embedded(3, Some(looks(&[7.0, 8.0], &[None, Some(0), Some(1)]))),
                    Chunk::Tokens(vec![3]),
                ],
                (
                    states(&[7.0, 8.0]),
                    HostTensor::I64 { shape: vec![1, 4, 2], data: vec![0, 0, 1, 0, 0, 1, 0, 1] },
                ),
            ),
            (
                vec![Chunk::Tokens(vec![4])],
                (states(&[8.0]), HostTensor::I64 { shape: vec![1, 1, 1], data: vec![1] }),
            ),
            // A written token still sees the second image where a third comes after it in the same run.
            (
                vec![
                    Chunk::Tokens(vec![5]),
                    embedded(1, Some(looks(&[7.0, 8.0, 9.0], &[Some(2)]))),
                    embedded(1, None),
                ],
                (states(&[8.0, 9.0]), HostTensor::I64 { shape: vec![1, 3, 2], data: vec![1, 0, 0, 1, 0, 1] }),
            ),
        ];
        for (mut chunks, expected) in steps {
            let read = looking.of_chunks(&PORTS, &mut chunks).unwrap();
            assert_eq!(read.inputs(&PORTS, true), expected, "{chunks:?}");
            looking.extend(read);
        }
        // Back to the first image, which is what a written token sees from there.
        looking.rewind(4);
        let mut read = looking.of_chunks(&PORTS, &mut [Chunk::Tokens(vec![6, 7])]).unwrap();
        assert_eq!(read.inputs(&PORTS, true).0, states(&[7.0]));
        let first = read.take_front(1);
        assert_eq!((first.seen.len(), read.seen.len()), (1, 1));
    }

    #[test]
    fn what_isnt_there_cannot_be_seen() {
        let cases = [
            (
                embedded(1, Some(looks(&[7.0], &[Some(1)]))),
                "a token sees what comes as number 2, there are 1",
            ),
            (embedded(2, Some(looks(&[7.0], &[Some(0)]))), "said of 1 tokens what they see, of 2 not"),
            (
                embedded(
                    1,
                    Some(LooksAt {
                        states: HostTensor::F32 { shape: vec![1, 1, 2, 2], data: vec![0.0; 4] },
                        seen: vec![None],
                    }),
                ),
                "shape [1, 1, 2, 2] isn't [1, images, 1, 2]",
            ),
        ];
        for (chunk, expected) in cases {
            let error = Looking::default().of_chunks(&PORTS, &mut [chunk]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error:?} doesn't say {expected:?}");
        }
        assert!(refuse_given(&[embedded(1, Some(looks(&[7.0], &[None])))]).is_err());
        assert!(refuse_given(&[embedded(1, None), Chunk::Tokens(vec![1])]).is_ok());
    }

    #[test]
    fn what_an_encoder_read_is_seen_whole_and_stays() {
        let ports = LookPorts { kind: LookKind::Encoder, rows: None, ..PORTS };
        let given = |groups: usize| LooksAt {
            states: HostTensor::F32 { shape: vec![1, groups, 2, 2], data: vec![3.0; groups * 4] },
            seen: vec![Some(0)],
        };
        let expected = (
            HostTensor::F32 { shape: vec![1, 2, 2], data: vec![3.0; 4] },
            HostTensor::I64 { shape: vec![1, 2], data: vec![1, 1] },
        );
        let mut looking = Looking::default();
        for chunk in [embedded(1, Some(given(1))), Chunk::Tokens(vec![4, 5])] {
            let read = looking.of_chunks(&ports, &mut [chunk]).unwrap();
            assert_eq!(read.inputs(&ports, true), expected);
            // Where nothing reads them, one row of zeros stands for the states.
            let unread = HostTensor::F32 { shape: vec![1, 1, 2], data: vec![0.0; 2] };
            assert_eq!(read.inputs(&ports, false), (unread, expected.1.clone()));
            let fixed = LookPorts { rows: Some(2), ..ports.clone() };
            assert_eq!(read.inputs(&fixed, false).0.shape(), [1, 2, 2]);
            looking.extend(read);
        }
        let refused =
            |looking: &Looking, chunk| looking.of_chunks(&ports, &mut [chunk]).unwrap_err().to_string();
        assert!(refused(&looking, embedded(1, Some(given(1)))).contains("begin a new one"));
        assert!(refused(&Looking::default(), Chunk::Tokens(vec![1])).contains("wasn't given"));
        assert!(refused(&Looking::default(), embedded(1, Some(given(2)))).contains("isn't [1, 1, rows, 2]"));
        // From its beginning on it may look at something else.
        looking.rewind(0);
        assert!(looking.of_chunks(&ports, &mut [embedded(1, Some(given(1)))]).is_ok());
    }
}
