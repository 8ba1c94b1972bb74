//! A key or token: taken from the environment, sent in one header, shown nowhere.

use std::fmt;

use reqwest::{Url, header::HeaderValue};

/// What stands in a key's place.
pub(crate) const MASK: &str = "[key]";
/// Anything shorter is a placeholder (`x`, `none`, `EMPTY`) and would be found in any text.
const SHORTEST_SECRET: usize = 8;

/// A key, which no form of output shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The variable that it comes from.
    pub(crate) variable: &'static str,
    value: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.variable)
    }
}

/// Whether a server is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

impl Key {
    pub(crate) fn new(variable: &'static str, value: String) -> Self {
        Self { variable, value }
    }

    /// The header that carries it; marked so that no library prints it.
    pub(crate) fn header(&self, before: &str) -> Result<HeaderValue, BadKey> {
        let mut header =
            HeaderValue::from_str(&format!("{before}{}", self.value)).map_err(|_| BadKey(self.variable))?;
        header.set_sensitive(true);
        Ok(header)
    }

    pub(crate) fn secret(&self) -> Option<&str> {
        Some(self.value.as_str()).filter(|value| value.len() >= SHORTEST_SECRET)
    }
}

/// The text without the key, should a server have echoed it.
pub(crate) fn masked(key: Option<&Key>, text: &str) -> String {
    key.and_then(Key::secret).map_or_else(|| text.to_owned(), |secret| text.replace(secret, MASK))
}

/// A key that holds characters that no header carries.
#[derive(Debug, thiserror::Error)]
#[error("{0} holds characters that no key has. Set it again, without quotes or line ends")]
pub(crate) struct BadKey(&'static str);

impl BadKey {
    pub(crate) fn problem(&self) -> String {
        format!("{} holds characters that no key has", self.0)
    }

    pub(crate) const REMEDY: &str = "Set it again, without quotes or line ends";
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sk-lovelace-1843";

    #[test]
    fn a_key_is_shown_nowhere() {
        let key = Key::new("OPENAI_API_KEY", SECRET.into());
        assert_eq!(format!("{key:?} {:?}", key.header("Bearer ").unwrap()), "Key(OPENAI_API_KEY) Sensitive");
        assert_eq!(masked(Some(&key), &format!("bad key {SECRET}!")), "bad key [key]!");
        let short = Key::new("OPENAI_API_KEY", "EMPTY".into());
        assert_eq!(masked(Some(&short), "EMPTY basket"), "EMPTY basket");
        let torn = Key::new("OPENAI_API_KEY", "sk-\u{1}lovelace".into());
        let error = torn.header("").unwrap_err().to_string();
        assert!(error.contains("OPENAI_API_KEY") && !error.contains("lovelace"), "{error}");
    }
}
