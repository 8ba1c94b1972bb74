//! The positions of a sequence's tokens, where its decoder tells time, height and width apart.

use super::{Chunk, EngineError};
use crate::{embedded_tokens::EmbeddedTokens, rope_position::RopePosition};

/// What the tokens read so far leave to those after them. A sequence of any other decoder leaves it empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ReadPositions {
    /// After each token, the count at which text would go on: one more than the greatest position up to there.
    next: Vec<i64>,
}

impl ReadPositions {
    /// The positions of everything in the chunks: as given, or else going on from what is before.
    ///
    /// # Errors
    ///
    /// [`EngineError::Input`] where positions are given, but not one a token.
    pub(super) fn of_chunks(&self, chunks: &[Chunk]) -> Result<Vec<RopePosition>, EngineError> {
        let mut positions = Vec::new();
        let mut next = self.next.last().copied().unwrap_or(0);
        for chunk in chunks {
            let start = positions.len();
            match chunk {
                Chunk::Embedded(EmbeddedTokens { embeddings, positions: Some(given), .. }) => {
                    let tokens = embeddings.shape().get(1).copied().unwrap_or(0);
                    if given.len() != tokens {
                        return Err(refused(format!(
                            "{} positions are given for {tokens} tokens",
                            given.len()
                        )));
                    }
                    positions.extend_from_slice(given);
                }
                Chunk::Embedded(EmbeddedTokens { embeddings, positions: None, .. }) => {
                    let tokens = embeddings.shape().get(1).copied().unwrap_or(0);
                    positions.extend((next..).take(tokens).map(RopePosition::text));
                }
                Chunk::Tokens(tokens) => {
                    positions.extend((next..).take(tokens.len()).map(RopePosition::text));
                }
            }
            next = after(next, &positions[start..]);
        }
        Ok(positions)
    }

    /// Notes what was read.
    pub(super) fn extend(&mut self, read: &[RopePosition]) {
        let mut next = self.next.last().copied().unwrap_or(0);
        self.next.extend(read.iter().map(|position| {
            next = after(next, &[*position]);
            next
        }));
    }

    /// Forgets everything after so many tokens.
    pub(super) fn rewind(&mut self, tokens: usize) {
        self.next.truncate(tokens);
    }
}

/// Refuses positions for a decoder that has one row of them, or none.
pub(super) fn refuse_given(chunks: &[Chunk]) -> Result<(), EngineError> {
    if chunks.iter().any(|chunk| matches!(chunk, Chunk::Embedded(EmbeddedTokens { positions: Some(_), .. })))
    {
        return Err(refused("this decoder counts its tokens in one row and can't be given three".to_owned()));
    }
    Ok(())
}

fn refused(reason: String) -> EngineError {
    EngineError::Input { graph: "decoder".to_owned(), name: "position_ids".to_owned(), reason }
}

fn after(next: i64, positions: &[RopePosition]) -> i64 {
    positions.iter().map(|position| position.greatest() + 1).fold(next, i64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::HostTensor;

    fn position([time, height, width]: [i64; 3]) -> RopePosition {
        RopePosition { time, height, width }
    }

    fn embeddings(tokens: usize, positions: Option<&[[i64; 3]]>) -> Chunk {
        let embeddings = HostTensor::F32 { shape: vec![1, tokens, 1], data: vec![0.0; tokens] };
        let positions = positions.map(|all| all.iter().copied().map(position).collect());
        Chunk::Embedded(EmbeddedTokens { positions, ..embeddings.into() })
    }

    /// An image of one row and three columns after two tokens of text.
    const IMAGE: [[i64; 3]; 3] = [[2, 2, 2], [2, 2, 3], [2, 2, 4]];

    #[test]
    fn text_goes_on_after_the_greatest_position_whatever_was_forgotten() {
        let text = |from: i64, to: i64| (from..to).map(RopePosition::text).collect::<Vec<_>>();
        let mut read = ReadPositions::default();
        let first = [Chunk::Tokens(vec![7, 7]), embeddings(3, Some(&IMAGE)), Chunk::Tokens(vec![7])];
        let positions = read.of_chunks(&first).unwrap();
        assert_eq!(positions[..2], text(0, 2));
        assert_eq!(positions[2..5], IMAGE.map(position));
        assert_eq!(positions[5..], text(5, 6));
        read.extend(&positions);
        // How many tokens are kept, and where the next one stands.
        for (kept, next) in [(6, 6), (5, 5), (4, 4), (3, 3), (2, 2), (1, 1), (0, 0)] {
            read.rewind(kept);
            assert_eq!(read.of_chunks(&[Chunk::Tokens(vec![1, 1])]).unwrap(), text(next, next + 2), "{kept}");
            assert_eq!(read.of_chunks(&[embeddings(1, None)]).unwrap(), text(next, next + 1), "{kept}");
        }
    }

    #[test]
    fn positions_that_dont_fit_are_refused() {
        let error = ReadPositions::default().of_chunks(&[embeddings(2, Some(&IMAGE))]).unwrap_err();
        assert!(error.to_string().contains("3 positions are given for 2 tokens"), "{error}");
        assert!(refuse_given(&[embeddings(3, Some(&IMAGE))]).is_err());
        assert!(refuse_given(&[Chunk::Tokens(vec![1]), embeddings(3, None)]).is_ok());
    }
}
