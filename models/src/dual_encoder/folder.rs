//! A dual encoder's folder, read before any session is opened.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{config::EncoderConfig, family::EncoderFamily, local::TextReader};
use crate::{
    ModelError,
    folder::{
        FolderSettings, Graphs, Precision, SessionFile, check_data, check_folder, notes, part,
        read_processor, read_tokenizer,
    },
    processor::ImageProcessor,
};

/// The session of the text tower.
pub(super) const TEXT: &str = "text_model";
/// The session of the image tower.
pub(super) const VISION: &str = "vision_model";
/// The session of both towers and their logits.
pub(super) const JOINT: &str = "model";

/// Which graphs the towers are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderLayout {
    /// `text_model` and `vision_model`. Taken where both layouts are there in one precision: a joint graph runs both
    /// towers for either's result.
    Towers,
    /// `model` alone.
    Joint,
}

/// Everything of a dual encoder but its sessions.
pub struct EncoderFolder {
    /// Where it is.
    pub path: PathBuf,
    /// `config.json` and `tokenizer_config.json`, as meant.
    pub config: EncoderConfig,
    /// `percept.toml`, as meant.
    pub settings: FolderSettings,
    /// From images to pixels.
    pub processor: ImageProcessor,
    /// Which graphs the towers are in.
    pub layout: EncoderLayout,
    /// The sessions' files: the towers, or the joint graph.
    pub sessions: Vec<SessionFile>,
    /// The joint graph, where there is one.
    pub joint: Option<SessionFile>,
    /// What a user should know about the choice of files.
    pub notes: Vec<String>,
    pub(super) reader: TextReader,
}

/// As much of `config.json` as says what a folder holds.
#[derive(Debug, Deserialize)]
struct Kind {
    model_type: Option<String>,
}

/// The family of a folder, if it is a dual encoder's.
///
/// # Errors
///
/// [`ModelError::Folder`] if there is no such folder or its `config.json` can't be read.
pub(crate) fn belongs_here(path: &Path) -> Result<Option<EncoderFamily>, ModelError> {
    Ok(model_type(path)?.as_deref().and_then(EncoderFamily::of))
}

fn model_type(path: &Path) -> Result<Option<String>, ModelError> {
    check_folder(path)?;
    Ok(part::<Kind>(path)?.model_type)
}

impl EncoderFolder {
    /// Reads a folder, its sessions in the precision that is asked for where they have it.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] naming the file that is missing, torn, of another kind of model or contradicts
    /// another, and what to do.
    pub fn open(path: &Path, precision: Option<&Precision>) -> Result<Self, ModelError> {
        let model_type = model_type(path)?;
        let Some(family) = model_type.as_deref().and_then(EncoderFamily::of) else {
            return Err(ModelError::Folder {
                path: path.join("config.json"),
                problem: format!(
                    "`{}` isn't a model that puts images and texts into one space; hosted are {}",
                    model_type.unwrap_or_default(),
                    EncoderFamily::KNOWN
                ),
                remedy: "A model that answers in words is asked with `percept ask`".into(),
            });
        };
        let config = EncoderConfig::of_folder(path, family)?;
        let graphs = Graphs::of_folder(path);
        let (layout, sessions) = find_sessions(&graphs, precision)?;
        let joint = match layout {
            EncoderLayout::Joint => sessions.first().cloned(),
            EncoderLayout::Towers => {
                graphs.choose(&[JOINT], None).ok().and_then(|found| found.into_iter().next())
            }
        };
        let settings = FolderSettings::of_folder(path)?;
        let processor = read_processor(path, settings.image_backend)?;
        let reader = TextReader::new(&path.join("tokenizer.json"), read_tokenizer(path)?, &config)?;
        check_data(&sessions)?;
        let lowered =
            config.lower_case.then(|| "texts are read in lower case, as SigLIP 2 was trained".into());
        Ok(Self {
            path: path.to_owned(),
            processor,
            notes: notes(&sessions, precision).into_iter().chain(lowered).collect(),
            config,
            settings,
            layout,
            sessions,
            joint,
            reader,
        })
    }
}

/// The graphs that are needed of those that a repository has. A temperature that can't be assumed is measured in the joint
/// graph, so that comes too.
pub(crate) fn graphs_of(
    graphs: &Graphs,
    family: EncoderFamily,
    precision: Option<&Precision>,
) -> Result<Vec<SessionFile>, ModelError> {
    let (layout, mut sessions) = find_sessions(graphs, precision)?;
    if layout == EncoderLayout::Towers && family.assumed().is_none() {
        let joint = graphs.choose(&[JOINT], precision).or_else(|_| graphs.choose(&[JOINT], None));
        sessions.extend(joint.unwrap_or_default());
    }
    Ok(sessions)
}

/// The towers or the joint graph, whichever is there in the better precision; the towers where both are.
fn find_sessions(
    graphs: &Graphs,
    precision: Option<&Precision>,
) -> Result<(EncoderLayout, Vec<SessionFile>), ModelError> {
    let worst = |files: &[SessionFile]| files.iter().map(|file| file.precision.distance(precision)).max();
    match (graphs.choose(&[TEXT, VISION], precision), graphs.choose(&[JOINT], precision)) {
        (Ok(towers), Ok(joint)) if worst(&joint) < worst(&towers) => Ok((EncoderLayout::Joint, joint)),
        (Ok(towers), _) => Ok((EncoderLayout::Towers, towers)),
        (_, Ok(joint)) => Ok((EncoderLayout::Joint, joint)),
        (Err(towers), Err(_)) if [TEXT, VISION].iter().any(|tower| is_there(graphs, tower)) => Err(towers),
        // A precision that a joint graph lacks is the problem to tell where there is one.
        (_, Err(joint)) if is_there(graphs, JOINT) => Err(joint),
        _ => Err(ModelError::Folder {
            path: graphs.home().to_owned(),
            problem: format!("there is neither `{TEXT}.onnx` with `{VISION}.onnx` nor `{JOINT}.onnx`"),
            remedy: "Fetch them from the model's own repository, or export the model again".into(),
        }),
    }
}

/// Each session that the folder has or should have, and what is wrong with it: both towers where one is there, so that the one
/// that is missing is told beside it; else what [`find_sessions`] finds.
pub(crate) fn sessions_of(
    graphs: &Graphs,
    precision: Option<&Precision>,
) -> Vec<Result<SessionFile, ModelError>> {
    let error = match find_sessions(graphs, precision) {
        Ok((_, sessions)) => return sessions.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    if [TEXT, VISION].iter().filter(|tower| is_there(graphs, tower)).count() != 1 {
        // Nothing is there, or not in the precision that is asked for.
        return vec![Err(error)];
    }
    let one = |tower| {
        let found = graphs.choose(&[tower], precision).or_else(|_| graphs.choose(&[tower], None));
        found.map(|mut found| found.swap_remove(0))
    };
    [TEXT, VISION].map(one).into()
}

/// Whether a session is there in any precision.
fn is_there(graphs: &Graphs, session: &str) -> bool {
    graphs.choose(&[session], None).is_ok()
}
