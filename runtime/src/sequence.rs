//! One text in the making: what a model has read and written so far, kept as its keys and values.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    constraint::Constraint,
    decode::{DecodeOptions, Decoding},
    embedded_tokens::EmbeddedTokens,
    engine::{Chunk, Command, Engine, EngineError, Extended, Reply, RunSwitch, StopOnDrop},
};

/// One text in the making. The cache lives on the engine's thread, in the device's memory; dropping this frees it.
///
/// Every method that waits may be dropped before its end: the run stops, and the sequence is where it was. Where it ended in
/// the same moment all of it is done, and [`Sequence::position`] says so at once: never a part of it.
#[derive(Debug)]
pub struct Sequence {
    engine: Engine,
    id: u64,
    /// Tokens that were read into the cache.
    cached: usize,
    /// Those of them whose keys and values it still holds.
    held: usize,
    /// Tokens that were written but not read back yet. They are read with whatever is read next, as
    /// if it all had been appended at once; the last tokens of a reply often never need to be.
    pending: Vec<u32>,
    /// Scores of the token after the last cached one.
    logits: Option<Vec<f32>>,
    /// A run whose answer nobody has taken yet.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    answer: oneshot::Receiver<Result<Extended, EngineError>>,
    switch: Arc<RunSwitch>,
    /// How many of the pending tokens it reads, or forgets.
    pending: usize,
}

impl Sequence {
    pub(crate) fn new(engine: Engine, id: u64) -> Self {
        Self { engine, id, cached: 0, held: 0, pending: Vec::new(), logits: None, running: None }
    }

    /// The model that it belongs to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many tokens it holds, read or written.
    pub fn position(&self) -> usize {
        // A call that was dropped may have left something that is done, though its answer wasn't taken yet.
        let done =
            self.running.as_ref().and_then(|running| Some((running.switch.committed()?, running.pending)));
        let (cached, read) = done.unwrap_or((self.cached, 0));
        cached + self.pending.len().saturating_sub(read)
    }

    /// Of how many of those that were read the cache holds keys and values: all of them, or with a window
    /// ([`EngineOptions::window`](crate::EngineOptions::window)) at most [`AttentionWindow::most`](crate::AttentionWindow::most).
    pub fn held(&self) -> usize {
        self.held
    }

    /// Reads embeddings, `[1, tokens, hidden]`, and what goes beside them (prefill): in one run of the decoder, or in
    /// several where they are more than one reads ([`EngineOptions::longest_run`](crate::EngineOptions::longest_run)).
    /// Only the last token's scores are kept.
    ///
    /// Where positions are given, what is read or written afterwards goes on one after the greatest of them, also
    /// where this sequence was rewound in between.
    ///
    /// # Errors
    ///
    /// [`EngineError::ContextFull`] where they don't fit, [`EngineError::Input`] where their shape isn't the
    /// decoder's, where positions are given that it doesn't take, for a side input that is missing or that it
    /// doesn't declare, and where there is something to look at for a decoder that doesn't look, or that looks at what an
    /// encoder read and was given none with the first tokens, or another one with later ones; [`EngineError::Run`]. The
    /// sequence is then where it was.
    pub async fn append(&mut self, tokens: impl Into<EmbeddedTokens>) -> Result<(), EngineError> {
        self.extend(Some(Chunk::Embedded(tokens.into()))).await
    }

    /// Reads tokens. In the decoder's side inputs they have rows of zeros.
    ///
    /// # Errors
    ///
    /// As [`Sequence::append`], and [`EngineError::Token`] for a token beyond the vocabulary.
    pub async fn append_tokens(&mut self, tokens: &[u32]) -> Result<(), EngineError> {
        self.extend(Some(Chunk::Tokens(tokens.to_vec()))).await
    }

    /// Forgets everything after a position.
    ///
    /// In the shared form that is exact and costs nothing; in the growing form the cache is copied, which only
    /// host memory allows. The scores at the new position are gone with it: append at least one token before decoding.
    ///
    /// States of convolutions and recurrences ([`Engine::keeps_states`]) can't be cut back: there a position must be
    /// one where an append ended, of the last few that are kept, or 0. With a window it must be one whose token sees
    /// nothing that was let go, or 0.
    ///
    /// # Errors
    ///
    /// [`EngineError::Rewind`] for a position that lies ahead, or where the cache can't be cut.
    pub async fn rewind(&mut self, position: usize) -> Result<(), EngineError> {
        self.go_back(position, false).await
    }

    /// Forgets everything after a position or, where the decoder's states weren't kept there, after the nearest place
    /// before it where they were. Gives the position where the sequence is then, 0 if everything had to go: always, where
    /// a decoder with states has keys and values that grow in a device's memory, which can't be cut.
    ///
    /// # Errors
    ///
    /// As [`Sequence::rewind`].
    pub async fn rewind_near(&mut self, position: usize) -> Result<usize, EngineError> {
        self.go_back(position, true).await?;
        Ok(self.position())
    }

