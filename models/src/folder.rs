//! A model's folder, read into typed structs before any session is opened.
//!
//! `tokenizer.json`, a chat template and an image processor's configuration are in every one. Where the graphs are and what
//! they are called is the layout's: transformers.js's (`config.json`, `onnx/<session><suffix>.onnx`) or
//! onnxruntime-genai's (`genai_config.json`, files anywhere). A `percept.toml` may name a family and files for folders that
//! are neither, and add what only this program asks for.

mod added_tokens;
mod config;
mod genai;
mod layout;
mod percept;
mod precision;
mod survey;
mod tokens;
mod video;
mod weights;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use percept_runtime::DecoderNames;
use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::{
    ModelError,
    dialect::{ChosenDialect, names},
    dual_encoder,
    family::{self, DrawingPlan, Family, MODEL},
    processor::{Backend, ImageProcessor, VideoProcessor},
    template::ChatTemplate,
};
pub(crate) use added_tokens::added_token;
pub use config::{ModelConfig, TextConfig};
pub(crate) use config::{config_path, part};
pub(crate) use genai::FILE as GENAI_FILE;
pub(crate) use layout::Layout;
pub use layout::LayoutKind;
pub use percept::FolderSettings;
pub(crate) use precision::{Graphs, notes};
pub use precision::{Precision, SessionFile};
pub use survey::{Missing, Survey, SurveyedSession};
pub use weights::Weights;

/// What says what a model is and how it is fed.
pub(crate) const SETTINGS: [&str; 13] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "percept.toml",
    GENAI_FILE,
];

/// Everything of a model but its sessions.
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// How it is laid out.
    pub layout: LayoutKind,
    /// `config.json`, as meant.
    pub config: ModelConfig,
    /// `percept.toml`, as meant.
    pub settings: FolderSettings,
    /// What its family knows.
    pub family: Box<dyn Family>,
    /// How the model writes a call, and why that is thought.
    pub dialect: ChosenDialect,
    /// From images to pixels, for a model that sees, where a conversation shows one ([`ModelFolder::processor_of`]).
    pub processor: Option<ImageProcessor>,
    /// The same where it shows several, if that is another one.
    several: Option<ImageProcessor>,
    /// From videos to the pixels of some of their frames, where the family and the template know videos.
    pub video: Option<Box<VideoProcessor>>,
    /// The template of conversations with a video, where the family has one for them.
    pub video_template: Option<Box<ChatTemplate>>,
    /// From messages to a prompt.
    pub template: ChatTemplate,
    /// From a prompt to tokens.
    pub tokenizer: Tokenizer,
    /// The sessions' files.
    pub sessions: Vec<SessionFile>,
    /// What a user should know about the choice of files.
    pub notes: Vec<String>,
    /// What the decoder calls its ports.
    pub(crate) decoder_names: DecoderNames,
    /// What the vision graph calls its ports: `(known, own)` where these differ.
    pub(crate) vision_names: Vec<(String, String)>,
}

impl ModelFolder {
    /// Reads a folder, its sessions in the precision that is asked for where they have it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] naming the file that is missing, torn or contradicts another, and what to do.
    pub fn open(path: &Path, precision: Option<&Precision>) -> Result<Self, ModelError> {
        Self::open_with(path, precision, &serde_json::Map::new())
    }

