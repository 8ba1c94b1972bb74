//! The engine that comes with Percept: the journal in the run's own folder. A run that is taken up again gets its
//! earlier life's events from the tape, and writes on where that ends.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Durable, Tape, Work};
use crate::{
    Ending, Entry, Event, JOURNAL_VERSION, JournalError, album::Album, event::Urgency, journal::Journal,
};

/// A run kept in a folder, or told to its listener alone.
pub(crate) struct Keeper {
    tape: Tape,
    /// What is written before the first event of this life, in a run that was taken up.
    seam: Option<Event>,
    /// Whether anything came from the tape and nothing was done since.
    at_seam: bool,
    /// Whether this life may not write: it goes another way than the earlier one, or the disk failed it.
    astray: bool,
    begun: Instant,
    /// Milliseconds of the earlier lives.
    before: f64,
    next: u64,
    journal: Option<Journal>,
    album: Arc<Album>,
    listener: mpsc::UnboundedSender<Entry>,
}

impl Keeper {
    /// A run that begins.
    pub(crate) fn new(
        journal: Option<Journal>,
        album: Arc<Album>,
        listener: mpsc::UnboundedSender<Entry>,
    ) -> Self {
        Self {
            tape: Tape::empty(),
            seam: None,
            at_seam: false,
            astray: false,
            begun: Instant::now(),
            before: 0.0,
            next: 0,
            journal,
            album,
            listener,
        }
    }

    /// A run that is taken up: these events are its earlier life, `before` milliseconds long, and `seam` is
    /// written before the first new one, which is number `next`.
    pub(crate) fn taking_up(self, tape: Tape, before: f64, next: u64, seam: Event) -> Self {
        Self { tape, before, next, seam: Some(seam), ..self }
    }

    async fn write(&mut self, event: Event) -> Result<(), Ending> {
        if self.astray {
            return Ok(());
        }
        if let Some(seam) = self.seam.take() {
            Box::pin(self.write(seam)).await?;
        }
        let at = self.before + self.begun.elapsed().as_secs_f64() * 1000.0;
        let entry = Entry { v: JOURNAL_VERSION, seq: self.next, at: (at * 1000.0).round() / 1000.0, event };
        if entry.event.urgency() == Urgency::Now || entry.event.shows_images() {
            let settled = self.album.settle().await;
            settled.map_err(|error| self.unwritable(&error))?;
        }
        if let Some(journal) = &mut self.journal {
            let appended = journal.append(&entry).await;
            appended.map_err(|error| self.unwritable(&error))?;
        }
        self.next += 1;
        self.at_seam = false;
        // Nobody listening is no failure: an app may only want the outcome.
        let _ = self.listener.send(entry);
        Ok(())
    }

    /// After this nothing is written any more, not even the end: the journal stays as it is, to be gone on from.
    fn unwritable(&mut self, error: &JournalError) -> Ending {
        self.astray = true;
        Ending::failed(format!("the run can't be recorded, so it stopped: {error}"))
    }

    /// The next event of the earlier life, which must be of one of these kinds.
    fn recall(&mut self, kinds: &[&str]) -> Result<Option<Event>, Ending> {
        let Some(entry) = self.tape.take() else { return Ok(None) };
        self.at_seam = true;
        if kinds.contains(&entry.event.kind()) {
            return Ok(Some(entry.event));
        }
        Err(self.stray(&entry, &format!("`{}`", kinds.join("` or `"))))
    }

    fn stray(&mut self, entry: &Entry, now: &str) -> Ending {
        self.astray = true;
        let place = entry.event.step().map(|step| format!(", step {step}")).unwrap_or_default();
        Ending::failed(format!(
            "this run can't be taken up: its journal says `{}` (event {}{place}) where it now comes to {now}; it was \
             begun by another version of Percept, or with other tools",
            entry.event.kind(),
            entry.seq
        ))
    }
}

#[async_trait]
impl Durable for Keeper {
    async fn step(&mut self, kinds: &[&'static str], work: Work<'_>) -> Result<Event, Ending> {
        if let Some(event) = self.recall(kinds)? {
            return Ok(event);
        }
        let event = work.await?;
        self.write(event.clone()).await?;
        Ok(event)
    }

    async fn tell(&mut self, event: Event) -> Result<(), Ending> {
        let place = self.next_sequence();
        let Some(recalled) = self.recall(&[event.kind()])? else { return self.write(event).await };
        if recalled == event || matches!(event, Event::Began(_)) {
            return Ok(());
        }
        let entry = Entry { v: JOURNAL_VERSION, seq: place, at: 0.0, event: recalled };
        Err(self.stray(&entry, &format!("another `{}`", event.kind())))
    }

    fn next_sequence(&self) -> u64 {
        let new = self.next + u64::from(self.seam.is_some());
        self.tape.next().map_or(new, |entry| entry.seq)
    }

    fn is_in_doubt(&self) -> bool {
        self.at_seam && self.tape.is_empty()
    }

    fn is_recalling(&self) -> bool {
        !self.tape.is_empty()
    }

    fn recalls(&self, kind: &str) -> bool {
        self.tape.next().is_some_and(|entry| entry.event.kind() == kind)
    }

    fn recorded_ending(&self) -> Option<Ending> {
        None
    }
}
