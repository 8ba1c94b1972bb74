//! The connection to a browser: commands out, answers and events in, in the order in which they come.
//!
//! `chromiumoxide` brings the types of the protocol and the socket. What happens between the two is here
//! instead of in its `Handler`, because policy must see every event before anything else does: a request is
//! let through or stopped, a dialog answered and a new window taken over in the order of the wire, and a
//! command to a page that is gone fails at once instead of timing out.

use std::{collections::HashMap, time::Duration};

use chromiumoxide::{
    Command, Connection,
    cdp::{
        browser_protocol::{
            fetch::{EventRequestPaused, FailRequestParams},
            network::ErrorReason,
            target::SessionId,
        },
        events::CdpEventMessage,
    },
    error::CdpError,
    types::{CallId, Message, MethodId, Response},
};
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// What is done about an event.
#[derive(Debug)]
pub(super) enum Reaction {
    /// A command to which no answer is awaited.
    Send(Request),
    /// A session is gone: commands that still wait for it fail.
    Abandon(String),
}

/// A command on its way: its name, its session and its parameters.
#[derive(Debug)]
pub(super) struct Request {
    method: MethodId,
    session: Option<String>,
    params: Value,
}

impl Request {
    /// A command to a session, or to the browser itself.
    pub(super) fn new<C: Command>(session: Option<&str>, command: &C) -> Self {
        // The protocol's own types always serialize: they are plain data with string keys.
        let params = serde_json::to_value(command).unwrap_or_default();
        Self { method: command.identifier(), session: session.map(str::to_owned), params }
    }
}

/// A command that brought no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The page or the browser has gone away.
    #[error("{method}: the page is gone")]
    Gone {
        /// The command.
        method: MethodId,
    },
    /// No answer came.
    #[error("{method}: the browser did not answer within {:.1} s", limit.as_secs_f64())]
    Silent {
        /// The command.
        method: MethodId,
        /// How long was waited.
        limit: Duration,
    },
    /// The browser answered that it can't.
    #[error("{method}: {message}")]
    Failed {
        /// The command.
        method: MethodId,
        /// The browser's words.
        message: String,
    },
}

struct Call {
    request: Request,
    reply: oneshot::Sender<Response>,
}

/// A connection; its clones speak over the same socket.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    calls: mpsc::UnboundedSender<Call>,
}

impl Wire {
    /// Connects, and from then on gives every event to `on_event`; the last call, with `None`, says that
    /// the browser has gone away.
    pub(super) async fn connect(
        address: &str,
        on_event: impl FnMut(Option<&CdpEventMessage>) -> Vec<Reaction> + Send + 'static,
    ) -> Result<Self, CdpError> {
        let connection = Connection::connect(address).await?;
        let (calls, inbox) = mpsc::unbounded_channel();
        tokio::spawn(pump(connection, inbox, on_event));
        Ok(Self { calls })
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn execute<C: Command>(
        &self,
        session: Option<&str>,
        command: &C,
        limit: Duration,
    ) -> Result<C::Response, WireError> {
        let method = command.identifier();
        let value = self.send(Request::new(session, command), limit).await?;
        C::response_from_value(value).map_err(|e| WireError::Failed { method, message: e.to_string() })
    }

    /// Sends a request and waits for its answer as it is.
    pub(super) async fn send(&self, request: Request, limit: Duration) -> Result<Value, WireError> {
        let method = request.method.clone();
        let gone = || WireError::Gone { method: method.clone() };
        let (reply, answer) = oneshot::channel();
        self.calls.send(Call { request, reply }).map_err(|_| gone())?;
        let response = match tokio::time::timeout(limit, answer).await {
            Err(_) => return Err(WireError::Silent { method, limit }),
            Ok(Err(_)) => return Err(gone()),
            Ok(Ok(response)) => response,
        };
        match response.error {
            Some(error) => Err(WireError::Failed { method, message: error.message }),
            None => Ok(response.result.unwrap_or_default()),
        }
    }
}

/// Carries messages until either side has gone away.
async fn pump(
    mut connection: Connection<CdpEventMessage>,
    mut inbox: mpsc::UnboundedReceiver<Call>,
    mut on_event: impl FnMut(Option<&CdpEventMessage>) -> Vec<Reaction>,
) {
    let mut waiting: HashMap<CallId, (Option<String>, oneshot::Sender<Response>)> = HashMap::new();
    loop {
        tokio::select! {
            call = inbox.recv() => {
                let Some(Call { request, reply }) = call else { break };
                let session = request.session.clone();
                if let Some(id) = submit(&mut connection, request) {
                    waiting.insert(id, (session, reply));
                }
            }
            message = connection.next() => match message {
                Some(Ok(Message::Response(response))) => {
                    if let Some((_, reply)) = waiting.remove(&response.id) {
                        // Whoever asked may have stopped waiting.
                        let _ = reply.send(response);
                    }
                }
                Some(Ok(Message::Event(event))) => {
                    for reaction in on_event(Some(&event)) {
                        match reaction {
                            Reaction::Send(request) => { submit(&mut connection, request); }
                            Reaction::Abandon(gone) => {
                                waiting.retain(|_, (session, _)| session.as_ref() != Some(&gone));
                            }
                        }
                    }
                }
                // Browsers newer or older than the protocol's types say things that the types don't know.
                Some(Err(CdpError::InvalidMessage(text, error))) => {
                    tracing::trace!(%error, text, "a message that the protocol's types don't know");
                    if let Some(request) = refusal(&text) {
                        submit(&mut connection, request);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the connection to the browser broke");
                    break;
                }
                None => break,
            }
        }
    }
    on_event(None);
}

/// The answer to a request that waits for leave and can't be read: no. Without an answer it would wait for
/// ever.
fn refusal(message: &str) -> Option<Request> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message.get("method")? != EventRequestPaused::IDENTIFIER {
        return None;
    }
    let id = message.pointer("/params/requestId")?.as_str()?;
    let session = message.get("sessionId").and_then(Value::as_str);
    Some(Request::new(session, &FailRequestParams::new(id.to_owned(), ErrorReason::BlockedByClient)))
}

fn submit(connection: &mut Connection<CdpEventMessage>, request: Request) -> Option<CallId> {
    let Request { method, session, params } = request;
    connection.submit_command(method, session.map(SessionId::from), params).ok()
}
