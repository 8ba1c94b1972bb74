//! Checking: whether the task is done, on evidence.

use std::sync::Arc;

use super::{
    act::Action,
    think::Decision,
    working::{Working, unexpected},
};
use crate::{Ending, Event, Outcome, Percept, Verdict, evidence::Claim, history::Record};

/// How often the model may claim to be done against the evidence before it is taken to have failed.
const CLAIMS: usize = 2;

impl Working {
    /// Looks for the evidence before anything was done: where it is there already, it will prove nothing.
    ///
    /// # Errors
    ///
    /// The run's ending, if the evidence can't be looked for at all.
    pub(super) async fn foresee(&mut self, percept: Option<&Percept>) -> Result<(), Ending> {
        if self.evidence.is_empty() || self.evidence.waits_for_the_end() {
            return Ok(());
        }
        if self.look_for_evidence(0, percept, Claim::default()).await?.holds {
            self.note("the evidence was there before anything was done: it proves little").await?;
        }
        Ok(())
    }

    /// Ends the run if the action brought the evidence, or if the model says that it is done. `Some` says
    /// what the model is told when it claimed to be done against the evidence, and may try again.
    ///
    /// # Errors
    ///
    /// The run's ending: done, or claimed done against the evidence.
    pub(super) async fn check(
        &mut self,
        step: usize,
        decision: &Decision,
        action: &Action,
        after: Option<&Percept>,
    ) -> Result<Option<String>, Ending> {
        let Action::Done { changes, finish, answer, .. } = action else { return Ok(None) };
        if self.evidence.is_empty() {
            if !finish {
                return Ok(None);
            }
            let word = Ending::new(Outcome::Done, "the model says so; the task names no evidence");
            return Err(Ending { answer: answer.clone(), certainty: decision.certainty, ..word });
        }
        if !finish && (!changes || self.evidence.waits_for_the_end()) {
            return Ok(None);
        }
        let (certainty, is_seen) = (decision.certainty, decision.says_where());
        let claim = Claim { answer: answer.as_deref(), certainty, is_seen };
        let mut verdict = self.look_for_evidence(step, after, claim).await?;
        if let (true, Some(question)) = (verdict.holds, self.evidence.judge.clone()) {
            let check = self.examine(step, &question).await?;
            verdict.holds = check.holds;
            verdict.checks.push(check);
        }
        if verdict.holds {
            let found = Ending::new(Outcome::Done, self.evidence.described().join("; "));
            return Err(Ending { evidence: Some(true), answer: answer.clone(), certainty, ..found });
        }
        if !finish {
            return Ok(None);
        }
        let missing = verdict.missing();
        self.claims += 1;
        if self.claims >= CLAIMS {
            let reason = format!("claimed done against the evidence; missing: {missing}");
            // An answer without its grounds is withheld: the run abstains.
            let answer = answer.clone().filter(|_| self.evidence.grounds.is_none());
            return Err(Ending { evidence: Some(false), answer, certainty, ..Ending::failed(reason) });
        }
        // Neither what was expected nor what the page says instead: the one would give the answer away, the
        // other would speak with our voice.
        let told = self.evidence.told(&verdict);
        self.history.push(Record::Note(format!("The task isn't done yet: {told}. Go on.")));
        Ok(Some(format!("you said that the task is done, but it isn't: {told}")))
    }

    async fn look_for_evidence(
        &mut self,
        step: usize,
        percept: Option<&Percept>,
        claim: Claim<'_>,
    ) -> Result<Verdict, Ending> {
        let (bounds, evidence, secrets) = (self.bounds(), &self.evidence, &self.secrets);
        let screen = self.screen.as_ref().map(Arc::clone);
        let work = async move {
            let looking = evidence.look_for(screen.as_deref(), percept.map(Percept::screenshot), &claim);
            let mut verdict = bounds
                .within(looking)
                .await?
                .map_err(|error| Ending::failed(format!("the evidence can't be looked for: {error}")))?;
            for check in &mut verdict.checks {
                check.found = check.found.as_ref().map(|found| secrets.hidden(found));
            }
            Ok(Event::Checked { step, verdict })
        };
        match self.durable.step(&["checked"], Box::pin(work)).await? {
            Event::Checked { verdict, .. } => Ok(verdict),
            other => Err(unexpected(&other)),
        }
    }
}
