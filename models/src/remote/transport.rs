//! The way to a server and back: one request, its answer in pieces, and what each failure on the way means.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Client, Response, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION},
};

use tokio::sync::OnceCell;

use super::{
    RemoteAddress, RemoteError,
    computer::ComputerTool,
    events::{EventParser, ServerEvent},
    key::Admission,
};
use crate::{
    ModelError,
    http::{
        Complaint, Failure, Key, Obstacle, PATIENCE, Pace, Patience, beginning, client, host, is_passing,
        masked, retry_after, told,
    },
};

/// The most bytes of an answer, errors included. A reply of a hundred thousand tokens, each its own event, has less.
const MOST_BYTES: usize = 64 << 20;
/// How long an answer that is whole is listened to for more.
const GRACE: Duration = Duration::from_secs(2);

impl From<RemoteError> for ModelError {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

/// Where requests go.
#[derive(Debug)]
pub(super) struct Transport {
    /// Made for the first request.
    client: OnceCell<Client>,
    url: Url,
    headers: HeaderMap,
    admission: Admission,
    address: RemoteAddress,
    patience: Patience,
    /// The server, for people.
    pub(super) host: String,
}

impl Transport {
    pub(super) fn new(
        address: &RemoteAddress,
        admission: Admission,
        patience: Patience,
    ) -> Result<Self, ModelError> {
        let facts = address.api.facts();
        let url = address.url()?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        for (name, value) in facts.headers {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some(beta) = address.computer.and_then(ComputerTool::beta) {
            headers.insert("anthropic-beta", HeaderValue::from_static(beta));
        }
        if let Some(key) = admission.key() {
            let (name, before) = facts.key_header;
            headers.insert(HeaderName::from_static(name), key.header(before).map_err(RemoteError::from)?);
        }
        let host = host(&url);
        let client = OnceCell::new();
        Ok(Self { client, url, headers, admission, address: address.clone(), patience, host })
    }

    pub(super) fn key(&self) -> Option<&Key> {
        self.admission.key()
    }

    /// What a server said, without the key that it may have echoed.
    pub(super) fn masked(&self, text: &str) -> String {
        masked(self.key(), text)
    }

    /// Makes one request.
    pub(super) async fn ask(&self, body: Arc<[u8]>, pace: &dyn Pace) -> Result<Answer, Failure> {
        let client = self.client.get_or_try_init(|| async { self.client() }).await?;
        let request = client.post(self.url.clone()).headers(self.headers.clone()).body(body.to_vec());
        let response = match tokio::time::timeout(self.patience.idle, request.send()).await {
            Ok(response) => response.map_err(|error| self.unreachable(&error))?,
            Err(_) => return Err(Failure::passing(self.silent(), None)),
        };
        let status = response.status();
        if status.is_redirection() {
            return Err(Failure::for_good(self.redirected(&response)));
        }
        if !status.is_success() {
            return Err(self.complained(response, pace).await);
        }
        let kind =
            response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            let problem = format!("its answer is `{}` and no stream of events", self.masked(kind));
            return Err(Failure::for_good(self.malformed(problem)));
        }
        Ok(Answer { response, parser: EventParser::default(), received: 0, whole_since: None })
    }

    fn client(&self) -> Result<Client, Failure> {
        client(&self.url, self.patience).map_err(|error| {
            Failure::for_good(RemoteError::Unreachable {
                host: self.host.clone(),
                problem: format!("no safe connection can be made from here: {error}"),
                remedy: "Install the system's certificates (ca-certificates), or name them in SSL_CERT_FILE"
                    .into(),
            })
        })
    }

    fn silent(&self) -> RemoteError {
        RemoteError::Silent { host: self.host.clone(), seconds: self.patience.idle.as_secs() }
    }

    pub(super) fn malformed(&self, problem: impl AsRef<str>) -> RemoteError {
        RemoteError::Malformed { host: self.host.clone(), problem: self.masked(problem.as_ref()) }
    }

    pub(super) fn cut(&self, problem: impl AsRef<str>) -> RemoteError {
        RemoteError::Cut { host: self.host.clone(), problem: self.masked(problem.as_ref()) }
    }

