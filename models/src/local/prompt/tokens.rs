//! An expanded prompt as tokens, and which of them stand for an image's features.

use std::{collections::HashMap, iter::repeat_n};

use super::{PromptImage, PromptToken};
use crate::{
    ContentHash, ModelError, ModelFolder,
    local::{Inner, shown::Shown},
};

/// The prompt's tokens, with the rows of the images' features counted off onto the image tokens.
pub(super) fn tokens(
    inner: &Inner,
    text: &str,
    shown: &[Shown],
    images: &HashMap<ContentHash, PromptImage>,
) -> Result<Vec<PromptToken>, ModelError> {
    let folder = &inner.folder;
    let image_token = folder.family.image_token();
    // As transformers' processors: a template that wrote the first token itself doesn't get it twice, also where an
    // image stands before it (BLIP-2).
    let begins = if image_token.is_empty() { text } else { text.trim_start_matches(image_token) };
    let has_first = folder.template.special_token("bos_token").is_some_and(|first| begins.starts_with(first));
    let adds_first = !has_first && !folder.family.writes_whole_prompts();
    let before = folder.family.prepends_features();
    let ids = ids(folder, if before { begins } else { text }, adds_first)?;
    let video_token = folder.family.video().map(|form| form.token);
    let video_id = video_token.and_then(|token| folder.tokenizer.token_to_id(token));
    let mut features = shown.iter().flat_map(|one| {
        let counted = |text: &str| {
            text.matches(image_token).count() + video_token.map_or(0, |token| text.matches(token).count())
        };
        let rows = images.get(&one.key).map_or(0, |known| counted(known.expansion()));
        (0..rows).map(|row| (one.key, row))
    });
    let mut tokens = Vec::with_capacity(ids.len());
    if before {
        // Each stands on a token whose embedding it replaces, whichever that is.
        tokens.extend(features.by_ref().map(|feature| PromptToken { id: 0, feature: Some(feature) }));
    }
    for id in ids {
        let stands_for_one =
            folder.family.sees() && !before && [folder.config.image_token_id, video_id].contains(&Some(id));
        let feature = if stands_for_one { features.next() } else { None };
        if stands_for_one && feature.is_none() {
            return Err(ModelError::Template(
                "the prompt has more image tokens than the images have features".into(),
            ));
        }
        tokens.push(PromptToken { id, feature });
    }
    match features.count() {
        0 => Ok(tokens),
        left => Err(ModelError::Template(format!("{left} image features have no token in the prompt"))),
    }
}

/// The tokens of an expanded prompt, the tokenizer's own first one before it where `adds_first` says so.
pub(super) fn ids(folder: &ModelFolder, text: &str, adds_first: bool) -> Result<Vec<u32>, ModelError> {
    let encoded = |text: &str| {
        let encoding = folder.tokenizer.encode_fast(text, adds_first).map_err(ModelError::Engine)?;
        Ok::<_, ModelError>(encoding.get_ids().to_vec())
    };
    let (true, Some(image)) = (folder.family.reads_texts_apart(), folder.config.image_token_id) else {
        return encoded(text);
    };
    let token = folder.family.image_token();
    let (mut ids, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(token) {
        ids.extend(encoded(&rest[..at])?);
        let after = rest[at..].trim_start_matches(token);
        ids.extend(repeat_n(image, (rest.len() - at - after.len()) / token.len()));
        rest = after;
    }
    ids.extend(encoded(rest)?);
    Ok(ids)
}
