//! The folders around the graphs: which files are merged, which must be the same, which are copied.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Merge, Merged};
use crate::{ModelError, folder::bad};

/// Where a model folder keeps its graphs.
const GRAPHS: &str = "onnx";

impl Merge {
    /// Merges every graph, or one alone, into a new folder.
    pub(super) fn write_into(&self, to: &Path) -> Result<Merged, ModelError> {
        fs::create_dir(to).map_err(|error| bad(to, error.to_string()))?;
        let mut merged = Merged::default();
        let base = self.base.as_ref().unwrap_or(&self.a);
        if self.a.is_file() {
            let name = self.a.file_name().unwrap_or_default();
            let graph = self.graph([&self.a, &self.b, base], &to.join(name))?;
            merged.graphs.insert(name.to_string_lossy().into_owned(), graph);
            return Ok(merged);
        }
        merged.notes = self.same_around(base)?;
        let graphs = to.join(GRAPHS);
        fs::create_dir(&graphs).map_err(|error| bad(&graphs, error.to_string()))?;
        for name in self.names()? {
            let [a, b, base] = [&self.a, &self.b, base].map(|folder| folder.join(GRAPHS).join(&name));
            let graph = self.graph([&a, &b, &base], &graphs.join(&name))?;
            merged.graphs.insert(name.to_string_lossy().into_owned(), graph);
        }
        copy_around(&self.a, to)?;
        Ok(merged)
    }

    /// The names of the graphs to merge.
    fn names(&self) -> Result<BTreeSet<OsString>, ModelError> {
        let folder = self.a.join(GRAPHS);
        let all: Vec<_> = entries(&folder)?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
            .collect();
        let wanted: BTreeSet<_> = match self.precision.as_deref() {
            None => all.iter().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect(),
            Some(precision) => all
                .iter()
                .filter(|path| is_of(path, precision))
                .filter_map(|path| path.file_name().map(ToOwned::to_owned))
                .collect(),
        };
        if wanted.is_empty() {
            return Err(ModelError::Folder {
                path: folder,
                problem: "it holds no graph of that precision".into(),
                remedy: "Name a precision that both models have, or none to merge every graph".into(),
            });
        }
        Ok(wanted)
    }

    /// What lies around the graphs must mean the same: a token must be the same word in both.
    fn same_around(&self, base: &Path) -> Result<Vec<String>, ModelError> {
        let mut notes = Vec::new();
        for other in [self.b.as_path(), base] {
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
        notes.dedup();
        Ok(notes)
    }
}

/// Whether a graph's file is of this precision: `decoder_fp16.onnx` of `fp16`, and `decoder.onnx` of `fp32`.
fn is_of(path: &Path, precision: &str) -> bool {
    const SUFFIXES: [&str; 9] = ["fp16", "int8", "uint8", "quantized", "q4", "q4f16", "bnb4", "q2", "q1"];
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let suffix = stem.rsplit_once('_').map(|(_, suffix)| suffix).filter(|suffix| SUFFIXES.contains(suffix));
    suffix.unwrap_or("fp32") == precision
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
