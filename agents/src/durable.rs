//! What keeps a run alive: every result that can't be computed again is written down before it is used, so that a
//! later life of the run finds it instead of doing it again.
//!
//! The loop is deterministic but for its *steps*: a look, a reply of the model, a tool's result, a person's word, a
//! check of the evidence. Each goes through [`Durable::step`]. Everything else that it writes down follows from
//! those and goes through [`Durable::tell`], where an engine that remembers an earlier life compares it: a run that
//! goes another way than it went is noticed at once.
//!
//! A step that was begun and not recorded is done again, so steps happen at least once. The one that must not, a
//! call that changes something, is announced by a told `calling` event: where an earlier life ends with one,
//! [`Durable::is_in_doubt`] says so, and the loop asks.

use std::{future::Future, pin::Pin};

use async_trait::async_trait;

use crate::{Ending, Event};

mod keeper;
mod replayer;
mod tape;

pub(crate) use keeper::Keeper;
pub use replayer::Divergence;
pub(crate) use replayer::{Finding, Replayer};
pub(crate) use tape::{Tape, can_go_on, worked};

/// Work whose result can't be computed again. It isn't begun where an earlier life has the result.
pub(crate) type Work<'w> = Pin<Box<dyn Future<Output = Result<Event, Ending>> + Send + 'w>>;

/// An engine that keeps a run. Every method is called from the one task that the run's loop is.
#[async_trait]
pub(crate) trait Durable: Send {
    /// The event of one of these kinds that an earlier life recorded at this place; without one, does the work, records the event that
    /// it brings and gives it back.
    ///
    /// # Errors
    ///
    /// The ending that the work brought; one of the engine's own, if it can't record or the records don't fit.
    async fn step(&mut self, kinds: &[&'static str], work: Work<'_>) -> Result<Event, Ending>;

    /// Writes down an event that follows from those before it.
    ///
    /// # Errors
    ///
    /// An ending, if it can't be recorded (what can't be recorded must not happen), or if an earlier life wrote
    /// another.
    async fn tell(&mut self, event: Event) -> Result<(), Ending>;

    /// The sequence number of the next event: the same in every life of the run.
    fn next_sequence(&self) -> u64;

    /// Whether the event that was told last comes from an earlier life of which it is the last word.
    fn is_in_doubt(&self) -> bool;

    /// Whether events come from an earlier life still, so that the clock doesn't count.
    fn is_recalling(&self) -> bool;

    /// Whether the next event of an earlier life is of this kind.
    fn recalls(&self, kind: &str) -> bool;

    /// The ending that was recorded at this place, for a caller that knows whether it is one that nothing in the run
    /// explains: a limit on time, an interruption.
    fn recorded_ending(&self) -> Option<Ending>;
}
