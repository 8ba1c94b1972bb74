//! Reads a journal back, as far as it was written.

use std::path::Path;

use percept_models::Call;
use percept_tools::Effect;
use serde::Deserialize;

use super::{JOURNAL_FILE, Seal};
use crate::{
    Actor, Beginning, CallResult, Entry, Event, JOURNAL_VERSION, JournalError, Outcome, RecordedBody,
    RunResult, album, durable::can_go_on,
};

/// A run as its journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// How it began.
    pub beginning: Beginning,
    /// Everything, in order.
    pub entries: Vec<Entry>,
    /// Whether the last line was cut off while it was written, and left out.
    pub torn: bool,
    /// Where each entry's line ends, and its seal.
    ends: Vec<(u64, Seal)>,
}

impl Recording {
    /// How the run ended; `None` if it is still on its way, or was killed.
    pub fn result(&self) -> Option<&RunResult> {
        match &self.entries.last()?.event {
            Event::Ended(result) => Some(&**result),
            _ => None,
        }
    }

    /// Where the screen was when it was looked at last.
    pub fn location(&self) -> Option<&str> {
        self.entries.iter().rev().find_map(|entry| match &entry.event {
            Event::Looked { location, .. } => location.as_deref(),
            _ => None,
        })
    }

    /// Whether what was done is an example to follow: it ended well, or a person did it, up to where the recording was
    /// cut off.
    pub fn is_exemplary(&self) -> bool {
        match self.result() {
            Some(result) => result.outcome == Outcome::Done && result.verified != Some(false),
            None => self.beginning.actor == Actor::Person,
        }
    }

    /// Whether a model decided what was done, so that it can be gone through again.
    ///
    /// # Errors
    ///
    /// [`JournalError::ByHand`] if a person did it.
    pub fn check_by_model(&self, folder: &Path) -> Result<(), JournalError> {
        match self.beginning.actor {
            Actor::Model => Ok(()),
            Actor::Person => Err(JournalError::ByHand { path: folder.to_owned() }),
        }
    }

    /// How many calls were carried out.
    pub(crate) fn calls(&self) -> usize {
        let is_done =
            |entry: &&Entry| matches!(entry.event, Event::Called { result: CallResult::Observed { .. }, .. });
        self.entries.iter().filter(is_done).count()
    }

