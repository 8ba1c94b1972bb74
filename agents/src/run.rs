//! A run on its way: its events, the ways to influence it, and its outcome.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures::Stream;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Approval, Entry, Milliseconds, Outcome, RunResult, TokenUsage};

/// A run on its way. It is a stream of its events; dropping it cancels the run.
pub struct Run {
    name: String,
    events: mpsc::UnboundedReceiver<Entry>,
    approve: mpsc::UnboundedSender<Approval>,
    cancel: CancellationToken,
    worker: JoinHandle<RunResult>,
    _guard: DropGuard,
}

impl Run {
    pub(crate) fn new(
        name: String,
        events: mpsc::UnboundedReceiver<Entry>,
        approve: mpsc::UnboundedSender<Approval>,
        cancel: CancellationToken,
        worker: JoinHandle<RunResult>,
    ) -> Self {
        let guard = cancel.clone().drop_guard();
        Self { name, events, approve, cancel, worker, _guard: guard }
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next event; `None` after [`Event::Ended`](crate::Event::Ended).
    pub async fn next_event(&mut self) -> Option<Entry> {
        self.events.recv().await
    }

    /// Lets the call that waits go on, or grants as much again of what a limit bounds.
    pub fn approve(&self) {
        // A run that is over has nothing left to approve.
        let _ = self.approve.send(Approval::Granted);
    }

    /// Refuses what waits for a person's word, which ends the run with this reason.
    pub fn deny(&self, reason: impl Into<String>) {
        let _ = self.approve.send(Approval::Denied(reason.into()));
    }

    /// Leaves the question open: the run ends as [`Outcome::Waiting`], and can be taken up, days later perhaps and by
    /// another process, when somebody can answer it.
    pub fn postpone(&self) {
        let _ = self.approve.send(Approval::Later);
    }

    /// Stops the run as soon as whatever it is doing can be stopped.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The means to stop the run from elsewhere.
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Waits for the end, and has every question of the run answered on the way: [`Event::ApprovalWanted`] and
    /// [`Event::LimitReached`]. A callback that takes its time holds up nothing but this run, whose clock stands still
    /// meanwhile.
    ///
    /// [`Event::ApprovalWanted`]: crate::Event::ApprovalWanted
    /// [`Event::LimitReached`]: crate::Event::LimitReached
    pub async fn answered_by<F, A>(mut self, mut answer: F) -> RunResult
    where
        F: FnMut(Entry) -> A,
        A: Future<Output = Approval>,
    {
        while let Some(entry) = self.events.recv().await {
            if entry.event.asks_a_person() {
                // Whoever cancels the run takes the question back.
                let word = tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => continue,
                    word = answer(entry) => word,
                };
                // A run that is over has nothing left to approve.
                let _ = self.approve.send(word);
            }
        }
        self.outcome().await
    }

    /// Waits for the end. Calls that wait for approval then wait for ever, so deny or approve them first, or
    /// use [`Run::answered_by`] or [`Run::next_event`].
    pub async fn outcome(mut self) -> RunResult {
        while self.events.recv().await.is_some() {}
        match (&mut self.worker).await {
            Ok(result) => result,
            Err(stopped) => RunResult {
                run: self.name.clone(),
                folder: None,
                outcome: Outcome::Failed,
                verified: None,
                reason: format!("the loop stopped unexpectedly: {stopped}"),
                answer: None,
                certainty: None,
                steps: 0,
                usage: TokenUsage::default(),
                cost: None,
                milliseconds: Milliseconds::default(),
                peak_memory_bytes: None,
                device: String::new(),
                notes: Vec::new(),
            },
        }
    }
}

impl Stream for Run {
    type Item = Entry;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Entry>> {
        self.events.poll_recv(cx)
    }
}
