//! Which of a session's files to take: a folder may hold each session in several precisions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::missing;
use crate::ModelError;

/// The precisions of the community's folders, best first: the one taken where nothing is asked for is the
/// first that exists.
const PREFERRED: [&str; 9] = ["fp32", "fp16", "int8", "uint8", "quantized", "q4", "q4f16", "bnb4", "q2"];

/// What names of precisions begin with, before the bits.
const NUMBERS: [&str; 9] = ["fp", "bf", "f", "int", "uint", "q", "iq", "nf", "bnb"];

/// A session's precision by the name that file names carry: `fp32` (no suffix), `fp16`, `q4`, ….
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Precision(pub(super) String);

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

    /// The session and the precision that a file's name, without `.onnx`, tells. A suffix that is neither a usual one nor
    /// formed like one (`q8f16`, `int4`) belongs to the session's name.
    pub(crate) fn told_by(stem: &str) -> (&str, Self) {
        match stem.rsplit_once('_').filter(|(_, suffix)| is_precision(suffix)) {
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

/// The graphs of one folder with the data beside them: on the disk, or in the listing of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Graphs {
    /// The folder that holds them.
    home: PathBuf,
    /// Sizes in bytes by file name.
    files: BTreeMap<String, u64>,
}

impl Graphs {
    /// Those of a model's folder: in its `onnx/` if there is one.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let home = if folder.join("onnx").is_dir() { folder.join("onnx") } else { folder.to_owned() };
        let entries = std::fs::read_dir(&home).into_iter().flatten().flatten();
        let files = entries.filter_map(|entry| {
            // Not the entry's own metadata: in a cache that programs share it is a link.
            let metadata = std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.file_name().into_string().ok()?, metadata.len()))
        });
        Self { files: files.collect(), home }
    }

    /// Those of a model's folder that isn't there yet, from the paths in it (with `/`) and their sizes.
    pub(crate) fn of_listing<'a>(
        folder: &Path,
        listing: impl Iterator<Item = (&'a str, u64)> + Clone,
    ) -> Self {
        let within = listing.clone().filter_map(|(path, bytes)| Some((path.strip_prefix("onnx/")?, bytes)));
        let (home, files): (_, BTreeMap<_, _>) = if within.clone().next().is_some() {
            (folder.join("onnx"), named(within))
        } else {
            (folder.to_owned(), named(listing))
        };
        Self { home, files }
    }

    /// The folder that holds them.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Finds each session's file: in the precision that is asked for where it exists, else in the best there is.
    ///
    /// # Errors
    ///
    /// [`ModelError::Folder`] if a session has no file, or no session has the precision that is asked for.
    pub(crate) fn choose(
        &self,
        sessions: &[&str],
        wanted: Option<&Precision>,
    ) -> Result<Vec<SessionFile>, ModelError> {
        let preferred = PREFERRED.map(|name| Precision(name.into()));
        let mut found = Vec::new();
        for session in sessions {
            let order = wanted.into_iter().chain(&preferred);
            let file = order.into_iter().find_map(|precision| {
                let name = precision.file(session);
                let bytes = self.files.get(&name)? + self.data_of(&name).map(|(_, bytes)| bytes).sum::<u64>();
                let path = self.home.join(name);
                Some(SessionFile { session: (*session).into(), path, precision: precision.clone(), bytes })
            });
            found.push(file.ok_or_else(|| self.lacks(session))?);
        }
        if let Some(wanted) = wanted
            && !found.iter().any(|file| file.precision == *wanted)
        {
            let there: Vec<_> = self.precisions(sessions).into_iter().collect();
            return Err(ModelError::Folder {
                path: self.home.clone(),
                problem: format!("no session is there in `{wanted}`"),
                remedy: format!(
                    "There is {}; files of `{wanted}` would be named like {}",
                    there.join(", "),
                    wanted.file(sessions.first().unwrap_or(&"model"))
                ),
            });
        }
        Ok(found)
    }

    /// A session that isn't there in what is asked for, nor in what is taken unasked: missing, or there in another precision.
    fn lacks(&self, session: &str) -> ModelError {
        let path = self.home.join(format!("{session}.onnx"));
        let there: Vec<_> =
            self.precisions(&[session]).into_iter().filter(|suffix| is_precision(suffix)).collect();
        let Some(first) = there.first() else { return missing(&path) };
        ModelError::Folder {
            path,
            problem: format!(
                "this session is there in {} alone, which isn't taken unasked",
                there.join(", ")
            ),
            remedy: format!("Ask for it: FOLDER#{first}, or --precision {first}"),
        }
    }

    /// The files of the first of these sets of sessions that is there.
    ///
    /// # Errors
    ///
    /// Those of [`Graphs::choose`], about the first set where none is there.
    pub(crate) fn choose_set(
        &self,
        sets: &[Vec<&str>],
        wanted: Option<&Precision>,
    ) -> Result<Vec<SessionFile>, ModelError> {
        self.choose(self.set(sets), wanted)
    }

    /// The first set of sessions that is there whole, or else the usual one, whose missing files are then named.
    pub(crate) fn set<'a, 'b>(&self, sets: &'a [Vec<&'b str>]) -> &'a [&'b str] {
        let is_there = |set: &&Vec<&str>| {
            set.iter().all(|session| self.files.keys().any(|name| precision_of(name, session).is_some()))
        };
        sets.iter().find(is_there).or(sets.first()).map_or(&[], Vec::as_slice)
    }

    /// The files that a choice takes, data included, as paths beneath the model's folder.
    pub(crate) fn files_of(&self, chosen: &[SessionFile]) -> Vec<PathBuf> {
        let names = chosen.iter().filter_map(|file| file.path.file_name()?.to_str());
        let all =
            names.flat_map(|name| std::iter::once(name).chain(self.data_of(name).map(|(data, _)| data)));
        all.map(|name| self.home.join(name)).collect()
    }

    /// The data files that exporters put beside a graph: `<file>_data`, `<file>_data_1`, `<file>.data`.
    fn data_of<'a>(&'a self, graph: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let is_data = move |name: &str| {
            let rest = name.strip_prefix(graph);
            rest.is_some_and(|rest| rest.starts_with("_data") || rest.starts_with(".data"))
        };
        self.files.iter().filter(move |(name, _)| is_data(name)).map(|(name, bytes)| (name.as_str(), *bytes))
    }

    /// The precisions that any of the sessions is there in.
    fn precisions(&self, sessions: &[&str]) -> BTreeSet<&str> {
        self.files
            .keys()
            .flat_map(|name| sessions.iter().filter_map(|session| precision_of(name, session)))
            .collect()
    }
}

