//! Writes a run down while it happens: events to the journal and to whoever listens, pixels to `shots/`.

use std::{collections::HashMap, sync::Arc, time::Instant};

use percept_models::{ContentHash, ImageContent};
use percept_tools::{Part, PartBody};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    Ending, Entry, Event, JOURNAL_VERSION, JournalError, RecordedBody, RecordedPart, RunFolder,
    event::Urgency, journal::Journal, run_folder::SHOTS,
};

/// The record of one run.
pub(crate) struct Recorder {
    begun: Instant,
    next: u64,
    kept: Option<(RunFolder, Journal)>,
    listener: mpsc::UnboundedSender<Entry>,
    shots: HashMap<ContentHash, String>,
    storing: Vec<JoinHandle<Result<(), JournalError>>>,
}

impl Recorder {
    /// A record in this folder, or only for the listener.
    pub(crate) fn new(kept: Option<(RunFolder, Journal)>, listener: mpsc::UnboundedSender<Entry>) -> Self {
        Self { begun: Instant::now(), next: 0, kept, listener, shots: HashMap::new(), storing: Vec::new() }
    }

    /// The sequence number of the next event.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Writes an event down.
    ///
    /// # Errors
    ///
    /// An ending, if the journal can't be written: what can't be recorded must not happen.
    pub(crate) async fn record(&mut self, event: Event) -> Result<(), Ending> {
        let at = self.begun.elapsed().as_secs_f64() * 1000.0;
        let entry = Entry { v: JOURNAL_VERSION, seq: self.next, at: (at * 1000.0).round() / 1000.0, event };
        if entry.event.is_kept() {
            if entry.event.urgency() == Urgency::Now {
                self.settle().await?;
            }
            if let Some((_, journal)) = &mut self.kept {
                journal.append(&entry).await.map_err(|error| unwritable(&error))?;
            }
            self.next += 1;
        }
        // Nobody listening is no failure: an app may only want the outcome.
        let _ = self.listener.send(entry);
        Ok(())
    }

    /// Stores an image once, beside the loop, and names its file; `None` where nothing is kept.
    pub(crate) fn shot(&mut self, image: &ImageContent) -> Option<String> {
        let (folder, _) = self.kept.as_ref()?;
        if let Some(name) = self.shots.get(&image.hash()) {
            return Some(name.clone());
        }
        let name = format!("{SHOTS}/{:04}.png", self.shots.len() + 1);
        self.shots.insert(image.hash(), name.clone());
        let (folder, pixels, file) = (folder.clone(), Arc::clone(image.pixels()), name.clone());
        self.storing.push(tokio::task::spawn_blocking(move || folder.store(&file, &pixels)));
        Some(name)
    }

    /// What the journal keeps of an observation.
    pub(crate) fn parts(&mut self, parts: &[Part]) -> Vec<RecordedPart> {
        parts
            .iter()
            .map(|part| {
                let body = match &part.body {
                    PartBody::Text(text) => RecordedBody::Text(text.clone()),
                    PartBody::Json(value) => RecordedBody::Json(value.clone()),
                    PartBody::Image(pixels) => {
                        RecordedBody::Image(self.shot(&ImageContent::new(Arc::clone(pixels))))
                    }
                    other => RecordedBody::Text(format!("{other:?}")),
                };
                RecordedPart { source: part.source.clone(), body }
            })
            .collect()
    }

    /// Waits until every image is stored. Images are encoded while the model thinks; no effect begins
    /// before they are there.
    async fn settle(&mut self) -> Result<(), Ending> {
        for storing in self.storing.drain(..) {
            match storing.await {
                Ok(stored) => stored.map_err(|error| unwritable(&error))?,
                Err(stopped) => {
                    return Err(Ending::failed(format!("storing a screenshot stopped: {stopped}")));
                }
            }
        }
        Ok(())
    }
}

fn unwritable(error: &JournalError) -> Ending {
    Ending::failed(format!("the run can't be recorded, so it stopped: {error}"))
}
