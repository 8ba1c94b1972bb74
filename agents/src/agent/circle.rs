//! Noticing that the run goes round in circles: the same actions on the same screens, with the same results.

use super::{act::Action, think::Decision, working::Working};
use crate::{Ending, Event, Percept, history::Record, trail::Footprint};

impl Working {
    /// Remembers an action, and notices when the last ones are the same as the ones before them. `Some` says so,
    /// for a reflection.
    ///
    /// # Errors
    ///
    /// The run's ending, if it went round too often.
    pub(super) async fn circle(
        &mut self,
        step: usize,
        decision: &Decision,
        action: &Action,
        percept: Option<&Percept>,
    ) -> Result<Option<String>, Ending> {
        let (Action::Done { brought, changes, .. }, Ok(call)) = (action, &decision.call) else {
            return Ok(None);
        };
        let screen = percept.map(Percept::hash);
        let (call, brought) = (call.clone(), brought.clone());
        self.trail.push(Footprint { screen, call, changes: *changes, brought });
        let Some(circle) = self.trail.closed().filter(|circle| circle.changes || circle.rounds > 2) else {
            return Ok(None);
        };
        self.tell(Event::Circled { step, actions: circle.actions, rounds: circle.rounds }).await?;
        self.budget.take_round(circle)?;
        let what = circle.told();
        self.history
            .push(Record::Note(format!("You are going round in circles: {what}. Do something else.")));
        Ok(Some(format!("it went round in circles: {what}")))
    }
}
