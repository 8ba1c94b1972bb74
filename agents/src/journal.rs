//! The journal: one event a line, on the disk before and after every effect.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::JoinHandle;

use crate::{Entry, JournalError, event::Urgency};

mod reader;

pub use reader::{Recording, read};

/// The file's name in a run folder.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// A journal being written. Lines go to the operating system one by one, so that a crash of this process
/// loses none; those around an effect go to the disk too (`fdatasync`), so that a power cut loses no effect
/// that was begun.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<File>,
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
        Ok(Self { path, file: Arc::new(file), syncing: None })
    }

    /// Adds a line, and sees to it that it is on the disk when it must be.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`] if it can't be written: then no effect may follow.
    pub(crate) async fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let mut line = serde_json::to_vec(entry)
            .map_err(|e| JournalError::File { path: self.path.clone(), source: std::io::Error::other(e) })?;
        line.push(b'\n');
        // One write a line, so that a line is torn only where the system dies within it.
        (&*self.file).write_all(&line).map_err(JournalError::file(&self.path))?;
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
