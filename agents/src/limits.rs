//! How much a run may take, and what it has taken so far.

use std::time::{Duration, Instant};

use percept_models::Usage;
use percept_tools::{Allowance, Nested};
use serde::{Deserialize, Serialize};

use crate::{AgentError, Ending, Outcome, Prices, memory, trail::Circle};

/// The most that a run may take. Every limit but the one on cost is on by default, and hard: the run ends when it is
/// reached, and says which one it was, unless it is told to ask ([`Limits::at_limit`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Actions, refused ones included.
    pub steps: usize,
    /// Tokens that the model may write: thoughts, calls and reflections together, forced ones included.
    pub tokens: usize,
    /// Tokens that the model may read, those that are still in its cache aside.
    pub read_tokens: usize,
    /// Tokens that the model may find in its cache, each time that it does: what they cost is little, and not nothing.
    #[serde(default = "many_cached")]
    pub cached_tokens: usize,
    /// What the tokens may cost, in the currency of the [`Prices`]; `None` sets no limit. No reply may be longer than what
    /// is left pays for; what a prompt costs is known only when it was read, so the last one can go beyond.
    #[serde(default)]
    pub cost: Option<f64>,
    /// Mebibytes that the process may hold, everything else in it included.
    pub memory_mib: u64,
    /// Seconds from the first look; the time that a person takes to answer something isn't counted.
    pub seconds: u64,
    /// Refused or malformed actions in a row.
    pub refusals: usize,
    /// Actions in a row after which the screen shows nothing that it hadn't shown before.
    pub stalls: usize,
    /// How often the same actions may be carried out, one after the other, on the same screens with the same results.
    pub rounds: usize,
    /// What happens when a limit on steps, tokens, cost or seconds is reached.
    #[serde(default)]
    pub at_limit: AtLimit,
}

const fn many_cached() -> usize {
    10_000_000
}

/// What happens when a limit on steps, tokens, cost or seconds is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtLimit {
    /// The run ends.
    #[default]
    End,
    /// A person is asked for as much again: for steps and time before the next step, for tokens and cost before the next
    /// question to the model. A step that alone goes beyond its time by as much as the whole run was given is stopped.
    Ask,
}

/// A limit that a person can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Limits::steps`].
    Steps,
    /// [`Limits::tokens`].
    Tokens,
    /// [`Limits::read_tokens`].
    ReadTokens,
    /// [`Limits::cached_tokens`].
    CachedTokens,
    /// [`Limits::cost`].
    Cost,
    /// [`Limits::seconds`].
    Seconds,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 25,
            tokens: 10_000,
            read_tokens: 1_000_000,
            cached_tokens: many_cached(),
            cost: None,
            memory_mib: 65_536,
            seconds: 180,
            refusals: 4,
            stalls: 8,
            rounds: 4,
            at_limit: AtLimit::End,
        }
    }
}

impl Limits {
    /// # Errors
    ///
    /// [`AgentError::ZeroLimit`] for a limit under which nothing could happen, [`AgentError::NoPrices`] for one that can't be
    /// kept.
    pub(crate) fn checked(self, prices: Option<Prices>) -> Result<Self, AgentError> {
        let zero = [
            ("steps", self.steps == 0),
            ("tokens", self.tokens == 0),
            ("read_tokens", self.read_tokens == 0),
            ("cached_tokens", self.cached_tokens == 0),
            // A number that isn't one is above nothing either.
            ("cost", self.cost.is_some_and(|cost| cost.is_nan() || cost <= 0.0)),
            ("memory_mib", self.memory_mib == 0),
            ("seconds", self.seconds == 0),
            ("refusals", self.refusals == 0),
            ("stalls", self.stalls == 0),
            ("rounds", self.rounds == 0),
        ]
        .into_iter()
        .find_map(|(name, is_zero)| is_zero.then_some(name));
        match zero {
            Some(limit) => Err(AgentError::ZeroLimit { limit }),
            None if self.cost.is_some() && prices.is_none() => Err(AgentError::NoPrices),
            None => Ok(self),
        }
    }
}

/// What a run has taken of its [`Limits`].
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// The limits as they are by now.
    limits: Limits,
    /// The limits as they were given: what each is raised by.
    given: Limits,
    prices: Option<Prices>,
    begun: Instant,
    worked: Duration,
    /// What a person took in this life, which isn't the run's.
    waited: Duration,
    pub(crate) steps: usize,
    pub(crate) tokens: usize,
    pub(crate) read: usize,
    pub(crate) cached: usize,
    pub(crate) cost: f64,
    pub(crate) refusals: usize,
    pub(crate) stalls: usize,
}

impl Budget {
    /// A budget of which earlier lives of the run have used this much time.
    pub(crate) fn new(limits: Limits, prices: Option<Prices>, worked: Duration) -> Self {
        Self {
            limits,
            given: limits,
            prices,
            begun: Instant::now(),
            worked,
            waited: Duration::ZERO,
            steps: 0,
            tokens: 0,
            read: 0,
            cached: 0,
            cost: 0.0,
            refusals: 0,
            stalls: 0,
        }
    }

