//! Looking: what the screen shows now.

use std::{sync::Arc, time::Instant};

use super::working::{Working, milliseconds};
use crate::{Ending, Event, Percept, history::Record};

impl Working {
    /// Takes a look and remembers it; `None` in a run without a screen.
    ///
    /// # Errors
    ///
    /// The run's ending, if there is nothing left to look at.
    pub(super) async fn look(&mut self) -> Result<Option<Percept>, Ending> {
        let Some(screen) = self.screen.as_ref().map(Arc::clone) else { return Ok(None) };
        let begun = Instant::now();
        let looked = self.within(screen.look()).await?;
        let took = milliseconds(begun.elapsed());
        self.result.milliseconds.look += took;
        let percept = Percept::new(looked.map_err(|error| Ending::failed(error.to_string()))?);
        let seen = percept.screenshot();
        let event = Event::Looked {
            step: self.budget.steps + 1,
            shot: self.recorder.shot(percept.image()),
            hash: percept.hash().to_string(),
            frame: seen.frame,
            location: seen.location.clone(),
            notes: seen.notes.clone(),
            milliseconds: took,
        };
        self.record(event).await?;
        for note in &seen.notes {
            self.note(note).await?;
        }
        self.history.push(Record::Saw(percept.clone()));
        Ok(Some(percept))
    }
}