    /// The same with settings of the image processor that count in place of the folder's own.
    pub(crate) fn open_with(
        path: &Path,
        precision: Option<&Precision>,
        replaced: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, ModelError> {
        if let Some(family) = dual_encoder::belongs_here(path)? {
            return Err(ModelError::Folder {
                path: path.join("config.json"),
                problem: format!(
                    "a `{}` model puts images and texts into one space, it doesn't converse",
                    family.name()
                ),
                remedy: "Use `percept classify`, `percept nearest` or `percept embed`".into(),
            });
        }
        let settings = FolderSettings::of_folder(path)?;
        let layout = Layout::of_folder(path, &settings)?;
        let config = layout.config(path, &settings)?;
        config.check_context(path)?;
        let family = family::of_folder(path, &config)?;
        let sessions = layout.sessions(path, &family.session_sets(), precision)?;
        let tokenizer = read_tokenizer(path)?;
        let read = || read_processor_with(path, settings.image_backend, replaced);
        let processor = family.sees().then(read).transpose()?.map(|processor| family.processor(processor));
        if let Some(processor) = &processor {
            check_processor(path, family.as_ref(), processor)?;
        }
        let dialect = ChosenDialect::of(&settings, &names(path), family.name());
        let template = ChatTemplate::of_folder_or(path, family.template())?;
        let video_template = family
            .video_template()
            .map(|text| template.with_the_same_tokens(text).map(Box::new))
            .transpose()?;
        let folder = Self {
            path: path.to_owned(),
            layout: layout.kind(),
            decoder_names: layout.decoder_names(),
            vision_names: layout.vision_names(),
            several: processor.as_ref().and_then(|of_one| family.processor_of_several(of_one)),
            processor,
            video: video::read(path, family.as_ref(), video_template.as_deref().unwrap_or(&template))?,
            video_template,
            settings,
            template,
            notes: notes(&sessions, precision)
                .into_iter()
                .chain(dialect.note())
                .chain(family.note())
                .chain(config.unmet(family.prompt_encoder().is_some_and(|encoder| encoder.no_repeat > 0)))
                .collect(),
            config,
            family,
            dialect,
            tokenizer,
            sessions,
        };
        tokens::check(&folder)?;
        check_data(&folder.sessions)?;
        Ok(folder)
    }

    /// The image processor of a conversation that shows so many images, for a model that sees.
    pub fn processor_of(&self, images: usize) -> Option<&ImageProcessor> {
        let several = self.several.as_ref().filter(|_| images > 1);
        several.or(self.processor.as_ref())
    }

    /// Whether each of so many images is seen otherwise than one alone.
    pub(crate) fn sees_otherwise(&self, images: usize) -> bool {
        images > 1 && self.several.is_some()
    }

    /// How its model draws.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if the family doesn't, or the folder lacks what makes pixels.
    pub fn drawing(&self) -> Result<&DrawingPlan, ModelError> {
        let plan = self.family.drawing().map_err(ModelError::Request)?;
        if self.session(plan.decoder).is_ok() {
            return Ok(plan);
        }
        Err(ModelError::Request(format!(
            "this folder can't draw: it has no `{}`, which makes pixels of an image's tokens; export it with that session",
            plan.decoder
        )))
    }

    /// The file of a session.
    pub(crate) fn session(&self, name: &str) -> Result<&SessionFile, ModelError> {
        let found = self.sessions.iter().find(|file| file.session == name);
        found.ok_or_else(|| missing(&self.path.join("onnx").join(format!("{name}.onnx"))))
    }

    /// The decoder's file, whichever of its names it goes by.
    pub(crate) fn decoder(&self) -> Result<&SessionFile, ModelError> {
        self.session(self.family.parts().decoder).or_else(|missing| self.session(MODEL).map_err(|_| missing))
    }

    /// Every token that ends a reply: the configuration's, the tokenizer's and the family's.
    pub(crate) fn end_tokens(&self) -> Vec<u32> {
        let named = self.template.special_token("eos_token").into_iter().chain(self.family.end_tokens());
        let mut tokens: Vec<u32> = named
            .filter_map(|text| self.tokenizer.token_to_id(text))
            .chain(self.config.end_tokens.clone())
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }
}

/// The files that graphs keep their weights in must be there. A graph that can't be read is told by whoever opens it.
///
/// # Errors
///
/// [`ModelError::Folder`] naming the first that is missing.
pub(crate) fn check_data(sessions: &[SessionFile]) -> Result<(), ModelError> {
    let weights = sessions.iter().filter_map(|file| Weights::of_graph(&file.path).ok());
    match weights.flat_map(|weights| weights.data).find(|data| !data.is_file()) {
        Some(gone) => Err(missing(&gone)),
        None => Ok(()),
    }
}

/// The family of a folder, from its files of settings alone.
///
/// # Errors
///
/// [`ModelError::Folder`] naming the file that is missing or torn, or a family that isn't hosted.
pub(crate) fn family_of_folder(path: &Path) -> Result<Box<dyn Family>, ModelError> {
    let settings = FolderSettings::of_folder(path)?;
    let config = Layout::of_folder(path, &settings)?.config(path, &settings)?;
    family::of_folder(path, &config)
}

/// Pictures, patches and padded ones are fed in different ways: a processor of another kind would be noticed late.
fn check_processor(folder: &Path, family: &dyn Family, processor: &ImageProcessor) -> Result<(), ModelError> {
    let (gives, takes) = (processor.form(), family.image_form());
    if gives == takes {
        return Ok(());
    }
    Err(ModelError::Folder {
        path: folder.join("preprocessor_config.json"),
        problem: format!("its image processor gives {gives}, a `{}` model takes {takes}", family.name()),
        remedy: "Take it and `config.json` from the same model".into(),
    })
}

pub(crate) fn read_tokenizer(folder: &Path) -> Result<Tokenizer, ModelError> {
    let path = folder.join("tokenizer.json");
    let text = read_required(&path)?;
    let mut tokenizer: Tokenizer =
        text.parse().map_err(|error: tokenizers::Error| bad(&path, error.to_string()))?;
    // Some files carry the padding and truncation of their training; prompts want neither.
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| bad(&path, error.to_string()))?;
    Ok(tokenizer)
}

