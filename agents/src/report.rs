//! The report: a run as one HTML file that needs nothing else, made from its journal and screenshots alone.
//!
//! Everything that a page, a tool or a model wrote is data here too: it is escaped, and the file's content
//! security policy lets no script run but the report's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{JournalError, journal};

mod album;
mod drawing;
mod evaluation;
mod hypertext;
mod masthead;
mod page;
mod story;

pub use evaluation::write_evaluation;

/// The file's name in a run folder.
pub const REPORT_FILE: &str = "report.html";

/// Makes a run folder's report and writes it there.
///
/// # Errors
///
/// [`JournalError`] if the journal can't be read or the report can't be written.
pub fn write(folder: &Path) -> Result<PathBuf, JournalError> {
    let path = folder.join(REPORT_FILE);
    fs::write(&path, render(folder)?).map_err(JournalError::file(&path))?;
    Ok(path)
}

/// Makes a run folder's report.
///
/// # Errors
///
/// [`JournalError`] if the journal can't be read.
pub fn render(folder: &Path) -> Result<String, JournalError> {
    let recording = journal::read(folder)?;
    let story = story::tell(&recording);
    let album = album::gather(&story, folder);
    Ok(page::page(&recording, &story, &album))
}
