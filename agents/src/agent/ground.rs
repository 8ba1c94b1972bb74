//! The grounding check: before an action that changes something, whether there is something at its place that fits
//! what the model thought.

use std::sync::Arc;

use percept_models::Call;
use percept_tools::{Effect, PixelPoint, ScreenError, ToolCard};

use super::working::{Working, unexpected};
use crate::{Area, Ending, Event, Percept, Target, thinking::mismatch};

impl Working {
    /// Why this call misses what it is about; `None` if it doesn't, or nobody can tell. A model that makes the very same
    /// call again knows something that the screen doesn't tell, and has its way.
    ///
    /// # Errors
    ///
    /// The run's ending, if the screen can't be asked any more.
    pub(super) async fn ground(
        &mut self,
        step: usize,
        (thought, call): (&str, &Call),
        card: &ToolCard,
        targets: &[Target],
        percept: Option<&Percept>,
    ) -> Result<Option<String>, Ending> {
        let points: Vec<_> = targets
            .iter()
            .filter_map(|target| match target.area {
                Area::Point(point) => Some(point),
                Area::Region(_) => None,
            })
            .collect();
        let changes = matches!(card.effect, Effect::Changes { .. });
        let (Some(screen), Some(percept)) = (self.screen.as_ref().map(Arc::clone), percept) else {
            return Ok(None);
        };
        if !self.policy.grounded || !changes || points.is_empty() {
            return Ok(None);
        }
        if self.doubted.take().is_some_and(|doubted| doubted == *call) {
            return Ok(None);
        }
        let (bounds, frame, thought) = (self.bounds(), percept.frame(), thought.to_owned());
        let work = async move {
            let (mut found, mut problem) = (Vec::new(), None);
            for point in points {
                let PixelPoint { x, y } = point;
                match bounds.within(screen.element_at(frame.to_screen(point))).await? {
                    Ok(element) => {
                        let place = format!("[{x}, {y}]");
                        problem = problem.or_else(|| mismatch(&thought, &place, element.as_ref()));
                        found.extend(element);
                    }
                    Err(ScreenError::Unsupported { .. }) => {}
                    Err(error) => return Err(Ending::failed(error.to_string())),
                }
            }
            Ok(Event::Grounded { step, found, problem })
        };
        match self.durable.step(&["grounded"], Box::pin(work)).await? {
            Event::Grounded { problem, .. } => {
                self.doubted = problem.as_ref().map(|_| call.clone());
                Ok(problem)
            }
            other => Err(unexpected(&other)),
        }
    }
}
