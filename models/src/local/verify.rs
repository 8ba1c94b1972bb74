//! A model's own pixels, prompt, scores and tokens beside those of a golden.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_runtime::RopePosition;
use sha2::{Digest, Sha256};

use super::LocalModel;
use crate::{
    ChatModel, Conversation, Generate, ModelError,
    family::DECODER,
    folder::bad,
    golden::{Golden, GoldenPixels, Verdict},
};

impl LocalModel {
    /// Compares what this model makes of a golden's conversation.
    pub(crate) async fn held_to(&self, golden: &Golden, folder: &Path) -> Result<Verdict, ModelError> {
        let conversation = golden.conversation(folder)?;
        let pixels_differing = match &golden.pixel_values {
            Some(pixels) => Some(self.differing_pixels(pixels, &conversation, folder)?),
            None => None,
        };
        let prompt = self.prompt(&conversation).await?;
        let places = prompt.positions.as_ref().map(|all| {
            let row = |of: fn(&RopePosition) -> i64| all.iter().map(of).collect::<Vec<_>>();
            [row(|place| place.time), row(|place| place.height), row(|place| place.width)]
        });
        let decoder = self.inner.folder.sessions.iter().rfind(|file| file.session == DECODER);
        let decoder = decoder.or(self.inner.folder.sessions.last());
        let precision = decoder.map(|file| file.precision.to_string()).unwrap_or_default();
        let (expected, against) =
            golden.expected(&precision).map_err(|problem| bad(&folder.join("golden.json"), problem))?;
        let logits = self.first_logits(&conversation).await?;
        if logits.len() != expected.first_logits.len() {
            let problem = format!(
                "`{}` has {} scores, the model {}",
                golden.name,
                expected.first_logits.len(),
                logits.len()
            );
            return Err(bad(&folder.join("golden.json"), problem));
        }
        let tokens = self.greedy(&conversation, expected.greedy.len(), false).await?.0;
        Ok(Verdict {
            name: golden.name.clone(),
            pixels_differing,
            prompt_equal: golden.prompt.as_ref().map(|expected| *expected == prompt.rendered),
            ids_equal: golden.input_ids.as_ref().map(|expected| *expected == prompt.tokens),
            positions_equal: golden.position_ids.as_ref().map(|expected| Some(expected) == places.as_ref()),
            logits_difference: greatest_difference(&logits, &expected.first_logits),
            // Tokens that are never written have the least score that there is.
            largest_logit: expected
                .first_logits
                .iter()
                .filter(|logit| **logit > f32::MIN)
                .map(|logit| logit.abs())
                .fold(0.0, f32::max),
            tokens_equal: equal_beginning(&tokens, &expected.greedy),
            tokens: expected.greedy.len(),
            against,
        })
    }

    /// The likeliest tokens one after another, and their text.
    pub(crate) async fn greedy(
        &self,
        conversation: &Conversation,
        max_tokens: usize,
        stop_at_end: bool,
    ) -> Result<(Vec<u32>, String), ModelError> {
        let options = Generate { max_tokens, stop_at_end, log_probabilities: true, ..Generate::default() };
        let completion = self.generate(conversation, &options).await?.complete().await?;
        Ok((completion.tokens.iter().map(|token| token.id).collect(), completion.text))
    }

    fn differing_pixels(
        &self,
        pixels: &GoldenPixels,
        conversation: &Conversation,
        folder: &Path,
    ) -> Result<[usize; 2], ModelError> {
        let mut found = Vec::new();
        let processor = self.inner.folder.processor_of(conversation.images().count());
        for (image, processor) in conversation.images().zip(processor.into_iter().cycle()) {
            found.extend(processor.process(image.pixels())?.values);
        }
        let problem = |problem: String| bad(&folder.join("golden.json"), problem);
        let Some(base64) = &pixels.base64 else {
            let missing = || problem("its `pixel_values` have neither `base64` nor `sha256`".into());
            let bytes: Vec<u8> = found.iter().flat_map(|value| value.to_le_bytes()).collect();
            let equal =
                format!("{:x}", Sha256::digest(bytes)) == *pixels.sha256.as_ref().ok_or_else(missing)?;
            return Ok([if equal { 0 } else { found.len() }, found.len()]);
        };
        let bytes = BASE64_STANDARD.decode(base64).map_err(|error| problem(error.to_string()))?;
        let pairs = bytes.chunks_exact(4).zip(&found);
        let differing = pairs.filter(|(bytes, value)| **bytes != value.to_le_bytes()).count();
        Ok([differing + (bytes.len() / 4).abs_diff(found.len()), bytes.len() / 4])
    }
}

/// The greatest difference of a score. One that is no number is no number here either, and within no tolerance: it counts as
/// the greatest.
fn greatest_difference(found: &[f32], expected: &[f32]) -> f32 {
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    differences.max_by(f32::total_cmp).unwrap_or(0.0)
}

/// How many tokens are equal until the first that isn't.
pub(crate) fn equal_beginning(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_that_is_no_number_is_within_no_tolerance() {
        let expected = [1.0, 2.0, 3.0];
        assert_eq!(greatest_difference(&[1.0, 1.5, 3.25], &expected).to_bits(), 0.5f32.to_bits());
        for broken in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let difference = greatest_difference(&[1.0, broken, 3.0], &expected);
            assert!(
                !difference.is_finite() && (difference.is_nan() || difference > 1e9),
                "{broken}: {difference}"
            );
        }
    }
}