    /// When whatever is under way is stopped.
    pub(crate) fn deadline(&self) -> Instant {
        match self.given.at_limit {
            AtLimit::End => self.after(self.limits.seconds),
            AtLimit::Ask => self.after(self.limits.seconds.saturating_add(self.given.seconds)),
        }
    }

    /// When the run will have worked for so many seconds.
    fn after(&self, seconds: u64) -> Instant {
        let left = Duration::from_secs(seconds).saturating_sub(self.worked).saturating_add(self.waited);
        // What is further away than the clock goes is no limit.
        self.begun.checked_add(left).unwrap_or_else(|| self.begun + FAR)
    }

    /// Since the beginning, a person's thinking in this life included.
    pub(crate) fn elapsed(&self) -> Duration {
        self.worked + self.begun.elapsed()
    }

    /// Tokens that may still be written.
    pub(crate) fn tokens_left(&self) -> usize {
        let left = self.limits.tokens.saturating_sub(self.tokens);
        match (self.prices, self.cost_left()) {
            (Some(prices), Some(money)) => left.min(prices.written_for(money)),
            _ => left,
        }
    }

    /// What is left for other agents' models.
    pub(crate) fn allowance(&self) -> Allowance {
        Allowance {
            tokens: self.tokens_left(),
            read_tokens: self.limits.read_tokens.saturating_sub(self.read),
            cached_tokens: self.limits.cached_tokens.saturating_sub(self.cached),
            cost: self.cost_left(),
            memory_mib: self.limits.memory_mib,
        }
    }

    /// What may still be spent; `None` if there is no limit on it.
    fn cost_left(&self) -> Option<f64> {
        self.limits.cost.map(|most| (most - self.cost).max(0.0))
    }

    /// Counts what one reply took.
    pub(crate) fn spend(&mut self, usage: &Usage) {
        self.tokens += usage.output_tokens;
        self.read += usage.fresh_tokens;
        self.cached += usage.cached_tokens;
        self.cost += self.prices.map_or(0.0, |prices| prices.of(usage));
    }

    /// Counts what another agent's run took, which worked for this one.
    pub(crate) fn spend_within(&mut self, nested: &Nested) {
        self.tokens += nested.tokens;
        self.read += nested.read;
        self.cached += nested.cached;
        self.cost += nested.cost;
    }

    /// Gives back the time that a person took.
    pub(crate) fn forgive(&mut self, waited: Duration) {
        self.waited += waited;
    }

    /// The limit that leaves no room for one more step, the clock aside.
    pub(crate) fn reached(&self) -> Option<Limit> {
        if self.steps >= self.limits.steps {
            return Some(Limit::Steps);
        }
        self.reached_in_tokens()
    }

    /// The limit that leaves no room for one more question to the model, the clock aside.
    pub(crate) fn reached_in_tokens(&self) -> Option<Limit> {
        if self.tokens >= self.limits.tokens {
            Some(Limit::Tokens)
        } else if self.tokens_left() == 0 || self.cost_left() == Some(0.0) {
            Some(Limit::Cost)
        } else if self.read >= self.limits.read_tokens {
            Some(Limit::ReadTokens)
        } else if self.cached >= self.limits.cached_tokens {
            Some(Limit::CachedTokens)
        } else {
            None
        }
    }

    /// Whether a person is to be asked for more before a limit ends the run.
    pub(crate) fn asks(&self) -> bool {
        self.given.at_limit == AtLimit::Ask
    }

    /// Whether its time is up.
    pub(crate) fn is_overdue(&self) -> bool {
        Instant::now() >= self.after(self.limits.seconds)
    }

