//! Emu3 (Wang et al. 2024): text and images as one stream of tokens. An image of any shape is its size in words, its rows
//! of VQ codes with an end each, and an end of all.
//!
//! Reference: transformers' `processing_emu3.py` and `modeling_emu3.py`. There several images are padded to the largest
//! before they become tokens, which changes those of all but the largest; here each is seen by itself.
//!
//! A drawing is its words alone and an image's beginning, with its size; then rows of image tokens, each with its end, as
//! the `prefix_allowed_tokens_fn` of transformers' documentation of Emu3 has them. What ends the image after that makes no
//! pixel and isn't read. The words count against a negative prompt, which is its words alone, or against the last token
//! before the image (`UnbatchedClassifierFreeGuidanceLogitsProcessor`).

use std::path::Path;

use serde::Deserialize;

use super::{
    Canvas, DrawingPlan, DrawingPrompt, Family, ImageTokens, ImageVocabulary, Kept, Painted, Parts, Rows,
    Unconditional,
    image_vocabulary::{self, DECODE, VocabularyMap},
};
use crate::{
    ModelError,
    folder::{bad, config_path, part, read_settings},
    processor::ProcessedImage,
    template::special_tokens_of,
};

/// What the names of an image's tokens begin with.
const NAMES: &str = "<|visual token ";
/// The token that ends a row of an image.
const END_OF_ROW: &str = "<|extra_200|>";
/// Pixels of a drawing: 720 × 720 (`Emu3Processor.image_area`).
const AREA: u32 = 518_400;
/// By how much the words of a drawing count, in the authors' program, where the folder doesn't say.
const GUIDANCE: f32 = 3.0;

#[derive(Debug, Deserialize)]
struct ConfigFile {
    vocabulary_map: Option<VocabularyMap>,
    #[serde(default)]
    vq_config: VqFile,
}

#[derive(Debug, Default, Deserialize)]
struct VqFile {
    channel_multiplier: Option<Vec<u32>>,
}

#[derive(Debug, Default, Deserialize)]
struct GenerationFile {
    guidance_scale: Option<f32>,
}

#[derive(Debug)]
pub(super) struct Emu3 {
    first: String,
    image_token: String,
    /// What stands before an image's size and after it, after its tokens, and last.
    marks: [String; 4],
    /// Pixels of a side of the square that one token stands for.
    factor: usize,
    vocabulary: ImageVocabulary,
    drawing: Result<DrawingPlan, String>,
}

pub(super) fn read(folder: &Path) -> Result<Box<dyn Family>, ModelError> {
    let tokens = special_tokens_of(folder)?;
    let token = |role: &str, usual: &str| tokens.get(role).cloned().unwrap_or_else(|| usual.into());
    let ConfigFile { vocabulary_map, vq_config } = part(folder)?;
    let levels = vq_config.channel_multiplier.map_or(4, |each| each.len());
    if !(1..=8).contains(&levels) {
        let problem = format!("its `channel_multiplier` has {levels} levels; known are 1 to 8");
        return Err(bad(&config_path(folder), problem));
    }
    // Each level but the last halves the sides.
    let factor = 1 << (levels - 1);
    let names = vocabulary_map.unwrap_or_default();
    let end = names.token(END_OF_ROW).ok_or_else(|| {
        bad(
            &config_path(folder),
            format!("its `vocabulary_map` has no `{END_OF_ROW}`, which ends an image's rows"),
        )
    })?;
    let first = token("bos_token", "<|extra_203|>");
    let marks = [
        token("boi_token", "<|image start|>"),
        token("image_wrapper_token", "<|image token|>"),
        token("eof_token", "<|extra_201|>"),
        token("eoi_token", "<|image end|>"),
    ];
    let vocabulary = ImageVocabulary {
        tokens: names.image_tokens(folder, NAMES, code_of)?,
        others: vec![end],
        marks: marks.to_vec(),
        silent: false,
    };
    let [begin, sized, ..] = marks.clone();
    let drawing = guidance(folder)?.map(|guidance| DrawingPlan {
        prompt: DrawingPrompt::Words { before: first.clone(), sized: [begin, sized] },
        canvas: Canvas::Rows(Rows { factor, area: AREA, end }),
        tokens: ImageTokens::OfText(vocabulary.tokens.clone()),
        decoder: DECODE,
        painted: Painted::AsSeen,
        unconditional: Some(Unconditional { keeps: Kept::Last, negative: true, guidance }),
    });
    let image_token = token("image_token", "<image>");
    Ok(Box::new(Emu3 { first, image_token, marks, factor, vocabulary, drawing }))
}

/// By how much the words of a drawing count if nobody says, or why that can't be.
fn guidance(folder: &Path) -> Result<Result<f32, String>, ModelError> {
    let path = folder.join("generation_config.json");
    let scale = read_settings::<GenerationFile>(&path)?.guidance_scale.unwrap_or(GUIDANCE);
    let problem = || format!("its `guidance_scale` is {scale}, but must be 1 (no guidance) or more");
    Ok(if scale.is_finite() && scale >= 1.0 { Ok(scale) } else { Err(problem()) })
}

/// The code that the name of its token spells: `<|visual token 000103|>` is 103.
fn code_of(name: &str) -> Option<usize> {
    let digits = name.strip_prefix(NAMES)?.strip_suffix("|>")?;
    let is_code = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| is_code)
}

impl Family for Emu3 {
    fn name(&self) -> &'static str {
        "emu3"
    }

    fn image_token(&self) -> &str {
        &self.image_token
    }

    fn expand(&self, image: &ProcessedImage) -> String {
        let [rows, columns] = [image.height, image.width].map(|side| side / self.factor);
        let [begin, sized, end_of_tokens, end] = &self.marks;
        let tokens = self.image_token.repeat(rows * (columns + 1));
        format!("{begin}{rows}*{columns}{sized}{tokens}{end_of_tokens}{end}")
    }

    fn image_vocabulary(&self) -> Option<&ImageVocabulary> {
        Some(&self.vocabulary)
    }

    fn marks(&self) -> Vec<String> {
        let own = [NAMES.into(), END_OF_ROW.into(), self.first.clone()];
        own.into_iter().chain(self.marks.iter().cloned()).collect()
    }

    fn around_prompt(&self) -> [&str; 2] {
        [&self.first, ""]
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
    fn a_name_spells_its_code() {
        let cases = [
            ("<|visual token 000000|>", Some(0)),
            ("<|visual token 032767|>", Some(32767)),
            ("<|visual token 12|>", None),
            ("<|visual token +00012|>", None),
            ("<|visual token 000012", None),
        ];
        for (name, code) in cases {
            assert_eq!(code_of(name), code, "{name}");
        }
    }
}
