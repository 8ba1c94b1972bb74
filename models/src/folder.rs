//! A model's folder: the community's layout, read into typed structs before any session is opened.
//!
//! The layout is the one of transformers.js: `config.json`, `tokenizer.json`, a chat template, an image
//! processor's configuration, and `onnx/<session><suffix>.onnx`. A `percept.toml` may add what only this
//! program asks for.

mod added_tokens;
mod config;
mod percept;
mod precision;
mod video;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tokenizers::Tokenizer;

use crate::{
    ModelError, dual_encoder,
    family::{self, Family},
    processor::{Backend, ImageProcessor, VideoProcessor},
    template::ChatTemplate,
};
pub(crate) use added_tokens::added_token;
pub use config::{ModelConfig, TextConfig};
pub use percept::{DialectKind, FolderSettings};
pub(crate) use precision::{Graphs, choose, notes};
pub use precision::{Precision, SessionFile};

/// Everything of a model but its sessions.
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// `config.json`, as meant.
    pub config: ModelConfig,
    /// `percept.toml`, as meant.
    pub settings: FolderSettings,
    /// What its family knows.
    pub family: Box<dyn Family>,
    /// From images to pixels.
    pub processor: ImageProcessor,
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
}

impl ModelFolder {
    /// Reads a folder, its sessions in the precision that is asked for where they have it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] naming the file that is missing, torn or contradicts another, and what to do.
    pub fn open(path: &Path, precision: Option<&Precision>) -> Result<Self, ModelError> {
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
        let config = ModelConfig::of_folder(path)?;
        let family = family::of_folder(path, &config)?;
        let sessions = choose(path, &family.sessions(), precision)?;
        let tokenizer = read_tokenizer(path)?;
        let settings = FolderSettings::of_folder(path)?;
        let processor = read_processor(path, settings.image_backend)?;
        let template = ChatTemplate::of_folder_or(path, family.template())?;
        let video_template = family
            .video_template()
            .map(|text| template.with_the_same_tokens(text).map(Box::new))
            .transpose()?;
        let folder = Self {
            path: path.to_owned(),
            processor,
            video: video::read(path, family.as_ref(), video_template.as_deref().unwrap_or(&template))?,
            video_template,
            settings,
            template,
            notes: notes(&sessions, precision),
            config,
            family,
            tokenizer,
            sessions,
        };
        folder.check_processor()?;
        folder.check_tokens()?;
        Ok(folder)
    }

    /// Pictures and patches are fed in different ways: a processor of the other kind would be noticed late.
    fn check_processor(&self) -> Result<(), ModelError> {
        let gives_patches = matches!(self.processor, ImageProcessor::Patched(_) | ImageProcessor::Naflex(_));
        if gives_patches == self.family.takes_patches() {
            return Ok(());
        }
        let (gives, takes) = if gives_patches { ("patches", "pictures") } else { ("pictures", "patches") };
        Err(ModelError::Folder {
            path: self.path.join("preprocessor_config.json"),
            problem: format!(
                "its image processor gives {gives}, a `{}` model takes {takes}",
                self.family.name()
            ),
            remedy: "Take it and `config.json` from the same model".into(),
        })
    }

    /// The file of a session.
    pub(crate) fn session(&self, name: &str) -> Result<&SessionFile, ModelError> {
        let found = self.sessions.iter().find(|file| file.session == name);
        found.ok_or_else(|| missing(&self.path.join("onnx").join(format!("{name}.onnx"))))
    }

    /// Every token that ends a reply: the configuration's, the tokenizer's and the family's.
    pub(crate) fn end_tokens(&self) -> Vec<u32> {
        let named = self
            .template
            .special_token("eos_token")
            .into_iter()
            .chain(self.family.end_tokens().iter().copied());
        let mut tokens: Vec<u32> = named
            .filter_map(|text| self.tokenizer.token_to_id(text))
            .chain(self.config.end_tokens.clone())
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// A tokenizer of another model gives prompts that mean nothing: noticed here, not in the replies.
    fn check_tokens(&self) -> Result<(), ModelError> {
        let path = self.path.join("tokenizer.json");
        let contradiction = |problem: String| ModelError::Folder {
            path: path.clone(),
            problem,
            remedy: "Take `tokenizer.json` and `config.json` from the same model".into(),
        };
        let token = self.family.image_token();
        let id = self.tokenizer.token_to_id(token);
        if id != Some(self.config.image_token_id) {
            return Err(contradiction(format!(
                "its image token `{token}` has {}, `config.json` says {}",
                id.map_or("no id".into(), |id| format!("the id {id}")),
                self.config.image_token_id
            )));
        }
        let largest = self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0) as usize;
        match self.config.text.vocabulary {
            Some(vocabulary) if largest >= vocabulary => Err(contradiction(format!(
                "it has a token {largest}, but the model has only {vocabulary} (`vocab_size` in `config.json`)"
            ))),
            _ => Ok(()),
        }
    }
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
#[derive(Deserialize)]
struct ProcessorFile {
    image_processor: Option<serde_json::Value>,
}

/// The image processor.
pub(crate) fn read_processor(folder: &Path, backend: Option<Backend>) -> Result<ImageProcessor, ModelError> {
    let (path, text) = processor_text(folder)?;
    ImageProcessor::from_json_as(&text, backend).map_err(|problem| bad(&path, problem))
}

/// The file that has the processor's settings, and these as JSON.
fn processor_text(folder: &Path) -> Result<(PathBuf, String), ModelError> {
    let path = folder.join("preprocessor_config.json");
    if let Some(text) = read_text(&path)? {
        return Ok((path, text));
    }
    let newer = folder.join("processor_config.json");
    let nested = match read_text(&newer)? {
        Some(text) => {
            serde_json::from_str::<ProcessorFile>(&text)
                .map_err(|error| bad(&newer, error.to_string()))?
                .image_processor
        }
        None => None,
    };
    let nested = nested.ok_or_else(|| missing(&path))?;
    Ok((newer, nested.to_string()))
}

/// A file's text; `None` if there is no such file.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(path, error.to_string())),
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
