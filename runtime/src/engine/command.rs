//! What is asked of the engine's thread, and the line over which it is asked.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use ort::session::{NoSelectedOutputs, RunOptions};
use tokio::sync::oneshot;

use super::EngineError;
use crate::{embedded_tokens::EmbeddedTokens, tensor::HostTensor};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// One thing that the thread can do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run an encoder.
    Encode {
        encoder: String,
        inputs: Vec<(String, HostTensor)>,
        switch: Arc<RunSwitch>,
        reply: Reply<Vec<(String, HostTensor)>>,
    },
    /// Look embeddings up, features in the places of image tokens.
    Embed { tokens: Vec<u32>, features: Option<HostTensor>, switch: Arc<RunSwitch>, reply: Reply<HostTensor> },
    /// Begin a sequence, scored by a head of this name or by the first.
    Open { sequence: u64, head: Option<String>, reply: Reply<()> },
    /// Read chunks, all or none of them, in one run of the decoder or in several. Where that ends is a place to come back to, or isn't.
    Extend {
        sequence: u64,
        chunks: Vec<Chunk>,
        checkpoint: bool,
        switch: Arc<RunSwitch>,
        reply: Reply<Extended>,
    },
    /// Forget what was read beyond a position; or, if that can't be and `near` is set, beyond the next one before it.
    Rewind { sequence: u64, position: usize, near: bool, switch: Arc<RunSwitch>, reply: Reply<Extended> },
    /// End a sequence and free its cache. Sent for one that couldn't be begun, too.
    Close { sequence: u64 },
}

/// Something to read.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Token ids.
    Tokens(Vec<u32>),
    /// Embeddings, and what goes beside them.
    Embedded(EmbeddedTokens),
}

/// Where a sequence stands after reading or rewinding.
#[derive(Debug)]
pub(crate) struct Extended {
    /// Tokens that were read by now.
    pub(crate) position: usize,
    /// Those of them whose keys and values are in the cache.
    pub(crate) held: usize,
    /// Scores of the token after the last one read; none where the last thing was not to read.
    pub(crate) logits: Option<Vec<f32>>,
}

/// Stops what another thread does, before it begins or in its middle; or it is done by then. One of both happens: what was
/// stopped is undone, and what is done stays, whoever waits for it.
pub(crate) struct RunSwitch {
    options: RunOptions<NoSelectedOutputs>,
    /// [`OPEN`], [`THROWN`], or the position at which what was done leaves the sequence.
    state: AtomicUsize,
}

const OPEN: usize = usize::MAX;
const THROWN: usize = usize::MAX - 1;

impl RunSwitch {
    pub(crate) fn new() -> Result<Self, EngineError> {
        Ok(Self { options: RunOptions::new()?, state: AtomicUsize::new(OPEN) })
    }

    /// Stops it, unless it is done.
    pub(crate) fn throw(&self) {
        if self.state.compare_exchange(OPEN, THROWN, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return;
        }
        if let Err(error) = self.options.terminate() {
            tracing::warn!(%error, "a run couldn't be stopped");
        }
    }

    pub(crate) fn is_thrown(&self) -> bool {
        self.state.load(Ordering::SeqCst) == THROWN
    }

    /// Says that it is done and leaves its sequence here, and can't be stopped any more. If it was before, that is the error.
    pub(crate) fn commit(&self, position: usize) -> Result<(), EngineError> {
        let done = self.state.compare_exchange(OPEN, position, Ordering::SeqCst, Ordering::SeqCst);
        done.map(|_| ()).map_err(|_| EngineError::Cancelled)
    }

    /// Says that it failed after all, and has done nothing.
    pub(crate) fn fail(&self) {
        self.state.store(THROWN, Ordering::SeqCst);
    }

    /// Where what was done leaves the sequence, once it is done.
    pub(crate) fn committed(&self) -> Option<usize> {
        Some(self.state.load(Ordering::SeqCst)).filter(|&state| state != OPEN && state != THROWN)
    }

    pub(crate) fn options(&self) -> &RunOptions<NoSelectedOutputs> {
        &self.options
    }
}

impl std::fmt::Debug for RunSwitch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunSwitch")
            .field("thrown", &self.is_thrown())
            .field("committed", &self.committed())
            .finish_non_exhaustive()
    }
}

/// Throws a switch when the future that holds it is dropped: nobody waits for the result any more.
#[derive(Debug)]
pub(crate) struct StopOnDrop(Option<Arc<RunSwitch>>);

impl StopOnDrop {
    pub(crate) fn new(switch: Arc<RunSwitch>) -> Self {
        Self(Some(switch))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(switch) = &self.0 {
            switch.throw();
        }
    }
}

/// The line to the thread. When it is dropped the thread ends, and is waited for: sessions must be gone before
/// the library's own end.
#[derive(Debug)]
pub(crate) struct EngineLine {
    commands: Option<mpsc::Sender<Command>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The model's file, for errors.
    path: PathBuf,
}

impl EngineLine {
    pub(super) fn new(commands: mpsc::Sender<Command>, thread: JoinHandle<()>, path: PathBuf) -> Self {
        Self { commands: Some(commands), thread: Mutex::new(Some(thread)), path }
    }

    /// What is said where nobody answers.
    pub(super) fn gone(&self) -> EngineError {
        EngineError::Gone { path: self.path.clone() }
    }

    pub(super) fn send(&self, command: Command) -> Result<(), EngineError> {
        let commands = self.commands.as_ref().ok_or_else(|| self.gone())?;
        commands.send(command).map_err(|_| self.gone())
    }
}

impl Drop for EngineLine {
    fn drop(&mut self) {
        self.commands = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the engine's thread died");
        }
    }
}
