//! Tokens that see each other, later ones too, in a decoder that is told which: an image's, in Gemma 3.
//!
//! Neighbours that are marked are one block. What is in the cache was read before, so the tokens of a block are read in one
//! run: a run is cut before it or after it, and is longer than asked for where the block is. Reference:
//! `get_block_sequence_ids_for_mask` in transformers' `modeling_gemma3.py`.

use super::{Chunk, EngineError};

/// The name of the input that says it, `[1, tokens]`: 1 for a token of a block, 0 for any other.
pub(super) const TOKEN_TYPES: &str = "token_type_ids";

/// The marks of everything in the chunks, one a token. Tokens that come as ids have none.
///
/// # Errors
///
/// [`EngineError::Input`] where marks are given, but not one a token.
pub(super) fn of_chunks(chunks: &[Chunk]) -> Result<Vec<bool>, EngineError> {
    let mut marks = Vec::new();
    for chunk in chunks {
        match chunk {
            Chunk::Tokens(tokens) => marks.extend(tokens.iter().map(|_| false)),
            Chunk::Embedded(given) => {
                let tokens = given.embeddings.shape().get(1).copied().unwrap_or(0);
                match &given.together {
                    Some(own) if own.len() != tokens => {
                        return Err(refused(format!("{} marks are given for {tokens} tokens", own.len())));
                    }
                    Some(own) => marks.extend_from_slice(own),
                    None => marks.extend(std::iter::repeat_n(false, tokens)),
                }
            }
        }
    }
    Ok(marks)
}

/// Refuses marks for a decoder that isn't told them.
pub(super) fn refuse_given(chunks: &[Chunk]) -> Result<(), EngineError> {
    let is_marked = |chunk: &Chunk| match chunk {
        Chunk::Embedded(given) => given.together.as_deref().is_some_and(|marks| marks.contains(&true)),
        Chunk::Tokens(_) => false,
    };
    if chunks.iter().any(is_marked) {
        return Err(refused("the decoder has no such input: its tokens see what is before them".to_owned()));
    }
    Ok(())
}

/// The lengths of runs over so many tokens, each of at most so many, or of one block.
pub(super) fn lengths(marks: &[bool], tokens: usize, most: usize) -> Vec<usize> {
    let is_within = |place: usize| place > 0 && marks.get(place - 1..=place) == Some(&[true, true]);
    let (mut lengths, mut begin) = (Vec::new(), 0);
    while begin < tokens {
        let wanted = begin.saturating_add(most.max(1)).min(tokens);
        let before = (begin + 1..=wanted).rev().find(|&end| !is_within(end));
        let end = before.or_else(|| (wanted..tokens).find(|&end| !is_within(end))).unwrap_or(tokens);
        lengths.push(end - begin);
        begin = end;
    }
    lengths
}

/// The most tokens of one block.
pub(super) fn longest_block(marks: &[bool]) -> usize {
    marks.split(|marked| !marked).map(<[bool]>::len).max().unwrap_or(0)
}

fn refused(reason: String) -> EngineError {
    EngineError::Input { graph: "decoder".to_owned(), name: TOKEN_TYPES.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{embedded_tokens::EmbeddedTokens, tensor::HostTensor};

    fn marks(text: &str) -> Vec<bool> {
        text.chars().map(|mark| mark == 'i').collect()
    }

    #[test]
    fn a_run_never_ends_within_a_block() {
        // Marks, the most tokens of a run, and the lengths of the runs.
        let cases = [
            ("tttttt", 4, vec![4, 2]),
            ("ttiiit", 4, vec![2, 4]),
            ("ttiiit", 5, vec![5, 1]),
            ("ttiiit", 3, vec![2, 3, 1]),
            // A block that is longer than a run is read at once all the same.
            ("tiiiit", 2, vec![1, 4, 1]),
            ("iiiiii", 1, vec![6]),
            // Two blocks with one token between them, and one at the end.
            ("iitii", 3, vec![3, 2]),
            ("iitii", 4, vec![3, 2]),
            ("tttt", 0, vec![1; 4]),
            ("iit", usize::MAX, vec![3]),
            ("", 3, vec![]),
        ];
        for (text, most, expected) in cases {
            assert_eq!(lengths(&marks(text), text.len(), most), expected, "{text} {most}");
        }
        // A decoder that isn't told has no marks.
        assert_eq!(lengths(&[], 5, 2), [2, 2, 1]);
        for (text, most) in [("ttiiitii", 3), ("tt", 0), ("", 0), ("iiii", 4)] {
            assert_eq!(longest_block(&marks(text)), most, "{text}");
        }
    }

    #[test]
    fn every_token_has_a_mark_and_ids_have_none() {
        let embedded = |tokens: usize, together: Option<&str>| {
            let embeddings = HostTensor::F32 { shape: vec![1, tokens, 1], data: vec![0.0; tokens] };
            Chunk::Embedded(EmbeddedTokens { together: together.map(marks), ..embeddings.into() })
        };
        let chunks = [Chunk::Tokens(vec![7, 7]), embedded(3, Some("iit")), embedded(2, None)];
        assert_eq!(of_chunks(&chunks).unwrap(), marks("ttiittt"));
        let error = of_chunks(&[embedded(3, Some("ii"))]).unwrap_err().to_string();
        assert!(error.contains("2 marks are given for 3 tokens"), "{error}");
        assert!(refuse_given(&chunks).unwrap_err().to_string().contains("has no such input"));
        assert!(refuse_given(&[embedded(2, Some("tt")), embedded(2, None), Chunk::Tokens(vec![1])]).is_ok());
    }
}
