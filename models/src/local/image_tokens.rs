//! Images that are tokens of the text's vocabulary: what a vision session found, and at their places in the prompt.

use std::collections::HashSet;

use percept_runtime::HostTensor;

use super::{features::SeenImage, prompt::PromptToken, rows};
use crate::{ContentHash, ImageVocabulary, ModelError};

/// The tokens that a vision session gave for images; or what is wrong with them.
pub(super) fn found(tensor: HostTensor, vocabulary: &ImageVocabulary) -> Result<Vec<u32>, String> {
    let tokens: Vec<i64> = match tensor {
        HostTensor::I64 { data, .. } => data,
        HostTensor::I32 { data, .. } => data.into_iter().map(i64::from).collect(),
        other => return Err(format!("it gives {} numbers for an image, not tokens", other.element())),
    };
    let known: HashSet<u32> = vocabulary.tokens.iter().chain(&vocabulary.others).copied().collect();
    let checked = tokens.into_iter().map(|token| {
        let found = u32::try_from(token).ok().filter(|token| known.contains(token));
        found.ok_or_else(|| {
            format!("it gives the token {token} for an image, which `config.json` doesn't know as one")
        })
    });
    checked.collect()
}

/// The ids of a prompt's tokens, those of images at their places.
///
/// # Errors
///
/// [`ModelError::Image`] where an image hasn't one token for each of its places.
pub(super) fn placed(
    tokens: &[PromptToken],
    images: &[(ContentHash, SeenImage)],
) -> Result<Vec<u32>, ModelError> {
    let known = |hash: ContentHash| {
        let image = images.iter().find(|(known, _)| *known == hash);
        image.map_or(&[][..], |(_, image)| image.features.tokens.as_slice())
    };
    if let Some(found) = rows::too_many(tokens, images, 1, |image| image.tokens.len()) {
        return Err(uneven(found));
    }
    let id = |token: &PromptToken| match token.feature {
        None => Ok(token.id),
        Some((hash, at)) => known(hash).get(at).copied().ok_or_else(|| uneven(known(hash).len())),
    };
    tokens.iter().map(id).collect()
}

fn uneven(found: usize) -> ModelError {
    ModelError::Image(format!(
        "the vision encoder gave {found} tokens for an image, which aren't one for each of its places in the prompt: the \
         processor's configuration and the vision encoder are of different models"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::local::features::Features;

    #[test]
    fn an_image_has_one_token_for_each_of_its_places() {
        let text = PromptToken::text(1);
        let image = |row| PromptToken { id: 9, feature: Some((ContentHash([1; 32]), row)) };
        let cases = [
            (vec![text, image(0), image(1), text], vec![5, 6], Some(vec![1, 5, 6, 1])),
            // The cache holds the first one already; the same image twice.
            (vec![image(1), text], vec![5, 6], Some(vec![6, 1])),
            (vec![image(0), image(1), image(0), image(1)], vec![5, 6], Some(vec![5, 6, 5, 6])),
            (vec![image(0), image(1)], vec![5], None),
            (vec![image(0), image(1)], vec![5, 6, 7], None),
        ];
        for (tokens, found, expected) in cases {
            let features = Arc::new(Features { tokens: found, ..Features::default() });
            let images = [(ContentHash([1; 32]), SeenImage { expansion: "".into(), grid: None, features })];
            assert_eq!(placed(&tokens, &images).ok(), expected, "{tokens:?}");
        }
    }

    #[test]
    fn what_is_no_token_of_an_image_is_refused() {
        let vocabulary =
            ImageVocabulary { tokens: vec![7, 5], others: vec![8], marks: Vec::new(), silent: true };
        let shape = || vec![1, 2];
        let cases = [
            (HostTensor::I64 { shape: shape(), data: vec![5, 7] }, Ok(vec![5, 7])),
            (HostTensor::I32 { shape: shape(), data: vec![7, 8] }, Ok(vec![7, 8])),
            (HostTensor::I64 { shape: shape(), data: vec![5, 6] }, Err("the token 6 for an image")),
            (HostTensor::I64 { shape: shape(), data: vec![-1, 5] }, Err("the token -1")),
            (HostTensor::F32 { shape: shape(), data: vec![5.0, 7.0] }, Err("not tokens")),
        ];
        for (tensor, expected) in cases {
            match (found(tensor, &vocabulary), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(says)) => assert!(error.contains(says), "{error}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }
}
