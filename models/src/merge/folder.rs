//! The folders around the graphs: which files are merged, which must be the same, which are copied.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Copies, Merge, Merged};
use crate::{ModelError, Precision, folder::bad};

/// Where a model folder keeps its graphs.
const GRAPHS: &str = "onnx";

impl Merge {
    /// Merges every graph, or one alone, into an empty folder.
    pub(super) fn write_into(&self, to: &Path) -> Result<Merged, ModelError> {
        let (mut merged, mut copies) = (Merged::default(), Copies::default());
        let base = self.base.as_deref();
        if self.a.is_file() {
            let name = self.a.file_name().unwrap_or_default();
            let graph = self.graph([&self.a, &self.b], base, &to.join(name), &mut copies)?;
            merged.graphs.insert(name.to_string_lossy().into_owned(), graph);
            copies.finish()?;
            return Ok(merged);
        }
        merged.notes = self.same_around()?;
        let graphs = to.join(GRAPHS);
        fs::create_dir(&graphs).map_err(|error| bad(&graphs, error.to_string()))?;
        for name in self.names(&mut merged.notes)? {
            let in_folder = |folder: &Path| folder.join(GRAPHS).join(&name);
            let (a, b, base) = (in_folder(&self.a), in_folder(&self.b), base.map(in_folder));
            let graph = self.graph([&a, &b], base.as_deref(), &graphs.join(&name), &mut copies)?;
            merged.graphs.insert(name.to_string_lossy().into_owned(), graph);
        }
        copies.finish()?;
        copy_around(&self.a, to)?;
        Ok(merged)
    }

    /// The names of the graphs to merge: all, or each session's in the precision that is asked for, where it has that, and
    /// else in the best that it has.
    fn names(&self, notes: &mut Vec<String>) -> Result<BTreeSet<OsString>, ModelError> {
        let folder = self.a.join(GRAPHS);
        let mut sessions: BTreeMap<String, Vec<(Precision, OsString)>> = BTreeMap::new();
        for path in entries(&folder)? {
            let (Some(stem), Some("onnx")) =
                (path.file_stem().and_then(OsStr::to_str), path.extension().and_then(OsStr::to_str))
            else {
                continue;
            };
            let (session, precision) = Precision::told_by(stem);
            let name = path.file_name().unwrap_or_default().to_owned();
            sessions.entry(session.to_owned()).or_default().push((precision, name));
        }
        let Some(wanted) = &self.precision else {
            let all = sessions.into_values().flatten().map(|(_, name)| name).collect::<BTreeSet<_>>();
            return if all.is_empty() { Err(nothing(folder, "no graph")) } else { Ok(all) };
        };
        if !sessions.values().flatten().any(|(precision, _)| precision == wanted) {
            return Err(nothing(folder, &format!("no graph in `{wanted}`")));
        }
        let mut names = BTreeSet::new();
        for (session, files) in sessions {
            let best = files.into_iter().min_by_key(|(precision, _)| precision.distance(Some(wanted)));
            let Some((precision, name)) = best else { continue };
            if precision != *wanted {
                notes.push(format!("{session} is merged in {precision}: the folder has no {wanted} of it"));
            }
            names.insert(name);
        }
        Ok(names)
    }

    /// What lies around the graphs must mean the same: a token must be the same word in both.
    fn same_around(&self) -> Result<Vec<String>, ModelError> {
        let mut notes = Vec::new();
        for other in [Some(&self.b), self.base.as_ref()].into_iter().flatten() {
            let (ours, theirs) =
                (json(&self.a.join("tokenizer.json"))?, json(&other.join("tokenizer.json"))?);
            let words =
                |tokenizer: &Value| (tokenizer.get("model").cloned(), tokenizer.get("added_tokens").cloned());
            if ours.as_ref().map(words) != theirs.as_ref().map(words) {
                return Err(ModelError::Folder {
                    path: other.join("tokenizer.json"),
                    problem: "it has other tokens than the first model's, so the same row means another word"
                        .into(),
                    remedy: "Only models with one vocabulary can be merged".into(),
                });
            }
            for file in ["config.json", "generation_config.json", "preprocessor_config.json", "percept.toml"]
            {
                let read = |folder: &Path| fs::read(folder.join(file)).ok();
                if read(&self.a) != read(other) {
                    notes.push(format!("{file} differs in {}: the first model's is taken", other.display()));
                }
            }
        }
        Ok(notes)
    }
}

fn nothing(folder: PathBuf, what: &str) -> ModelError {
    ModelError::Folder {
        path: folder,
        problem: format!("it holds {what}"),
        remedy: "Name a precision that both models have, or none to merge every graph".into(),
    }
}

/// Copies everything but the graphs.
fn copy_around(from: &Path, to: &Path) -> Result<(), ModelError> {
    for path in entries(from)? {
        let Some(name) = path.file_name() else { continue };
        if path.is_file() {
            fs::copy(&path, to.join(name)).map_err(|error| bad(&path, error.to_string()))?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let unreadable = |error: std::io::Error| bad(folder, error.to_string());
    fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(unreadable))
        .collect()
}

/// A JSON file; `None` if there is none.
fn json(path: &Path) -> Result<Option<Value>, ModelError> {
    let Some(text) = crate::folder::read_text(path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| bad(path, error.to_string()))
}
