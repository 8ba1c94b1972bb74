//! `PaliGemma` (Beyer et al. 2024): the features of one picture, or several, then a task in words, all of which see each
//! other; a reply that names places by tokens of their own.
//!
//! Reference: transformers' `processing_paligemma.py` and `modeling_paligemma.py`.

use std::path::Path;

use percept_runtime::ReadingOrder;
use serde::Deserialize;

use super::{Family, countable};
use crate::{
    Located, ModelError,
    folder::{ModelConfig, bad, read_settings},
    processor::ProcessedImage,
};

const IMAGE: &str = "<image>";

/// No published folder has one. The processor puts images first, then `<bos>`, the task and a line's end; it knows no
/// roles, so a conversation is its texts, a line each.
const TEMPLATE: &str = "\
{% set shown = namespace(one=false) %}\
{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'image' %}\
<image>{% set shown.one = true %}{% endif %}{% endfor %}{% endfor %}\
{% if not shown.one %}{{ raise_exception('a PaliGemma model answers about an image: show it one') }}{% endif %}\
{{ bos_token }}{% set said = namespace(before=false) %}\
{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'text' %}\
{{ '\n' if said.before else '' }}{{ part['text'] }}{% set said.before = true %}\
{% endif %}{% endfor %}{% endfor %}{{ '\n' }}";

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    image_seq_length: Option<usize>,
}

#[derive(Debug)]
struct PaliGemma {
    /// Features of a picture.
    features: usize,
}

pub(super) fn read(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let path = folder.join("preprocessor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let computed = || {
        let side = config.image_size?.checked_div(config.patch_size?)? as usize;
        Some(side * side)
    };
    let features = file.image_seq_length.or_else(computed).filter(|features| *features > 0);
    let problem = "neither its `image_seq_length` nor `config.json` says how many tokens an image has";
    let features = features.ok_or_else(|| bad(&path, problem.into()))?;
    Ok(Box::new(PaliGemma { features: countable(&path, features)? }))
}

impl Family for PaliGemma {
    fn name(&self) -> &'static str {
        "paligemma"
    }

    fn image_token(&self) -> &'static str {
        IMAGE
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        IMAGE.repeat(self.features)
    }

    fn template(&self) -> Option<&'static str> {
        Some(TEMPLATE)
    }

    /// Places may be asked about by their tokens, and what was found before stands in a later prompt.
    fn may_be_said(&self, token: &str) -> bool {
        let names_place = |name: &str| {
            let digits = token.strip_prefix(name).and_then(|rest| rest.strip_suffix('>'));
            digits
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        };
        ["<loc", "<seg"].into_iter().any(names_place)
    }

    fn writes_whole_prompts(&self) -> bool {
        true
    }

    /// Positions count from 1, and nothing of a prompt is causal.
    fn reading(&self) -> ReadingOrder {
        ReadingOrder { first_position: 1, whole_prompt: true }
    }

    fn located(&self, _asked: &str, reply: &str, size: [u32; 2]) -> Option<Located> {
        Located::by_tokens(reply, size)
    }
}