    /// Raises a limit by as much as was given.
    pub(crate) fn raise(&mut self, limit: Limit) {
        let (now, given) = (&mut self.limits, &self.given);
        match limit {
            Limit::Steps => now.steps = now.steps.saturating_add(given.steps),
            Limit::Tokens => now.tokens = now.tokens.saturating_add(given.tokens),
            Limit::ReadTokens => now.read_tokens = now.read_tokens.saturating_add(given.read_tokens),
            Limit::CachedTokens => now.cached_tokens = now.cached_tokens.saturating_add(given.cached_tokens),
            Limit::Cost => now.cost = now.cost.zip(given.cost).map(|(now, given)| now + given),
            Limit::Seconds => now.seconds = now.seconds.saturating_add(given.seconds),
        }
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

    /// What is said when this limit is reached.
    pub(crate) fn told(&self, limit: Limit) -> String {
        match limit {
            Limit::Steps => format!("{} steps were taken", self.limits.steps),
            Limit::Tokens => format!("{} tokens were written", self.limits.tokens),
            Limit::ReadTokens => format!("{} tokens were read", self.read),
            Limit::CachedTokens => format!("{} tokens were taken from the cache", self.cached),
            Limit::Cost => {
                format!(
                    "{} of {} were spent",
                    amount(self.cost),
                    amount(self.limits.cost.unwrap_or_default())
                )
            }
            Limit::Seconds => format!("{} seconds have passed", self.limits.seconds),
        }
    }

    /// The end of a run that has reached this limit.
    pub(crate) fn ending(&self, limit: Limit) -> Ending {
        Ending::limit(self.told(limit))
    }

    pub(crate) fn out_of_time(&self) -> Ending {
        self.ending(Limit::Seconds)
    }

    pub(crate) fn out_of_memory(&self) -> Ending {
        Ending::limit(format!("the process holds more than {} MiB", self.limits.memory_mib))
    }
}

/// Longer than any run, and within what every clock can count.
const FAR: Duration = Duration::from_hours(24 * 365);

/// An amount of money in four places, which is enough for a single prompt.
fn amount(money: f64) -> String {
    let text = format!("{money:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() { "0".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limits: Limits) -> Budget {
        Budget::new(limits, Some(Prices { fresh: 1.0, cached: 0.1, output: 10.0 }), Duration::ZERO)
    }

    #[test]
    fn a_limit_is_reached_told_and_raised_by_what_was_given() {
        let given = Limits { steps: 2, tokens: 100, read_tokens: 50, cost: Some(0.001), ..Limits::default() };
        let usage = |fresh_tokens, output_tokens| Usage { fresh_tokens, output_tokens, ..Usage::default() };
        let cases = [
            (usage(0, 10), None, "", 90),
            (usage(0, 100), Some(Limit::Tokens), "100 tokens were written", 100),
            (usage(50, 10), Some(Limit::ReadTokens), "50 tokens were read", 85),
        ];
        for (usage, reached, told, left) in cases {
            let mut budget = budget(given);
            budget.spend(&usage);
            assert_eq!(budget.reached(), reached, "{usage:?}");
            if let Some(limit) = reached {
                assert_eq!(budget.told(limit), told);
                budget.raise(limit);
            }
            // What 0.001 pays for is 100 tokens at 10 a million; at the first limit both are used up.
            let by_cost = if reached == Some(Limit::Tokens) { 0 } else { left };
            assert_eq!(budget.tokens_left(), by_cost.min(left), "{usage:?}");
        }
    }

    #[test]
    fn money_bounds_the_next_reply_and_then_the_run() {
        let mut budget = budget(Limits { cost: Some(0.002), tokens: 1000, ..Limits::default() });
        assert_eq!(budget.tokens_left(), 200);
        budget.spend(&Usage { fresh_tokens: 500, cached_tokens: 5000, ..Usage::default() });
        assert_eq!((budget.tokens_left(), budget.reached()), (100, None));
        budget.spend(&Usage { output_tokens: 100, ..Usage::default() });
        assert_eq!((budget.tokens_left(), budget.reached()), (0, Some(Limit::Cost)));
        assert_eq!(budget.told(Limit::Cost), "0.002 of 0.002 were spent");
        budget.raise(Limit::Cost);
        assert_eq!((budget.tokens_left(), budget.reached()), (200, None));
    }

    #[test]
    fn the_longest_time_that_can_be_written_is_a_limit_like_any_other() {
        for at_limit in [AtLimit::End, AtLimit::Ask] {
            let mut budget = budget(Limits { seconds: u64::MAX, at_limit, ..Limits::default() });
            budget.raise(Limit::Seconds);
            assert!(!budget.is_overdue() && budget.deadline() > Instant::now());
        }
    }

    #[test]
    fn what_earlier_lives_worked_is_taken_off_the_raised_limit() {
        let limits = Limits { seconds: 180, at_limit: AtLimit::Ask, ..Limits::default() };
        let mut budget = Budget::new(limits, None, Duration::from_secs(400));
        assert!(budget.is_overdue());
        budget.raise(Limit::Seconds);
        assert!(budget.is_overdue(), "360 seconds aren't 400");
        budget.raise(Limit::Seconds);
        let left = budget.after(540).saturating_duration_since(Instant::now()).as_secs();
        assert!(!budget.is_overdue() && (138..=140).contains(&left), "{left} seconds are left");
        budget.forgive(Duration::from_secs(10));
        assert!(budget.after(540).saturating_duration_since(Instant::now()).as_secs() > 145);
    }

    #[test]
    fn a_limit_that_could_not_be_kept_is_refused() {
        let prices = Prices { fresh: 1.0, cached: 0.0, output: 1.0 };
        let cost = |cost| Limits { cost: Some(cost), ..Limits::default() };
        assert!(matches!(cost(1.0).checked(None), Err(AgentError::NoPrices)));
        for wrong in [0.0, -1.0, f64::NAN] {
            assert!(matches!(
                cost(wrong).checked(Some(prices)),
                Err(AgentError::ZeroLimit { limit: "cost" })
            ));
        }
        assert!(cost(0.5).checked(Some(prices)).is_ok());
        assert!(Prices { fresh: -1.0, ..prices }.checked().is_err());
    }
}
