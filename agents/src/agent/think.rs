//! Thinking: one decision about what to do next.

use percept_models::{Call, Completion, Function, Generate, Sampling, StopReason, Unconfirmed};

use super::{
    generate::Question,
    working::{Working, unexpected},
};
use crate::{
    Area, Ending, Event, Percept, Reflect, Target, history::Record, memory, offer, thinking::VOTING,
};

/// The lowest temperature at which a decision is sampled to get out of a dead end, and what each further
/// attempt on the same screen adds.
const EXPLORING: f32 = 0.7;
const BOLDER: f32 = 0.1;
const BOLDEST: f32 = 1.2;

/// What the model decided.
pub(super) struct Decision {
    /// What was thought before.
    pub(super) thought: String,
    /// The call, or why the reply isn't one.
    pub(super) call: Result<Call, String>,
    /// Why the model's vendor wants a person to confirm it, if it does.
    pub(super) concern: Option<String>,
    /// The places on the screenshot that the call names, or what is wrong with them.
    pub(super) targets: Result<Vec<Target>, String>,
    /// How certain it is, where the run asks.
    pub(super) certainty: Option<f64>,
}

impl Decision {
    /// Whether it names regions of the screen.
    pub(super) fn says_where(&self) -> bool {
        let is_region = |target: &Target| matches!(target.area, Area::Region(_));
        self.targets.as_ref().is_ok_and(|targets| targets.iter().any(is_region))
    }
}

/// One vote on what to do.
#[derive(Clone)]
pub(super) struct Ballot {
    pub(super) thought: String,
    pub(super) text: String,
    pub(super) call: Result<Call, String>,
    pub(super) concern: Option<String>,
    pub(super) targets: Result<Vec<Target>, String>,
    /// How likely the model takes its text to be.
    pub(super) likelihood: Option<f64>,
}

impl Working {
    /// Asks the model what to do, as often as the run wants votes.
    ///
    /// # Errors
    ///
    /// The run's ending; a reply that is no call isn't one.
    pub(super) async fn think(&mut self, step: usize, percept: Option<&Percept>) -> Result<Decision, Ending> {
        let functions = offer::functions(&self.toolbox, percept.map(|seen| seen.frame().size));
        let mut ballots = Vec::new();
        for vote in 1..=self.thinking.votes {
            ballots.push(self.decide(step, vote, &functions, percept).await?);
        }
        let (chosen, agreement) = self.elect(step, &ballots, percept).await?;
        let Ballot { thought, text, call, concern, targets, likelihood } = ballots.swap_remove(chosen);
        self.history.push(Record::Decided { thought: thought.clone(), text, confirmed: false });
        let certainty = agreement.or(likelihood).filter(|_| self.wants_certainty());
        Ok(Decision { thought, call, concern, targets, certainty })
    }

    /// One vote. The first is the decision that a run without votes makes.
    async fn decide(
        &mut self,
        step: usize,
        vote: usize,
        functions: &[Function],
        percept: Option<&Percept>,
    ) -> Result<Ballot, Ending> {
        let exploring = self.exploring(percept);
        let own = exploring.as_ref().map_or(self.thinking.temperature, |(temperature, _)| *temperature);
        let temperature = if vote == 1 { own } else { own.max(VOTING) };
        let seed = seed_of_step(self.seed.wrapping_add((vote as u64 - 1) << 32), step);
        let exploring = exploring.map(|(_, why)| why);
        let options = Generate {
            reply: self.style.way().reply(functions.to_vec()),
            sampling: Sampling { temperature, seed, ..Sampling::default() },
            max_tokens: self.tokens_for(self.thinking.max_tokens).await?,
            max_thought_tokens: self.thinking.max_thought_tokens,
            log_probabilities: self.wants_certainty() && self.beginning.model.tells_probabilities,
            ..Generate::default()
        };
        let can_confirm = self.policy.confirm;
        let told = move |completion: Completion| {
            let likelihood = completion.likelihood();
            let (call, concern) = match completion.unconfirmed.filter(|_| can_confirm) {
                Some(Unconfirmed { call, why }) => (Ok(call), Some(why)),
                None => (completion.call.unwrap_or_else(|| Err("the reply holds no call".into())), None),
            };
            Event::Decided {
                step,
                vote,
                thought: completion.thought,
                text: completion.text,
                call: call.as_ref().ok().cloned(),
                malformed: call.err(),
                concern,
                stop: completion.stop,
                likelihood,
                usage: completion.usage,
                memory_bytes: memory::now(),
            }
        };
        let kinds = &["decided", "too_long"];
        let question = Question { step, vote, exploring, kinds, options, request: None, told };
        let decided = self.generate(question).await?;
        let Event::Decided { thought, text, call, malformed, concern, stop, likelihood, .. } = decided else {
            return Err(unexpected(&decided));
        };
        let call = call.ok_or_else(|| malformed.unwrap_or_default());
        let cut_off = stop == StopReason::MaxTokens && call.is_err();
        if let (true, Some(limit)) = (cut_off, self.budget.reached_in_tokens()) {
            // The limit cut it off, not the model: where a person grants more it is decided again.
            self.raise(limit).await?;
            return Box::pin(self.decide(step, vote, functions, percept)).await;
        }
        let targets = match &call {
            Ok(call) => offer::targets(call, functions),
            Err(_) => Ok(Vec::new()),
        };
        Ok(Ballot { thought, text, call, concern, targets, likelihood })
    }

    /// Whether it is to be known how certain an answer is.
    fn wants_certainty(&self) -> bool {
        self.evidence.grounds.is_some_and(|grounds| grounds.certainty.is_some())
    }

    /// Whether to sample this decision, at what temperature and why. A model that sees only the screen, or
    /// that can't learn from words, decides on the same screen as it did before: if that brought it back
    /// here once, it would for ever.
    fn exploring(&self, percept: Option<&Percept>) -> Option<(f32, String)> {
        if self.reflects_in_words() || self.thinking.reflect == Reflect::Never {
            return None;
        }
        let tried = *self.tried.get(&percept?.hash())?;
        let temperature = (EXPLORING + BOLDER * (tried.saturating_sub(1)) as f32).min(BOLDEST);
        let times = if tried == 1 { "once".into() } else { format!("{tried} times") };
        let why = format!("it has acted {times} on exactly this screen before, so this decision is sampled");
        Some((temperature.max(self.thinking.temperature), why))
    }
}

/// A seed for one step: `SplitMix64` (Steele et al. 2014) of the run's seed and the step.
pub(super) fn seed_of_step(seed: u64, step: usize) -> u64 {
    let mut mixed = seed.wrapping_add((step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
