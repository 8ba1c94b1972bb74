//! Looking: what the screen shows now.

use std::{sync::Arc, time::Instant};

use percept_tools::Screenshot;

use super::working::{Working, milliseconds, unexpected};
use crate::{Ending, Event, Percept, history::Record};

impl Working {
    /// Takes a look and remembers it; `None` in a run without a screen.
    ///
    /// # Errors
    ///
    /// The run's ending, if there is nothing left to look at.
    pub(super) async fn look(&mut self) -> Result<Option<Percept>, Ending> {
        let Some(screen) = self.screen.as_ref().map(Arc::clone) else { return Ok(None) };
        let (bounds, album, step) = (self.bounds(), Arc::clone(&self.album), self.budget.steps + 1);
        let work = async move {
            let begun = Instant::now();
            let looked = bounds.within(screen.look()).await?;
            let took = milliseconds(begun.elapsed());
            let percept = Percept::new(looked.map_err(|error| Ending::failed(error.to_string()))?);
            let seen = percept.screenshot();
            Ok(Event::Looked {
                step,
                shot: album.bring(percept.image()),
                hash: percept.hash().to_string(),
                frame: seen.frame,
                location: seen.location.clone(),
                notes: seen.notes.clone(),
                milliseconds: took,
            })
        };
        let looked = self.durable.step(&["looked"], Box::pin(work)).await?;
        let Event::Looked { shot, hash, frame, location, notes, milliseconds, .. } = looked else {
            return Err(unexpected(&looked));
        };
        self.result.milliseconds.look += milliseconds;
        for note in &notes {
            self.note(note).await?;
        }
        let image = self.album.take(&hash, shot.as_deref())?;
        let screenshot = Screenshot { pixels: Arc::clone(image.pixels()), frame, location, notes };
        let percept = Percept::remembered(screenshot, image);
        self.history.push(Record::Saw(percept.clone()));
        Ok(Some(percept))
    }
}
