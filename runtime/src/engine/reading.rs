//! What a decoder is given to read at once, and how it is cut where a device can't take all of it.

use super::looking::Looking;
use crate::{rope_position::RopePosition, tensor::HostTensor};

/// Tokens for one run of the decoder, or for several.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    /// Embeddings, `[1, tokens, hidden]`, or token ids, `[1, tokens]`, as the decoder wants them.
    pub(super) input: HostTensor,
    /// What goes beside them, `[1, tokens, width]`, in the order of the decoder's plan.
    pub(super) sides: Vec<HostTensor>,
    /// Where the tokens stand, where the decoder takes that in rows; none otherwise.
    pub(super) positions: Vec<RopePosition>,
    /// What the tokens look at, where the decoder looks; of no tokens otherwise.
    pub(super) looking: Looking,
    /// Which tokens see their neighbours that do, where the decoder is told; none otherwise.
    pub(super) together: Vec<bool>,
}

impl Reading {
    /// How many tokens it has.
    pub(super) fn tokens(&self) -> usize {
        self.input.shape().get(1).copied().unwrap_or(0)
    }

    /// Cuts everything into pieces of so many tokens, which together are all.
    pub(super) fn into_pieces(self, lengths: &[usize]) -> Vec<Reading> {
        let Self { input, sides, positions, mut looking, together } = self;
        let mut sides: Vec<_> = sides.into_iter().map(|rows| rows.into_pieces(lengths).into_iter()).collect();
        let (mut positions, mut together) = (positions.into_iter(), together.into_iter());
        let pieces = input.into_pieces(lengths).into_iter().map(|input| {
            let tokens = input.shape().get(1).copied().unwrap_or(0);
            let looking = looking.take_front(tokens);
            let mut piece =
                Reading { input, sides: Vec::new(), positions: Vec::new(), looking, together: Vec::new() };
            piece.sides.extend(sides.iter_mut().filter_map(Iterator::next));
            piece.positions.extend(positions.by_ref().take(tokens));
            piece.together.extend(together.by_ref().take(tokens));
            piece
        });
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        embedded_tokens::{EmbeddedTokens, LooksAt},
        engine::{
            Chunk,
            looking::{LookKind, LookPorts},
        },
        tensor::Element,
    };

    #[test]
    fn a_piece_keeps_what_belongs_to_its_tokens() {
        let rows = |range: std::ops::Range<u16>, width: usize| HostTensor::F32 {
            shape: vec![1, range.len(), width],
            data: range.flat_map(|row| vec![f32::from(row); width]).collect(),
        };
        // All pieces have the same two images to look at, and each what its own tokens see of them.
        let ports = LookPorts {
            kind: LookKind::Images,
            names: [String::new(), String::new()],
            states: Element::F32,
            seen: Element::I64,
            rows: Some(1),
            width: 2,
        };
        let looking = |range: std::ops::Range<u16>| {
            let states = HostTensor::F32 { shape: vec![1, 2, 1, 2], data: vec![1.0, 2.0, 3.0, 4.0] };
            let seen = range.clone().map(|place| usize::from(place).checked_sub(1).map(|place| place / 2));
            let looks_at = Some(LooksAt { states, seen: seen.collect() });
            let tokens = EmbeddedTokens { looks_at, ..rows(range, 3).into() };
            Looking::default().of_chunks(&ports, &mut [Chunk::Embedded(tokens)]).unwrap()
        };
        let reading = |range: std::ops::Range<u16>| Reading {
            input: rows(range.clone(), 3),
            sides: vec![rows(range.clone(), 2), rows(range.clone(), 1)],
            positions: range.clone().map(|place| RopePosition::text(place.into())).collect(),
            looking: looking(range.clone()),
            together: range.map(|place| place == 2 || place == 3).collect(),
        };
        let cases: [(&[usize], &[u16]); 3] =
            [(&[2, 2, 1], &[0, 2, 4, 5]), (&[5], &[0, 5]), (&[1, 4], &[0, 1, 5])];
        for (tokens, ends) in cases {
            let expected: Vec<Reading> = ends.windows(2).map(|ends| reading(ends[0]..ends[1])).collect();
            assert_eq!(reading(0..5).into_pieces(tokens), expected, "{tokens:?}");
        }
    }
}
