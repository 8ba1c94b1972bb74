//! Vectors of length 1, and how alike two of them are.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use crate::ModelError;

/// A point on the unit sphere that texts and images share.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// Scales the vector to length 1.
    ///
    /// # Errors
    ///
    /// [`ModelError::Engine`] if it has no direction: all zeros, or a number that isn't finite.
    pub fn new(vector: Vec<f32>) -> Result<Self, ModelError> {
        let squares: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
        let length = squares.sqrt();
        if !length.is_finite() || length == 0.0 {
            let problem = "the model gave an embedding without a direction (zeros, or no finite numbers): its weights \
                           or its precision are broken";
            return Err(ModelError::Engine(problem.into()));
        }
        Ok(Self(vector.into_iter().map(|value| (f64::from(value) / length) as f32).collect()))
    }

    /// The mean direction, as for one label in several templates (Radford et al. 2021, section 3.1.4).
    ///
    /// # Errors
    ///
    /// [`ModelError::Engine`] if there are none, or they cancel each other out; [`ModelError::Request`] if they have different
    /// lengths, and so are of different models.
    pub fn mean(all: &[Self]) -> Result<Self, ModelError> {
        let lengths: BTreeSet<usize> = all.iter().map(|embedding| embedding.0.len()).collect();
        if lengths.len() > 1 {
            let problem =
                format!("embeddings of {lengths:?} numbers have no mean: they are of different models");
            return Err(ModelError::Request(problem));
        }
        let mut sum = vec![0.0_f64; all.first().map_or(0, |first| first.0.len())];
        for embedding in all {
            for (sum, value) in sum.iter_mut().zip(&embedding.0) {
                *sum += f64::from(*value);
            }
        }
        Self::new(sum.into_iter().map(|sum| (sum / all.len() as f64) as f32).collect())
    }

    /// One that was made before, to the bit; `None` if it can't have been.
    pub(super) fn as_it_was(values: Vec<f32>) -> Option<Self> {
        (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(Self(values))
    }

    /// The numbers, whose squares sum to 1.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The cosine of the angle to another one of the same model: 1 for the same direction, 0 for nothing in common. Of
    /// another model's embedding it means nothing, and of one of another length it is not a number.
    pub fn cosine(&self, other: &Self) -> f32 {
        if self.0.len() != other.0.len() {
            return f32::NAN;
        }
        self.0.iter().zip(&other.0).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
    }
}

/// The places of the candidates and their cosines to the query, the most alike first; equals in their own order. Embeddings of
/// another length than the query's aren't of its model, and come last.
pub fn nearest(query: &Embedding, candidates: &[Embedding]) -> Vec<(usize, f32)> {
    let mut found: Vec<(usize, f32)> =
        candidates.iter().map(|candidate| query.cosine(candidate)).enumerate().collect();
    found.sort_by(|(_, a), (_, b)| a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(a)));
    found
}

/// A text's embedding, and what the model didn't read of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextEmbedding {
    /// The embedding.
    pub embedding: Embedding,
    /// What was left out, if the text was too long.
    pub cut: Option<Cut>,
}

impl From<Embedding> for TextEmbedding {
    fn from(embedding: Embedding) -> Self {
        Self { embedding, cut: None }
    }
}

/// The end of a text that was too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// Tokens that the whole text has, its beginning and end marks aside.
    pub tokens: usize,
    /// Tokens that were read.
    pub read: usize,
    /// The words that weren't.
    pub left_out: String,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, read, left_out } = self;
        write!(f, "only the first {read} of its {tokens} tokens are read; left out is {left_out:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> Embedding {
        Embedding::new(values.to_vec()).unwrap()
    }

    #[test]
    fn a_vector_is_scaled_to_length_1_or_refused() {
        assert_eq!(of(&[3.0, 4.0]).values(), [0.6, 0.8]);
        assert_eq!(of(&[1e-30, 0.0]).values(), [1.0, 0.0]);
        for broken in [vec![], vec![0.0; 3], vec![1.0, f32::NAN], vec![f32::INFINITY]] {
            assert!(Embedding::new(broken).unwrap_err().to_string().contains("without a direction"));
        }
    }

    #[test]
    fn the_mean_is_a_direction_again() {
        let mean = Embedding::mean(&[of(&[1.0, 0.0]), of(&[0.0, 2.0])]).unwrap();
        assert!((mean.values()[0] - 0.5_f32.sqrt()).abs() < 1e-7, "{mean:?}");
        assert!(Embedding::mean(&[of(&[1.0]), of(&[-1.0])]).is_err());
        assert!(Embedding::mean(&[]).is_err());
        let error = Embedding::mean(&[of(&[1.0, 0.0]), of(&[1.0])]).unwrap_err().to_string();
        assert!(error.contains("{1, 2} numbers"), "{error}");
    }

    #[test]
    fn the_most_alike_comes_first() {
        let candidates = [of(&[0.0, 1.0]), of(&[1.0, 0.1]), of(&[-1.0, 0.0]), of(&[0.0, 2.0])];
        let places: Vec<usize> =
            nearest(&of(&[1.0, 0.0]), &candidates).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, [1, 0, 3, 2]);
        let mixed = [of(&[1.0]), of(&[0.0, 1.0]), of(&[1.0, 0.0, 0.0])];
        let found = nearest(&of(&[1.0, 0.0]), &mixed);
        assert_eq!(found.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1, 0, 2]);
        assert!(found[1].1.is_nan() && found[2].1.is_nan(), "they aren't of one model");
    }
}
