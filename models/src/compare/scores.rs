//! The first scores of many replies, in a file without a name: a vocabulary's for each question is more than should be
//! in memory while another model is there too.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use crate::ModelError;

/// Scores of replies, one number a token of the vocabulary for each.
#[derive(Debug)]
pub(super) struct Scores {
    file: File,
    /// The length of each row; `None` until there is one.
    vocabulary: Option<usize>,
}

impl Scores {
    /// Readies the file, which goes when this does.
    pub(super) fn new() -> Result<Self, ModelError> {
        Ok(Self { file: tempfile::tempfile().map_err(|error| cannot(&error))?, vocabulary: None })
    }

    /// How many tokens the model scores.
    pub(super) fn vocabulary(&self) -> Option<usize> {
        self.vocabulary
    }

    /// Adds those of the next reply.
    pub(super) fn push(&mut self, logits: &[f32]) -> Result<(), ModelError> {
        let bytes: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
        let written = self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(&bytes));
        written.map_err(|error| cannot(&error))?;
        self.vocabulary = Some(logits.len());
        Ok(())
    }

    /// Goes back to the first reply.
    pub(super) fn rewind(&mut self) -> Result<(), ModelError> {
        self.file.rewind().map_err(|error| cannot(&error))
    }

    /// Those of the next reply.
    pub(super) fn next(&mut self) -> Result<Vec<f32>, ModelError> {
        let mut bytes = vec![0; self.vocabulary.unwrap_or(0) * size_of::<f32>()];
        self.file.read_exact(&mut bytes).map_err(|error| cannot(&error))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
    }
}

fn cannot(error: &io::Error) -> ModelError {
    ModelError::Request(format!(
        "scores can't be kept in the folder of temporary files: {error}. Make room there, or name another in TMPDIR"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_and_to_the_bit() {
        let rows = [[1.5, f32::NEG_INFINITY, -0.0], [f32::MIN_POSITIVE, 3e38, 0.1]];
        let mut scores = Scores::new().unwrap();
        assert_eq!(scores.vocabulary(), None);
        for row in &rows {
            scores.push(row).unwrap();
        }
        assert_eq!(scores.vocabulary(), Some(3));
        for _ in 0..2 {
            scores.rewind().unwrap();
            for row in rows {
                assert_eq!(
                    scores.next().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                    row.map(f32::to_bits)
                );
            }
        }
        assert!(scores.next().is_err(), "there are no more");
    }
}
