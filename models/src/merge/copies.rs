//! Files of the first model, copied to be written into; and what is said where a file can't be written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use super::PIECE;
use crate::{ModelError, folder::bad};

/// The first model's graphs and the files beside them, copied to be written into. Several graphs may share a file.
pub(super) struct Copies {
    /// Where the copy is, by the file that it is of.
    places: BTreeMap<PathBuf, PathBuf>,
    /// The copy that was used last: there may be more files than a process may have open.
    last: Option<(PathBuf, File)>,
    cancel: CancellationToken,
}

impl Copies {
    /// None yet; nothing more is copied once this is cancelled.
    pub(super) fn new(cancel: CancellationToken) -> Self {
        Self { places: BTreeMap::new(), last: None, cancel }
    }

    pub(super) fn has(&self, file: &Path) -> bool {
        self.places.contains_key(file)
    }

    /// The files that were copied.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.places.keys().map(PathBuf::as_path)
    }

    /// Copies a file, into a folder that is made where it is missing.
    pub(super) fn copy(&mut self, file: &Path, to: &Path) -> Result<(), ModelError> {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        }
        copied(file, to, &self.cancel)?;
        self.places.insert(file.to_owned(), to.to_owned());
        Ok(())
    }

    /// Writes into the copy of a file.
    pub(super) fn put(&mut self, file: &Path, at: u64, bytes: &[u8]) -> Result<(), ModelError> {
        self.within(file, |copy| {
            copy.seek(SeekFrom::Start(at))?;
            copy.write_all(bytes)
        })
    }

    /// What the copy of a file holds there now.
    pub(super) fn get(&mut self, file: &Path, place: Range<u64>) -> Result<Vec<u8>, ModelError> {
        self.within(file, |copy| {
            copy.seek(SeekFrom::Start(place.start))?;
            let mut bytes = Vec::new();
            copy.take(place.end - place.start).read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    fn within<T>(
        &mut self,
        file: &Path,
        act: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<T, ModelError> {
        let Some(to) = self.places.get(file) else { return Err(bad(file, "it wasn't copied".into())) };
        let mut copy = match self.last.take() {
            Some((last, copy)) if last == *to => copy,
            _ => OpenOptions::new()
                .read(true)
                .write(true)
                .open(to)
                .map_err(|error| cannot_write(to, &error))?,
        };
        let done = act(&mut copy).map_err(|error| cannot_write(to, &error));
        self.last = Some((to.clone(), copy));
        done
    }

    /// Waits until all of it is on the disk.
    pub(super) fn finish(&mut self) -> Result<(), ModelError> {
        self.last = None;
        for to in self.places.values() {
            let settled = OpenOptions::new().write(true).open(to).and_then(|copy| copy.sync_all());
            settled.map_err(|error| cannot_write(to, &error))?;
        }
        let folders: BTreeSet<_> = self.places.values().filter_map(|to| to.parent()).collect();
        folders.into_iter().try_for_each(settle)
    }
}

/// Copies a file to where none is yet: the content alone, so that one that may only be read makes a copy that may be written.
pub(super) fn copied(file: &Path, to: &Path, cancel: &CancellationToken) -> Result<File, ModelError> {
    let source = File::open(file).map_err(|error| bad(file, error.to_string()))?;
    let mut copy =
        OpenOptions::new().write(true).create_new(true).open(to).map_err(|error| cannot_write(to, &error))?;
    loop {
        if cancel.is_cancelled() {
            return Err(ModelError::Interrupted);
        }
        // Either of the two may have failed: both are named.
        let piece = io::copy(&mut (&source).take(PIECE), &mut copy).map_err(|error| {
            let (file, to) = (file.display(), to.display());
            ModelError::Request(format!("{file} can't be copied to {to}: {error}. {ROOM}"))
        })?;
        if piece == 0 {
            return Ok(copy);
        }
    }
}

/// Waits until the names in a folder are on the disk, where a folder can be opened for it.
pub(super) fn settle(folder: &Path) -> Result<(), ModelError> {
    if cfg!(unix) {
        let settled = File::open(folder).and_then(|folder| folder.sync_all());
        settled.map_err(|error| cannot_write(folder, &error))?;
    }
    Ok(())
}

/// What a reader can do who wants something written.
const ROOM: &str = "Make room there, or name another place";

/// Nothing is wrong with a model where a result can't be written.
pub(super) fn cannot_write(to: &Path, error: &io::Error) -> ModelError {
    ModelError::Request(format!("{} can't be written: {error}. {ROOM}", to.display()))
}
