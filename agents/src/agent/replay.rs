//! Replaying: a whole run again, with no model and no screen, compared event by event.

use std::{
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use percept_models::{ChatModel, Conversation, Generate, Generation, ModelCard, ModelError};
use percept_tools::{Screen, ScreenError, Screenshot, Toolbox};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::working::{Parts, Working};
use crate::{
    Divergence, JournalError, RunFolder, RunResult, Secrets,
    album::Album,
    durable::{Finding, Replayer, Tape},
    journal,
};

/// What a replay came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The result as the replay computes it; time and memory are the replay's own.
    pub result: RunResult,
    /// How many events were compared.
    pub events: usize,
    /// Whether the journal has the run's end, or ends where the run was killed.
    pub is_finished: bool,
    /// Where the run would go another way today; `None` if it is identical.
    pub divergence: Option<Divergence>,
}

/// Goes through a recorded run again: the same loop, fed with what the model, the tools and the screen brought
/// then. Every event that follows from those is computed anew and compared: prompts (by their hash, images
/// included), calls, notes, limits, the end.
///
/// ```
/// # async fn example() -> Result<(), percept::JournalError> {
/// let replayed = percept::replay("runs/20261124-190002-4f1c".as_ref()).await?;
/// assert_eq!(replayed.divergence, None);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`JournalError`] if there is no run, if a person acted in it, or if its journal or one of its screenshots was changed.
pub async fn replay(folder: &Path) -> Result<Replayed, JournalError> {
    let mut recording = journal::read(folder)?;
    recording.check_by_model(folder)?;
    if recording.result().is_none() {
        recording.leave_out_what_was_not_stored(folder)?;
    }
    let tape = Tape::of(&recording.entries);
    let is_finished = recording.result().is_some();
    let finding = Finding::default();
    let (listener, mut events) = mpsc::unbounded_channel();
    // Nobody is asked for approval: what a person said is in the journal.
    let (_, approvals) = mpsc::unbounded_channel();
    let screen: Arc<dyn Screen> = Arc::new(Nowhere);
    let beginning = recording.beginning;
    let album = Arc::new(Album::new(Some(RunFolder::open(folder)?)));
    let demonstrations =
        beginning.demonstrations.iter().map(|shown| shown.restored(&album)).collect::<Result<_, _>>()?;
    let parts = Parts {
        model: Arc::new(Nobody(beginning.model.clone())),
        toolbox: Toolbox::described(beginning.tools.clone()),
        screen: beginning.screen.then_some(screen),
        durable: Box::new(Replayer::new(tape, Arc::clone(&finding), listener.clone())),
        album,
        demonstrations,
        folder: Some(folder.to_owned()),
        listener,
        approvals,
        cancel: CancellationToken::new(),
        worked: Duration::ZERO,
        happened: None,
        secrets: Secrets::default(),
    };
    let result = Working::new(beginning, parts).run().await;
    let mut compared = 0;
    while events.try_recv().is_ok() {
        compared += 1;
    }
    let divergence = finding.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(Replayed { result, events: compared, is_finished, divergence })
}

/// A model that is known by its card alone.
struct Nobody(ModelCard);

#[async_trait]
impl ChatModel for Nobody {
    fn card(&self) -> &ModelCard {
        &self.0
    }

    async fn generate(&self, _: &Conversation, _: &Generate) -> Result<Generation, ModelError> {
        Err(ModelError::Interrupted)
    }
}

/// A screen that isn't there.
struct Nowhere;

#[async_trait]
impl Screen for Nowhere {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        Err(ScreenError::Gone { reason: "a replay has no screen".into() })
    }

    async fn act(&self, input: &percept_tools::Input) -> Result<(), ScreenError> {
        Err(ScreenError::Unsupported { what: input.verb().into() })
    }
}