/// Where newer folders keep what older ones have in `preprocessor_config.json`.
#[derive(Default, Deserialize)]
struct ProcessorFile {
    image_processor: Option<serde_json::Value>,
    /// What onnxruntime-genai's folders have in a file of this name.
    processor: Option<serde_json::Value>,
}

/// The image processor.
pub(crate) fn read_processor(folder: &Path, backend: Option<Backend>) -> Result<ImageProcessor, ModelError> {
    read_processor_with(folder, backend, &serde_json::Map::new())
}

fn read_processor_with(
    folder: &Path,
    backend: Option<Backend>,
    replaced: &serde_json::Map<String, serde_json::Value>,
) -> Result<ImageProcessor, ModelError> {
    let (path, mut text) = processor_text(folder)?;
    if !replaced.is_empty() {
        let mut settings: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| bad(&path, error.to_string()))?;
        settings.extend(replaced.clone());
        text = serde_json::Value::Object(settings).to_string();
    }
    ImageProcessor::from_json_as(&text, backend).map_err(|problem| bad(&path, problem))
}

/// The file that has the processor's settings, and these as JSON.
fn processor_text(folder: &Path) -> Result<(PathBuf, String), ModelError> {
    let path = folder.join("preprocessor_config.json");
    if let Some(text) = read_text(&path)? {
        return Ok((path, text));
    }
    let newer = folder.join("processor_config.json");
    let file: ProcessorFile = read_settings(&newer)?;
    let own = || file.processor.as_ref().and_then(genai::hd_settings);
    match file.image_processor.or_else(own) {
        Some(nested) => Ok((newer, nested.to_string())),
        None if file.processor.is_some() => Err(ModelError::Folder {
            path: newer,
            problem: "it lists the steps of onnxruntime-extensions, whose resizing isn't the model's own"
                .into(),
            remedy: "Put the model's `preprocessor_config.json` beside it".into(),
        }),
        None => Err(missing(&path)),
    }
}

/// A file's text; `None` if there is no such file.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(path, error.to_string())),
    }
}

/// A file of settings; the default where there is none.
///
/// # Errors
///
/// [`ModelError::Folder`] if it is torn.
pub(crate) fn read_settings<T: Default + for<'a> Deserialize<'a>>(path: &Path) -> Result<T, ModelError> {
    match read_text(path)? {
        Some(text) => serde_json::from_str(&text).map_err(|error| bad(path, error.to_string())),
        None => Ok(T::default()),
    }
}

/// The folder must be there.
pub(crate) fn check_folder(path: &Path) -> Result<(), ModelError> {
    if path.is_dir() {
        return Ok(());
    }
    Err(ModelError::Folder {
        path: path.to_owned(),
        problem: "there is no such folder".into(),
        remedy: "Name a folder that holds `config.json` and `onnx/`, or `bundled:glance`".into(),
    })
}

fn read_required(path: &Path) -> Result<String, ModelError> {
    read_text(path)?.ok_or_else(|| missing(path))
}

pub(crate) fn parse_required<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, ModelError> {
    serde_json::from_str(&read_required(path)?).map_err(|error| bad(path, error.to_string()))
}

pub(crate) fn missing(path: &Path) -> ModelError {
    ModelError::Folder {
        path: path.to_owned(),
        problem: "it is missing".into(),
        remedy: "Fetch it from the model's own repository, or export the model again".into(),
    }
}

pub(crate) fn bad(path: &Path, problem: String) -> ModelError {
    ModelError::Folder {
        path: path.to_owned(),
        problem,
        remedy: "Compare it with the file in the model's own repository".into(),
    }
}
