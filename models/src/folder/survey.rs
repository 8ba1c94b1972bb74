//! A look at a folder that stops at nothing: what it is, what it has, and everything that is missing or wrong.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    FolderSettings, Graphs, LayoutKind, ModelFolder, Precision, SessionFile, Weights, check_folder,
    layout::Layout, read_processor, read_tokenizer,
};
use crate::{
    ModelError,
    dual_encoder::{self, EncoderConfig, EncoderFamily, EncoderFolder},
    family::{self, Family},
    template::ChatTemplate,
};

/// What a folder is made of, read without a session.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// Where it is.
    pub path: PathBuf,
    /// How it is laid out, as far as it can be told.
    pub layout: Option<LayoutKind>,
    /// The model's family, as far as it can be told.
    pub family: Option<String>,
    /// The sessions whose graphs are there.
    pub sessions: Vec<SurveyedSession>,
    /// Everything that keeps it from being loaded.
    pub missing: Vec<Missing>,
}

/// A session's file and its weights.
#[derive(Debug, Clone, Serialize)]
pub struct SurveyedSession {
    /// The file.
    #[serde(flatten)]
    pub file: SessionFile,
    /// Its weights.
    pub weights: Weights,
}

/// Something that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What the reader can do.
    pub remedy: String,
}

impl Survey {
    /// Looks at a folder, its sessions in the precision that is asked for where they have it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if there is no such folder; whatever else is wrong is in the result.
    pub fn of_folder(path: &Path, precision: Option<&Precision>) -> Result<Self, ModelError> {
        check_folder(path)?;
        let mut survey = Self {
            path: path.to_owned(),
            layout: None,
            family: None,
            sessions: Vec::new(),
            missing: Vec::new(),
        };
        if let Ok(Some(family)) = dual_encoder::belongs_here(path) {
            survey.encoder(path, family, precision);
            return Ok(survey);
        }
        let settings = survey.take(FolderSettings::of_folder(path)).unwrap_or_default();
        let mut family = None;
        if let Some(layout) = survey.take(Layout::of_folder(path, &settings)) {
            survey.layout = Some(layout.kind());
            family = survey.sessions(path, &layout, &settings, precision);
        }
        survey.take(read_tokenizer(path));
        if family.as_ref().is_none_or(|family| family.sees()) {
            survey.take(read_processor(path, settings.image_backend));
        }
        survey.take(ChatTemplate::of_folder_or(path, family.as_ref().and_then(|family| family.template())));
        if survey.missing.is_empty() {
            // Each file alone is there and whole: do they fit each other?
            survey.take(ModelFolder::open(path, precision));
        }
        Ok(survey)
    }

    /// Bytes of all weights.
    pub fn weight_bytes(&self) -> u64 {
        self.sessions.iter().map(|session| session.weights.bytes()).sum()
    }

    fn sessions(
        &mut self,
        path: &Path,
        layout: &Layout,
        settings: &FolderSettings,
        precision: Option<&Precision>,
    ) -> Option<Box<dyn Family>> {
        let config = self.take(layout.config(path, settings));
        if let Some(config) = &config {
            self.take(config.check_context(path));
        }
        let family = config.and_then(|config| self.take(family::of_folder(path, &config)));
        self.family = family.as_ref().map(|family| family.name().to_owned());
        // Without a family it isn't known which sessions there should be; these are in nearly all.
        let usual = vec![family::VISION_ENCODER, family::EMBED_TOKENS, family::DECODER];
        let sets = family.as_ref().map_or(vec![usual], |family| family.session_sets());
        let names = layout.set(path, &sets);
        self.take(layout.check_names(path, names));
        for name in names {
            let Some(file) = self.take(layout.session(path, name, precision)) else { continue };
            self.session(file);
        }
        family
    }

    fn session(&mut self, file: SessionFile) {
        let Some(weights) = self.take(Weights::of_graph(&file.path)) else { return };
        for wrong in weights.torn() {
            self.take::<()>(Err(wrong));
        }
        self.sessions.push(SurveyedSession { file, weights });
    }

    /// Looks at a folder of a model that puts images and texts into one space.
    fn encoder(&mut self, path: &Path, family: EncoderFamily, precision: Option<&Precision>) {
        self.family = Some(family.name().to_owned());
        self.layout = Some(LayoutKind::Community);
        let sought = dual_encoder::sessions_of(&Graphs::of_folder(path), precision);
        for found in sought {
            if let Some(file) = self.take(found) {
                self.session(file);
            }
        }
        let settings = self.take(FolderSettings::of_folder(path)).unwrap_or_default();
        self.take(EncoderConfig::of_folder(path, family));
        self.take(read_processor(path, settings.image_backend));
        self.take(read_tokenizer(path));
        if self.missing.is_empty() {
            self.take(EncoderFolder::open(path, precision));
        }
    }

    /// What is there; what isn't is noted, each problem of a file once.
    fn take<T>(&mut self, result: Result<T, ModelError>) -> Option<T> {
        let missing = match result {
            Ok(found) => return Some(found),
            Err(ModelError::Folder { path, problem, remedy }) => Missing { path, problem, remedy },
            Err(other) => {
                let remedy = "See the README for what a model's folder holds".into();
                Missing { path: self.path.clone(), problem: other.to_string(), remedy }
            }
        };
        let is_known = |known: &Missing| known.path == missing.path && known.problem == missing.problem;
        if !self.missing.iter().any(is_known) {
            self.missing.push(missing);
        }
        None
    }
}
