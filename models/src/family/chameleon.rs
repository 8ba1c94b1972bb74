//! Chameleon (Chameleon Team 2024): text and images as one stream of tokens, read and written alike.
//!
//! Reference: transformers' `processing_chameleon.py` and `modeling_chameleon.py`, which read images and write text.
//! An image is a mark, a token of a VQ codebook for each of its squares, and another mark. There is no published chat
//! template: a turn ends with the separator that the processor puts after a prompt. How an image is drawn is read in the
//! authors' own program (`chameleon/inference/chameleon.py`): the prompt, the mark of an image, then image tokens alone,
//! guided by a prompt of nothing but its first token and that mark.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Canvas, DrawingPlan, DrawingPrompt, Family, ImageTokens, ImageVocabulary, Kept, Painted, Parts,
    Unconditional, countable,
    image_vocabulary::{self, DECODE, VocabularyMap},
};
use crate::{
    ModelError,
    folder::{bad, part, read_settings},
    processor::ProcessedImage,
    template::special_tokens_of,
};

/// Tokens of an image in the models that were published.
const USUAL_TOKENS: usize = 1024;
/// By how much the words of a drawing count, in the authors' program.
const GUIDANCE: f32 = 3.0;
/// What stands before an image, and ends a text: what an image begins is no text.
const BEGIN: &str = "<racm3:break>";
/// What ends a turn.
const SEPARATOR: &str = "<reserved08706>";

/// What the names of an image's tokens begin with.
const NAMES: &str = "IMGIMG";

#[derive(Debug, Deserialize)]
struct ConfigFile {
    vocabulary_map: Option<VocabularyMap>,
}

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    image_seq_length: Option<usize>,
    image_token: Option<String>,
}

#[derive(Debug)]
pub(super) struct Chameleon {
    image_token: String,
    template: String,
    /// What stands before and after an image's tokens.
    around: [String; 2],
    separator: String,
    /// Tokens of an image.
    count: usize,
    vocabulary: ImageVocabulary,
    drawing: Result<DrawingPlan, String>,
}

pub(super) fn read(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let path = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&path)?;
    let tokens = special_tokens_of(folder)?;
    let token = |role: &str, usual: &str| tokens.get(role).cloned().unwrap_or_else(|| usual.into());
    let count = countable(&path, file.image_seq_length.unwrap_or(USUAL_TOKENS))?;
    if count == 0 {
        return Err(bad(&path, "its `image_seq_length` is 0: an image has at least one token".into()));
    }
    let around = [token("boi_token", BEGIN), token("eoi_token", "<eoss>")];
    let separator = token("sep_token", SEPARATOR);
    let names = part::<ConfigFile>(folder)?.vocabulary_map.unwrap_or_default();
    let vocabulary = ImageVocabulary {
        tokens: names.image_tokens(folder, NAMES, code_of)?,
        others: Vec::new(),
        marks: around.to_vec(),
        silent: true,
    };
    let marks = [token("bos_token", "<s>"), around[0].clone()];
    let drawing = match (names.token(&marks[0]), names.token(&marks[1])) {
        (Some(first), Some(begin)) => Ok(DrawingPlan {
            prompt: DrawingPrompt::Turn { after: separator.clone(), begin },
            canvas: Canvas::Fixed(count),
            tokens: ImageTokens::OfText(vocabulary.tokens.clone()),
            decoder: DECODE,
            painted: Painted::MinusOneToOne,
            unconditional: Some(Unconditional {
                keeps: Kept::Tokens { tokens: vec![first, begin], pad: None },
                negative: false,
                guidance: GUIDANCE,
            }),
        }),
        _ => Err(format!(
            "the `vocabulary_map` of config.json doesn't have both `{}` and `{}`, without which nothing can be drawn",
            marks[0], marks[1]
        )),
    };
    let image_token =
        tokens.get("image_token").cloned().or(file.image_token).filter(|token| !token.is_empty());
    let image_token = image_token.unwrap_or_else(|| "<image>".into());
    Ok(Box::new(Chameleon {
        template: template(&image_token, &separator),
        image_token,
        around,
        separator,
        count,
        vocabulary,
        drawing,
    }))
}

/// The template with the tokens that were read, wherever the folder names them.
fn template(image_token: &str, separator: &str) -> String {
    let [image, separator] = [image_token, separator].map(|token| Value::from(token).to_string());
    let body = include_str!("chameleon.jinja");
    format!("{{%- set image_token = {image} -%}}{{%- set sep_token = {separator} -%}}{body}")
}

/// The code that the name of its token spells, a letter a digit: `IMGIMGBADZ` is 103.
fn code_of(name: &str) -> Option<usize> {
    let letters = name.strip_prefix(NAMES)?.strip_suffix('Z')?;
    let digit = |letter: char| ('A'..='J').contains(&letter).then(|| letter as usize - 'A' as usize);
    let begin = (!letters.is_empty() && letters.len() < 9).then_some(0)?;
    letters.chars().try_fold(begin, |code, letter| Some(code * 10 + digit(letter)?))
}

impl Family for Chameleon {
    fn name(&self) -> &'static str {
        "chameleon"
    }

    fn image_token(&self) -> &str {
        &self.image_token
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        let [before, after] = &self.around;
        format!("{before}{}{after}", self.image_token.repeat(self.count))
    }

    fn image_vocabulary(&self) -> Option<&ImageVocabulary> {
        Some(&self.vocabulary)
    }

    fn marks(&self) -> Vec<String> {
        let [before, after] = self.around.clone();
        vec![NAMES.into(), before, after, self.separator.clone()]
    }

    fn around_prompt(&self) -> [&str; 2] {
        ["", &self.separator]
    }

    fn template(&self) -> Option<&str> {
        Some(&self.template)
    }

    fn end_tokens(&self) -> Vec<&str> {
        vec![&self.around[0], &self.separator]
    }

    fn parts(&self) -> Parts {
        image_vocabulary::parts()
    }

    fn drawing(&self) -> Result<&DrawingPlan, String> {
        self.drawing.as_ref().map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_spells_its_code_in_letters() {
        let cases = [
            ("IMGIMGAZ", Some(0)),
            ("IMGIMGBADZ", Some(103)),
            ("IMGIMGIBJBZ", Some(8191)),
            ("IMGIMGZ", None),
            ("IMGIMGKZ", None),
            ("IMGIMGA", None),
            ("IMGIMGJJJJJJJJJJJJJJJJJJJJJJZ", None),
        ];
        for (name, code) in cases {
            assert_eq!(code_of(name), code, "{name}");
        }
    }
}
