//! How a folder is laid out: who wrote it, and so where its graphs are and what these call their ports.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Component, Path, PathBuf},
};

use percept_runtime::DecoderNames;
use serde::Serialize;

use super::{
    FolderSettings, Graphs, ModelConfig, Precision, SessionFile, Weights,
    genai::{self, GenaiConfig},
    missing,
};
use crate::ModelError;

/// Who wrote a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutKind {
    /// The community's, as transformers.js reads it: `onnx/<session><suffix>.onnx`.
    Community,
    /// onnxruntime-genai's: `genai_config.json` names the graphs and their ports.
    Genai,
    /// `[sessions]` in `percept.toml` names some graphs; the others are the community's.
    Manifest,
}

impl fmt::Display for LayoutKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Community => "transformers.js",
            Self::Genai => "onnxruntime-genai",
            Self::Manifest => "percept.toml",
        })
    }
}

/// A layout with what it says.
#[derive(Debug)]
pub(crate) enum Layout {
    Community,
    Genai(Box<GenaiConfig>),
    Manifest(BTreeMap<String, String>),
}

impl Layout {
    /// The layout of a folder: what `percept.toml` names counts first; a folder that has an `onnx/` beside
    /// `genai_config.json` is the community's.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if `genai_config.json` is torn.
    pub(crate) fn of_folder(folder: &Path, settings: &FolderSettings) -> Result<Self, ModelError> {
        Self::of(folder, settings, folder.join("onnx").is_dir())
    }

    /// The same of a folder whose graphs may not be there yet, by whether it will have an `onnx/`.
    ///
    /// # Errors
    ///
    /// Those of [`Layout::of_folder`].
    pub(crate) fn of(folder: &Path, settings: &FolderSettings, has_onnx: bool) -> Result<Self, ModelError> {
        if !settings.sessions.is_empty() {
            return Ok(Self::Manifest(settings.sessions.clone()));
        }
        if has_onnx {
            return Ok(Self::Community);
        }
        Ok(GenaiConfig::of_folder(folder)?.map_or(Self::Community, |genai| Self::Genai(Box::new(genai))))
    }

    /// Who wrote it.
    pub(crate) fn kind(&self) -> LayoutKind {
        match self {
            Self::Community => LayoutKind::Community,
            Self::Genai(_) => LayoutKind::Genai,
            Self::Manifest(_) => LayoutKind::Manifest,
        }
    }

    /// The model's configuration, where this layout has its say in it.
    ///
    /// # Errors
    ///
    /// Those of [`ModelConfig::of_folder`].
    pub(crate) fn config(&self, folder: &Path, settings: &FolderSettings) -> Result<ModelConfig, ModelError> {
        let mut config = ModelConfig::of_folder(folder, settings.family.as_deref())?;
        if let Self::Genai(genai) = self {
            genai.lay_over(&mut config);
        }
        if let Some(turns_at) = config.text.turns_at {
            config.text.context = config.text.context.min(turns_at);
        }
        // One as long as the whole context hides nothing (Phi-3.5-vision's).
        let context = config.text.context;
        config.text.sliding_window = config.text.sliding_window.filter(|window| *window < context);
        Ok(config)
    }

