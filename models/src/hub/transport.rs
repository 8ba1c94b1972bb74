//! The way to the Hub and back: one request, the redirects that it goes through, and what each failure means.
//!
//! **Invariant:** the token goes to the server that `HF_ENDPOINT` names and nowhere else. The Hub sends a client on to
//! another host for big files; it goes there without.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE},
};

use super::{HubAddress, HubError, HubSettings};
use crate::{
    ModelError,
    http::{
        ATTEMPTS, Again, BadKey, Complaint, Failure, Key, Obstacle, PATIENCE, backoff, beginning, client,
        host, is_loopback, is_passing, masked, retry_after, told,
    },
};

/// How often one request may be sent on.
const MOST_REDIRECTS: usize = 8;
/// The most bytes of a listing; one of ten thousand files has three million.
const MOST_LISTING: usize = 64 << 20;

impl From<HubError> for ModelError {
    fn from(error: HubError) -> Self {
        Self::Hub(error)
    }
}

/// Where requests go.
pub(super) struct Transport {
    settings: HubSettings,
    /// The header that carries the token, or why there is none.
    authorization: Result<HeaderValue, String>,
    /// By what sets one client apart from another: TLS, and being on this machine.
    clients: Mutex<HashMap<(bool, bool), Client>>,
}

impl Transport {
    pub(super) fn new(settings: HubSettings) -> Result<Self, HubError> {
        let endpoint = &settings.endpoint;
        let authorization = match &settings.token {
            None => Err("Set HF_TOKEN to a token of an account that may read it".into()),
            Some(key) if endpoint.scheme() != "https" && !is_loopback(endpoint) => Err(format!(
                "{} isn't sent over http, because anybody on the way could read it: use https",
                key.variable
            )),
            Some(key) => Ok(key.header("Bearer ").map_err(|bad| HubError::Setting {
                problem: bad.problem(),
                remedy: BadKey::REMEDY.into(),
            })?),
        };
        Ok(Self { settings, authorization, clients: Mutex::default() })
    }

