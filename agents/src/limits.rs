//! How much a run may take, and what it has taken so far.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{AgentError, Ending, Outcome, memory, trail::Circle};

/// The most that a run may take. Every limit is on by default and hard: the run ends when it is reached,
/// and says which one it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Actions, refused ones included.
    pub steps: usize,
    /// Tokens that the model may write: thoughts, calls and reflections together, forced ones included.
    pub tokens: usize,
    /// Tokens that the model may read, those that are still in its cache aside.
    pub read_tokens: usize,
    /// Mebibytes that the process may hold, everything else in it included.
    pub memory_mib: u64,
    /// Seconds from the first look; the time that a person takes to approve something isn't counted.
    pub seconds: u64,
    /// Refused or malformed actions in a row.
    pub refusals: usize,
    /// Actions in a row after which the screen shows nothing that it hadn't shown before.
    pub stalls: usize,
    /// How often the same actions may be carried out, one after the other, on the same screens with the same results.
    pub rounds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 25,
            tokens: 10_000,
            read_tokens: 1_000_000,
            memory_mib: 65_536,
            seconds: 180,
            refusals: 4,
            stalls: 8,
            rounds: 4,
        }
    }
}

impl Limits {
    /// # Errors
    ///
    /// [`AgentError::ZeroLimit`] for a limit under which nothing could happen.
    pub(crate) fn checked(self) -> Result<Self, AgentError> {
        let zero = [
            ("steps", self.steps == 0),
            ("tokens", self.tokens == 0),
            ("read_tokens", self.read_tokens == 0),
            ("memory_mib", self.memory_mib == 0),
            ("seconds", self.seconds == 0),
            ("refusals", self.refusals == 0),
            ("stalls", self.stalls == 0),
            ("rounds", self.rounds == 0),
        ]
        .into_iter()
        .find_map(|(name, is_zero)| is_zero.then_some(name));
        zero.map_or(Ok(self), |limit| Err(AgentError::ZeroLimit { limit }))
    }
}

/// What a run has taken of its [`Limits`].
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limits: Limits,
    begun: Instant,
    worked: Duration,
    deadline: Instant,
    pub(crate) steps: usize,
    pub(crate) tokens: usize,
    pub(crate) read: usize,
    pub(crate) refusals: usize,
    pub(crate) stalls: usize,
}

impl Budget {
    /// A budget of which earlier lives of the run have used this much time.
    pub(crate) fn new(limits: Limits, worked: Duration) -> Self {
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(limits.seconds).saturating_sub(worked);
        Self { limits, begun, worked, deadline, steps: 0, tokens: 0, read: 0, refusals: 0, stalls: 0 }
    }

    /// When the time is up.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Since the beginning, a person's thinking in this life included.
    pub(crate) fn elapsed(&self) -> Duration {
        self.worked + self.begun.elapsed()
    }

    /// Tokens that may still be written.
    pub(crate) fn tokens_left(&self) -> usize {
        self.limits.tokens.saturating_sub(self.tokens)
    }

    /// Gives back the time that a person took.
    pub(crate) fn forgive(&mut self, waited: Duration) {
        self.deadline += waited;
    }

    /// Whether there is room for one more step.
    ///
    /// # Errors
    ///
    /// The run's ending, if a limit on steps or tokens is reached.
    pub(crate) fn room(&self) -> Result<(), Ending> {
        if self.steps >= self.limits.steps {
            return Err(Ending::limit(format!("{} steps were taken", self.limits.steps)));
        }
        if self.tokens_left() == 0 {
            return Err(self.out_of_tokens());
        }
        if self.read >= self.limits.read_tokens {
            return Err(Ending::limit(format!("{} tokens were read", self.read)));
        }
        Ok(())
    }

    /// Whether the process holds more than it may.
    pub(crate) fn is_over_memory(&self) -> bool {
        memory::now().is_some_and(|bytes| bytes >> 20 > self.limits.memory_mib)
    }

    /// Counts a refusal.
    ///
    /// # Errors
    ///
    /// The run's ending with this outcome, if too many came in a row.
    pub(crate) fn take_refusal(&mut self, outcome: Outcome, reason: &str) -> Result<(), Ending> {
        self.refusals += 1;
        if self.refusals >= self.limits.refusals {
            let reason = format!("{} actions in a row were refused, the last one: {reason}", self.refusals);
            return Err(Ending::new(outcome, reason));
        }
        Ok(())
    }

    /// Counts an action that showed nothing new.
    ///
    /// # Errors
    ///
    /// The run's ending, if too many came in a row.
    pub(crate) fn take_stall(&mut self) -> Result<(), Ending> {
        self.stalls += 1;
        if self.stalls >= self.limits.stalls {
            let reason = format!("stuck: the last {} actions showed nothing new", self.stalls);
            return Err(Ending::new(Outcome::Failed, reason));
        }
        Ok(())
    }

    /// Counts a circle that was closed.
    ///
    /// # Errors
    ///
    /// The run's ending, if it was gone round too often.
    pub(crate) fn take_round(&self, circle: Circle) -> Result<(), Ending> {
        if circle.rounds < self.limits.rounds {
            return Ok(());
        }
        Err(Ending::failed(format!("stuck, going round in circles: {}", circle.told())))
    }

    pub(crate) fn out_of_time(&self) -> Ending {
        Ending::limit(format!("{} seconds have passed", self.limits.seconds))
    }

    pub(crate) fn out_of_memory(&self) -> Ending {
        Ending::limit(format!("the process holds more than {} MiB", self.limits.memory_mib))
    }

    pub(crate) fn out_of_tokens(&self) -> Ending {
        Ending::limit(format!("{} tokens were written", self.limits.tokens))
    }
}
