//! A run's screenshots as a video, for a model that is to say what happened.

use std::{path::Path, time::Duration};

use percept_models::{DEFAULT_FRAME, Video};

use crate::{Event, JournalError, album, journal};

/// No screenshot is shown for less.
const SHORTEST: Duration = Duration::from_millis(1);
/// Nor for more, whatever times a journal from elsewhere has.
const LONGEST: Duration = Duration::from_hours(24);

/// The screenshots of a run's folder, each shown until the next was taken, the last until the run's last word.
///
/// # Errors
///
/// [`JournalError`] if the journal can't be read, it names no screenshot, or one is gone or was changed.
pub fn footage(folder: &Path) -> Result<Video, JournalError> {
    let recording = journal::read(folder)?;
    let mut looks = Vec::new();
    for entry in &recording.entries {
        if let Event::Looked { shot: Some(shot), hash, .. } = &entry.event {
            album::load(folder, shot, hash)?;
            looks.push((folder.join(shot), entry.at));
        }
    }
    let end = recording.entries.last().map_or(0.0, |entry| entry.at);
    let nexts: Vec<f64> = looks.iter().skip(1).map(|(_, at)| *at).chain([end]).collect();
    let is_last = |place: usize| place + 1 == nexts.len();
    let frames = looks.iter().zip(&nexts).enumerate().map(|(place, ((path, at), next))| {
        let between = Duration::try_from_secs_f64((next - at).max(0.0) / 1000.0);
        let shown = between.unwrap_or(LONGEST).min(LONGEST);
        // A run that broke off after its last look has no word after it.
        let shown = if is_last(place) && shown < SHORTEST { DEFAULT_FRAME } else { shown.max(SHORTEST) };
        (path.clone(), shown)
    });
    Video::of_files(frames).map_err(|_| JournalError::Image {
        path: folder.to_owned(),
        problem: "this run has no screenshot to watch".into(),
    })
}