    /// Which of a family's sets of sessions the folder has.
    pub(crate) fn set<'a, 'b>(&self, folder: &Path, sets: &'a [Vec<&'b str>]) -> &'a [&'b str] {
        self.set_of(&Graphs::of_folder(folder), sets)
    }

    /// The same of a folder that has, or will have, these graphs.
    pub(crate) fn set_of<'a, 'b>(&self, graphs: &Graphs, sets: &'a [Vec<&'b str>]) -> &'a [&'b str] {
        let named = match self {
            Self::Community => return graphs.set(sets),
            Self::Genai(_) => None,
            Self::Manifest(named) => {
                let is_named = |session: &&str| named.contains_key(*session);
                let is_there = |session: &&str| is_named(session) || graphs.choose(&[*session], None).is_ok();
                let whole = sets.iter().find(|set| set.iter().any(is_named) && set.iter().all(is_there));
                whole.or_else(|| sets.iter().find(|set| set.iter().any(is_named)))
            }
        };
        named.or(sets.first()).map_or(&[], Vec::as_slice)
    }

    /// The files of a family's sessions, in the set that the folder has.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] naming the first session that has no file, or a session that the family doesn't know.
    pub(crate) fn sessions(
        &self,
        folder: &Path,
        sets: &[Vec<&str>],
        precision: Option<&Precision>,
    ) -> Result<Vec<SessionFile>, ModelError> {
        let sessions = self.set(folder, sets);
        self.check_names(folder, sessions)?;
        if matches!(self, Self::Community) {
            return Graphs::of_folder(folder).choose(sessions, precision);
        }
        let named = sessions.iter().map(|session| self.session(folder, session, precision));
        let found: Vec<SessionFile> = named.collect::<Result<_, _>>()?;
        match precision {
            Some(wanted) if !found.iter().any(|file| file.precision == *wanted) => Err(ModelError::Folder {
                path: folder.to_owned(),
                problem: format!("no session is there in `{wanted}`"),
                remedy: "Its files are named one by one, so there is one precision of each: ask for none"
                    .into(),
            }),
            _ => Ok(found),
        }
    }

    /// The file of one session.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if there is none.
    pub(crate) fn session(
        &self,
        folder: &Path,
        session: &str,
        precision: Option<&Precision>,
    ) -> Result<SessionFile, ModelError> {
        if let Some(path) = self.named(folder, session)? {
            return explicit(session, path);
        }
        let graphs = Graphs::of_folder(folder);
        // A session that isn't there in the precision that is asked for is there in another.
        let chosen = graphs.choose(&[session], precision).or_else(|_| graphs.choose(&[session], None))?;
        chosen.into_iter().next().ok_or_else(|| missing(&graphs.home().join(format!("{session}.onnx"))))
    }

    /// Where the file of a session is that this layout names, there or not; `None` if it is to be looked for.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if it should name one and doesn't, or one outside of the folder.
    pub(crate) fn named(&self, folder: &Path, session: &str) -> Result<Option<PathBuf>, ModelError> {
        let file = match self {
            Self::Community => None,
            Self::Genai(genai) => Some(genai.file(session).ok_or_else(|| ModelError::Folder {
                path: folder.join(genai::FILE),
                problem: format!("it names no graph for `{session}`"),
                remedy: GenaiConfig::key(session).map_or_else(
                    || {
                        "This layout has no such session: name the graph in `percept.toml`, `[sessions]`"
                            .into()
                    },
                    |key| format!("It would be `model.{key}.filename`"),
                ),
            })?),
            Self::Manifest(sessions) => sessions.get(session).map(String::as_str),
        };
        file.map(|file| Ok(folder.join(inside(folder, session, file)?))).transpose()
    }

    /// The graphs that this layout names, there or not, whatever the family.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if it names one outside of the folder.
    pub(crate) fn named_graphs(&self, folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
        let sessions: Vec<&str> = match self {
            Self::Community => Vec::new(),
            Self::Genai(genai) => genai.sessions().collect(),
            Self::Manifest(named) => named.keys().map(String::as_str).collect(),
        };
        let named = sessions.into_iter().map(|session| self.named(folder, session));
        named.filter_map(Result::transpose).collect()
    }

    /// A session that the family doesn't have would be left aside in silence.
    pub(crate) fn check_names(&self, folder: &Path, sessions: &[&str]) -> Result<(), ModelError> {
        let Self::Manifest(named) = self else { return Ok(()) };
        match named.keys().find(|name| !sessions.contains(&name.as_str())) {
            Some(unknown) => Err(ModelError::Folder {
                path: folder.join("percept.toml"),
                problem: format!("`[sessions]` names `{unknown}`, which this family doesn't have"),
                remedy: format!("Its sessions are {}", sessions.join(", ")),
            }),
            None => Ok(()),
        }
    }

    /// What the decoder calls its ports.
    pub(crate) fn decoder_names(&self) -> DecoderNames {
        match self {
            Self::Genai(genai) => genai.decoder_names(),
            _ => DecoderNames::default(),
        }
    }

    /// What the vision graph calls its ports: `(known, own)` where these differ.
    pub(crate) fn vision_names(&self) -> Vec<(String, String)> {
        match self {
            Self::Genai(genai) => genai.vision_names(),
            _ => Vec::new(),
        }
    }
}

/// A file that is named, in the precision that its weights are in.
fn explicit(session: &str, path: PathBuf) -> Result<SessionFile, ModelError> {
    let Ok(graph) = std::fs::metadata(&path) else { return Err(missing(&path)) };
    let weights = Weights::of_graph(&path)?;
    let data = weights.data.iter().filter_map(|path| std::fs::metadata(path).ok());
    let bytes = graph.len() + data.map(|data| data.len()).sum::<u64>();
    Ok(SessionFile { session: session.into(), path, precision: weights.precision(), bytes })
}

/// The path of a file in the folder. A folder may come from anywhere: it names no file outside of itself.
fn inside<'a>(folder: &Path, session: &str, file: &'a str) -> Result<&'a Path, ModelError> {
    let path = Path::new(file);
    if !file.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(path);
    }
    Err(ModelError::Folder {
        path: folder.join(PathBuf::from(file)),
        problem: format!("the file of `{session}` lies outside of the model's folder"),
        remedy: "Name a file in the folder, by its path from there".into(),
    })
}
