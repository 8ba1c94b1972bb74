//! One reply of a remote model: ask, read the stream, and ask again where that may help and nothing was told yet.

use std::{sync::Arc, time::Instant};

use async_stream::try_stream;
use futures::Stream;
use tokio_util::sync::CancellationToken;

use super::{
    Inner, RemoteError,
    transport::Answer,
    wire::{Extent, Fault, Piece, Reader},
    writing::Writing,
};
use crate::{
    Generate, GenerationEvent, ModelError, Stage,
    dialect::NativeDialect,
    http::{ATTEMPTS, Again, Complaint, Failure, backoff},
};

/// A request that is ready to be sent.
pub(super) struct Ready {
    pub(super) body: Arc<[u8]>,
    pub(super) options: Generate,
    pub(super) dialect: NativeDialect,
    /// Milliseconds that the images took.
    pub(super) milliseconds: f64,
}

/// The reply as it comes.
pub(super) fn stream(
    inner: Arc<Inner>,
    ready: Ready,
) -> impl Stream<Item = Result<GenerationEvent, ModelError>> + Send {
    try_stream! {
        let Ready { body, options, dialect, milliseconds } = ready;
        let begun = Instant::now();
        let mut stage = Stage { vision: milliseconds, ..Stage::default() };
        let mut attempts = 0;
        let (writing, is_cancelled) = loop {
            attempts += 1;
            let mut writing = Writing::new(&options.reply, dialect, inner.transport.key(), inner.opening(&options));
            let mut attempt = Attempt::new(&inner, &body);
            let mut is_told = false;
            let failure = loop {
                match unless(&options.cancel, attempt.pieces(writing.is_counted())).await {
                    None => break None,
                    Some(Ok(Some(pieces))) => {
                        for event in pieces.into_iter().flat_map(|piece| writing.take(piece)) {
                            if !is_told {
                                stage.prefill = milliseconds_since(begun);
                                is_told = true;
                            }
                            yield event;
                        }
                    }
                    Some(Ok(None)) => break Some(None),
                    Some(Err(failure)) => break Some(Some(failure)),
                }
            };
            let failure = match failure {
                None => break (writing, true),
                Some(None) => match inner.accepted(&writing) {
                    Ok(()) => break (writing, false),
                    Err(error) => Failure::for_good(error),
                },
                Some(Some(failure)) => failure,
            };
            // What was told can't be taken back, and another attempt would tell something else.
            let wait = match failure.again {
                Again::Later if !is_told && attempts < ATTEMPTS => backoff(attempts, inner.pace.as_ref()),
                Again::After(wait) if !is_told && attempts < ATTEMPTS => wait,
                _ => {
                    Err(counted(failure.error, attempts))?;
                    return;
                }
            };
            tracing::warn!(attempts, ?wait, problem = %failure.error, "a remote model is asked again");
            if unless(&options.cancel, inner.pace.wait(wait)).await.is_none() {
                break (writing, true);
            }
        };
        let mut writing = writing;
        for event in writing.rest() {
            yield event;
        }
        stage.decode = milliseconds_since(begun) - stage.prefill;
        let completion = writing.completion(stage, is_cancelled, |text| inner.transport.masked(text));
        yield GenerationEvent::Done(Box::new(completion));
    }
}

fn milliseconds_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

/// What comes of it, or `None` if it was cancelled before.
async fn unless<T>(cancel: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        done = work => Some(done),
    }
}

/// The error, with how often the server was asked.
fn counted(error: ModelError, attempts: usize) -> ModelError {
    match error {
        ModelError::Remote(RemoteError::Busy { host, status, message, .. }) => {
            RemoteError::Busy { host, status, message, attempts }.into()
        }
        other => other,
    }
}

impl Inner {
    /// Whether a reply that ended can be handed over.
    fn accepted(&self, writing: &Writing) -> Result<(), ModelError> {
        let host = self.transport.host.clone();
        if let Some(reason) = writing.declined() {
            return Err(RemoteError::Declined {
                host,
                reason: self.transport.masked(reason.trim_end_matches('.')),
            }
            .into());
        }
        if !writing.is_counted() {
            return Err(self
                .transport
                .malformed("it doesn't say how many tokens it took, by which a run's limits go")
                .into());
        }
        Ok(())
    }
}

/// One request and its answer.
struct Attempt<'a> {
    inner: &'a Inner,
    body: &'a Arc<[u8]>,
    answer: Option<Answer>,
    reader: Box<dyn Reader>,
}

impl<'a> Attempt<'a> {
    fn new(inner: &'a Inner, body: &'a Arc<[u8]>) -> Self {
        Self { inner, body, answer: None, reader: inner.address.api.reader() }
    }

    /// The next pieces; `None` when the answer is over. Without its counts it isn't whole, whatever its reader says.
    async fn pieces(&mut self, is_counted: bool) -> Result<Option<Vec<Piece>>, Failure> {
        let transport = &self.inner.transport;
        if self.reader.extent() == Extent::Over {
            return Ok(None);
        }
        let answer = match &mut self.answer {
            Some(answer) => answer,
            None => self.answer.insert(transport.ask(Arc::clone(self.body), self.inner.pace.as_ref()).await?),
        };
        let is_whole = is_counted && self.reader.extent() == Extent::Whole;
        let Some(events) = transport.more(answer, is_whole).await? else {
            return match self.reader.extent() {
                Extent::Partial => {
                    Err(Failure::passing(transport.cut("it ended before the reply did"), None))
                }
                _ => Ok(None),
            };
        };
        let mut pieces = Vec::new();
        for event in &events {
            self.reader.read(event, &mut pieces).map_err(|fault| self.inner.failure(fault))?;
        }
        Ok(Some(pieces))
    }
}

impl Inner {
    fn failure(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Malformed(problem) => Failure::for_good(self.transport.malformed(problem)),
            Fault::Complaint(data) => {
                let complaint = Complaint::read(&data, |text| self.transport.masked(text));
                let error = self.transport.cut(format!("the server says: {}", complaint.message));
                if complaint.is_passing() {
                    Failure::passing(error, complaint.retry_after)
                } else {
                    Failure::for_good(error)
                }
            }
        }
    }
}
