//! What differs from one family of models to the next, and nothing else.
//!
//! A family says which sessions a folder of its kind holds, what an image's placeholder becomes in the
//! prompt, what the vision session is fed, and where a prompt's tokens stand if that isn't one after another. Adding one is one file in `family/` and one line in
//! [`of_folder`]. The rest is the same for all: features replace the embeddings of the image token, row by
//! row, and their number must be the prompt's.

mod anyres;
mod blip_2;
mod chameleon;
mod drawing;
mod emu3;
mod florence2;
mod gemma_3;
mod idefics;
mod image_vocabulary;
mod internvl;
mod janus;
mod lfm2_vl;
mod llava;
mod paligemma;
mod parts;
mod phi3_v;
mod positions;
mod prompt_encoder;
mod qwen_vl;
mod smolvlm;
mod text_only;

use std::path::Path;

use percept_runtime::{BesideTokens, HostTensor, ReadingOrder, RopePosition};

pub use self::{
    drawing::{Canvas, DrawingPlan, DrawingPrompt, Extent, ImageTokens, Kept, Painted, Rows, Unconditional},
    image_vocabulary::ImageVocabulary,
    parts::Parts,
    positions::{Span, VideoTimes},
    prompt_encoder::PromptEncoder,
};
use crate::{
    Located, ModelError,
    folder::{ModelConfig, bad, config_path},
    processor::{ImageForm, ImageProcessor, ProcessedImage, SampledVideo, VideoClass},
};

/// The name of the vision session.
pub const VISION_ENCODER: &str = "vision_encoder";
/// The name of the session that turns tokens into embeddings.
pub const EMBED_TOKENS: &str = "embed_tokens";
/// The name of the language decoder.
pub const DECODER: &str = "decoder_model_merged";
/// The name of a session that looks tokens up and could put features among them itself.
pub(crate) const PREPARE_EMBEDDINGS: &str = "prepare_inputs_embeds";
/// The name of a decoder that reads token ids itself, or that has no other session of its name beside it.
pub(crate) const MODEL: &str = "model";

/// A family of models, with what it read from one folder.
///
/// ```no_run
/// # fn example() -> Result<(), percept_models::ModelError> {
/// let folder = percept_models::ModelFolder::open("models/smolvlm".as_ref(), None)?;
/// assert_eq!(folder.family.name(), "smolvlm");
/// # Ok(())
/// # }
/// ```
pub trait Family: Send + Sync + std::fmt::Debug {
    /// Its name in `config.json`.
    fn name(&self) -> &'static str;

    /// The text of the token that stands for one image feature, and, in a template's output, for a whole image.
    /// Empty for a family that sees nothing.
    fn image_token(&self) -> &str;

    /// What stands for a whole image in a template's output, where that isn't the image token.
    fn placeholder(&self) -> &str {
        self.image_token()
    }

    /// What is written for an image into the text of a message, where the template takes a message as one text. It holds
    /// the placeholder once.
    fn image_in_text(&self) -> String {
        self.placeholder().to_owned()
    }

    /// Whether the tokenizer reads each text between two images as if it were a prompt of its own.
    fn reads_texts_apart(&self) -> bool {
        false
    }

    /// Whether an embedding graph that takes features puts them where the image token stands. One that wants other signs
    /// there is given none, and they are put over the rows that it looked up.
    fn finds_places_by_image_token(&self) -> bool {
        true
    }

    /// Whether its vision session must see all tiles of an image in one run, and puts their features together itself.
    fn reads_tiles_together(&self) -> bool {
        false
    }

    /// The image processor as its prompt processor uses it: some ask for more than the folder's file says.
    fn processor(&self, written: ImageProcessor) -> ImageProcessor {
        written
    }

    /// The image processor of a conversation that shows several images, if it isn't that of one that shows one.
    fn processor_of_several(&self, _of_one: &ImageProcessor) -> Option<ImageProcessor> {
        None
    }

    /// What an image's placeholder becomes in the prompt; it holds the image token once a feature.
    fn expand(&self, image: &ProcessedImage) -> String;

