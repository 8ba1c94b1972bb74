//! Florence-2 (Xiao et al. 2023): one picture and one task in words go through an encoder, and a decoder writes what is to
//! be said, places by tokens of their own.
//!
//! Reference: transformers' `processing_florence2.py` and `modeling_florence2.py`. Folders come in two forms: one in whose
//! tokenizer an image has a token, and the older one, made from the authors' own code, in which the features are put before
//! the text. Both give the encoder the same.

use std::path::Path;

use serde::Deserialize;

use super::{Family, Parts, PromptEncoder, countable};
use crate::{
    Located, ModelError,
    dialect::florence2::{self, PhraseRules},
    folder::{added_token, bad, config_path, part, read_settings},
    processor::ProcessedImage,
};

const IMAGE: &str = "<image>";
const ENCODER: &str = "encoder_model";

#[derive(Debug, Default, Deserialize)]
struct ImagesFile {
    image_seq_length: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    #[serde(default)]
    post_processor_config: Option<RepliesFile>,
}

#[derive(Debug, Default, Deserialize)]
struct RepliesFile {
    phrase_grounding: Option<PhraseRules>,
}

/// How a reply is written, in `generation_config.json`, or in older folders in `config.json`.
#[derive(Debug, Default, Clone, Deserialize)]
struct WritingFile {
    decoder_start_token_id: Option<u32>,
    forced_bos_token_id: Option<u32>,
    no_repeat_ngram_size: Option<usize>,
    num_beams: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    text_config: WritingFile,
}

#[derive(Debug)]
struct Florence2 {
    /// Features of a picture.
    features: usize,
    template: String,
    encoder: PromptEncoder,
    /// Beams of the search that the folder asks for.
    beams: usize,
    /// Whether an image has a token in the tokenizer.
    has_token: bool,
    phrases: PhraseRules,
}

pub(super) fn read(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let images = folder.join("preprocessor_config.json");
    let problem = "it doesn't say `image_seq_length`, how many tokens an image has";
    let features = read_settings::<ImagesFile>(&images)?.image_seq_length.filter(|features| *features > 0);
    let features = countable(&images, features.ok_or_else(|| bad(&images, problem.into()))?)?;
    let replies =
        read_settings::<ProcessorFile>(&folder.join("processor_config.json"))?.post_processor_config;
    let own: WritingFile = read_settings(&folder.join("generation_config.json"))?;
    let text = part::<ConfigFile>(folder)?.text_config;
    let start = own.decoder_start_token_id.or(text.decoder_start_token_id).ok_or_else(|| {
        let problem = "neither it nor `generation_config.json` has a `decoder_start_token_id`, with which a reply begins";
        bad(&config_path(folder), problem.into())
    })?;
    let forced = own.forced_bos_token_id.or(text.forced_bos_token_id);
    Ok(Box::new(Florence2 {
        features,
        template: florence2::template(),
        encoder: PromptEncoder {
            session: ENCODER,
            begins: [start].into_iter().chain(forced).collect(),
            no_repeat: own.no_repeat_ngram_size.or(text.no_repeat_ngram_size).unwrap_or(0),
        },
        beams: own.num_beams.or(text.num_beams).unwrap_or(1),
        has_token: added_token(folder, IMAGE)?.is_some(),
        phrases: replies.and_then(|replies| replies.phrase_grounding).unwrap_or_default(),
    }))
}

impl Family for Florence2 {
    fn name(&self) -> &'static str {
        "florence2"
    }

    fn image_token(&self) -> &'static str {
        IMAGE
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        IMAGE.repeat(self.features)
    }

    fn template(&self) -> Option<&str> {
        Some(&self.template)
    }

    fn writes_whole_prompts(&self) -> bool {
        true
    }

    fn parts(&self) -> Parts {
        Parts { others: &[ENCODER], ..Parts::default() }
    }

    fn prompt_encoder(&self) -> Option<&PromptEncoder> {
        Some(&self.encoder)
    }

    fn prepends_features(&self) -> bool {
        !self.has_token
    }

    fn may_be_said(&self, token: &str) -> bool {
        florence2::is_place(token) || florence2::is_task(token)
    }

    fn writes(&self, token: &str) -> bool {
        florence2::is_place(token) || florence2::is_mark(token)
    }

    fn located(&self, asked: &str, reply: &str, size: [u32; 2]) -> Option<Located> {
        florence2::located(asked, reply, size, &self.phrases)
    }

    fn note(&self) -> Option<String> {
        let beams = self.beams;
        (beams > 1).then(|| {
            format!(
                "its folder asks for a search of {beams} beams; here the likeliest token is taken each time"
            )
        })
    }
}
