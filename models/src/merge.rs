//! Model merging: one model's weights made of two, without training.
//!
//! It is done on the exported graphs. The merged files are copies of the first model's in which the numbers of each
//! floating-point weight are others. A piece of one weight is in memory at a time, never a model; a method that looks at a
//! whole weight reads it more than once.

mod alike;
mod copies;
mod folder;
mod graph;
mod largest;
mod method;
mod numbers;
mod regions;
mod settings;
mod tensor;
mod weight;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alike::Alike;
use copies::{Copies, cannot_write};
pub use method::MergeMethod;
use regions::Regions;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{ModelError, Precision};

/// Two models to be made into one.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The first: a model folder, or one `.onnx` file.
    pub a: PathBuf,
    /// The second, of the same architecture.
    pub b: PathBuf,
    /// What both come from, for methods that need it.
    pub base: Option<PathBuf>,
    /// How.
    pub method: MergeMethod,
    /// The second's share, from 0 to 1.
    pub weight: f64,
    /// The precision of a folder's files that are merged, where a session has it; `None` merges every file.
    pub precision: Option<Precision>,
    /// Ends it before its end.
    pub cancel: CancellationToken,
}

/// What was merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Each graph, by its file's path from the folder, with `/`.
    pub graphs: BTreeMap<String, MergedGraph>,
    /// What a user should know: other files that differ between the two, and files of the first that were left out.
    pub notes: Vec<String>,
}

/// What was merged of one graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MergedGraph {
    /// Weights whose numbers were merged.
    pub merged: usize,
    /// Weights that are the same in both.
    pub equal: usize,
}

impl Merge {
    /// Merges, into a folder that isn't there yet. What can't be finished leaves nothing behind; a process that is killed on
    /// the way leaves a folder whose name begins with a dot and ends in `.unfinished`.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] for a share, a density or a base that makes no sense, and where the result can't be written;
    /// [`ModelError::Folder`] for files that
    /// are missing, torn, or of another architecture, which says where they differ; [`ModelError::Interrupted`] if it was
    /// cancelled.
    pub fn write(&self, to: &Path) -> Result<Merged, ModelError> {
        self.checked()?;
        if to.exists() {
            return Err(ModelError::Request(format!(
                "{} is there already: name another place",
                to.display()
            )));
        }
        let all = || [Some(&self.a), Some(&self.b), self.base.as_ref()].into_iter().flatten();
        if let Some(gone) = all().find(|path| !path.exists()) {
            return Err(ModelError::Folder {
                path: gone.clone(),
                problem: "there is no such file or folder".into(),
                remedy: "Name a model's folder, or one `.onnx` file".into(),
            });
        }
        if all().any(|path| path.is_file() != self.a.is_file()) {
            return Err(ModelError::Request("one is a folder and another a file: name all of a kind".into()));
        }
        let unfinished = unfinished(to);
        fs::create_dir(&unfinished).map_err(|error| cannot_write(to, &error))?;
        let merged = self.write_into(&unfinished).and_then(|merged| {
            fs::rename(&unfinished, to).map_err(|error| cannot_write(to, &error))?;
            Ok(merged)
        });
        if merged.is_err() {
            // What can't be taken away is at least named as what it is.
            let _ = fs::remove_dir_all(&unfinished);
        }
        merged
    }

    fn checked(&self) -> Result<(), ModelError> {
        let refused = |problem: &str| Err(ModelError::Request(problem.into()));
        if !(0.0..=1.0).contains(&self.weight) {
            return refused("the second model's share lies between 0 and 1");
        }
        if let MergeMethod::Ties { density } | MergeMethod::Dare { density, .. } = self.method
            && !(density > 0.0 && density <= 1.0)
        {
            return refused("a density lies above 0 and not above 1");
        }
        match (self.method.needs_base(), &self.base) {
            (true, None) => {
                refused("this method is about what each adds to a base: name the model that both come from")
            }
            (false, Some(_)) => refused("this method takes no base: leave it out, or take `ties` or `dare`"),
            _ => Ok(()),
        }
    }

    /// Merges one graph into a copy of the first, external data included.
    fn graph(
        &self,
        alike: &Alike,
        to: &Path,
        copies: &mut Copies,
        regions: &mut Regions,
    ) -> Result<MergedGraph, ModelError> {
        copies.copy(&alike.graph.path, to)?;
        let mut counted = MergedGraph::default();
        for (weight, others) in alike.weights() {
            if !copies.has(&weight.place.file) {
                // Its name stays: the graph refers to it.
                let beside = to.with_file_name(weight.place.file.file_name().unwrap_or_default());
                copies.copy(&weight.place.file, &beside)?;
            }
            if self.weight_into(copies, regions, weight, &others)? {
                counted.merged += 1;
            } else {
                counted.equal += 1;
            }
        }
        Ok(counted)
    }
}

/// So many bytes of a weight are in memory at a time; whole numbers of every type.
const PIECE: u64 = 8 << 20;

/// Where something is made before it has its name.
fn unfinished(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.{:08x}.unfinished", rand::random::<u32>()))
}
