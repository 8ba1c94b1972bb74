//! What a vision encoder found, row by row at the places of its image's tokens.

use percept_runtime::{Engine, HostTensor};

use super::{
    features::{Features, SeenImage},
    prompt::PromptToken,
};
use crate::{ContentHash, ModelError};

/// Puts the rows of each image over those of its tokens; `data` is `[tokens, width]`.
///
/// # Errors
///
/// [`ModelError::Image`] where an image hasn't one row for each of its tokens.
pub(super) fn place(
    data: &mut [f32],
    width: usize,
    tokens: &[PromptToken],
    images: &[(ContentHash, SeenImage)],
    pick: impl Fn(&Features) -> Option<&[f32]>,
) -> Result<(), ModelError> {
    let known = |hash: ContentHash| {
        let image = images.iter().find(|(known, _)| *known == hash);
        image.and_then(|(_, image)| pick(&image.features)).unwrap_or_default()
    };
    for (token, row) in tokens.iter().zip(data.chunks_exact_mut(width.max(1))) {
        let Some((hash, at)) = token.feature else { continue };
        let rows = known(hash);
        let found = rows.get(at * width..(at + 1) * width);
        row.copy_from_slice(found.ok_or_else(|| uneven(rows.len(), width))?);
    }
    match too_many(tokens, images, width, |image| pick(image).unwrap_or_default().len()) {
        Some(found) => Err(uneven(found, width)),
        None => Ok(()),
    }
}

/// What was found for the first image that doesn't end with its last place in the prompt, where each place takes so much of
/// it. More than there are places for would go unnoticed otherwise.
pub(super) fn too_many(
    tokens: &[PromptToken],
    images: &[(ContentHash, SeenImage)],
    each: usize,
    count: impl Fn(&Features) -> usize,
) -> Option<usize> {
    images.iter().find_map(|(hash, image)| {
        let places = tokens.iter().filter_map(|token| token.feature).filter(|(shown, _)| shown == hash);
        let (last, found) = (places.map(|(_, at)| at).max()?, count(&image.features));
        ((last + 1) * each != found).then_some(found)
    })
}

/// What the decoder takes beside the embeddings, `[1, tokens, width]` each: an image's rows at its tokens, zeros at all
/// others.
///
/// # Errors
///
/// As [`place`].
pub(super) fn beside(
    engine: &Engine,
    tokens: &[PromptToken],
    images: &[(ContentHash, SeenImage)],
) -> Result<Vec<(String, HostTensor)>, ModelError> {
    let inputs = engine.side_inputs().map(|(name, width)| {
        let mut data = vec![0.0; tokens.len() * width];
        place(&mut data, width, tokens, images, |image| image.beside(name))?;
        Ok((name.to_owned(), HostTensor::F32 { shape: vec![1, tokens.len(), width], data }))
    });
    inputs.collect()
}

fn uneven(found: usize, width: usize) -> ModelError {
    ModelError::Image(format!(
        "the vision encoder gave {found} numbers, which aren't one row of {width} for each image token of the prompt: \
         the processor's configuration and the vision encoder are of different models"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_image_has_one_row_for_each_of_its_tokens() {
        let text = PromptToken::text(1);
        let image = |row| PromptToken { id: 9, feature: Some((ContentHash([1; 32]), row)) };
        let cases = [
            (vec![text, image(0), image(1)], 4, Some(vec![0.0, 0.0, 1.0, 2.0, 3.0, 4.0])),
            // The cache holds the first row already.
            (vec![image(1), text], 4, Some(vec![3.0, 4.0, 0.0, 0.0])),
            (vec![image(0), image(1)], 3, None),
            (vec![image(0), image(1)], 6, None),
            (vec![image(0), image(1)], 0, None),
        ];
        for (tokens, numbers, expected) in cases {
            let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..numbers].to_vec();
            let beside = vec![("deepstack.0".to_owned(), rows)];
            let features = Arc::new(Features { beside, ..Features::default() });
            let images = [(ContentHash([1; 32]), SeenImage { expansion: "".into(), grid: None, features })];
            let mut data = vec![0.0; tokens.len() * 2];
            let placed = place(&mut data, 2, &tokens, &images, |image| image.beside("deepstack.0"));
            assert_eq!(placed.ok().map(|()| data), expected, "{tokens:?} {numbers}");
        }
    }
}
