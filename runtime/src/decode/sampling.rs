//! How the next token is chosen: greedily, or by drawing from what is left after truncation.
//!
//! The order is repetition penalty → no run of tokens twice → grammar mask → temperature → min-p → top-p: the order of `transformers`
//! (`GenerationMixin._get_logits_processor`: penalties, then constraints, then temperature, then truncation).
//! The mask comes before any probability is computed, so that truncation is about the tokens that may be
//! written at all; min-p comes before top-p because it is cheaper and looks at the likeliest token alone.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{no_repeat::NoRepeat, penalty::RepetitionPenalty, probability};
use crate::{constraint::TokenMask, engine::EngineError};

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 takes the likeliest token always (greedy); 1 samples from the model's own distribution.
    pub temperature: f32,
    /// Nucleus sampling (Holtzman et al. 2019): the smallest set of tokens with this much probability. 1 keeps all.
    pub top_p: f32,
    /// Min-p sampling (Nguyen et al. 2024): drops tokens below this share of the likeliest one's probability.
    /// 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens already there (CTRL, Keskar et al. 2019).
    /// 1 leaves them.
    pub repetition_penalty: f32,
    /// Same seed, same model, same tokens before, same device: same tokens after.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

/// A sampler at work: its settings, its random numbers, and what it has seen.
#[derive(Debug)]
pub(crate) struct Sampler {
    sampling: Sampling,
    random: ChaCha8Rng,
    penalty: RepetitionPenalty,
    no_repeat: NoRepeat,
    scratch: Vec<f32>,
}

/// A choice, and how likely the model thought it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Choice {
    pub(crate) id: u32,
    pub(crate) log_probability: Option<f32>,
}

impl Sampler {
    /// A sampler with nothing seen but `history`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Sampling`] where a setting lies outside its range.
    pub(crate) fn new(sampling: Sampling, history: &[u32]) -> Result<Self, EngineError> {
        let checks = [
            ("temperature", sampling.temperature, sampling.temperature >= 0.0, "0 or more"),
            (
                "top_p",
                sampling.top_p,
                sampling.top_p > 0.0 && sampling.top_p <= 1.0,
                "above 0, and 1 at most",
            ),
            ("min_p", sampling.min_p, sampling.min_p >= 0.0 && sampling.min_p <= 1.0, "0 to 1"),
            ("repetition_penalty", sampling.repetition_penalty, sampling.repetition_penalty > 0.0, "above 0"),
        ];
        for (setting, value, holds, range) in checks {
            if !holds || !value.is_finite() {
                return Err(EngineError::Sampling { setting, value, range });
            }
        }
        let random = ChaCha8Rng::seed_from_u64(sampling.seed);
        let penalty = RepetitionPenalty::new(sampling.repetition_penalty, history);
        Ok(Self { sampling, random, penalty, no_repeat: NoRepeat::default(), scratch: Vec::new() })
    }

    /// The same, with no run of so many tokens twice; 0 allows any.
    pub(crate) fn without_runs_of(self, size: usize, history: &[u32]) -> Self {
        Self { no_repeat: NoRepeat::new(size, history), ..self }
    }

    /// Remembers a token that was written, chosen or forced.
    pub(crate) fn see(&mut self, token: u32) {
        self.penalty.see(token);
        self.no_repeat.see(token);
    }

    /// Chooses from `logits`, one a token of the vocabulary, among what `mask` allows.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoToken`] where no allowed token has a finite logit.
    pub(crate) fn choose(
        &mut self,
        logits: &[f32],
        mask: Option<&TokenMask>,
        log_probability: bool,
    ) -> Result<Choice, EngineError> {
        let mut scores = std::mem::take(&mut self.scratch);
        scores.clear();
        scores.extend_from_slice(logits);
        self.penalty.apply(&mut scores);
        self.no_repeat.apply(&mut scores);
        if let Some(mask) = mask {
            mask.forbid_others(&mut scores);
        }
        let chosen = if self.sampling.temperature == 0.0 { greedy(&scores) } else { self.draw(&scores) };
        self.scratch = scores;
        let id = chosen.ok_or(EngineError::NoToken)?;
        let log_probability = log_probability.then(|| probability::log_probability(logits, id));
        Ok(Choice { id, log_probability })
    }

    fn draw(&mut self, scores: &[f32]) -> Option<u32> {
        let mut kept = probability::softmax(scores, self.sampling.temperature)?;
        probability::keep_min_p(&mut kept, self.sampling.min_p);
        probability::keep_top_p(&mut kept, self.sampling.top_p, scores.len());
        let mass: f64 = kept.iter().map(|(_, probability)| probability).sum();
        let mut left = self.random.random::<f64>() * mass;
        for (id, probability) in &kept {
            left -= probability;
            if left < 0.0 {
                return Some(*id);
            }
        }
        // Rounding can leave a crumb after the last one.
        kept.last().map(|(id, _)| *id)
    }
}

