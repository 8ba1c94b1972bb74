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
        differing(pixels, &found).map_err(|problem| bad(&folder.join("golden.json"), problem))
    }
}

/// Pixel values that differ from the golden's in any bit, of all that it has; what is wrong with the golden.
///
/// Under a checksum it is all of them or none; values of another number than the golden's differ all.
fn differing(pixels: &GoldenPixels, found: &[f32]) -> Result<[usize; 2], String> {
    let count = pixels.shape.iter().try_fold(1_usize, |all, side| all.checked_mul(*side)).unwrap_or(0);
    if count == 0 {
        return Err(format!("the shape {:?} of its `pixel_values` has no values", pixels.shape));
    }
    if let Some(base64) = &pixels.base64 {
        let bytes = BASE64_STANDARD
            .decode(base64)
            .map_err(|error| format!("its `pixel_values` aren't base64: {error}"))?;
        if Some(bytes.len()) != count.checked_mul(4) {
            return Err(format!(
                "its `pixel_values` are {} bytes, which isn't four for each of the shape {:?}",
                bytes.len(),
                pixels.shape
            ));
        }
        let pairs = bytes.chunks_exact(4).zip(found);
        let differing = pairs.filter(|(bytes, value)| **bytes != value.to_le_bytes()).count();
        return Ok([if found.len() == count { differing } else { count }, count]);
    }
    let expected = pixels.sha256.as_ref().ok_or("its `pixel_values` have neither `base64` nor `sha256`")?;
    let bytes: Vec<u8> = found.iter().flat_map(|value| value.to_le_bytes()).collect();
    let is_equal = found.len() == count && format!("{:x}", Sha256::digest(bytes)) == *expected;
    Ok([if is_equal { 0 } else { count }, count])
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

    /// SHA-256 of the bytes of 1.0 and 2.0.
    const ONE_AND_TWO: &str = "b9c80b5adeca450753a16950c3cc655d271f7bef7a485bc83f112b72fef21d37";
    /// Of no bytes.
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn pixel_values_are_equal_only_if_there_are_as_many_of_the_same_bits() {
        let base64 = Some("AACAPwAAAEA=");
        let (none, one_and_two): (&[f32], &[f32]) = (&[], &[1.0, 2.0]);
        // The shape, the values in either form, what is found, and how many differ or what is wrong with the golden.
        let cases = [
            (vec![1, 2], None, Some(ONE_AND_TWO), one_and_two, Ok([0, 2])),
            (vec![1, 2], None, Some(ONE_AND_TWO), &[1.0, 2.5], Ok([2, 2])),
            (vec![1, 2], None, Some(ONE_AND_TWO), none, Ok([2, 2])),
            (vec![1, 2], None, Some(NOTHING), none, Ok([2, 2])),
            (vec![1, 3], None, Some(ONE_AND_TWO), one_and_two, Ok([3, 3])),
            (vec![2], base64, None, one_and_two, Ok([0, 2])),
            (vec![2], base64, None, &[1.0, 2.5], Ok([1, 2])),
            (vec![2], base64, None, &[1.0], Ok([2, 2])),
            (vec![2], base64, None, &[1.0, 2.0, 3.0], Ok([2, 2])),
            (vec![3], base64, None, one_and_two, Err("8 bytes, which isn't four for each of the shape [3]")),
            (vec![0, 2], Some(""), None, none, Err("the shape [0, 2] of its `pixel_values` has no values")),
            (vec![2], Some("*"), None, one_and_two, Err("aren't base64: Invalid symbol")),
            (vec![2], None, None, one_and_two, Err("neither `base64` nor `sha256`")),
        ];
        for (shape, base64, sha256, found, expected) in cases {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let pixels = GoldenPixels { shape, base64: own(base64), sha256: own(sha256) };
            match (differing(&pixels, found), expected) {
                (Ok(differing), Ok(expected)) => assert_eq!(differing, expected, "{pixels:?} {found:?}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
                (told, _) => panic!("{pixels:?} {found:?}: {told:?}"),
            }
        }
    }

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
