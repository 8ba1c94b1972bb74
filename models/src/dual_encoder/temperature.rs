//! From cosines to logits to probabilities.

use std::fmt;

use serde::Serialize;

/// What a checkpoint learnt beside its towers: a logit is `scale` × cosine + `bias`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Temperature {
    /// By what a cosine is multiplied: the exponential of the checkpoint's `logit_scale`.
    pub scale: f32,
    /// What is added then: SigLIP's `logit_bias`; 0 for CLIP.
    pub bias: f32,
    /// What makes probabilities of logits.
    pub scoring: Scoring,
    /// Where the numbers are from.
    pub source: TemperatureSource,
}

/// What makes probabilities of an image's logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// CLIP's: one of the labels is right, their probabilities sum to 1.
    Softmax,
    /// SigLIP's: each label is right or not, whatever the others are.
    Sigmoid,
}

/// Where a temperature is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemperatureSource {
    /// `[match]` in the folder's `percept.toml`, or whoever made the model.
    Given,
    /// The joint graph `model.onnx`: its logits, set against the cosines of its embeddings.
    JointGraph,
    /// Nothing says it: 100, above which CLIP's training doesn't let it go and where it usually ends
    /// (Radford et al. 2021, section 2.5).
    Assumed,
}

impl Temperature {
    /// CLIP's way with this scale.
    pub fn softmax(scale: f32) -> Self {
        Self { scale, bias: 0.0, scoring: Scoring::Softmax, source: TemperatureSource::Given }
    }

    /// SigLIP's way with this scale and bias.
    pub fn sigmoid(scale: f32, bias: f32) -> Self {
        Self { scale, bias, scoring: Scoring::Sigmoid, source: TemperatureSource::Given }
    }

    /// The logit of a cosine.
    pub fn logit(&self, cosine: f32) -> f32 {
        self.scale * cosine + self.bias
    }

    /// The probabilities of one image's logits.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        match self.scoring {
            Scoring::Softmax => {
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weights: Vec<f64> = logits.iter().map(|logit| f64::from(logit - most).exp()).collect();
                let sum: f64 = weights.iter().sum();
                weights.into_iter().map(|weight| (weight / sum) as f32).collect()
            }
            Scoring::Sigmoid => {
                logits.iter().map(|logit| (1.0 / (1.0 + (-f64::from(*logit)).exp())) as f32).collect()
            }
        }
    }

    /// What a reader of the probabilities should know; `None` where there is nothing.
    pub fn note(&self) -> Option<String> {
        (self.source == TemperatureSource::Assumed).then(|| {
            format!(
                "the folder doesn't say the model's temperature, {} is assumed: the order of labels is right, their \
                 probabilities may not be; `onnx/model.onnx` beside the towers or `[match] scale` in percept.toml says \
                 it",
                self.scale
            )
        })
    }
}

impl fmt::Display for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            TemperatureSource::Given => "given",
            TemperatureSource::JointGraph => "measured in the joint graph",
            TemperatureSource::Assumed => "assumed",
        };
        match self.scoring {
            Scoring::Softmax => write!(f, "softmax of {:.2} × cosine ({source})", self.scale),
            Scoring::Sigmoid => {
                write!(f, "sigmoid of {:.2} × cosine {:+.2} ({source})", self.scale, self.bias)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_probabilities_without_overflow() {
        let softmax = Temperature::softmax(100.0);
        assert_eq!(softmax.logit(0.5).to_bits(), 50.0_f32.to_bits());
        assert_eq!(softmax.probabilities(&[0.0, 0.0]), [0.5, 0.5]);
        assert_eq!(softmax.probabilities(&[1e4, -1e4]), [1.0, 0.0]);
        let sigmoid = Temperature::sigmoid(10.0, -5.0);
        assert_eq!(sigmoid.probabilities(&[sigmoid.logit(0.5), -1e4, 1e4]), [0.5, 0.0, 1.0]);
    }
}
