//! A branch of a run: its first steps in a folder of their own, to be gone on from in another way.

use std::{fs, path::Path};

use super::{JOURNAL_FILE, read, reader::images, written};
use crate::{Event, JournalError, RUN_FILE, RunFolder};

/// Puts everything of a run before its step `step` into another folder, from where it can be taken up: with the look at
/// the screen that begins the step, and on its own from there. It has that folder's name, and so no effect of it has an
/// effect's key of the run that it comes from. What comes back is where the screen was then.
///
/// # Errors
///
/// [`JournalError`] if there is no such run or step, if one image of it is missing, or if the folder holds a run.
pub fn branch(run: &Path, step: usize, to: &Path) -> Result<Option<String>, JournalError> {
    let recording = read(run)?;
    recording.check_by_model(run)?;
    let begins = |event: &Event| matches!(event, Event::Looked { step: number, .. } | Event::Asked { step: number, .. } if *number == step);
    let (before, now) = (recording.beginning.run.clone(), name(to));
    let Some(cut) = recording.entries.iter().position(|entry| begins(&entry.event)) else {
        let last = recording.entries.iter().filter_map(|entry| entry.event.step()).max().unwrap_or(0);
        return Err(JournalError::NoStep { path: run.to_owned(), step, last });
    };
    let location = match &recording.entries[cut].event {
        Event::Looked { location, .. } => location.clone(),
        _ => recording.location().map(str::to_owned),
    };
    let mut kept = recording.entries;
    kept.truncate(cut);
    for entry in &mut kept {
        match &mut entry.event {
            Event::Began(beginning) => beginning.run.clone_from(&now),
            Event::Calling { key, .. } | Event::Called { key, .. } => {
                if let Some(rest) = key.strip_prefix(&before) {
                    *key = format!("{now}{rest}");
                }
            }
            _ => {}
        }
    }
    let folder = RunFolder::create(to)?;
    let copied = |name: &str| {
        let (from, to) = (run.join(name), folder.path().join(name));
        fs::copy(&from, &to).map(drop).map_err(JournalError::file(&from))
    };
    for (shot, _) in kept.iter().flat_map(|entry| images(&entry.event)) {
        copied(shot)?;
    }
    if run.join(RUN_FILE).exists() {
        copied(RUN_FILE)?;
    }
    // The journal comes last: without it the folder holds no run.
    let path = folder.path().join(JOURNAL_FILE);
    let text = written(&kept)
        .map_err(|error| JournalError::File { path: path.clone(), source: std::io::Error::other(error) })?;
    fs::write(&path, text).map_err(JournalError::file(&path))?;
    Ok(location)
}

fn name(folder: &Path) -> String {
    folder.file_name().map_or_else(crate::new_run_name, |name| name.to_string_lossy().into_owned())
}
