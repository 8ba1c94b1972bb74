//! The folders around the graphs: which files are merged, which are copied, which are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Alike, Merge, Merged, Regions,
    copies::{Copies, cannot_write, copied, settle},
};
use crate::{
    ModelError, Precision,
    folder::{FolderSettings, Layout, bad},
};

/// What a file of the first model's own weights in another form ends in.
const WEIGHTS: [&str; 10] =
    ["safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "gguf", "data", "onnx_data"];
/// What the first model alone answers, and the merged one needn't.
const GOLDENS: &str = "golden.json";

impl Merge {
    /// Merges every graph, or one alone, into an empty folder.
    pub(super) fn write_into(&self, to: &Path) -> Result<Merged, ModelError> {
        let (mut merged, mut copies) = (Merged::default(), Copies::new(self.cancel.clone()));
        let mut regions = Regions::default();
        if self.a.is_file() {
            let name = self.a.file_name().unwrap_or_default();
            let others: Vec<_> = std::iter::once(&self.b).chain(&self.base).cloned().collect();
            let alike = Alike::open(&self.a, &others, &self.cancel)?;
            let graph = self.graph(&alike, &to.join(name), &mut copies, &mut regions)?;
            merged.graphs.insert(name.to_string_lossy().into_owned(), graph);
        } else {
            merged.notes = self.same_around()?;
            let open = |path: PathBuf| {
                let others: Vec<_> =
                    std::iter::once(&self.b).chain(&self.base).map(|other| other.join(&path)).collect();
                Alike::open(&self.a.join(&path), &others, &self.cancel).map(|alike| (path, alike))
            };
            // All are looked at before the first is copied.
            let all = self.paths(&mut merged.notes)?.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
            for (path, alike) in &all {
                let graph = self.graph(alike, &to.join(path), &mut copies, &mut regions)?;
                merged.graphs.insert(slashed(path), graph);
            }
            merged.notes.extend(self.copy_around(to, &copies)?);
        }
        copies.finish()?;
        settle(to)?;
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
        let named: BTreeSet<_> = named_graphs(&self.a)?.into_iter().collect();
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
            // Without a file that is named the folder couldn't be opened; and it is what is taken of the session.
            let by_name: Vec<_> = files.iter().filter(|(_, path)| named.contains(path)).collect();
            if !by_name.is_empty() {
                for (precision, path) in by_name {
                    paths.insert(path.clone());
                    if precision != wanted {
                        let path = slashed(path);
                        notes.push(format!(
                            "{path} is merged as it is: the folder names it, whatever the precision"
                        ));
                    }
                }
                continue;
            }
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
}

fn nothing(folder: PathBuf, what: &str) -> ModelError {
    ModelError::Folder {
        path: folder,
        problem: format!("it holds {what}"),
        remedy: "Name a precision that both models have, or none to merge every graph".into(),
    }
}

/// The graphs of a model's folder, by their paths from it: in it, in its `onnx/`, and wherever its layout names one.
fn graphs(folder: &Path) -> Result<BTreeSet<PathBuf>, ModelError> {
    let inside = folder.join("onnx");
    let mut all = entries(folder)?;
    if inside.is_dir() {
        all.extend(entries(&inside)?);
    }
    all.retain(|path| path.extension() == Some(OsStr::new("onnx")) && path.is_file());
    let mut all: BTreeSet<_> =
        all.iter().filter_map(|path| path.strip_prefix(folder).ok().map(Path::to_owned)).collect();
    all.extend(named_graphs(folder)?);
    Ok(all)
}

/// The graphs that a folder's own settings name, by their paths from it.
fn named_graphs(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let layout = Layout::of_folder(folder, &FolderSettings::of_folder(folder)?)?;
    let named = layout.named_graphs(folder)?;
    Ok(named.iter().filter_map(|path| path.strip_prefix(folder).ok().map(Path::to_owned)).collect())
}

impl Merge {
    /// Copies what lies at the top of the first folder and isn't merged, but for its own weights and goldens; these, and what
    /// lies beside the graphs further down, are what is then said to be left out.
    fn copy_around(&self, to: &Path, merged: &Copies) -> Result<Option<String>, ModelError> {
        let mut left_out = BTreeSet::new();
        for path in entries(&self.a)?.into_iter().filter(|path| path.is_file() && !merged.has(path)) {
            let Some(name) = path.file_name() else { continue };
            let text = name.to_string_lossy();
            let is_weights =
                path.extension().and_then(OsStr::to_str).is_some_and(|end| WEIGHTS.contains(&end));
            if is_weights || text.contains(".onnx") || text == GOLDENS {
                left_out.insert(text.into_owned());
                continue;
            }
            let to = to.join(name);
            let copy = copied(&path, &to, &self.cancel)?;
            copy.sync_all().map_err(|error| cannot_write(&to, &error))?;
        }
        let homes = merged.files().filter_map(Path::parent).map(Path::to_owned).chain([self.a.join("onnx")]);
        for home in homes.filter(|home| *home != self.a && home.is_dir()).collect::<BTreeSet<_>>() {
            for path in entries(&home)?.into_iter().filter(|path| path.is_file() && !merged.has(path)) {
                left_out.extend(path.strip_prefix(&self.a).map(slashed).ok());
            }
        }
        let left_out: Vec<_> = left_out.into_iter().collect();
        let note = format!("left out, as true of the first model alone: {}", left_out.join(", "));
        Ok((!left_out.is_empty()).then_some(note))
    }
}

/// A path as it is told, with `/`.
fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let unreadable = |error: std::io::Error| bad(folder, error.to_string());
    fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(unreadable))
        .collect()
}
