//! A decode under way: one step of it at a time.

use std::{borrow::Cow, collections::VecDeque, time::Instant};

use super::{DecodeMilliseconds, DecodeOptions, DecodeStop, Decoded, DecodedToken, sampling::Sampler};
use crate::{
    constraint::{Constraint, TokenMask},
    engine::EngineError,
    sequence::Sequence,
};

/// A decode under way. Ask it for the [next](Decoding::next) token until there is none.
///
/// A step runs the decoder once, over the token chosen last and whatever the grammar forced after it; meanwhile
/// the grammar's mask for the next token is worked out. Every token that was given out belongs to the sequence
/// afterwards, however the decode ends; one that wasn't, doesn't.
#[derive(Debug)]
pub struct Decoding<'a> {
    sequence: &'a mut Sequence,
    options: DecodeOptions,
    constraint: Option<Constraint>,
    /// Made with the first token, so that a setting out of range is that token's error.
    sampler: Option<Sampler>,
    /// Forced tokens that were written, but not given out yet.
    queue: VecDeque<DecodedToken>,
    given: Vec<DecodedToken>,
    stop: Option<DecodeStop>,
    milliseconds: DecodeMilliseconds,
    begun: Option<Instant>,
}

impl<'a> Decoding<'a> {
    pub(crate) fn new(
        sequence: &'a mut Sequence,
        options: DecodeOptions,
        constraint: Option<Constraint>,
    ) -> Self {
        Self {
            sequence,
            options,
            constraint,
            sampler: None,
            queue: VecDeque::new(),
            given: Vec::new(),
            stop: None,
            milliseconds: DecodeMilliseconds::default(),
            begun: None,
        }
    }

    /// The next token; `None` when the decode has ended.
    ///
    /// # Errors
    ///
    /// What the decoder or the grammar says; after an error there is no other token.
    pub async fn next(&mut self) -> Option<Result<DecodedToken, EngineError>> {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let next = self.advance().await;
        self.milliseconds.total = milliseconds_since(begun);
        match next {
            Ok(Some(token)) => {
                self.given.push(token);
                Some(Ok(token))
            }
            Ok(None) => None,
            // Cancelled through its options, a decode has ended and not failed.
            Err(EngineError::Cancelled) => {
                self.stop = Some(DecodeStop::Cancelled);
                None
            }
            Err(error) => {
                self.stop = Some(DecodeStop::Cancelled);
                Some(Err(error))
            }
        }
    }

    /// Ends it, and says what it came to. A decode that hadn't ended by itself is [`DecodeStop::Cancelled`].
    pub fn finish(mut self) -> Decoded {
        let tokens = std::mem::take(&mut self.given);
        let forced = tokens.iter().filter(|token| token.forced).count();
        Decoded {
            stop: self.stop.unwrap_or(DecodeStop::Cancelled),
            tokens,
            forced,
            milliseconds: self.milliseconds,
        }
    }

    async fn advance(&mut self) -> Result<Option<DecodedToken>, EngineError> {
        if self.options.cancel.is_cancelled() && self.stop.is_none() {
            self.stop = Some(DecodeStop::Cancelled);
        }
        if self.stop.is_some() {
            return Ok(None);
        }
        // Complete with the last token that it may have, it isn't cut off.
        if self.queue.is_empty() && self.constraint.as_ref().is_some_and(Constraint::finished) {
            self.stop = Some(DecodeStop::End);
            return Ok(None);
        }
        if let Some(stop) = self.out_of_room() {
            self.stop = Some(stop);
            return Ok(None);
        }
        if self.queue.is_empty() && !self.force()? {
            return self.choose().await;
        }
        if let Some(token) = self.queue.pop_front() {
            return Ok(Some(token));
        }
        // Nothing was forced because nothing is left to write.
        self.stop = Some(DecodeStop::End);
        Ok(None)
    }

    fn out_of_room(&self) -> Option<DecodeStop> {
        // Tokens in the queue are written already: only new ones need room in the context.
        let context = self.sequence.engine().context();
        if self.given.len() >= self.options.max_tokens {
            return Some(DecodeStop::MaxTokens);
        }
        (self.sequence.position() - self.queue.len() >= context).then_some(DecodeStop::Context)
    }

