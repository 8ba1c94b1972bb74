//! Voting: which of a step's decisions is carried out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use percept_models::{Call, Completion, Reply};
use percept_tools::{Frame, Screen};

use super::{
    generate::{Aside, Question},
    think::Ballot,
    working::{Working, unexpected},
};
use crate::{
    Area, Choose, Ending, Event, Percept, Target,
    prompts::Prompt,
    thinking::{
        JUDGEMENT_TOKENS, Meaning, Place, grouped, judgement_schema, majority, proposed, read_judgement,
    },
};

impl Working {
    /// The index of the vote that is carried out, and the share of those that mean the same, where there are others.
    ///
    /// # Errors
    ///
    /// The run's ending: a limit, a cancellation.
    pub(super) async fn elect(
        &mut self,
        step: usize,
        ballots: &[Ballot],
        percept: Option<&Percept>,
    ) -> Result<(usize, Option<f64>), Ending> {
        if ballots.len() == 1 {
            return Ok((0, None));
        }
        let screen = self.screen.as_ref().map(Arc::clone);
        let (bounds, votes) = (self.bounds(), ballots.to_vec());
        let frame = percept.map(Percept::frame);
        let work = async move {
            let mut meanings = Vec::new();
            for ballot in &votes {
                let meaning = match (&ballot.call, &ballot.targets) {
                    (Ok(call), Ok(targets)) => {
                        let places = bounds.within(places(screen.as_deref(), frame, targets)).await?;
                        Some(Meaning::new(call, places))
                    }
                    _ => None,
                };
                meanings.push(meaning);
            }
            let alike = grouped(&meanings);
            let chosen = majority(&alike, &meanings);
            Ok(Event::Voted { step, alike, chosen })
        };
        let (alike, chosen) = match self.durable.step(&["voted"], Box::pin(work)).await? {
            Event::Voted { alike, chosen, .. } if chosen < ballots.len() => (alike, chosen),
            other => return Err(unexpected(&other)),
        };
        let agreement = |vote: usize| (vote, Some(share(&alike, vote)));
        let different: BTreeSet<usize> = alike.iter().copied().collect();
        let proposals: Vec<_> = different
            .into_iter()
            .filter_map(|index| Some((index, ballots.get(index)?)))
            .filter_map(|(index, ballot)| Some((index, ballot.thought.clone(), ballot.call.as_ref().ok()?)))
            .collect();
        if self.thinking.choose == Choose::Majority || proposals.len() < 2 {
            return Ok(agreement(chosen));
        }
        let best = self.judge(step, &proposals).await?.filter(|best| *best < ballots.len());
        Ok(agreement(best.unwrap_or(chosen)))
    }

    /// Asks the model which proposal is the best; `None` if its word can't be read.
    async fn judge(
        &mut self,
        step: usize,
        proposals: &[(usize, String, &Call)],
    ) -> Result<Option<usize>, Ending> {
        let reply = Reply::Json(judgement_schema(proposals.len()));
        let options = self.options(step, Aside::Judgement, reply, JUDGEMENT_TOKENS).await?;
        let shown: Vec<_> = proposals.iter().map(|(_, thought, call)| (thought.clone(), *call)).collect();
        let wanted = self.prompts.filled(Prompt::Choose, &[("proposals", &proposed(&shown))]);
        let votes: Vec<_> = proposals.iter().map(|(index, ..)| *index).collect();
        let told = move |completion: Completion| {
            let (best, problem) = match read_judgement(&completion.text, votes.len()) {
                Ok(best) => (votes.get(best).copied(), None),
                Err(problem) => (None, Some(problem)),
            };
            Event::Judged { step, best, problem, usage: completion.usage }
        };
        let question = Question::aside(step, &["judged", "too_long"], options, Some(wanted), told);
        let judged = self.generate(question).await?;
        let Event::Judged { best, problem, .. } = judged else { return Err(unexpected(&judged)) };
        if let Some(problem) = problem {
            self.note(format!("the judge's word couldn't be read ({problem}): the majority decided")).await?;
        }
        Ok(best)
    }
}

/// The share of the votes that mean the same as this one.
#[allow(clippy::cast_precision_loss, reason = "there are few votes")]
fn share(alike: &[usize], vote: usize) -> f64 {
    let of = |vote: usize| alike.get(vote).copied().unwrap_or(vote);
    alike.iter().filter(|first| **first == of(vote)).count() as f64 / alike.len() as f64
}

/// What stands at each place that a call names. A screen that can't or won't say leaves the places bare.
async fn places(
    screen: Option<&dyn Screen>,
    frame: Option<Frame>,
    targets: &[Target],
) -> BTreeMap<String, Place> {
    let mut places = BTreeMap::new();
    for target in targets {
        let mut place = Place::bare(target);
        if let (Area::Point(point), Some(screen), Some(frame)) = (target.area, screen, frame)
            && let Ok(Some(element)) = screen.element_at(frame.to_screen(point)).await
            && element.acts
        {
            place = Place::Element(element);
        }
        places.insert(target.argument.clone(), place);
    }
    places
}
