//! The loop: look, think, act, observe, reflect, and again until something ends it.

use std::convert::Infallible;

use super::working::Working;
use crate::{Ending, RunResult};

impl Working {
    /// Works until something ends the run, and says what.
    pub(super) async fn run(mut self) -> RunResult {
        let ending = match self.work().await {
            Err(ending) => ending,
            Ok(never) => match never {},
        };
        self.conclude(ending).await
    }

    /// Every phase can end the run, and only that ends it: the evidence, a limit, a failure that the model
    /// can't influence, a person. What the model can influence it is shown, and it goes on.
    async fn work(&mut self) -> Result<Infallible, Ending> {
        self.begin().await?;
        let mut percept = self.look().await?;
        self.foresee(percept.as_ref()).await?;
        self.plan(1, None).await?;
        loop {
            self.make_room().await?;
            // A person's word may have come days later, and to another browser.
            if std::mem::take(&mut self.is_stale) {
                percept = self.look().await?;
            }
            let step = self.take_step()?;
            let decision = self.think(step, percept.as_ref()).await?;
            let action = self.act(step, &decision, percept.as_ref()).await?;
            let after = self.look().await?;
            let claim = self.check(step, &decision, &action, after.as_ref()).await?;
            let unmet = self.expect(step, &action, percept.as_ref(), after.as_ref()).await?;
            let circle = self.circle(step, &decision, &action, percept.as_ref()).await?;
            let failure = claim.or_else(|| unmet.clone()).or(circle);
            self.reflect(step, &action, failure.as_deref(), percept.as_ref(), after.as_ref()).await?;
            if unmet.is_some() {
                self.plan(step + 1, unmet.as_deref()).await?;
            }
            percept = after;
        }
    }
}
