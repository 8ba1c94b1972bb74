//! The journal: one event a line, on the disk before and after every effect, each line sealed onto the one before.
//!
//! Reading it back gives the run's [`Recording`]; [`resume`](crate::AgentBuilder::resume) goes on from it and
//! [`replay`](crate::replay) goes through it again.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::JoinHandle;

use crate::{Entry, JournalError, event::Urgency};

mod branch;
mod doubt;
mod reader;
mod seal;

pub use branch::branch;
pub use doubt::{Doubt, doubt};
pub use reader::{Recording, read};
use seal::Seal;

/// The file's name in a run folder.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// These entries as the text of a journal.
///
/// # Errors
///
/// The serializer's.
pub fn written(entries: &[Entry]) -> Result<String, serde_json::Error> {
    let mut seal = Seal::first();
    entries.iter().map(|entry| seal.line(entry)).collect()
}

/// A journal being written. Lines go to the operating system one by one, so that a crash of this process
/// loses none; those around an effect go to the disk too (`fdatasync`), so that a power cut loses no effect
/// that was begun.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Locked as long as this journal is written, so that two processes never work on one run.
    file: Arc<File>,
    /// How much of the file is whole lines.
    length: u64,
    seal: Seal,
    /// The disk at work on what an effect brought, while the agent goes on.
    syncing: Option<JoinHandle<std::io::Result<()>>>,
}

impl Journal {
    /// Makes a journal in an empty run folder.
    ///
    /// # Errors
    ///
    /// [`JournalError::Occupied`] if there is one already; [`JournalError::File`] if it can't be made.
    pub(crate) fn create(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(JOURNAL_FILE);
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::AlreadyExists {
                return JournalError::Occupied { path: folder.to_owned() };
            }
            JournalError::File { path: path.clone(), source }
        })?;
        let file = locked(file, &path)?;
        Ok(Self { path, file: Arc::new(file), length: 0, seal: Seal::first(), syncing: None })
    }

    /// Opens the journal of a run that is to be taken up, and reads it. What comes after its last whole line, or
    /// after the last look whose screenshot was still being stored, is cut off: nothing was done on its strength.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it can't be read, isn't whole, or another process is at work on it.
    pub(crate) fn reopen(folder: &Path) -> Result<(Self, Recording), JournalError> {
        let path = folder.join(JOURNAL_FILE);
        let file = OpenOptions::new().append(true).open(&path).map_err(JournalError::file(&path))?;
        let file = locked(file, &path)?;
        let mut recording = read(folder)?;
        recording.leave_out_what_was_not_stored(folder)?;
        let (length, seal) = recording.end();
        file.set_len(length).map_err(JournalError::file(&path))?;
        Ok((Self { path, file: Arc::new(file), length, seal, syncing: None }, recording))
    }

    /// Adds a line, and sees to it that it is on the disk when it must be.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`] if it can't be written: then no effect may follow.
    pub(crate) async fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut seal = self.seal;
        let line = seal
            .line(entry)
            .map_err(|e| JournalError::File { path: self.path.clone(), source: std::io::Error::other(e) })?;
        // One write a line, so that a line is torn only where the system dies within it, or the disk is full.
        if let Err(source) = (&*self.file).write_all(line.as_bytes()) {
            // The next line, if there is room for one, must not follow half of this one.
            let _ = self.file.set_len(self.length);
            return Err(JournalError::File { path: self.path.clone(), source });
        }
        self.seal = seal;
        self.length += line.len() as u64;
        match entry.event.urgency() {
            Urgency::Sometime => Ok(()),
            Urgency::Soon => {
                self.synced().await?;
                self.sync();
                Ok(())
            }
            Urgency::Now => {
                self.synced().await?;
                self.sync();
                self.synced().await
            }
        }
    }

    /// Waits until everything that had to be is on the disk.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`] if it can't be written.
    pub(crate) async fn settle(&mut self) -> Result<(), JournalError> {
        self.synced().await
    }

    fn sync(&mut self) {
        let file = Arc::clone(&self.file);
        self.syncing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
    }

    /// Waits for the disk.
    async fn synced(&mut self) -> Result<(), JournalError> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        syncing.await.map_err(std::io::Error::other).flatten().map_err(JournalError::file(&self.path))
    }
}

/// Takes the file for this process alone.
fn locked(file: File, path: &Path) -> Result<File, JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Busy { path: path.to_owned() }),
        // A file system without locks: the run goes on without that protection.
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(source)) => Err(JournalError::File { path: path.to_owned(), source }),
    }
}
