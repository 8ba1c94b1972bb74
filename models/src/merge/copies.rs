//! Files of the first model, copied to be written into; and what is said where a file can't be written.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{ModelError, folder::bad};

/// The first model's graphs and the files beside them, copied to be written into. Several graphs may share a file.
#[derive(Default)]
pub(super) struct Copies(BTreeMap<PathBuf, (PathBuf, File)>);

impl Copies {
    pub(super) fn has(&self, file: &Path) -> bool {
        self.0.contains_key(file)
    }

    /// Copies a file, into a folder that is made where it is missing.
    pub(super) fn copy(&mut self, file: &Path, to: &Path) -> Result<(), ModelError> {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        }
        self.0.insert(file.to_owned(), (to.to_owned(), copied(file, to)?));
        Ok(())
    }

    pub(super) fn put(&mut self, file: &Path, at: u64, bytes: &[u8]) -> Result<(), ModelError> {
        let Some((to, copy)) = self.0.get_mut(file) else { return Ok(()) };
        let written = copy.seek(SeekFrom::Start(at)).and_then(|_| copy.write_all(bytes));
        written.map_err(|error| cannot_write(to, &error))
    }

    pub(super) fn finish(&self) -> Result<(), ModelError> {
        self.0.values().try_for_each(|(to, copy)| copy.sync_all().map_err(|error| cannot_write(to, &error)))
    }
}

/// Copies a file to where none is yet: the content alone, so that one that may only be read makes a copy that may be written.
pub(super) fn copied(file: &Path, to: &Path) -> Result<File, ModelError> {
    let mut source = File::open(file).map_err(|error| bad(file, error.to_string()))?;
    let mut copy =
        OpenOptions::new().write(true).create_new(true).open(to).map_err(|error| cannot_write(to, &error))?;
    // Either of the two may have failed: both are named.
    io::copy(&mut source, &mut copy).map_err(|error| {
        let (file, to) = (file.display(), to.display());
        ModelError::Request(format!("{file} can't be copied to {to}: {error}. {ROOM}"))
    })?;
    Ok(copy)
}

/// What a reader can do who wants something written.
const ROOM: &str = "Make room there, or name another place";

/// Nothing is wrong with a model where a result can't be written.
pub(super) fn cannot_write(to: &Path, error: &io::Error) -> ModelError {
    ModelError::Request(format!("{} can't be written: {error}. {ROOM}", to.display()))
}
