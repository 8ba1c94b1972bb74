//! What differs from one family of models to the next, and nothing else.
//!
//! A family says which sessions a folder of its kind holds, what an image's placeholder becomes in the
//! prompt, what the vision session is fed, and where a prompt's tokens stand if that isn't one after another. Adding one is one file in `family/` and one line in
//! [`of_folder`]. The rest is the same for all: features replace the embeddings of the image token, row by
//! row, and their number must be the prompt's.

mod drawing;
mod janus;
mod llava;
mod parts;
mod positions;
mod qwen_vl;
mod smolvlm;

use std::path::Path;

use percept_runtime::{BesideTokens, HostTensor, RopePosition};

pub use self::{
    drawing::{DrawingPlan, ImageTokens, Unconditional},
    parts::Parts,
    positions::Span,
};
use crate::{ModelError, folder::ModelConfig, processor::ProcessedImage};

/// The name of the vision session.
pub const VISION_ENCODER: &str = "vision_encoder";
/// The name of the session that turns tokens into embeddings.
pub const EMBED_TOKENS: &str = "embed_tokens";
/// The name of the language decoder.
pub const DECODER: &str = "decoder_model_merged";

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
    fn image_token(&self) -> &str;

    /// What an image's placeholder becomes in the prompt; it holds the image token once a feature.
    fn expand(&self, image: &ProcessedImage) -> String;

    /// The inputs of the vision session for one image, by name. An input that the session doesn't declare is
    /// left out.
    fn encoder_inputs(&self, image: ProcessedImage) -> Vec<(String, HostTensor)>;

    /// Whether its images come in patches ([`ProcessedImage::patches`]) and not as whole pictures.
    fn takes_patches(&self) -> bool {
        false
    }

    /// Where every token of a prompt stands, given the prompt from its beginning. `None`, for nearly every family:
    /// one after another, which the decoder counts.
    ///
    /// A token's position must not depend on what comes after it: then a prompt may be read from wherever the cache
    /// still holds it.
    fn positions(&self, _prompt: &[Span]) -> Option<Vec<RopePosition>> {
        None
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

    /// The sessions of a folder of this family.
    fn sessions(&self) -> Vec<&'static str> {
        self.parts().sessions()
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

    /// Tokens that end a turn beside those that the folder's files name.
    fn end_tokens(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The families that are hosted, for the error that lists them.
const KNOWN: &str = "smolvlm, idefics3, llava, qwen2_vl, qwen2_5_vl and janus";
/// Those that draw.
const DRAWING: &str = "janus";

/// The family of a folder.
///
/// # Errors
///
/// [`ModelError::Folder`] if `model_type` isn't hosted, or the family misses something in the folder.
pub(crate) fn of_folder(folder: &Path, config: &ModelConfig) -> Result<Box<dyn Family>, ModelError> {
    match config.model_type.as_str() {
        "smolvlm" | "idefics3" => smolvlm::read(folder, config),
        "llava" => llava::read(folder, config),
        "janus" => janus::read(folder, config),
        "qwen2_vl" => Ok(qwen_vl::second()),
        "qwen2_5_vl" => qwen_vl::second_and_a_half(folder),
        unknown => Err(ModelError::Folder {
            path: folder.join("config.json"),
            problem: format!("the family `{unknown}` isn't hosted in this version"),
            remedy: format!("Hosted are {KNOWN}"),
        }),
    }
}

fn pixel_values(shape: Vec<usize>, data: Vec<f32>) -> (String, HostTensor) {
    ("pixel_values".into(), HostTensor::F32 { shape, data })
}