    /// The inputs of the vision session for one image, by name: for most, its pixels `[tiles, 3, height, width]`. An input
    /// that the session doesn't declare is left out.
    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)> {
        vec![pixel_values(vec![image.tiles, 3, image.height, image.width], image.values)]
    }

    /// Outputs of the vision session that it can't do without, beside the features.
    fn encoder_outputs(&self) -> &'static [&'static str] {
        &[]
    }

    /// An image's or a video's features in the order in which the prompt has its tokens, made of those that the vision session
    /// gave for its tiles or frames one after another, and of [`Family::encoder_outputs`]. `image` is without its values.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if their number isn't the image's, [`ModelError::Engine`] if an output is of another kind.
    fn arrange(
        &self,
        _image: &ProcessedImage,
        features: Vec<f32>,
        _outputs: Vec<(String, HostTensor)>,
    ) -> Result<Vec<f32>, ModelError> {
        Ok(features)
    }

    /// Whether it sees images. One that doesn't has a decoder alone, which reads token ids.
    fn sees(&self) -> bool {
        true
    }

    /// Whether a prompt is what the template wrote, and the tokenizer adds nothing to it.
    fn writes_whole_prompts(&self) -> bool {
        false
    }

    /// The tokens in which it reads images, where its vision session gives tokens of the text's vocabulary and not features.
    fn image_vocabulary(&self) -> Option<&ImageVocabulary> {
        None
    }

    /// Texts that its tokenizer reads as more than their letters, beside the special tokens, and beginnings of such texts:
    /// in a message they are only words.
    fn marks(&self) -> Vec<String> {
        Vec::new()
    }

    /// How its decoder is to read a prompt.
    fn reading(&self) -> ReadingOrder {
        ReadingOrder::default()
    }

    /// What reads its prompt, where the decoder reads none of it and looks at what is found there.
    fn prompt_encoder(&self) -> Option<&PromptEncoder> {
        None
    }

    /// Whether an image's features go before the prompt, whose tokenizer has no token for them.
    fn prepends_features(&self) -> bool {
        false
    }

    /// Whether a message may name this special token and mean it: what it stands for is something to be said.
    fn may_be_said(&self, _token: &str) -> bool {
        false
    }

    /// Whether this special token is a part of what it replies.
    fn writes(&self, _token: &str) -> bool {
        false
    }

    /// What somebody who knows the folder's settings should be told of how it is run here.
    fn note(&self) -> Option<String> {
        None
    }

    /// What a reply to these words says is where, in pixels of an image of this width and height; `None` from a family, or
    /// about a reply, that doesn't say it in tokens of its own.
    fn located(&self, _asked: &str, _reply: &str, _size: [u32; 2]) -> Option<Located> {
        None
    }

    /// The form in which its images come.
    fn image_form(&self) -> ImageForm {
        ImageForm::Pictures
    }

    /// Where every token of a prompt stands, given the prompt from its beginning. `None`, for nearly every family:
    /// one after another, which the decoder counts.
    ///
    /// A token's position must not depend on what comes after it: then a prompt may be read from wherever the cache
    /// still holds it.
    fn positions(&self, _prompt: &[Span]) -> Option<Vec<RopePosition>> {
        None
    }

    /// How it takes videos; `None`, for most: it knows pictures alone.
    fn video(&self) -> Option<VideoForm> {
        None
    }

    /// The chat template of conversations with a video, where it isn't the folder's own.
    fn video_template(&self) -> Option<&str> {
        None
    }

    /// What a video's placeholder becomes in the prompt; it holds the image token, or the video's, once a feature.
    fn expand_video(&self, _video: &SampledVideo, _frames: &ProcessedImage) -> String {
        String::new()
    }

    /// How the features of a video stand where they stand together; `None`: as text.
    fn video_span(&self, _video: &SampledVideo, _frames: &ProcessedImage) -> Option<Span> {
        None
    }

    /// How many inputs its decoder takes beside the embeddings with a row a token: features from earlier layers of the
    /// vision encoder, which gives each under the name of the decoder's input.
    fn side_inputs(&self) -> usize {
        0
    }

    /// Whether the model gives places as pixels of the image that it was shown, after the processor brought it to
    /// its size, and not in thousandths.
    fn points_at_pixels(&self) -> bool {
        false
    }

    /// Which of its sessions does what.
    fn parts(&self) -> Parts {
        Parts::default()
    }

    /// What the session that looks tokens up is given beside them, where it could do more.
    fn beside_tokens(&self) -> Vec<(String, BesideTokens)> {
        Vec::new()
    }

    /// What its processor puts before and after every rendered prompt.
    fn around_prompt(&self) -> [&str; 2] {
        [""; 2]
    }

    /// How it draws.
    ///
    /// # Errors
    ///
    /// Why it can't, in words.
    fn drawing(&self) -> Result<&DrawingPlan, String> {
        Err(format!("a `{}` model can't draw; {DRAWING} can", self.name()))
    }

    /// The chat template of folders that have none of their own. `None`, for nearly every family: without one there is
    /// no knowing how a conversation is written.
    fn template(&self) -> Option<&str> {
        None
    }

    /// Whether an image without a word asks for its caption.
    fn captions(&self) -> bool {
        false
    }

    /// Whether its decoder looks at images by cross-attention instead of finding their features in the prompt. An image
    /// is then one token there, and each token sees the last image before it (Flamingo: Alayrac et al. 2022).
    fn looks_at_images(&self) -> bool {
        false
    }

    /// Whether the tokens of an image see each other, later ones too, where the decoder is told which they are
    /// (`token_type_ids`).
    fn images_see_each_other(&self) -> bool {
        false
    }

    /// Texts that end a free reply, for a model that no token was taught to do that.
    fn end_texts(&self) -> &'static [&'static str] {
        &[]
    }

    /// The sets of sessions that folders of this family come in, the usual one first.
    fn session_sets(&self) -> Vec<Vec<&'static str>> {
        self.parts().session_sets()
    }

    /// Tokens that end a turn beside those that the folder's files name.
    fn end_tokens(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// How a family takes videos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoForm {
    /// What stands for a whole video in a template's output; where it is a token, it stands for a feature as well.
    pub token: &'static str,
    /// The class of its video processor, where the folder names none.
    pub class: VideoClass,
}

