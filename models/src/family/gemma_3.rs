//! Gemma 3 (Gemma Team 2025): a picture is as many soft tokens whatever its size, which see each other where the decoder is
//! told which they are; an exaggerated one may be looked at in crops too.
//!
//! Reference: transformers' `processing_gemma3.py` and `modeling_gemma3.py`. Windows and both bases of rotation are in the
//! graph.

use std::path::Path;

use serde::Deserialize;

use super::{Family, countable};
use crate::{
    ModelError,
    folder::{bad, config_path, part, read_settings},
    processor::ProcessedImage,
    template::special_tokens_of,
};

/// Soft tokens of a picture in the models that were published.
const USUAL_TOKENS: usize = 256;

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    image_seq_length: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    mm_tokens_per_image: Option<usize>,
}

#[derive(Debug)]
struct Gemma3 {
    /// Stands for one feature.
    soft_token: String,
    /// Stands for an image in what the template writes, and before its features.
    begin: String,
    /// A picture in the prompt.
    picture: String,
}

pub(super) fn read(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let own: ConfigFile = part(folder)?;
    let (path, features) = match file.image_seq_length {
        Some(features) => (path, features),
        None => (config_path(folder), own.mm_tokens_per_image.unwrap_or(USUAL_TOKENS)),
    };
    if features == 0 {
        return Err(bad(&path, "it gives a picture 0 tokens, it has at least one".into()));
    }
    let features = countable(&path, features)?;
    let tokens = special_tokens_of(folder)?;
    let token = |role: &str, usual: &str| tokens.get(role).cloned().unwrap_or_else(|| usual.into());
    let (soft_token, begin) =
        (token("image_token", "<image_soft_token>"), token("boi_token", "<start_of_image>"));
    let end = token("eoi_token", "<end_of_image>");
    let picture = format!("\n\n{begin}{}{end}\n\n", soft_token.repeat(features));
    Ok(Box::new(Gemma3 { soft_token, begin, picture }))
}

impl Family for Gemma3 {
    fn name(&self) -> &'static str {
        "gemma3"
    }

    fn image_token(&self) -> &str {
        &self.soft_token
    }

    fn placeholder(&self) -> &str {
        &self.begin
    }

    fn images_see_each_other(&self) -> bool {
        true
    }

    /// The whole comes first, and crops are told from it in words.
    fn expand(&self, image: &ProcessedImage) -> String {
        let picture = &self.picture;
        match image.tiles {
            0 | 1 => picture.clone(),
            tiles => format!(
                "Here is the original image {picture} and here are some crops to help you see better {}",
                vec![picture.as_str(); tiles - 1].join(" ")
            ),
        }
    }
}
