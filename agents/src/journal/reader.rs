//! Reads a journal back, as far as it was written.

use std::path::Path;

use serde::Deserialize;

use super::JOURNAL_FILE;
use crate::{Beginning, Entry, Event, JOURNAL_VERSION, JournalError, RunResult};

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// How it began.
    pub beginning: Beginning,
    /// Everything, in order.
    pub entries: Vec<Entry>,
    /// Whether the last line was cut off while it was written, and left out.
    pub torn: bool,
}

impl Recording {
    /// How the run ended; `None` if it is still on its way, or was killed.
    pub fn result(&self) -> Option<&RunResult> {
        self.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Ended(result) => Some(&**result),
            _ => None,
        })
    }
}

/// Reads the journal in a run folder. A last line that is torn is left out and said so; any other line that
/// can't be read is an error, because somebody else wrote it.
///
/// # Errors
///
/// [`JournalError`] if there is no journal, or it isn't one, or it is of a later version.
pub fn read(folder: &Path) -> Result<Recording, JournalError> {
    let path = folder.join(JOURNAL_FILE);
    let bytes = std::fs::read(&path).map_err(JournalError::file(&path))?;
    // A line is whole only with its newline: what follows the last one was being written.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let torn = whole < bytes.len();
    let mut entries = Vec::new();
    for (index, line) in bytes[..whole].split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        entries.push(entry(line, index + 1, &path)?);
    }
    let beginning = entries.iter().find_map(|entry: &Entry| match &entry.event {
        Event::Began(beginning) => Some((**beginning).clone()),
        _ => None,
    });
    let beginning = beginning.ok_or(JournalError::Empty { path })?;
    Ok(Recording { beginning, entries, torn })
}

/// The version is read alone first: a later version's line may not fit today's events.
fn entry(line: &[u8], number: usize, path: &Path) -> Result<Entry, JournalError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let unreadable = |e: serde_json::Error| JournalError::Line {
        path: path.to_owned(),
        line: number,
        problem: e.to_string(),
    };
    let Version { v } = serde_json::from_slice(line).map_err(unreadable)?;
    if v > JOURNAL_VERSION {
        let path = path.to_owned();
        return Err(JournalError::Version { path, line: number, found: v, known: JOURNAL_VERSION });
    }
    serde_json::from_slice(line).map_err(unreadable)
}
