//! What the decoder of a family that looks at images is shown beside the embeddings: every image of the prompt in its
//! order, and for each token the last one before it.

use percept_runtime::{HostTensor, LooksAt};

use super::{features::SeenImage, prompt::PromptToken};
use crate::{ContentHash, ModelError};

/// What the tokens of a prompt from `fresh` on look at; `None` if the prompt shows nothing.
///
/// `width` is the length of a state, of which an image has as many as its features give. The images before `fresh` are
/// counted too: what is cached was read when they had the same numbers.
///
/// # Errors
///
/// [`ModelError::Image`] where the features of an image aren't whole states, or not as many as another's.
pub(super) fn looks_at(
    prompt: &[PromptToken],
    fresh: usize,
    width: usize,
    features: &[(ContentHash, SeenImage)],
) -> Result<Option<LooksAt>, ModelError> {
    let (mut states, mut seen, mut images, mut numbers) = (Vec::new(), Vec::new(), 0, 0);
    for (place, token) in prompt.iter().enumerate() {
        if let Some((hash, _)) = token.feature {
            let known = features.iter().find(|(known, _)| *known == hash);
            let rows = known.map_or(&[][..], |(_, image)| image.features.rows.as_slice());
            if images == 0 {
                numbers = rows.len();
            }
            if rows.is_empty() || rows.len() != numbers || !rows.len().is_multiple_of(width.max(1)) {
                return Err(ModelError::Image(format!(
                    "the vision encoder gave {} numbers, {numbers} of another image, which aren't as many states of \
                     {width}, the length that the decoder looks at: take both from the same export",
                    rows.len()
                )));
            }
            states.extend_from_slice(rows);
            images += 1;
        }
        if place >= fresh {
            seen.push(usize::checked_sub(images, 1));
        }
    }
    if images == 0 {
        return Ok(None);
    }
    let shape = vec![1, images, numbers / width.max(1), width];
    Ok(Some(LooksAt { states: HostTensor::F32 { shape, data: states }, seen }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::local::features::Features;

    #[test]
    fn each_token_sees_the_last_image_before_it() {
        let hash = |byte| ContentHash([byte; 32]);
        let image = |byte: u8| {
            let rows = vec![f32::from(byte); 4];
            let features = Arc::new(Features { rows, ..Features::default() });
            (hash(byte), SeenImage { expansion: "".into(), grid: None, features })
        };
        let known = [image(1), image(2)];
        let text = PromptToken::text(5);
        let shown = |byte| PromptToken { id: 9, feature: Some((hash(byte), 0)) };
        let prompt = [text, shown(1), text, shown(2), shown(1), text];
        let numbers = |looks: Option<LooksAt>| {
            let looks = looks.unwrap();
            (
                looks.states.shape().to_vec(),
                looks.states.into_f32().unwrap().1[..].chunks(4).map(|image| image[0]).collect::<Vec<_>>(),
                looks.seen,
            )
        };
        let all = (vec![1, 3, 2, 2], vec![1.0, 2.0, 1.0]);
        let cases = [
            (0, vec![None, Some(0), Some(0), Some(1), Some(2), Some(2)]),
            (2, vec![Some(0), Some(1), Some(2), Some(2)]),
            (5, vec![Some(2)]),
        ];
        for (fresh, seen) in cases {
            let found = numbers(looks_at(&prompt, fresh, 2, &known).unwrap());
            assert_eq!(found, (all.0.clone(), all.1.clone(), seen), "from {fresh}");
        }
        assert!(looks_at(&prompt[..1], 0, 2, &known).unwrap().is_none());
        for (width, known) in [(3, &known[..]), (2, &known[..1])] {
            let error = looks_at(&prompt, 0, width, known).unwrap_err().to_string();
            assert!(error.contains("take both from the same export"), "{error}");
        }
    }
}