    /// The address of a file.
    pub(super) fn file(&self, address: &HubAddress, commit: &str, path: &str) -> Url {
        let mut url = self.settings.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(address.repository().split('/'));
            segments.extend(["resolve", commit]).extend(path.split('/'));
        }
        url
    }

    /// The Hub's listing of a repository.
    pub(super) async fn listing(&self, address: &HubAddress, revision: &str) -> Result<Vec<u8>, ModelError> {
        let mut url = self.settings.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "models"]).extend(address.repository().split('/'));
            segments.extend(["revision", revision]);
        }
        url.set_query(Some("blobs=true"));
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.whole(address, &url).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.rest(failure, attempts).await?,
            }
        }
    }

    async fn whole(&self, address: &HubAddress, url: &Url) -> Result<Vec<u8>, Failure> {
        let mut response = self.get(address, &address.to_string(), url, None).await?;
        let mut answer = Vec::new();
        while let Some(chunk) = self.more(&mut response).await? {
            answer.extend_from_slice(chunk.as_ref());
            if answer.len() > MOST_LISTING {
                return Err(Failure::for_good(
                    self.malformed(format!("its listing is longer than {MOST_LISTING} bytes")),
                ));
            }
        }
        Ok(answer)
    }

    /// Asks, going where it is sent on to. The answer is good, or says that a range can't be had.
    pub(super) async fn get(
        &self,
        address: &HubAddress,
        what: &str,
        url: &Url,
        from: Option<u64>,
    ) -> Result<Response, Failure> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut headers = HeaderMap::new();
            // Lengths and ranges are the file's own.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(from) = from {
                let range = HeaderValue::try_from(format!("bytes={from}-"));
                headers.extend(range.ok().map(|range| (RANGE, range)));
            }
            if let Ok(authorization) = &self.authorization
                && self.is_own(&url)
            {
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            let request = self.client(&url)?.get(url.clone()).headers(headers);
            let response = match tokio::time::timeout(self.settings.patience.idle, request.send()).await {
                Ok(response) => response.map_err(|error| self.unreachable(&url, &error))?,
                Err(_) => return Err(Failure::passing(self.silent(&url), None)),
            };
            let status = response.status();
            if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
                return Ok(response);
            }
            if !status.is_redirection() {
                return Err(self.complained(address, what, &url, response).await);
            }
            url = redirected(&url, location(&response), &self.settings.endpoint)
                .map_err(|problem| Failure::for_good(self.malformed(problem)))?;
        }
        Err(Failure::for_good(self.malformed(format!("{what} is sent on more than {MOST_REDIRECTS} times"))))
    }

    /// The next bytes of an answer; `None` where it ends.
    pub(super) async fn more(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + Send + 'static + use<>>, Failure> {
        match tokio::time::timeout(self.settings.patience.idle, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Failure::passing(self.cut(response.url(), &told(&error)), None)),
            Err(_) => Err(Failure::passing(self.silent(response.url()), None)),
        }
    }

    /// Waits before another attempt, or gives the failure back.
    pub(super) async fn rest(&self, failure: Failure, attempts: usize) -> Result<(), ModelError> {
        let pace = &*self.settings.pace;
        let wait = match failure.again {
            Again::Never => return Err(failure.error),
            _ if attempts >= ATTEMPTS => return Err(failure.error),
            Again::Later => backoff(attempts, pace),
            Again::After(wait) => wait,
        };
        tracing::info!(error = %failure.error, wait = ?wait, "asking the Hub again");
        pace.wait(wait).await;
        Ok(())
    }

    /// Whether the token may go there.
    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.settings.endpoint.origin()
    }

    fn client(&self, url: &Url) -> Result<Client, Failure> {
        let kind = (url.scheme() == "https", is_loopback(url));
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let made = client(url, self.settings.patience).map_err(|error| {
            Failure::for_good(HubError::Unreachable {
                host: host(url),
                problem: format!("no safe connection can be made from here: {error}"),
                remedy: "Install the system's certificates (ca-certificates), or name them in SSL_CERT_FILE"
                    .into(),
            })
        })?;
        clients.insert(kind, made.clone());
        Ok(made)
    }

    fn masked(&self, text: &str) -> String {
        masked(self.settings.token.as_ref(), text)
    }

    fn silent(&self, url: &Url) -> HubError {
        HubError::Silent { host: host(url), seconds: self.settings.patience.idle.as_secs() }
    }

    pub(super) fn cut(&self, url: &Url, problem: &str) -> HubError {
        HubError::Cut { host: host(url), problem: self.masked(problem) }
    }

    pub(super) fn malformed(&self, problem: impl AsRef<str>) -> HubError {
        HubError::Malformed { host: host(&self.settings.endpoint), problem: self.masked(problem.as_ref()) }
    }

    /// No answer at all. A connection that stood and was torn down may go better next time.
    fn unreachable(&self, url: &Url, error: &reqwest::Error) -> Failure {
        // reqwest's own words hold the address, and that a signature.
        let problem = self.masked(&told(error));
        if !error.is_connect() {
            return Failure::passing(HubError::Cut { host: host(url), problem }, None);
        }
        let remedy = match Obstacle::of(error) {
            Obstacle::Tls => {
                "Its certificate isn't trusted here: check HF_ENDPOINT, and the system's certificates"
            }
            Obstacle::Refused => {
                "Check HF_ENDPOINT and the network; what was fetched before is used with HF_HUB_OFFLINE=1"
            }
            Obstacle::Name | Obstacle::Other => {
                "Check the network, HF_ENDPOINT, and HTTPS_PROXY if there is a proxy; what was fetched before is used with \
                 HF_HUB_OFFLINE=1"
            }
        };
        Failure::for_good(HubError::Unreachable { host: host(url), problem, remedy: remedy.into() })
    }

    /// An answer that is an error.
    async fn complained(&self, address: &HubAddress, what: &str, url: &Url, response: Response) -> Failure {
        let status = response.status().as_u16();
        let after = retry_after(response.headers(), &*self.settings.pace);
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (code, words) = (header("x-error-code").unwrap_or_default(), header("x-error-message"));
        let host = host(url);
        let complaint =
            Complaint::read(&beginning(response, self.settings.patience).await, |text| self.masked(text));
        let message =
            words.map_or(complaint.message, |words| self.masked(words.trim().trim_end_matches('.')));
        // A signed address runs out; the Hub gives a new one.
        if is_passing(status) || (!self.is_own(url) && matches!(status, 401 | 403 | 404 | 410)) {
            let message = match after.filter(|after| *after > PATIENCE) {
                Some(after) => format!("it wants to be left alone for {} s; {message}", after.as_secs()),
                None => message,
            };
            return Failure::passing(HubError::Busy { host, status, message }, after);
        }
        let remedy = self.remedy(address, status, &code);
        Failure::for_good(HubError::Refused { host, what: what.to_owned(), status, message, remedy })
    }

    /// What helps against a refusal.
    fn remedy(&self, address: &HubAddress, status: u16, code: &str) -> String {
        let page =
            format!("{}/{}", self.settings.endpoint.as_str().trim_end_matches('/'), address.repository());
        let token = match &self.authorization {
            Ok(_) => {
                let name = self.settings.token.as_ref().map_or("HF_TOKEN", |key: &Key| key.variable);
                format!("Check that the token in {name} is one of an account that may read it")
            }
            Err(reason) => reason.clone(),
        };
        match (status, code) {
            (_, "GatedRepo") | (403, _) => {
                format!("Its licence must be accepted on the model's page first, {page}. {token}")
            }
            (_, "RevisionNotFound") => {
                format!("Check the revision, `{}`, on the model's page, {page}", address.revision())
            }
            (_, "EntryNotFound") => "The repository may have changed meanwhile: pull again".into(),
            (401 | 404, _) => format!(
                "Check the name and the revision, `{}@{}`; a model that isn't there and one that is private look the same, \
                 and some want their licence accepted on the model's page, {page}. {token}",
                address.repository(),
                address.revision()
            ),
            _ => "Asking the same again won't help".into(),
        }
    }
}

