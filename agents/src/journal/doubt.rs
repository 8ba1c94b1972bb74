//! A call of which nobody knows whether it happened, in a run or in one that another agent made for it.

use std::path::Path;

use percept_models::Call;
use percept_tools::Effect;

use super::{JOURNAL_FILE, Recording, read};
use crate::{JournalError, run_folder::CALLS};

/// A call that was under way when the run was cut off, and that may not happen twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// The step of the run that made it.
    pub step: usize,
    /// The tool and its arguments.
    pub call: Call,
    /// The agents at work on it, the outermost first; empty for a call of the run's own.
    pub agents: Vec<String>,
}

/// What is in doubt in the run of this folder, of which `recording` is the journal.
///
/// # Errors
///
/// [`JournalError`] if the journal of a run within can't be read.
pub fn doubt(folder: &Path, recording: &Recording) -> Result<Option<Doubt>, JournalError> {
    let Some((step, call, effect, key)) = recording.pending() else { return Ok(None) };
    if effect == (Effect::Changes { idempotent: false }) {
        return Ok(Some(Doubt { step, call: call.clone(), agents: Vec::new() }));
    }
    // `run/sequence/tool`, where the run's own name may be such a key.
    let Some(sequence) = key.rsplit('/').nth(1) else { return Ok(None) };
    let inside = folder.join(CALLS).join(sequence);
    if !inside.join(JOURNAL_FILE).exists() {
        return Ok(None);
    }
    let within = match read(&inside) {
        // It was cut off before it wrote a line, and so before it did anything.
        Err(JournalError::Empty { .. }) => return Ok(None),
        read => read?,
    };
    let found = doubt(&inside, &within)?;
    Ok(found.map(|mut doubt| {
        doubt.agents.insert(0, call.function.clone());
        doubt
    }))
}