    /// Whether the run can be taken up: it was killed or cancelled, or a call of it is in doubt.
    ///
    /// # Errors
    ///
    /// [`JournalError::Over`] with the run's end, [`JournalError::ByHand`] if a person acted.
    pub(crate) fn check_resumable(&self, folder: &Path) -> Result<(), JournalError> {
        self.check_by_model(folder)?;
        match self.result() {
            Some(result) if !can_go_on(result) => Err(JournalError::Over {
                path: folder.to_owned(),
                outcome: result.outcome.word(),
                reason: result.reason.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The call that was under way when the run was cut off, with its step, its effect and its key.
    pub(super) fn pending(&self) -> Option<(usize, &Call, Effect, &str)> {
        let told = self.entries.iter().rev().find(|entry| {
            let over = match &entry.event {
                Event::Ended(result) => can_go_on(result),
                Event::Called { result, .. } => {
                    matches!(result, CallResult::Stopped | CallResult::Broken { .. })
                }
                Event::Resumed { .. } => true,
                _ => false,
            };
            !over
        });
        match told.map(|entry| &entry.event) {
            Some(Event::Calling { step, call, effect, key, .. }) => Some((*step, call, *effect, key)),
            _ => None,
        }
    }

    /// What waits for a person's word: [`Event::ApprovalWanted`] or [`Event::LimitReached`], which nobody answered.
    pub fn question(&self) -> Option<&Event> {
        let told = self.entries.iter().rev().find(|entry| match &entry.event {
            Event::Ended(result) => !can_go_on(result),
            Event::Resumed { .. } => false,
            _ => true,
        });
        told.map(|entry| &entry.event).filter(|event| event.asks_a_person())
    }

    /// How much of the file it is, and the seal that the next line follows on.
    pub(super) fn end(&self) -> (u64, Seal) {
        self.ends.last().copied().unwrap_or((0, Seal::first()))
    }

    /// Leaves out everything from the first image on that was still on its way to the disk when the run was
    /// killed. No effect comes after one: each waits until the images before it are stored.
    ///
    /// # Errors
    ///
    /// [`JournalError::Image`] if an effect did come after it: then the image was taken away, or changed.
    pub(crate) fn leave_out_what_was_not_stored(&mut self, folder: &Path) -> Result<(), JournalError> {
        let mut known = std::collections::HashSet::new();
        let lacking = self.entries.iter().enumerate().find_map(|(index, entry)| {
            let missing = images(&entry.event).find_map(|(file, hash)| {
                let is_new = known.insert((file.to_owned(), hash.to_owned()));
                if is_new { album::load(folder, file, hash).err() } else { None }
            });
            missing.map(|error| (index, error))
        });
        let Some((index, error)) = lacking else { return Ok(()) };
        let is_effect = |entry: &Entry| {
            matches!(entry.event, Event::Calling { effect: Effect::Changes { .. }, .. } | Event::Ended(_))
        };
        if index == 0 || self.entries[index..].iter().any(is_effect) {
            return Err(error);
        }
        self.entries.truncate(index);
        self.ends.truncate(index);
        Ok(())
    }
}

/// The stored images that an event names: file and hash.
pub(super) fn images(event: &Event) -> impl Iterator<Item = (&str, &str)> {
    let looked = match event {
        Event::Looked { shot: Some(shot), hash, .. } => Some((shot.as_str(), hash.as_str())),
        _ => None,
    };
    let parts = match event {
        Event::Called { result: CallResult::Observed { parts, .. }, .. } => parts.as_slice(),
        _ => &[],
    };
    let demonstrations = match event {
        Event::Began(beginning) => beginning.demonstrations.as_slice(),
        _ => &[],
    };
    let shown = demonstrations
        .iter()
        .flat_map(|demonstration| &demonstration.steps)
        .filter_map(|step| Some((step.shot.as_deref()?, step.hash.as_deref()?)));
    looked.into_iter().chain(shown).chain(parts.iter().filter_map(|part| match &part.body {
        RecordedBody::Image { shot: Some(shot), hash } => Some((shot.as_str(), hash.as_str())),
        _ => None,
    }))
}

/// Reads the journal in a run folder. A last line that is torn is left out and said so; any other line that
/// can't be read or isn't the one that was written is an error, because somebody else wrote it.
///
/// # Errors
///
/// [`JournalError`] if there is no journal, or it isn't one, or was changed, or is of another version.
pub fn read(folder: &Path) -> Result<Recording, JournalError> {
    let path = folder.join(JOURNAL_FILE);
    let bytes = std::fs::read(&path).map_err(JournalError::file(&path))?;
    // A line is whole only with its newline: what follows the last one was being written.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let torn = whole < bytes.len();
    let (mut entries, mut ends): (Vec<Entry>, Vec<_>) = (Vec::new(), Vec::new());
    let (mut seal, mut end) = (Seal::first(), 0);
    for (index, line) in bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        end += line.len() as u64 + 1;
        let entry = entry(line, index + 1, &path)?;
        if !seal.fits(line) {
            let step =
                entry.event.step().or_else(|| entries.iter().rev().find_map(|entry| entry.event.step()));
            return Err(JournalError::Changed { path, line: index + 1, step: step.unwrap_or(0) });
        }
        ends.push((end, seal));
        entries.push(entry);
    }
    match entries.first() {
        Some(Entry { event: Event::Began(beginning), .. }) => {
            Ok(Recording { beginning: (**beginning).clone(), entries, torn, ends })
        }
        _ => Err(JournalError::Empty { path }),
    }
}

/// The version is read alone first: another version's line may not fit today's events.
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
    if v != JOURNAL_VERSION {
        let path = path.to_owned();
        return Err(JournalError::Version { path, line: number, found: v, known: JOURNAL_VERSION });
    }
    serde_json::from_slice(line).map_err(unreadable)
}
