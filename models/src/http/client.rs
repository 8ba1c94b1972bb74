//! The HTTP client, and what its errors mean.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{Client, Url, redirect::Policy};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::is_loopback;

/// How long a server is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the next byte comes, the first one included: a model may read and think for minutes before it writes.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_mins(3) }
    }
}

/// A client that follows no redirect. A server on this machine is never looked for through a proxy.
///
/// The system's own certificates are trusted, and read only where they are needed: not every container has any.
pub(crate) fn client(url: &Url, patience: Patience) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(patience.connect)
        .user_agent(concat!("percept/", env!("CARGO_PKG_VERSION")));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let tls = if url.scheme() == "https" {
        tls.dangerous().with_custom_certificate_verifier(Arc::new(Verifier::new(provider)?))
    } else {
        tls.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.tls_backend_preconfigured(tls.with_no_client_auth()).build()?)
}

/// A server's name with its port, for people.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What stands between here and a server.
pub(crate) enum Obstacle {
    /// Nobody listens.
    Refused,
    /// The name isn't known.
    Name,
    /// No agreement on a safe connection.
    Tls,
    /// Something else.
    Other,
}

impl Obstacle {
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(error) = cause {
            if error.is::<rustls::Error>() {
                return Self::Tls;
            }
            let io = error.downcast_ref::<std::io::Error>();
            if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
                return Self::Refused;
            }
            // Its type isn't public.
            if error.to_string().starts_with("dns error") {
                return Self::Name;
            }
            // An error of the system's library may hold another one, which its `source` passes over.
            let within = io.and_then(std::io::Error::get_ref).map(|within| within as &(dyn Error + 'static));
            cause = within.or_else(|| error.source());
        }
        Self::Other
    }
}

/// An error with its causes, which is where reqwest says what happened.
pub(crate) fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