fn location(response: &Response) -> Option<&str> {
    response.headers().get(LOCATION)?.to_str().ok()
}

/// Where an answer sends on to. The address may hold a signature, so no error shows it.
fn redirected(from: &Url, location: Option<&str>, endpoint: &Url) -> Result<Url, String> {
    let to = location.and_then(|to| from.join(to).ok()).ok_or("it sends on to nowhere")?;
    if !["http", "https"].contains(&to.scheme()) || (from.scheme() == "https" && to.scheme() == "http") {
        return Err(format!("it sends on to {}, which isn't safe", host(&to)));
    }
    // A server elsewhere has no business with those on this machine.
    if is_loopback(&to) && !is_loopback(endpoint) {
        return Err(format!("it sends on to {}, which is this machine", host(&to)));
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leads_to_a_less_safe_place() {
        let cases = [
            (
                "https://hub.example/a/b",
                "https://storage.example/x?signature=1",
                Ok("https://storage.example/x?signature=1"),
            ),
            ("https://hub.example/a/b", "/api/cache/b", Ok("https://hub.example/api/cache/b")),
            (
                "https://hub.example/a",
                "http://storage.example/x",
                Err("sends on to storage.example, which isn't safe"),
            ),
            ("https://hub.example/a", "ftp://storage.example/x", Err("isn't safe")),
            (
                "https://hub.example/a",
                "https://127.0.0.1:8080/x",
                Err("sends on to 127.0.0.1:8080, which is this machine"),
            ),
            ("http://hub.example/a", "http://localhost/x", Err("which is this machine")),
            ("http://127.0.0.1:1/a", "http://127.0.0.1:2/x", Ok("http://127.0.0.1:2/x")),
            ("https://hub.example/a", "http://[", Err("sends on to nowhere")),
        ];
        for (from, to, expected) in cases {
            let from = Url::parse(from).unwrap();
            match (redirected(&from, Some(to), &from), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_str(), expected),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
                (found, _) => panic!("{to}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_token_goes_over_no_open_line() {
        for (endpoint, is_sent) in
            [("https://hub.example", true), ("http://127.0.0.1:80", true), ("http://hub.example", false)]
        {
            let variables =
                [("HF_ENDPOINT", endpoint), ("HF_TOKEN", "hf_lovelace"), ("HF_HUB_CACHE", "/cache")];
            let settings = HubSettings::of(&|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            });
            let transport = Transport::new(settings.unwrap()).unwrap();
            assert_eq!(transport.authorization.is_ok(), is_sent, "{endpoint}");
            let elsewhere =
                ["https://hub.example:8443/x", "https://hub.example.org/x", "http://127.0.0.1:81"];
            assert!(elsewhere.iter().all(|url| !transport.is_own(&Url::parse(url).unwrap())));
        }
    }
}
