//! Whether a folder's tokenizer is the model's.

use super::{ModelFolder, bad, config_path};
use crate::ModelError;

/// A tokenizer of another model gives prompts that mean nothing: noticed here, not in the replies.
pub(super) fn check(folder: &ModelFolder) -> Result<(), ModelError> {
    let path = folder.path.join("tokenizer.json");
    let contradiction = |problem: String| ModelError::Folder {
        path: path.clone(),
        problem,
        remedy: "Take `tokenizer.json` and `config.json` from the same model".into(),
    };
    if folder.family.sees() && !folder.family.prepends_features() {
        let token = folder.family.image_token();
        let id = folder.tokenizer.token_to_id(token);
        let Some(said) = folder.config.image_token_id else {
            let problem = "it has neither `image_token_id` nor `image_token_index`";
            return Err(bad(&config_path(&folder.path), problem.into()));
        };
        if id != Some(said) {
            return Err(contradiction(format!(
                "its image token `{token}` has {}, `config.json` says {said}",
                id.map_or("no id".into(), |id| format!("the id {id}")),
            )));
        }
        // What a template writes for an image is looked for in all of its text: a mark that is no token of its own
        // would stay there as letters, and an empty one would be found without end.
        let placeholder = folder.family.placeholder();
        if placeholder.is_empty() || folder.tokenizer.token_to_id(placeholder).is_none() {
            return Err(contradiction(format!("it has no token `{placeholder}`, which stands for an image")));
        }
    }
    let marks = folder.family.image_vocabulary().map(|vocabulary| vocabulary.marks.as_slice());
    if let Some(mark) =
        marks.unwrap_or_default().iter().find(|mark| folder.tokenizer.token_to_id(mark).is_none())
    {
        return Err(contradiction(format!(
            "it has no token `{mark}`, which marks an image in a prompt: as letters it would mark nothing"
        )));
    }
    if let Some(end) = folder.template.special_token("eos_token")
        && folder.tokenizer.token_to_id(end).is_none()
    {
        return Err(contradiction(format!(
            "it has no `{end}`, which `tokenizer_config.json` names as `eos_token`: no reply would end"
        )));
    }
    // A special token that the model has no row for is one that no prompt of it has, unless it is an image's or ends a turn:
    // Gemma 3's tokenizer has one for images, also where the model reads text alone.
    let added = folder.tokenizer.get_added_tokens_decoder();
    let mut needed = folder.end_tokens();
    needed.extend(folder.config.image_token_id.filter(|_| folder.family.sees()));
    let is_spare = |id: &u32| added.get(id).is_some_and(|token| token.special) && !needed.contains(id);
    let ids = folder.tokenizer.get_vocab(true).into_values().filter(|id| !is_spare(id));
    let largest = ids.max().unwrap_or(0) as usize;
    match folder.config.text.vocabulary {
        Some(vocabulary) if largest >= vocabulary => Err(contradiction(format!(
            "it has a token {largest}, but the model has only {vocabulary} (`vocab_size` in `config.json`)"
        ))),
        _ => Ok(()),
    }
}