/// The likeliest token; of several, the first. `None` where nothing is finite.
fn greedy(scores: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (id, &score) in scores.iter().enumerate() {
        if score.is_finite() && best.is_none_or(|(_, highest)| score > highest) {
            best = Some((id as u32, score));
        }
    }
    best.map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling: Sampling, history: &[u32]) -> Sampler {
        Sampler::new(sampling, history).unwrap()
    }

    #[test]
    #[allow(clippy::type_complexity, reason = "a row of a table")]
    fn greedy_takes_the_likeliest_token_that_is_allowed() {
        let infinite = f32::NEG_INFINITY;
        let cases: [(&[f32], Option<&[u32]>, &[u32], f32, Option<u32>); 8] = [
            (&[1.0, 3.0, 2.0], None, &[], 1.0, Some(1)),
            (&[3.0, 3.0, 2.0], None, &[], 1.0, Some(0)),
            (&[1.0, 3.0, 2.0], Some(&[0, 2]), &[], 1.0, Some(2)),
            (&[1.0, 3.0, 2.0], Some(&[]), &[], 1.0, None),
            (&[f32::NAN, f32::NAN, 2.0], None, &[], 1.0, Some(2)),
            (&[infinite, f32::NAN, infinite], None, &[], 1.0, None),
            // 3 / 2 is below 2; and −1 × 2 is below −1.5.
            (&[1.0, 3.0, 2.0], None, &[1], 2.0, Some(2)),
            (&[-1.0, -1.5, -3.0], None, &[0], 2.0, Some(1)),
        ];
        for (logits, allowed, history, repetition_penalty, expected) in cases {
            let mut sampler = sampler(Sampling { repetition_penalty, ..Sampling::default() }, history);
            let mask = allowed.map(|allowed| TokenMask::of(logits.len(), allowed));
            let chosen = sampler.choose(logits, mask.as_ref(), false).ok().map(|choice| choice.id);
            assert_eq!(chosen, expected, "{logits:?} {allowed:?} {history:?}");
        }
    }

    #[test]
    #[allow(clippy::type_complexity, reason = "a row of a table")]
    fn truncation_leaves_only_the_likely_tokens() {
        // Probabilities .6, .25, .1, .05 at temperature 1.
        let logits: Vec<f32> = [0.6f32, 0.25, 0.1, 0.05].iter().map(|p| p.ln()).collect();
        let cases: [(f32, f32, f32, Option<&[u32]>, &[u32]); 9] = [
            (1.0, 1.0, 0.0, None, &[0, 1, 2, 3]),
            (1.0, 0.5, 0.0, None, &[0]),
            (1.0, 0.8, 0.0, None, &[0, 1]),
            (1.0, 0.9, 0.0, None, &[0, 1, 2]),
            (1.0, 1.0, 0.3, None, &[0, 1]),
            (1.0, 1.0, 0.15, None, &[0, 1, 2]),
            // Among the tokens that the mask allows, the likeliest sets the measure.
            (1.0, 1.0, 0.45, Some(&[2, 3]), &[2, 3]),
            (1.0, 0.6, 0.0, Some(&[2, 3]), &[2]),
            (0.01, 1.0, 0.0, None, &[0]),
        ];
        for (temperature, top_p, min_p, allowed, expected) in cases {
            let mask = allowed.map(|allowed| TokenMask::of(4, allowed));
            let mut seen = std::collections::BTreeSet::new();
            let mut sampler =
                sampler(Sampling { temperature, top_p, min_p, seed: 3, ..Sampling::default() }, &[]);
            for _ in 0..500 {
                seen.insert(sampler.choose(&logits, mask.as_ref(), false).unwrap().id);
            }
            assert_eq!(
                seen.into_iter().collect::<Vec<_>>(),
                expected,
                "{temperature} {top_p} {min_p} {allowed:?}"
            );
        }
    }

    #[test]
    fn drawing_follows_the_distribution_and_the_seed() {
        let logits: Vec<f32> = [0.6f32, 0.3, 0.1].iter().map(|p| p.ln()).collect();
        let draw = |seed| -> Vec<u32> {
            let mut sampler = sampler(Sampling { temperature: 1.0, seed, ..Sampling::default() }, &[]);
            (0..4000).map(|_| sampler.choose(&logits, None, false).unwrap().id).collect()
        };
        let first = draw(7);
        assert_eq!(first, draw(7));
        assert_ne!(first, draw(8));
        for (id, share) in [(0, 0.6), (1, 0.3), (2, 0.1)] {
            let found = first.iter().filter(|&&chosen| chosen == id).count() as f64 / 4000.0;
            assert!((found - share).abs() < 0.03, "token {id}: {found}, not {share}");
        }
    }

    #[test]
    fn log_probabilities_are_the_models_own() {
        let logits: Vec<f32> = [0.6f32, 0.3, 0.1].iter().map(|p| p.ln() + 5.0).collect();
        let mut sampler = sampler(Sampling { repetition_penalty: 9.0, ..Sampling::default() }, &[0, 1]);
        let choice = sampler.choose(&logits, Some(&TokenMask::of(3, &[2])), true).unwrap();
        assert_eq!(choice.id, 2);
        assert!((choice.log_probability.unwrap() - 0.1f32.ln()).abs() < 1e-5);
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let cases = [
            (Sampling { temperature: -1.0, ..Sampling::default() }, "temperature"),
            (Sampling { temperature: f32::NAN, ..Sampling::default() }, "temperature"),
            (Sampling { top_p: 0.0, ..Sampling::default() }, "top_p"),
            (Sampling { min_p: 1.5, ..Sampling::default() }, "min_p"),
            (Sampling { repetition_penalty: 0.0, ..Sampling::default() }, "repetition_penalty"),
        ];
        for (sampling, name) in cases {
            let error = Sampler::new(sampling, &[]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