    fn sampler(&mut self) -> Result<&mut Sampler, EngineError> {
        match &mut self.sampler {
            Some(sampler) => Ok(sampler),
            none => Ok(none.insert(
                Sampler::new(self.options.sampling, &self.options.history)?
                    .without_runs_of(self.options.no_repeat, &self.options.history),
            )),
        }
    }

    /// Writes what the grammar leaves no choice about. Says whether it decided this step: something was forced,
    /// or the grammar is complete.
    fn force(&mut self) -> Result<bool, EngineError> {
        self.sampler()?;
        let (Some(constraint), Some(sampler)) = (&mut self.constraint, &mut self.sampler) else {
            return Ok(false);
        };
        if constraint.finished() {
            return Ok(true);
        }
        let begun = Instant::now();
        let forced = constraint.forced()?;
        self.milliseconds.grammar += milliseconds_since(begun);
        let finished = constraint.finished();
        // The grammar may force its own end, which isn't part of the text.
        for id in forced.into_iter().take_while(|&id| !constraint.is_end(id)) {
            sampler.see(id);
            self.sequence.write(id);
            self.queue.push_back(DecodedToken { id, log_probability: None, forced: true });
        }
        self.release();
        Ok(finished || !self.queue.is_empty())
    }

    async fn choose(&mut self) -> Result<Option<DecodedToken>, EngineError> {
        let mask = self.read_and_mask().await?;
        let begun = Instant::now();
        let log_probabilities = self.options.log_probabilities;
        self.sampler()?;
        let Some(sampler) = &mut self.sampler else { return Ok(None) };
        let heard = heard(self.sequence.logits()?, &self.options.silent);
        let choice = sampler.choose(&heard, mask.as_ref(), log_probabilities)?;
        sampler.see(choice.id);
        self.milliseconds.sampling += milliseconds_since(begun);
        let ends = self.options.end_tokens.contains(&choice.id)
            || self.constraint.as_ref().is_some_and(|constraint| constraint.is_end(choice.id));
        if ends {
            self.stop = Some(DecodeStop::End);
            return Ok(None);
        }
        if let Some(constraint) = &mut self.constraint {
            let begun = Instant::now();
            constraint.accept(choice.id)?;
            self.milliseconds.grammar += milliseconds_since(begun);
        }
        self.release();
        self.sequence.write(choice.id);
        Ok(Some(DecodedToken { id: choice.id, log_probability: choice.log_probability, forced: false }))
    }

    /// Lets the constraint go once it binds nothing any more.
    fn release(&mut self) {
        if self.constraint.as_ref().is_some_and(Constraint::is_free) {
            self.constraint = None;
        }
    }

    /// Has the decoder read what was written, and works the mask out while it does.
    async fn read_and_mask(&mut self) -> Result<Option<TokenMask>, EngineError> {
        let begun = Instant::now();
        let runs = self.sequence.start_reading_pending().await?;
        let masking = Instant::now();
        let mask = self.constraint.as_mut().map(Constraint::mask).transpose();
        let grammar = milliseconds_since(masking);
        let cancelled = self.options.cancel.clone();
        let outcome = tokio::select! {
            biased;
            outcome = self.sequence.settle() => outcome,
            () = cancelled.cancelled() => {
                // Dropped, `settle` has stopped the run; what came of it still has to be taken.
                self.sequence.stop_running();
                self.sequence.settle().await?;
                Err(EngineError::Cancelled)
            }
        };
        self.milliseconds.grammar += grammar;
        if runs {
            self.milliseconds.runs += 1;
            self.milliseconds.decoder += milliseconds_since(begun);
        }
        outcome?;
        Ok(mask?)
    }
}

impl Drop for Decoding<'_> {
    fn drop(&mut self) {
        self.sequence.unwrite(self.queue.len());
    }
}

/// The scores without those of tokens that are never written.
fn heard<'a>(scores: &'a [f32], silent: &[u32]) -> Cow<'a, [f32]> {
    let mut heard = Cow::Borrowed(scores);
    for token in silent {
        if let Some(score) = heard.to_mut().get_mut(*token as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
    heard
}

fn milliseconds_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_tokens_arent_heard_and_without_any_nothing_is_copied() {
        let scores = [1.0, 2.0, 3.0];
        assert!(matches!(heard(&scores, &[]), Cow::Borrowed(_)));
        // A token beyond the vocabulary has no score to lose.
        let found = heard(&scores, &[2, 0, 9]);
        assert_eq!(found.as_ref(), [f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY]);
    }
}
