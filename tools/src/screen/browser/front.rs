//! The window in front: commands and scripts for it, and what their failures mean.

use std::time::Duration;

use chromiumoxide::{
    Command,
    cdp::{browser_protocol::page::CreateIsolatedWorldParams, js_protocol::runtime::EvaluateParams},
};
use serde::de::DeserializeOwned;

use super::{
    happenings::{Record, Window},
    wire::{Wire, WireError},
};
use crate::ScreenError;

/// The name of the world in which our scripts run, out of the page's sight and reach.
pub(super) const WORLD: &str = "percept";

/// How long a command may take that the browser does at once.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// The window in front, whichever it is at the moment.
#[derive(Debug, Clone)]
pub(super) struct Front {
    pub(super) wire: Wire,
    pub(super) record: Record,
}

impl Front {
    /// The window as it is now.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Gone`] if there is none any more.
    pub(super) fn window(&self) -> Result<Window, ScreenError> {
        let happenings = self.record.lock();
        if let Some(reason) = happenings.gone() {
            return Err(ScreenError::Gone { reason: reason.into() });
        }
        happenings
            .windows
            .last()
            .cloned()
            .ok_or_else(|| ScreenError::Gone { reason: "no window is open".into() })
    }

    /// Gives the window a command and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Gone`] if the window went away, [`ScreenError::Broken`] otherwise.
    pub(super) async fn tell<C: Command>(&self, command: &C) -> Result<C::Response, ScreenError> {
        let window = self.window()?;
        let answer = self.wire.execute(Some(&window.session), command, ANSWER).await;
        answer.map_err(|e| self.sorted(e))
    }

    /// Runs a script in a world of our own in the page's main frame, and waits for its promise.
    /// `None` if the page went on to another one meanwhile, or the script took longer than `limit`.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Gone`] if the window went away, [`ScreenError::Broken`] if the script fails.
    pub(super) async fn evaluate<T: DeserializeOwned>(
        &self,
        script: &str,
        limit: Duration,
    ) -> Result<Option<T>, ScreenError> {
        let main = self.window()?.target;
        self.evaluate_in(&main, script, limit).await
    }

    /// [`Front::evaluate`] in one frame of the window.
    ///
    /// # Errors
    ///
    /// Those of [`Front::evaluate`].
    pub(super) async fn evaluate_in<T: DeserializeOwned>(
        &self,
        frame: &str,
        script: &str,
        limit: Duration,
    ) -> Result<Option<T>, ScreenError> {
        let window = self.window()?;
        let world = CreateIsolatedWorldParams {
            frame_id: frame.to_owned().into(),
            world_name: Some(WORLD.into()),
            grant_univeral_access: None,
        };
        let session = Some(&*window.session);
        let context = match self.wire.execute(session, &world, limit).await {
            Ok(world) => world.execution_context_id,
            Err(error) => return self.moved_on(error),
        };
        let mut evaluate = EvaluateParams::new(script);
        evaluate.context_id = Some(context);
        evaluate.await_promise = Some(true);
        evaluate.return_by_value = Some(true);
        let answer = match self.wire.execute(session, &evaluate, limit).await {
            Ok(answer) => answer,
            Err(error) => return self.moved_on(error),
        };
        if let Some(exception) = answer.exception_details {
            let details = exception.exception.and_then(|e| e.description).unwrap_or(exception.text);
            return Err(ScreenError::Broken(format!("a script of Percept's failed: {details}").into()));
        }
        let value = answer.result.value.unwrap_or_default();
        serde_json::from_value(value).map(Some).map_err(|e| ScreenError::Broken(e.into()))
    }

    /// Runs a script of the caller's in the page's own world.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Refused`] if it throws, [`ScreenError::Unsettled`] if it doesn't end,
    /// [`ScreenError::Gone`] if the window went away.
    pub(super) async fn evaluate_in_page(
        &self,
        script: &str,
        limit: Duration,
    ) -> Result<serde_json::Value, ScreenError> {
        let window = self.window()?;
        let mut evaluate = EvaluateParams::new(script);
        evaluate.await_promise = Some(true);
        evaluate.return_by_value = Some(true);
        let answer = match self.wire.execute(Some(&*window.session), &evaluate, limit).await {
            Ok(answer) => answer,
            Err(error) => {
                self.moved_on::<()>(error)?;
                return Err(ScreenError::Unsettled { seconds: limit.as_secs_f64() });
            }
        };
        if let Some(exception) = answer.exception_details {
            let details = exception.exception.and_then(|e| e.description).unwrap_or(exception.text);
            return Err(ScreenError::Refused { reason: format!("the script failed: {details}") });
        }
        Ok(answer.result.value.unwrap_or_default())
    }

    fn moved_on<T>(&self, error: WireError) -> Result<Option<T>, ScreenError> {
        match self.sorted(error) {
            gone @ ScreenError::Gone { .. } => Err(gone),
            error => {
                tracing::trace!(%error, "a script did not end");
                Ok(None)
            }
        }
    }

    /// What a failed command means: whatever the browser said, if the page is gone, that is why.
    pub(super) fn sorted(&self, error: WireError) -> ScreenError {
        let reason = self.record.lock().gone().map(str::to_owned);
        match (reason, error) {
            (Some(reason), _) => ScreenError::Gone { reason },
            (None, error) => ScreenError::Broken(error.into()),
        }
    }
}