fn named<'a>(files: impl Iterator<Item = (&'a str, u64)>) -> BTreeMap<String, u64> {
    files.map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// Whether a suffix is a usual precision, or formed like one.
fn is_precision(suffix: &str) -> bool {
    let bits = suffix.find(|character: char| character.is_ascii_digit());
    PREFERRED.contains(&suffix) || bits.is_some_and(|at| NUMBERS.contains(&&suffix[..at]))
}

/// The precision in the name of a session's file.
fn precision_of<'a>(name: &'a str, session: &str) -> Option<&'a str> {
    match name.strip_prefix(session)?.strip_suffix(".onnx")? {
        "" => Some("fp32"),
        suffix => suffix.strip_prefix('_'),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_set_of_sessions_that_is_there_is_taken() {
        let sets = [vec!["model"], vec!["decoder_model_merged"]];
        // The files of a repository, and the one that is taken or said to be missing.
        let cases: [(&[&str], Result<&str, &str>); 7] = [
            (&["onnx/decoder_model_merged_int4.onnx"], Err("onnx/decoder_model_merged.onnx")),
            (&["onnx/model.onnx"], Ok("onnx/model.onnx")),
            (&["onnx/model_q4.onnx"], Ok("onnx/model_q4.onnx")),
            (&["onnx/decoder_model_merged.onnx"], Ok("onnx/decoder_model_merged.onnx")),
            (&["onnx/decoder_model_merged.onnx", "onnx/model_q4.onnx"], Ok("onnx/model_q4.onnx")),
            (&["model.onnx"], Ok("model.onnx")),
            (&["onnx/embed_tokens.onnx"], Err("onnx/model.onnx")),
        ];
        for (files, expected) in cases {
            let home = Path::new("home");
            let graphs = Graphs::of_listing(home, files.iter().map(|&path| (path, 1)));
            match (graphs.choose_set(&sets, None), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found[0].path, home.join(expected), "{files:?}"),
                (Err(ModelError::Folder { path, .. }), Err(expected)) => {
                    assert_eq!(path, home.join(expected), "{files:?}");
                }
                (found, _) => unreachable!("{files:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_session_that_is_there_in_an_unusual_precision_alone_is_asked_for_by_it() {
        let graphs = Graphs::of_listing(Path::new("home"), [("onnx/model_int4.onnx", 1)].into_iter());
        let error = graphs.choose(&["model"], None).unwrap_err().to_string();
        assert!(error.contains("there in int4 alone") && error.contains("FOLDER#int4"), "{error}");
        let wanted = Precision::named("int4").unwrap();
        assert_eq!(graphs.choose(&["model"], Some(&wanted)).unwrap()[0].precision, wanted);
        // Another session isn't a precision of one whose name begins its own.
        let graphs = Graphs::of_listing(Path::new("home"), [("onnx/model_merged.onnx", 1)].into_iter());
        assert!(graphs.choose(&["model"], None).unwrap_err().to_string().contains("it is missing"));
    }

    #[test]
    fn a_files_name_tells_session_and_precision() {
        for (stem, session, precision) in [
            ("model", "model", "fp32"),
            ("model_q4f16", "model", "q4f16"),
            ("model_q8f16", "model", "q8f16"),
            ("vision_encoder_int4", "vision_encoder", "int4"),
            ("model_quantized", "model", "quantized"),
            ("decoder_model_merged", "decoder_model_merged", "fp32"),
            ("text_encoder_2", "text_encoder_2", "fp32"),
            ("decoder_v2", "decoder_v2", "fp32"),
        ] {
            let (found, told) = Precision::told_by(stem);
            assert_eq!((found, told.to_string().as_str()), (session, precision), "{stem}");
        }
    }
}