/// The families that are hosted, for the error that lists them.
const KNOWN: &str = "smolvlm, idefics3, llava, llava_next, llava_onevision, internvl, blip-2, idefics, lfm2_vl, qwen2_vl, \
                     qwen2_5_vl, qwen3_vl, qwen3_vl_moe, qwen3_5, paligemma, gemma3, florence2, phi3_v, chameleon, emu3 and \
                     janus; llama, mistral, phi3, qwen2, qwen3 and gemma3_text, which read text alone";
/// Those that draw.
const DRAWING: &str = "janus, chameleon and emu3";

/// The family of a folder.
///
/// # Errors
///
/// [`ModelError::Folder`] if `model_type` isn't hosted, or the family misses something in the folder.
pub(crate) fn of_folder(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    match config.model_type.as_str() {
        "smolvlm" | "idefics3" => smolvlm::read(folder, config),
        "lfm2_vl" => lfm2_vl::read(folder),
        "llava" => llava::read(folder, config),
        "idefics" => idefics::read(folder),
        "blip-2" => blip_2::read(folder, config),
        "janus" => janus::read(folder, config),
        "chameleon" => chameleon::read(folder),
        "emu3" => emu3::read(folder),
        "qwen2_vl" => Ok(qwen_vl::second()),
        "qwen2_5_vl" => qwen_vl::second_and_a_half(folder),
        "qwen3_vl" => qwen_vl::third(folder, "qwen3_vl"),
        "qwen3_vl_moe" => qwen_vl::third(folder, "qwen3_vl_moe"),
        "qwen3_5" => qwen_vl::third_and_a_half(folder),
        "internvl" => internvl::read(folder, config),
        "llava_next" => anyres::next(folder, config),
        "llava_onevision" => anyres::onevision(folder, config),
        "paligemma" => paligemma::read(folder, config),
        "gemma3" => gemma_3::read(folder),
        "phi3_v" => Ok(Box::new(phi3_v::Phi3V)),
        "florence2" => florence2::read(folder),
        "llama" => Ok(text_only::named("llama")),
        "mistral" => Ok(text_only::named("mistral")),
        "phi3" => Ok(text_only::named("phi3")),
        "qwen2" => Ok(text_only::named("qwen2")),
        "qwen3" => Ok(text_only::named("qwen3")),
        "gemma3_text" => Ok(text_only::named("gemma3_text")),
        "multi_modality" => Err(ModelError::Folder {
            path: config_path(folder),
            problem: "it is Janus in the words of its first code (`multi_modality`), which aren't read here"
                .into(),
            remedy: "Take a folder in transformers' words, whose `model_type` is `janus`".into(),
        }),
        unknown => Err(ModelError::Folder {
            path: config_path(folder),
            problem: format!("the family `{unknown}` isn't hosted in this version"),
            remedy: format!("Hosted are {KNOWN}"),
        }),
    }
}

/// The most features that a file may give one tile; published models have 729.
const MOST_FEATURES: usize = 1 << 16;

/// A tile's number of features as a file of the folder has it: a prompt is never made of an absurd one.
fn countable(path: &Path, features: usize) -> Result<usize, ModelError> {
    if features <= MOST_FEATURES {
        return Ok(features);
    }
    Err(bad(
        path,
        format!("it gives a tile {features} features, more than the {MOST_FEATURES} that are taken"),
    ))
}

fn pixel_values(shape: Vec<usize>, data: Vec<f32>) -> (String, HostTensor) {
    ("pixel_values".into(), HostTensor::F32 { shape, data })
}

#[cfg(test)]
mod tests;
