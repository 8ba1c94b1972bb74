//! Room for one more step, or one more question to the model: what the limits leave, and what a person grants.

use std::time::Instant;

use super::working::Working;
use crate::{Ending, limits::Limit};

impl Working {
    /// Takes one more step.
    ///
    /// # Errors
    ///
    /// The run's ending, if its time is up or somebody stops it.
    pub(super) fn take_step(&mut self) -> Result<usize, Ending> {
        self.go_on()?;
        self.budget.steps += 1;
        Ok(self.budget.steps)
    }

    /// Asks a person for more, as long as a limit leaves no room for a step and the run may ask.
    ///
    /// # Errors
    ///
    /// The run's ending, if a limit is reached and no more is granted.
    pub(super) async fn make_room(&mut self) -> Result<(), Ending> {
        while let Some(limit) = self.budget.reached().or_else(|| self.overdue()) {
            self.raise(limit).await?;
        }
        Ok(())
    }

    /// How many tokens the model may write now, of this many that would be of use.
    ///
    /// # Errors
    ///
    /// As [`Working::make_room`].
    pub(super) async fn tokens_for(&mut self, useful: usize) -> Result<usize, Ending> {
        while let Some(limit) = self.budget.reached_in_tokens() {
            self.raise(limit).await?;
        }
        Ok(useful.min(self.budget.tokens_left()))
    }

    /// Has a limit raised that is reached.
    ///
    /// # Errors
    ///
    /// The limit's ending, if the run doesn't ask or nobody grants more.
    pub(super) async fn raise(&mut self, limit: Limit) -> Result<(), Ending> {
        if self.budget.asks() { self.ask_for_more(limit).await } else { Err(self.budget.ending(limit)) }
    }

    /// The limit on time, if it is reached and a person is to be asked; in an earlier life's stead, whether that one asked.
    fn overdue(&self) -> Option<Limit> {
        let is_overdue = if self.durable.is_recalling() {
            self.durable.recalls("limit_reached")
        } else {
            self.budget.is_overdue()
        };
        (self.budget.asks() && is_overdue).then_some(Limit::Seconds)
    }

    /// Whether the run may go on: its time isn't up, and nobody stops it. In an earlier life's stead, whether that
    /// one did.
    ///
    /// # Errors
    ///
    /// The run's ending.
    pub(super) fn go_on(&self) -> Result<(), Ending> {
        let (cancelled, out_of_time) = (Ending::cancelled(), self.budget.out_of_time());
        let out_of_memory = self.budget.out_of_memory();
        if let Some(recorded) = self.durable.recorded_ending() {
            let is_from_outside = [&cancelled, &out_of_time, &out_of_memory].into_iter().any(|ending| {
                recorded.outcome == ending.outcome && recorded.reason.starts_with(&ending.reason)
            });
            return if is_from_outside { Err(recorded) } else { Ok(()) };
        }
        if self.durable.is_recalling() {
            Ok(())
        } else if self.cancel.is_cancelled() {
            Err(cancelled)
        } else if Instant::now() >= self.budget.deadline() {
            Err(out_of_time)
        } else if self.budget.is_over_memory() {
            Err(out_of_memory)
        } else {
            Ok(())
        }
    }
}
