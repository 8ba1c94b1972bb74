//! Janus (Wu et al. 2024; Janus-Pro, Chen et al. 2025): one language model that sees through one encoder and draws in the
//! tokens of another.
//!
//! Reference: transformers' `processing_janus.py` and `modeling_janus.py`. The sessions are those that the community
//! exports: one graph sees and looks tokens up, the language model has no head, and text and images have one each.

use std::path::Path;

use percept_runtime::{BesideTokens, HostTensor};
use serde::Deserialize;

use super::{
    Canvas, DrawingPlan, DrawingPrompt, Family, ImageTokens, Kept, Painted, Parts, Unconditional, countable,
    image_vocabulary::DECODE, pixel_values,
};
use crate::{
    ModelError,
    folder::{ModelConfig, bad, read_settings},
    processor::ProcessedImage,
    template::special_tokens_of,
};

/// What a prompt begins with where the folder asks for it (`use_default_system_prompt`).
const PREAMBLE: &str = "You are a helpful language and vision assistant. You are able to understand the visual content that \
                        the user provides, and assist the user with a variety of tasks using natural language.\n\n";
/// Features of an image, and tokens of a drawing, in the models that were published.
const USUAL_TOKENS: usize = 576;
/// How much the prompt of a drawing counts, in the reference.
const USUAL_GUIDANCE: f32 = 5.0;

const PREPARE: &str = "prepare_inputs_embeds";
const SEQUENCE_MASK: &str = "images_seq_mask";
const FEATURE_MASK: &str = "images_emb_mask";

#[derive(Debug, Default, Deserialize)]
struct ProcessorFile {
    num_image_tokens: Option<usize>,
    #[serde(default)]
    use_default_system_prompt: bool,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    vision_config: VisionFile,
}

#[derive(Debug, Default, Deserialize)]
struct VisionFile {
    num_image_tokens: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct GenerationFile {
    bos_token_id: Option<u32>,
    pad_token_id: Option<u32>,
    guidance_scale: Option<f32>,
    #[serde(default)]
    generation_kwargs: GenerationExtras,
}

#[derive(Debug, Default, Deserialize)]
struct GenerationExtras {
    boi_token_id: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Janus {
    image_token: String,
    image_token_id: u32,
    /// What stands before and after an image's tokens.
    around: [String; 2],
    /// Features of an image.
    features: usize,
    /// Pixels of an image's side.
    side: usize,
    preamble: &'static str,
    drawing: Result<DrawingPlan, String>,
}

pub(super) fn read(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    let processor: ProcessorFile = read_settings(&folder.join("processor_config.json"))?;
    let own: ConfigFile = read_settings(&folder.join("config.json"))?;
    let tokens = special_tokens_of(folder)?;
    let of_config = own.vision_config.num_image_tokens;
    let token = |role: &str, usual: &str| tokens.get(role).cloned().unwrap_or_else(|| usual.into());
    let side = config.image_size.ok_or_else(|| {
        bad(&folder.join("config.json"), "its `vision_config` doesn't say the `image_size`".into())
    })?;
    Ok(Box::new(Janus {
        image_token: token("image_token", "<image_placeholder>"),
        image_token_id: config
            .image_token_id
            .ok_or_else(|| bad(&folder.join("config.json"), "it doesn't say its `image_token_id`".into()))?,
        around: [token("boi_token", "<begin_of_image>"), token("eoi_token", "<end_of_image>")],
        features: match processor.num_image_tokens {
            Some(count) => tokens_of_image(&folder.join("processor_config.json"), count)?,
            None => tokens_of_image(&folder.join("config.json"), of_config.unwrap_or(USUAL_TOKENS))?,
        },
        side: side as usize,
        preamble: if processor.use_default_system_prompt { PREAMBLE } else { "" },
        drawing: drawing(folder, of_config.unwrap_or(USUAL_TOKENS))?,
    }))
}

fn tokens_of_image(path: &Path, count: usize) -> Result<usize, ModelError> {
    if count == 0 {
        return Err(bad(path, "its `num_image_tokens` is 0: an image has at least one".into()));
    }
    countable(path, count)
}

/// How it draws; or what `generation_config.json` would have to say for that.
fn drawing(folder: &Path, count: usize) -> Result<Result<DrawingPlan, String>, ModelError> {
    let count = tokens_of_image(&folder.join("config.json"), count)?;
    let path = folder.join("generation_config.json");
    let file: GenerationFile = read_settings(&path)?;
    let (Some(first), Some(pad), Some(begin)) =
        (file.bos_token_id, file.pad_token_id, file.generation_kwargs.boi_token_id)
    else {
        return Ok(Err(format!(
            "{} doesn't say `bos_token_id`, `pad_token_id` and `generation_kwargs.boi_token_id`, without which nothing \
             can be drawn",
            path.display()
        )));
    };
    let guidance = file.guidance_scale.unwrap_or(USUAL_GUIDANCE);
    if !guidance.is_finite() {
        return Err(bad(&path, "its `guidance_scale` is no number that can be counted with".into()));
    }
    Ok(Ok(DrawingPlan {
        prompt: DrawingPrompt::Turn { after: String::new(), begin },
        canvas: Canvas::Fixed(count),
        tokens: ImageTokens::Own { head: "gen_head", embedding: "gen_img_embeds" },
        decoder: DECODE,
        painted: Painted::AsSeen,
        unconditional: Some(Unconditional {
            keeps: Kept::Tokens { tokens: vec![first, begin], pad: Some(pad) },
            negative: false,
            guidance,
        }),
    }))
}

impl Family for Janus {
    fn name(&self) -> &'static str {
        "janus"
    }

    fn image_token(&self) -> &str {
        &self.image_token
    }

    fn expand(&self, _image: &ProcessedImage) -> String {
        let [before, after] = &self.around;
        format!("{before}{}{after}", self.image_token.repeat(self.features))
    }

    fn around_prompt(&self) -> [&str; 2] {
        [self.preamble, ""]
    }

    /// A prompt that is this one image.
    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        let count = self.features;
        let ids = vec![i64::from(self.image_token_id); count];
        vec![
            ("input_ids".into(), HostTensor::I64 { shape: vec![1, count], data: ids }),
            pixel_values(vec![1, image.tiles, 3, image.height, image.width], image.values),
            (SEQUENCE_MASK.into(), HostTensor::Bool { shape: vec![1, count], data: vec![true; count] }),
            (FEATURE_MASK.into(), HostTensor::Bool { shape: vec![1, 1, count], data: vec![true; count] }),
        ]
    }

    /// No image.
    fn beside_tokens(&self) -> Vec<(String, BesideTokens)> {
        let mask = HostTensor::Bool { shape: vec![1, 0, self.features], data: Vec::new() };
        let (pixels, none) = pixel_values(vec![1, 0, 3, self.side, self.side], Vec::new());
        vec![
            (pixels, BesideTokens::Always(none)),
            (SEQUENCE_MASK.into(), BesideTokens::OfEach(false)),
            (FEATURE_MASK.into(), BesideTokens::Always(mask)),
        ]
    }

    fn parts(&self) -> Parts {
        Parts {
            vision: PREPARE,
            embedding: PREPARE,
            decoder: "language_model",
            heads: &["lm_head", "gen_head"],
            others: &["gen_img_embeds", DECODE],
            optional: &[],
        }
    }

    fn drawing(&self) -> Result<&DrawingPlan, String> {
        self.drawing.as_ref().map_err(Clone::clone)
    }
}