    /// No answer at all. Whether the name is wrong, nobody listens or a certificate is bad, asking again at once won't
    /// help; a connection that stood and was torn down may have been an old one.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let problem = self.masked(&told(error));
        if !error.is_connect() {
            return Failure::passing(self.cut(problem), None);
        }
        let remedy = match Obstacle::of(error) {
            _ if error.is_timeout() => format!(
                "Nothing came within {} s: check the address, the network and a proxy",
                self.patience.connect.as_secs()
            ),
            Obstacle::Refused => "Start the server, or correct the port in the address".into(),
            Obstacle::Name => "Check the host's name, and the network".into(),
            Obstacle::Tls => {
                "Its certificate isn't trusted here, or it speaks no TLS: check the address, and the \
                              system's certificates"
                    .into()
            }
            Obstacle::Other => {
                "Check the address and the network; HTTPS_PROXY, HTTP_PROXY and NO_PROXY name a proxy".into()
            }
        };
        Failure::for_good(RemoteError::Unreachable { host: self.host.clone(), problem, remedy })
    }

    fn redirected(&self, response: &Response) -> RemoteError {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        RemoteError::Refused {
            host: self.host.clone(),
            status: response.status().as_u16(),
            message: format!("it redirects to {}", self.masked(to)),
            remedy: "Redirects aren't followed, since they would take the key and the screenshots elsewhere: name the \
                     right address yourself"
                .into(),
        }
    }

    /// An answer that is an error.
    async fn complained(&self, response: Response, pace: &dyn Pace) -> Failure {
        let status = response.status().as_u16();
        let after = retry_after(response.headers(), pace);
        let complaint = Complaint::read(&beginning(response, self.patience).await, |text| self.masked(text));
        let message = complaint.message.clone();
        let after = after.or(complaint.retry_after);
        if complaint.is_too_long(status) {
            return Failure::for_good(ModelError::Conversation(format!("{}: {message}", self.host)));
        }
        if is_passing(status) && !complaint.is_final() {
            let message = match after {
                Some(after) if after > PATIENCE => {
                    format!("it wants to be left alone for {} s; {message}", after.as_secs())
                }
                _ => message,
            };
            let busy = RemoteError::Busy { host: self.host.clone(), status, message, attempts: 0 };
            return Failure::passing(busy, after);
        }
        let remedy = self.remedy(status, &complaint);
        Failure::for_good(RemoteError::Refused { host: self.host.clone(), status, message, remedy })
    }

    /// What helps against a refusal.
    fn remedy(&self, status: u16, complaint: &Complaint) -> String {
        let facts = self.address.api.facts();
        if matches!(status, 401 | 403) || complaint.is_about_key() {
            return match &self.admission {
                Admission::Key(key) => format!("Check the key in {}", key.variable),
                Admission::Unset => format!("Set {} to a key for it", facts.key_variables.join(" or ")),
                Admission::Withheld(reason) => reason.clone(),
            };
        }
        let message = complaint.message.to_lowercase();
        if status == 404 {
            return format!("Check the model's name, `{}`, and the address", self.address.model);
        }
        if ["temperature", "top_p", "topp", "seed"].iter().any(|setting| message.contains(setting)) {
            return "If the model only samples in its own way, add `?sampling=own` to its address".into();
        }
        "Asking the same again won't help".into()
    }

    /// The next events of an answer; `None` where it ends. If nothing need follow, not much time is given to what may,
    /// and a connection that is torn or goes silent is an end as good as any.
    pub(super) async fn more(
        &self,
        answer: &mut Answer,
        is_whole: bool,
    ) -> Result<Option<Vec<ServerEvent>>, Failure> {
        let idle = if is_whole {
            let since = answer.whole_since.get_or_insert_with(Instant::now);
            self.patience.idle.min(GRACE.saturating_sub(since.elapsed()))
        } else {
            self.patience.idle
        };
        let chunk = match tokio::time::timeout(idle, answer.response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(_)) | Err(_) if is_whole => return Ok(None),
            Ok(Err(error)) => return Err(Failure::passing(self.cut(told(&error)), None)),
            Err(_) => return Err(Failure::passing(self.silent(), None)),
        };
        answer.received += chunk.len();
        if answer.received > MOST_BYTES {
            return Err(Failure::for_good(self.malformed(format!("it is longer than {MOST_BYTES} bytes"))));
        }
        let events = answer.parser.push(&chunk);
        let mut events = events.map_err(|problem| Failure::for_good(self.malformed(problem)))?;
        // Before anything is shortened for a message. A key that is spelled otherwise or comes in pieces is found later.
        for event in &mut events {
            event.data = self.masked(&event.data);
        }
        Ok(Some(events))
    }
}

/// An answer on its way. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Answer {
    response: Response,
    parser: EventParser,
    received: usize,
    /// Since when nothing need follow.
    whole_since: Option<Instant>,
}
