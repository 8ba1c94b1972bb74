//! Model merging: one model's weights made of two, without training.
//!
//! It is done on the exported graphs. The merged files are copies of the first model's in which the numbers of each
//! floating-point weight are others; one weight at a time is in memory, whatever the models' size.

mod folder;
mod graph;
mod method;
mod numbers;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use graph::{Graph, Place, Weight, kind_name};
pub use method::MergeMethod;
use numbers::Numbers;
use serde::Serialize;

use crate::{ModelError, folder::bad};

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
    /// The precision of a folder's files that are merged, by its suffix: `fp16`, `fp32`; `None` merges every file.
    pub precision: Option<String>,
}

/// What was merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Each graph, by its file's name.
    pub graphs: BTreeMap<String, MergedGraph>,
    /// What a user should know: other files that differ between the two.
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
    /// Merges, into a folder that isn't there yet. What can't be finished leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`ModelError::Request`] for a share, a density or a base that makes no sense; [`ModelError::Folder`] for files that
    /// are missing, torn, or of another architecture, which says where they differ.
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
        let merged = self.write_into(&unfinished).and_then(|merged| {
            fs::rename(&unfinished, to).map_err(|error| bad(to, error.to_string()))?;
            Ok(merged)
        });
        if merged.is_err() {
            // It may never have been made.
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
    fn graph(&self, [a, b, base]: [&Path; 3], to: &Path) -> Result<MergedGraph, ModelError> {
        let graphs = [Graph::open(a)?, Graph::open(b)?, Graph::open(base)?];
        for other in &graphs[1..] {
            if let Some(difference) = graphs[0].difference(other) {
                let problem = format!("it can't be merged with {}: {difference}", other.path.display());
                return Err(ModelError::Folder {
                    path: a.to_owned(),
                    problem,
                    remedy: "Only models of one architecture, exported in the same way, can be merged".into(),
                });
            }
        }
        let mut copies = Copies::new(a, to)?;
        let mut counted = MergedGraph::default();
        for (index, weight) in graphs[0].weights.iter().enumerate() {
            let others = [&graphs[1].weights[index], &graphs[2].weights[index]];
            if self.weight_into(&mut copies, weight, others, index as u64)? {
                counted.merged += 1;
            } else {
                counted.equal += 1;
            }
        }
        copies.finish()?;
        Ok(counted)
    }

    /// Merges one weight; `false` if it is the same in all.
    fn weight_into(
        &self,
        copies: &mut Copies,
        weight: &Weight,
        [b, base]: [&Weight; 2],
        index: u64,
    ) -> Result<bool, ModelError> {
        let bytes = [numbers_of(weight)?, numbers_of(b)?, numbers_of(base)?];
        copies.holds(&weight.place)?;
        if bytes[0] == bytes[1] && bytes[0] == bytes[2] {
            return Ok(false);
        }
        let wrong = |problem: String| {
            Err(ModelError::Folder {
            path: weight.place.file.clone(),
            problem: format!("the weight `{}` {problem}", weight.name),
            remedy: "Merge files in full or half precision (--precision fp32, fp16), and quantise what comes of it".into(),
        })
        };
        let Some(form) = Numbers::of(weight.kind) else {
            return wrong(format!("differs, and is of the type {}", kind_name(weight.kind)));
        };
        let read: Option<Vec<_>> = bytes.iter().map(|bytes| form.read(bytes)).collect();
        let Some(numbers) = read.filter(|read| read.iter().all(|numbers| numbers.len() == read[0].len()))
        else {
            return wrong("isn't whole".into());
        };
        if numbers.iter().flatten().any(|number| !number.is_finite()) {
            return wrong("holds a number that isn't finite".into());
        }
        let merged = self.method.merge(&numbers[0], &numbers[1], &numbers[2], self.weight, index);
        copies.put(&weight.place, &form.write(&merged))?;
        Ok(true)
    }
}

/// The bytes of a weight's numbers.
fn numbers_of(weight: &Weight) -> Result<Vec<u8>, ModelError> {
    let Place { file, bytes } = &weight.place;
    let read = || -> io::Result<Vec<u8>> {
        let mut source = File::open(file)?;
        source.seek(SeekFrom::Start(bytes.start))?;
        let mut numbers = Vec::new();
        source.take(bytes.end - bytes.start).read_to_end(&mut numbers)?;
        Ok(numbers)
    };
    read().map_err(|error| bad(file, error.to_string()))
}

/// The first model's graph and the files beside it, copied to be written into.
struct Copies {
    from: PathBuf,
    to: PathBuf,
    open: BTreeMap<PathBuf, File>,
}

impl Copies {
    fn new(from: &Path, to: &Path) -> Result<Self, ModelError> {
        let mut copies = Self { from: from.to_owned(), to: to.to_owned(), open: BTreeMap::new() };
        copies.copy(from)?;
        Ok(copies)
    }

    /// Where a file of the first model is copied to. External data keep their names: the graph refers to them.
    fn place(&self, file: &Path) -> PathBuf {
        if file == self.from {
            self.to.clone()
        } else {
            self.to.with_file_name(file.file_name().unwrap_or_default())
        }
    }

    fn copy(&mut self, file: &Path) -> Result<(), ModelError> {
        let to = self.place(file);
        let copied = || -> io::Result<File> {
            // The content alone: a file that may only be read makes a copy that may be written.
            let mut copy = OpenOptions::new().write(true).create_new(true).open(&to)?;
            io::copy(&mut File::open(file)?, &mut copy)?;
            Ok(copy)
        };
        let copy = copied().map_err(|error| bad(&to, error.to_string()))?;
        self.open.insert(file.to_owned(), copy);
        Ok(())
    }

    /// Makes sure that the file of this place is copied.
    fn holds(&mut self, place: &Place) -> Result<(), ModelError> {
        if self.open.contains_key(&place.file) { Ok(()) } else { self.copy(&place.file) }
    }

    fn put(&mut self, place: &Place, bytes: &[u8]) -> Result<(), ModelError> {
        self.holds(place)?;
        let to = self.place(&place.file);
        let Some(file) = self.open.get_mut(&place.file) else { return Ok(()) };
        let written = file.seek(SeekFrom::Start(place.bytes.start)).and_then(|_| file.write_all(bytes));
        written.map_err(|error| bad(&to, error.to_string()))
    }

    fn finish(self) -> Result<(), ModelError> {
        let synced =
            |(path, file): (&PathBuf, &File)| file.sync_all().map_err(|error| bad(path, error.to_string()));
        self.open.iter().try_for_each(synced)
    }
}

/// Where something is made before it has its name.
fn unfinished(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.{}.unfinished", std::process::id()))
}
