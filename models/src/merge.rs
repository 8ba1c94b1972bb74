//! Model merging: one model's weights made of two, without training.
//!
//! It is done on the exported graphs. The merged files are copies of the first model's in which the numbers of each
//! floating-point weight are others. A piece of one weight is in memory at a time, and a whole weight in some ten copies
//! where the method looks at it as one vector (all but the mean); never a model.

mod copies;
mod folder;
mod graph;
mod method;
mod numbers;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use copies::{Copies, cannot_write};
use graph::{Graph, Place, Weight, kind_name};
pub use method::MergeMethod;
use numbers::Numbers;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{ModelError, Precision, folder::bad};

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
        let [is_file, other] = [&self.a, &self.b].map(|path| path.is_file());
        if is_file != other {
            return Err(ModelError::Request(
                "one is a folder and the other a file: name two of a kind".into(),
            ));
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
        [a, b]: [&Path; 2],
        base: Option<&Path>,
        to: &Path,
        copies: &mut Copies,
    ) -> Result<MergedGraph, ModelError> {
        let graph = Graph::open(a)?;
        let others = [Some(b), base].into_iter().flatten().map(Graph::open).collect::<Result<Vec<_>, _>>()?;
        for other in &others {
            if let Some(difference) = graph.difference(other) {
                let problem = format!("it can't be merged with {}: {difference}", other.path.display());
                return Err(ModelError::Folder {
                    path: a.to_owned(),
                    problem,
                    remedy: "Only models of one architecture, exported in the same way, can be merged".into(),
                });
            }
        }
        copies.copy(a, to)?;
        let mut counted = MergedGraph::default();
        for (index, weight) in graph.weights.iter().enumerate() {
            if self.cancel.is_cancelled() {
                return Err(ModelError::Interrupted);
            }
            if !copies.has(&weight.place.file) {
                // Its name stays: the graph refers to it.
                let beside = to.with_file_name(weight.place.file.file_name().unwrap_or_default());
                copies.copy(&weight.place.file, &beside)?;
            }
            let others: Vec<_> = others.iter().map(|graph| &graph.weights[index]).collect();
            if self.weight_into(copies, weight, &others, index as u64)? {
                counted.merged += 1;
            } else {
                counted.equal += 1;
            }
        }
        Ok(counted)
    }

    /// Merges one weight with the second model's, and the base's; `false` if it is the same in all.
    fn weight_into(
        &self,
        copies: &mut Copies,
        weight: &Weight,
        others: &[&Weight],
        index: u64,
    ) -> Result<bool, ModelError> {
        let wrong = |problem: String| {
            let path = weight.place.file.clone();
            let problem = format!("the weight `{}` {problem}", weight.name);
            let remedy = "Merge files in full or half precision (--precision fp32, fp16), and quantise what comes of it";
            ModelError::Folder { path, problem, remedy: remedy.into() }
        };
        if others.iter().any(|other| other.place.length() != weight.place.length()) {
            return Err(wrong("isn't whole".into()));
        }
        // Numbers of a mean don't know of each other: a piece at a time is enough.
        let piece = if self.method == MergeMethod::Linear { PIECE } else { u64::MAX };
        let mut is_other = false;
        for part in weight.place.parts(piece) {
            let own = numbers_at(&weight.place, &part)?;
            let theirs =
                others.iter().map(|other| numbers_at(&other.place, &part)).collect::<Result<Vec<_>, _>>()?;
            if theirs.iter().all(|theirs| *theirs == own) {
                continue;
            }
            is_other = true;
            let Some(form) = Numbers::of(weight.kind) else {
                return Err(wrong(format!("differs, and is of the type {}", kind_name(weight.kind))));
            };
            // A hostile shape may say more than any memory holds.
            let count = weight.shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side));
            if count.and_then(|count| count.checked_mul(form.bytes())) != Some(weight.place.length()) {
                return Err(wrong("isn't whole".into()));
            }
            let read = |bytes: &Vec<u8>| form.read(bytes).ok_or_else(|| wrong("isn't whole".into()));
            let (a, theirs) = (read(&own)?, theirs.iter().map(read).collect::<Result<Vec<_>, _>>()?);
            let base = theirs.get(1).map_or(&[][..], Vec::as_slice);
            if a.iter().chain(theirs.iter().flatten()).any(|number| !number.is_finite()) {
                return Err(wrong("holds a number that isn't finite".into()));
            }
            let merged = form.write(&self.method.merge(&a, &theirs[0], base, self.weight, index));
            if form.read(&merged).is_none_or(|merged| merged.iter().any(|number| !number.is_finite())) {
                let kind = kind_name(weight.kind);
                return Err(wrong(format!("comes to a number that is too large for {kind}")));
            }
            copies.put(&weight.place.file, weight.place.bytes.start + part.start, &merged)?;
        }
        Ok(is_other)
    }
}

/// So many bytes of a weight are in memory at a time where its numbers are independent; whole numbers of every type.
const PIECE: u64 = 8 << 20;

/// Some of the bytes of a weight's numbers.
fn numbers_at(place: &Place, part: &Range<u64>) -> Result<Vec<u8>, ModelError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut source = File::open(&place.file)?;
        source.seek(SeekFrom::Start(place.bytes.start + part.start))?;
        let mut numbers = Vec::new();
        source.take(part.end - part.start).read_to_end(&mut numbers)?;
        Ok(numbers)
    };
    read().map_err(|error| bad(&place.file, error.to_string()))
}

/// Where something is made before it has its name.
fn unfinished(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.{:08x}.unfinished", rand::random::<u32>()))
}
