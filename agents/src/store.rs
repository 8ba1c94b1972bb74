//! The long-term store: finished runs in a `SQLite` database, found again by their task's words and by how alike their
//! screens are, to be shown as demonstrations.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use image::RgbImage;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::{
    Event, JournalError, album,
    journal::{self, Recording},
};

mod likeness;

use likeness::{Likeness, likeness};

/// The layout of the database; a store of another one is refused.
const LAYOUT: i64 = 1;
/// How many runs the words of a task may bring before screens are compared.
const CANDIDATES: usize = 64;

/// A database of finished runs.
///
/// ```no_run
/// # fn example() -> Result<(), percept::StoreError> {
/// let store = percept::Store::open("memory.db".as_ref())?;
/// store.add("runs/20261124-190002-4f1c".as_ref())?;
/// for found in store.search("Log in as bob", None, 2)? {
///     println!("{}: {}", found.folder.display(), found.task);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
}

/// A run that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Its folder.
    pub folder: PathBuf,
    /// Its task.
    pub task: String,
    /// How many steps it took.
    pub steps: usize,
    /// How well it fits, from 0 to 1: half by words, half by screens where both are compared.
    pub score: f64,
}

/// A store that can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database can't be opened, read or written.
    #[error("{path}: {source}")]
    Database {
        /// Its file.
        path: PathBuf,
        /// What `SQLite` says.
        #[source]
        source: rusqlite::Error,
    },
    /// A database that another version of Percept made.
    #[error("{path}: this is layout {found} of the store, and this Percept knows layout {LAYOUT}")]
    Layout {
        /// Its file.
        path: PathBuf,
        /// The layout found.
        found: i64,
    },
    /// A run that teaches nothing good.
    #[error("{path}: the run ended as {outcome}; only what was done is kept")]
    NotDone {
        /// The run folder.
        path: PathBuf,
        /// How it ended, in a word.
        outcome: &'static str,
    },
    /// A run that can't be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Store {
    /// Opens a store, or makes one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the file is no database or can't be written, [`StoreError::Layout`] for a database of
    /// another version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Database { path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(failed)?;
        let prepared = || {
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        };
        match prepared().map_err(failed)? {
            0 => connection
                .execute_batch(&format!(
                    "BEGIN;
                     CREATE TABLE IF NOT EXISTS runs (
                         id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, task TEXT NOT NULL, steps INTEGER NOT NULL,
                         likeness INTEGER
                     );
                     CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(task, content='runs', content_rowid='id');
                     CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON runs BEGIN
                         INSERT INTO words(rowid, task) VALUES (new.id, new.task);
                     END;
                     CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON runs BEGIN
                         INSERT INTO words(words, rowid, task) VALUES ('delete', old.id, old.task);
                     END;
                     PRAGMA user_version = {LAYOUT};
                     COMMIT;"
                ))
                .map_err(failed)?,
            LAYOUT => {}
            found => return Err(StoreError::Layout { path: path.to_owned(), found }),
        }
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Adds a finished run, or puts it in the place of what was known of its folder.
    ///
    /// # Errors
    ///
    /// [`StoreError::Journal`] if there is no such run, [`StoreError::NotDone`] if it didn't end well.
    pub fn add(&self, folder: &Path) -> Result<(), StoreError> {
        let recording = journal::read(folder)?;
        self.keep(&recording, folder, folder, &recording.beginning.task)
    }

    /// Adds a run under another folder's name and another task, for what is kept elsewhere than where it is read.
    ///
    /// # Errors
    ///
    /// Those of [`Store::add`].
    pub fn add_as(&self, folder: &Path, name: &Path, task: &str) -> Result<(), StoreError> {
        self.keep(&journal::read(folder)?, folder, name, task)
    }

    fn keep(&self, recording: &Recording, folder: &Path, name: &Path, task: &str) -> Result<(), StoreError> {
        if !recording.is_exemplary() {
            let outcome = recording.result().map_or("cut off", |result| result.outcome.word());
            return Err(StoreError::NotDone { path: folder.to_owned(), outcome });
        }
        let first = recording.entries.iter().find_map(|entry| match &entry.event {
            Event::Looked { shot: Some(shot), hash, .. } => Some((shot, hash)),
            _ => None,
        });
        let seen = first.map(|(shot, hash)| album::load(folder, shot, hash)).transpose()?;
        let likeness = seen.map(|image| likeness(image.pixels()));
        let steps = recording.result().map_or_else(|| recording.calls(), |result| result.steps);
        let path = std::path::absolute(name).unwrap_or_else(|_| name.to_owned());
        self.put(&path, task, steps, likeness)
    }

    /// Puts a run in, whatever its folder holds.
    fn put(
        &self,
        folder: &Path,
        task: &str,
        steps: usize,
        likeness: Option<Likeness>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let name = folder.to_string_lossy();
        let mut written = || {
            let change = connection.transaction()?;
            change.execute("DELETE FROM runs WHERE folder = ?1", params![name])?;
            change.execute(
                "INSERT INTO runs(folder, task, steps, likeness) VALUES (?1, ?2, ?3, ?4)",
                params![name, task, steps as i64, likeness.map(Likeness::stored)],
            )?;
            change.commit()
        };
        written().map_err(|source| StoreError::Database { path: folder.to_owned(), source })
    }

    /// Forgets a run; its folder stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the store can't be written.
    pub fn forget(&self, folder: &Path) -> Result<(), StoreError> {
        let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let failed = |source| StoreError::Database { path: path.clone(), source };
        let removed =
            self.connection().execute("DELETE FROM runs WHERE folder = ?1", [path.to_string_lossy()]);
        removed.map(drop).map_err(failed)
    }

    /// The runs that fit best: by the words of the task (BM25) and, if a screen is given, by how alike it is to their
    /// first one (difference hashes).
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the store can't be read.
    pub fn search(
        &self,
        task: &str,
        screen: Option<&RgbImage>,
        most: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let screen = screen.map(likeness);
        let connection = self.connection();
        let mut found = Self::by_words(&connection, task)?;
        if found.is_empty() && screen.is_some() {
            found = Self::all(&connection)?;
        }
        for (run, seen) in &mut found {
            if let Some(screen) = screen {
                let alike = seen.map_or(0.0, |seen| seen.alike(screen));
                run.score = f64::midpoint(run.score, alike);
            }
        }
        found.sort_by(|(one, _), (other, _)| other.score.total_cmp(&one.score));
        Ok(found.into_iter().map(|(run, _)| run).take(most).collect())
    }

    /// Runs whose tasks share words with this one, the best with a score of 1.
    fn by_words(connection: &Connection, task: &str) -> Result<Vec<(Found, Option<Likeness>)>, StoreError> {
        // Each word in quotes, so that none of them is an operator.
        let words: Vec<_> = task
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(|word| format!("\"{word}\""))
            .collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let sought = "SELECT folder, runs.task, steps, likeness, bm25(words) FROM words JOIN runs ON runs.id = words.rowid \
                      WHERE words MATCH ?1 ORDER BY bm25(words) LIMIT ?2";
        let mut found = Self::rows(connection, sought, params![words.join(" OR "), CANDIDATES as i64])?;
        // BM25 is the better the lower it is, and has no scale of its own.
        let best = found.iter().map(|(run, _)| -run.score).fold(f64::MIN_POSITIVE, f64::max);
        for (run, _) in &mut found {
            run.score = (-run.score / best).clamp(0.0, 1.0);
        }
        Ok(found)
    }

    /// Every run that has a screen.
    fn all(connection: &Connection) -> Result<Vec<(Found, Option<Likeness>)>, StoreError> {
        let sought = "SELECT folder, task, steps, likeness, 0.0 FROM runs WHERE likeness IS NOT NULL";
        Self::rows(connection, sought, params![])
    }

    fn rows(
        connection: &Connection,
        sought: &str,
        given: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<(Found, Option<Likeness>)>, StoreError> {
        let read = || {
            let mut statement = connection.prepare_cached(sought)?;
            let rows = statement.query_map(given, |row| {
                let run = Found {
                    folder: row.get::<_, String>(0)?.into(),
                    task: row.get(1)?,
                    steps: usize::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
                    score: row.get(4)?,
                };
                Ok((run, row.get::<_, Option<i64>>(3)?.map(Likeness::restored)))
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|source| StoreError::Database { path: path_of(connection), source })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many runs are known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the store can't be read.
    pub fn len(&self) -> Result<usize, StoreError> {
        let connection = self.connection();
        let count =
            connection.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).optional();
        let count = count.map_err(|source| StoreError::Database { path: path_of(&connection), source })?;
        Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
    }

    /// Whether none is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] if the store can't be read.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }
}

fn path_of(connection: &Connection) -> PathBuf {
    connection.path().map(PathBuf::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{Rgb, RgbImage};

    use super::{Likeness, Store, StoreError, likeness};

    fn picture(shade: impl Fn(u32, u32) -> u8) -> RgbImage {
        RgbImage::from_fn(90, 80, |x, y| Rgb([shade(x, y); 3]))
    }

    fn store(runs: &[(&str, &str, Option<Likeness>)]) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("memory.db")).unwrap();
        for (name, task, seen) in runs {
            store.put(Path::new(name), task, 3, *seen).unwrap();
        }
        (folder, store)
    }

    fn names(store: &Store, task: &str, screen: Option<&RgbImage>) -> Vec<String> {
        let found = store.search(task, screen, 2).unwrap();
        assert!(found.iter().all(|run| (0.0..=1.0).contains(&run.score)), "{found:?}");
        found.iter().map(|run| run.folder.display().to_string()).collect()
    }

    #[test]
    fn runs_are_found_by_words_and_by_screens() {
        let (rising, falling) = (picture(|x, _| x as u8), picture(|x, _| 255 - x as u8));
        let (_folder, store) = store(&[
            ("a", "Log in as ada", Some(likeness(&rising))),
            ("b", "Log in as bob", Some(likeness(&falling))),
            ("c", "Order a book about \"AND\" gates", None),
        ]);
        assert_eq!(names(&store, "Please log in as bob!", None), ["b", "a"]);
        assert_eq!(names(&store, "log in", Some(&falling)), ["b", "a"]);
        assert_eq!(names(&store, "log in", Some(&rising)), ["a", "b"]);
        assert_eq!(names(&store, "gates AND \"books", None), ["c"], "what is written isn't a query");
        assert_eq!(names(&store, "nothing shared", Some(&rising)), ["a", "b"], "screens alone do too");
        assert!(names(&store, "?!", None).is_empty() && names(&store, "", None).is_empty());
        store.forget(Path::new("b")).unwrap();
        let absolute = std::path::absolute("b").unwrap();
        store.put(&absolute, "Log in as bob", 3, None).unwrap();
        store.forget(Path::new("b")).unwrap();
        assert_eq!(store.len().unwrap(), 3, "the one that was put in by another name stays");
    }

    #[test]
    fn a_run_that_comes_again_is_kept_once() {
        let (_folder, store) = store(&[("a", "Log in", None), ("a", "Log out", None)]);
        assert_eq!(store.len().unwrap(), 1);
        assert!(names(&store, "in", None).is_empty());
        assert_eq!(names(&store, "out", None), ["a"]);
    }

    #[test]
    fn what_is_no_store_of_ours_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.db");
        std::fs::write(
            &path,
            "no database, only text that is long enough to be looked at as one\n".repeat(20),
        )
        .unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Database { .. })));
        let newer = folder.path().join("newer.db");
        rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 9).unwrap();
        let error = Store::open(&newer).unwrap_err().to_string();
        assert!(error.contains("this is layout 9 of the store"), "{error}");
    }
}
