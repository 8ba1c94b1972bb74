//! Which of a session's files to take: a folder may hold each session in several precisions.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::missing;
use crate::ModelError;

/// The precisions of the community's folders, best first: the one taken where nothing is asked for is the
/// first that exists.
const PREFERRED: [&str; 9] = ["fp32", "fp16", "int8", "uint8", "quantized", "q4", "q4f16", "bnb4", "q2"];

/// A session's precision by the name that file names carry: `fp32` (no suffix), `fp16`, `q4`, ….
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Precision(String);

impl Precision {
    /// Full precision, whose files carry no suffix.
    pub fn full() -> Self {
        Self("fp32".into())
    }

    /// The precision of this name, which may be any suffix that a folder uses.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] if the name can't be part of a file name's suffix.
    pub fn named(name: &str) -> Result<Self, ModelError> {
        if name.is_empty()
            || !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        {
            return Err(ModelError::Request(format!(
                "`{name}` isn't a precision; usual ones are {}",
                PREFERRED.join(", ")
            )));
        }
        // transformers.js says `q8` where its files say `_quantized`.
        Ok(Self(if name == "q8" { "quantized" } else { name }.into()))
    }

    /// How far down the list of what would be taken it is: 0 for what is asked for.
    pub(crate) fn distance(&self, wanted: Option<&Precision>) -> usize {
        if wanted == Some(self) {
            return 0;
        }
        1 + PREFERRED.iter().position(|name| *name == self.0).unwrap_or(PREFERRED.len())
    }

    /// The session and the precision that a file's name, without `.onnx`, tells. A suffix that isn't a usual one belongs to
    /// the session's name.
    pub(crate) fn told_by(stem: &str) -> (&str, Self) {
        match stem.rsplit_once('_').filter(|(_, suffix)| PREFERRED.contains(suffix)) {
            Some((session, suffix)) => (session, Self(suffix.into())),
            None => (stem, Self::full()),
        }
    }

    fn file(&self, session: &str) -> String {
        if self.0 == "fp32" { format!("{session}.onnx") } else { format!("{session}_{}.onnx", self.0) }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session's file and the precision that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionFile {
    /// The session's name: `vision_encoder`, `embed_tokens`, ….
    pub session: String,
    /// The file.
    pub path: PathBuf,
    /// The precision in its name.
    pub precision: Precision,
    /// Its size in bytes, with the data files beside it.
    pub bytes: u64,
}

/// Finds each session's file: in the precision that is asked for where it exists, else in the best there is.
///
/// # Errors
///
/// [`ModelError::Folder`] if a session has no file, or no session has the precision that is asked for.
pub(crate) fn choose(
    folder: &Path,
    sessions: &[&str],
    wanted: Option<&Precision>,
) -> Result<Vec<SessionFile>, ModelError> {
    let home = if folder.join("onnx").is_dir() { folder.join("onnx") } else { folder.to_owned() };
    let preferred = PREFERRED.map(|name| Precision(name.into()));
    let mut found = Vec::new();
    for session in sessions {
        let order = wanted.into_iter().chain(&preferred);
        let file = order.into_iter().find_map(|precision| {
            let path = home.join(precision.file(session));
            let bytes =
                path.metadata().ok().filter(std::fs::Metadata::is_file)?.len() + external_bytes(&path);
            Some(SessionFile { session: (*session).into(), path, precision: precision.clone(), bytes })
        });
        found.push(file.ok_or_else(|| missing(&home.join(format!("{session}.onnx"))))?);
    }
    if let Some(wanted) = wanted
        && !found.iter().any(|file| file.precision == *wanted)
    {
        return Err(ModelError::Folder {
            path: home,
            problem: format!("no session is there in `{wanted}`"),
            remedy: format!("Files of that precision would be named like {}", wanted.file(sessions[0])),
        });
    }
    Ok(found)
}

/// The size of the data files that exporters put beside a graph: `<file>_data`, `<file>_data_1`, `<file>.data`.
fn external_bytes(path: &Path) -> u64 {
    let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
        return 0;
    };
    let beside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_data = |entry: &std::fs::DirEntry| {
        let other = entry.file_name();
        let rest = other.to_str().and_then(|other| other.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with("_data") || rest.starts_with(".data"))
    };
    beside.filter(is_data).filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// What a user should know about the choice: anything but full precision, and a wish that wasn't fulfilled.
pub(crate) fn notes(files: &[SessionFile], wanted: Option<&Precision>) -> Vec<String> {
    let mut notes = Vec::new();
    for SessionFile { session, precision, .. } in files {
        match wanted {
            Some(wanted) if precision != wanted => {
                notes.push(format!("{session} is in {precision}: the folder has no {wanted} of it"));
            }
            _ if *precision != Precision::full() => {
                notes.push(format!("{session} is in {precision}, not in full precision"));
            }
            _ => {}
        }
    }
    notes
}
