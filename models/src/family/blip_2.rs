//! BLIP-2 (Li et al. 2023): what a Q-Former's learnt queries find in one picture, before a text that a language
//! model goes on with.
//!
//! Reference: transformers' `processing_blip_2.py`. There is no chat template, and nothing was trained on turns. A
//! conversation becomes the text that its authors ask with: a user's question `Question: … Answer:` (the paper's
//! appendix, table 7), with what was answered before it in between, as in the authors' demonstration; whatever doesn't
//! end in a question mark stays as it is, so that a text can be gone on with (“a photo of”) or asked in other words
//! (“Question: … Short answer:”). No text at all asks for a caption.

use std::path::Path;

use serde::Deserialize;

use super::Family;
use crate::{
    ModelError,
    folder::{ModelConfig, bad, config_path, part, read_settings},
    processor::ProcessedImage,
};

const IMAGE: &str = "<image>";

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    num_query_tokens: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    text_config: Option<TextFile>,
}

#[derive(Debug, Deserialize)]
struct TextFile {
    model_type: Option<String>,
}

#[derive(Debug)]
pub(super) struct Blip2 {
    /// Queries of the Q-Former, each of which gives one feature.
    queries: usize,
}

pub(super) fn read(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let text = part::<ConfigFile>(folder)?.text_config.and_then(|text| text.model_type);
    if let Some(other) = text.filter(|kind| kind != "opt") {
        return Err(ModelError::Folder {
            path: config_path(folder),
            problem: format!("its language model is `{other}`"),
            remedy: "Hosted are BLIP-2 models whose language model is OPT: take one of those".into(),
        });
    }
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let queries = match (file.num_query_tokens, config.query_tokens) {
        (Some(one), Some(other)) if one != other => {
            return Err(bad(&path, format!("it has {one} `num_query_tokens`, `config.json` has {other}")));
        }
        (one, other) => one.or(other).unwrap_or(32),
    };
    if queries == 0 {
        return Err(bad(&path, "with 0 `num_query_tokens` nothing would be seen".into()));
    }
    Ok(Box::new(Blip2 { queries }))
}

impl Family for Blip2 {
    fn name(&self) -> &'static str {
        "blip-2"
    }

    fn image_token(&self) -> &str {
        IMAGE
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        IMAGE.repeat(self.queries)
    }

    fn template(&self) -> Option<&str> {
        Some(include_str!("blip_2.jinja"))
    }

    fn captions(&self) -> bool {
        true
    }
}