    async fn go_back(&mut self, position: usize, near: bool) -> Result<(), EngineError> {
        self.settle().await.or_else(unless_gone)?;
        let from = self.position();
        if position > from {
            return Err(EngineError::Rewind { from, to: position, reason: "that lies ahead".to_owned() });
        }
        if position >= self.cached {
            self.pending.truncate(position - self.cached);
            return Ok(());
        }
        let sequence = self.id;
        self.start(|switch, reply| Command::Rewind { sequence, position, near, switch, reply })?;
        self.settle().await
    }

    /// The scores of the token after the last one, one a token of the vocabulary.
    ///
    /// # Errors
    ///
    /// [`EngineError::NoLogits`] where nothing was read since the beginning or the last rewind.
    pub async fn last_logits(&mut self) -> Result<Vec<f32>, EngineError> {
        self.read_pending().await?;
        self.logits().map(<[f32]>::to_vec)
    }

    /// Writes tokens, one after another, under a grammar if there is one.
    pub fn decode(&mut self, options: DecodeOptions, constraint: Option<Constraint>) -> Decoding<'_> {
        Decoding::new(self, options, constraint)
    }

    /// Notes a token that was written.
    pub(crate) fn write(&mut self, token: u32) {
        self.pending.push(token);
    }

    /// Takes back the last written tokens, which nobody has seen.
    pub(crate) fn unwrite(&mut self, count: usize) {
        self.pending.truncate(self.pending.len().saturating_sub(count));
    }

    /// The scores after the last cached token.
    pub(crate) fn logits(&self) -> Result<&[f32], EngineError> {
        self.logits.as_deref().ok_or(EngineError::NoLogits { position: self.position() })
    }

    /// Has the written tokens read, if there are any.
    pub(crate) async fn read_pending(&mut self) -> Result<(), EngineError> {
        self.start_reading_pending().await?;
        self.settle().await
    }

    /// Sends the written tokens off to be read, without waiting; [`Sequence::settle`] waits. Says whether there were any.
    pub(crate) async fn start_reading_pending(&mut self) -> Result<bool, EngineError> {
        // An answer that an earlier, dropped call left behind comes first.
        self.settle().await.or_else(unless_gone)?;
        if self.pending.is_empty() {
            return Ok(false);
        }
        self.start_reading(None)?;
        Ok(true)
    }

    /// Stops a run that is under way; [`Sequence::settle`] then says how it ended.
    pub(crate) fn stop_running(&self) {
        if let Some(running) = &self.running {
            running.switch.throw();
        }
    }

    async fn extend(&mut self, chunk: Option<Chunk>) -> Result<(), EngineError> {
        self.settle().await.or_else(unless_gone)?;
        self.start_reading(chunk)?;
        self.settle().await
    }

    fn start_reading(&mut self, chunk: Option<Chunk>) -> Result<(), EngineError> {
        // What is appended is a prompt, or a part of one; every written token for itself would be too many.
        let checkpoint = chunk.is_some();
        let mut chunks = Vec::new();
        if !self.pending.is_empty() {
            chunks.push(Chunk::Tokens(self.pending.clone()));
        }
        chunks.extend(chunk);
        let sequence = self.id;
        self.start(|switch, reply| Command::Extend { sequence, chunks, checkpoint, switch, reply })
    }

    /// Sends a command that changes the cache, and keeps hold of its answer until it is taken.
    fn start(
        &mut self,
        command: impl FnOnce(Arc<RunSwitch>, Reply<Extended>) -> Command,
    ) -> Result<(), EngineError> {
        let switch = Arc::new(RunSwitch::new()?);
        let (reply, answer) = oneshot::channel();
        self.engine.send(command(Arc::clone(&switch), reply))?;
        self.running = Some(Running { answer, switch, pending: self.pending.len() });
        Ok(())
    }

    /// Waits for the run that is under way, if one is, and takes its answer. If this future is dropped the run is
    /// stopped, and whatever came of it is taken by the next call: handle and cache never disagree.
    pub(crate) async fn settle(&mut self) -> Result<(), EngineError> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let stop_if_dropped = StopOnDrop::new(Arc::clone(&running.switch));
        let answer = (&mut running.answer).await;
        stop_if_dropped.disarm();
        let read = running.pending;
        self.running = None;
        let extended = answer.map_err(|_| self.engine.gone())??;
        self.pending.drain(..read);
        self.cached = extended.position;
        self.held = extended.held;
        self.logits = extended.logits;
        Ok(())
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        self.stop_running();
        // A thread that is gone has freed the cache already.
        let _ = self.engine.send(Command::Close { sequence: self.id });
    }
}

/// What became of a run that nobody waited for is no error of the call that comes after it: if it failed or was stopped,
/// the sequence is where it was. Without the engine's thread nothing comes after it.
fn unless_gone(error: EngineError) -> Result<(), EngineError> {
    match error {
        EngineError::Gone { .. } => Err(error),
        _ => Ok(()),
    }
}
