//! The folders around the graphs: which files are merged, which must be the same, which are copied.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    Merge, Merged,
    copies::{Copies, copied},
};
use crate::{
    ModelError, Precision,
    folder::{FolderSettings, Layout, SETTINGS, bad},
};

/// What a file of the first model's own weights in another form ends in.
const WEIGHTS: [&str; 10] =
    ["safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "gguf", "data", "onnx_data"];
/// What the first model alone answers, and the merged one needn't.
const GOLDENS: &str = "golden.json";

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
        for path in self.paths(&mut merged.notes)? {
            let (a, b, base) = (self.a.join(&path), self.b.join(&path), base.map(|base| base.join(&path)));
            let graph = self.graph([&a, &b], base.as_deref(), &to.join(&path), &mut copies)?;
            merged.graphs.insert(path.to_string_lossy().replace('\\', "/"), graph);
        }
        copies.finish()?;
        merged.notes.extend(copy_around(&self.a, to, &copies)?);
        Ok(merged)
    }

    /// The graphs to merge, by their paths from the folder: all, or each session's in the precision that is asked for, where
    /// it has that, and else in the best that it has.
    fn paths(&self, notes: &mut Vec<String>) -> Result<BTreeSet<PathBuf>, ModelError> {
        let all = graphs(&self.a)?;
        if all.is_empty() {
            return Err(nothing(self.a.clone(), "no graph"));
        }
        let Some(wanted) = &self.precision else { return Ok(all) };
        let mut sessions: BTreeMap<PathBuf, Vec<(Precision, PathBuf)>> = BTreeMap::new();
        for path in all {
            let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
            let (session, precision) = Precision::told_by(stem);
            sessions.entry(path.with_file_name(session)).or_default().push((precision, path));
        }
        if !sessions.values().flatten().any(|(precision, _)| precision == wanted) {
            return Err(nothing(self.a.clone(), &format!("no graph in `{wanted}`")));
        }
        let mut paths = BTreeSet::new();
        for (session, files) in sessions {
            let best = files.into_iter().min_by_key(|(precision, _)| precision.distance(Some(wanted)));
            let Some((precision, path)) = best else { continue };
            if precision != *wanted {
                let session = session.file_name().unwrap_or_default().display();
                notes.push(format!("{session} is merged in {precision}: the folder has no {wanted} of it"));
            }
            paths.insert(path);
        }
        Ok(paths)
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
            if ours.as_ref().map(ways_of_a_tokenizer) != theirs.as_ref().map(ways_of_a_tokenizer) {
                notes.push(format!(
                    "tokenizer.json cuts or joins text otherwise in {}: the first model's is taken",
                    other.display()
                ));
            }
            for file in SETTINGS.into_iter().filter(|file| *file != "tokenizer.json") {
                if !same(&self.a.join(file), &other.join(file)) {
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

/// What a tokenizer does beside its words; padding and truncation are those of its training, and aren't used.
fn ways_of_a_tokenizer(tokenizer: &Value) -> BTreeMap<&String, &Value> {
    let aside = ["model", "added_tokens", "padding", "truncation", "version"];
    let ways = tokenizer.as_object().into_iter().flatten();
    ways.filter(|(key, value)| !aside.contains(&key.as_str()) && !value.is_null()).collect()
}

/// Whether two files of settings say the same, or neither is there.
fn same(one: &Path, other: &Path) -> bool {
    let (one, other) = (fs::read(one).ok(), fs::read(other).ok());
    let parsed = |bytes: &Option<Vec<u8>>| {
        bytes.as_deref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
    };
    one == other || parsed(&one).is_some_and(|one| Some(one) == parsed(&other))
}

/// The graphs of a model's folder, by their paths from it: in it, in its `onnx/`, and wherever its layout names one.
fn graphs(folder: &Path) -> Result<BTreeSet<PathBuf>, ModelError> {
    let inside = folder.join("onnx");
    let mut all = entries(folder)?;
    if inside.is_dir() {
        all.extend(entries(&inside)?);
    }
    all.retain(|path| path.extension() == Some(OsStr::new("onnx")) && path.is_file());
    let layout = Layout::of_folder(folder, &FolderSettings::of_folder(folder)?)?;
    all.extend(layout.named_graphs(folder)?);
    Ok(all.iter().filter_map(|path| path.strip_prefix(folder).ok().map(Path::to_owned)).collect())
}

/// Copies what lies at the top of the folder and isn't merged, but for the first model's own weights and goldens; these are
/// what is then said to be left out.
fn copy_around(from: &Path, to: &Path, merged: &Copies) -> Result<Option<String>, ModelError> {
    let mut left_out = BTreeSet::new();
    for path in entries(from)? {
        let Some(name) = path.file_name().filter(|_| path.is_file() && !merged.has(&path)) else { continue };
        let text = name.to_string_lossy();
        let is_weights = path.extension().and_then(OsStr::to_str).is_some_and(|end| WEIGHTS.contains(&end));
        if is_weights || text.contains(".onnx") || text == GOLDENS {
            left_out.insert(text.into_owned());
        } else {
            copied(&path, &to.join(name))?;
        }
    }
    let left_out: Vec<_> = left_out.into_iter().collect();
    let note = format!("left out, as true of the first model alone: {}", left_out.join(", "));
    Ok((!left_out.is_empty()).then_some(note))
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
