//! The key to an API: read from the environment, sent to where the environment lets it go, shown nowhere.
//!
//! A task file may come from anybody, and it names the model's address. So a key goes to the vendor's own host, to
//! this machine, and to the host that the vendor's base-URL variable names; both variables are the user's own. It never
//! goes over plain HTTP to another machine.

use reqwest::Url;

use super::api::Facts;
use crate::http::{Key, MASK, is_loopback};

/// The key for a server, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    /// It goes along.
    Key(Key),
    /// None is set.
    Unset,
    /// One is set, and isn't for this server; the reason.
    Withheld(String),
}

impl Admission {
    /// What the environment says about this server.
    pub(super) fn to(url: &Url, facts: &'static Facts, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let found = facts.key_variables.iter().find_map(|name| Some(Key::new(name, set(name)?)));
        let Some(key) = found else { return Self::Unset };
        if is_loopback(url) {
            return Self::Key(key);
        }
        let variable = facts.base_variable;
        let same = |base: &str| Url::parse(base).is_ok_and(|base| base.origin() == url.origin());
        if !same(facts.base) && !set(variable).is_some_and(|base| same(&base)) {
            let (name, origin) = (key.variable, url.origin().ascii_serialization());
            return Self::Withheld(format!(
                "{name} isn't sent to {origin}, because an address alone doesn't decide where a key goes: set \
                 {variable} to an address there too if it may have it"
            ));
        }
        if url.scheme() != "https" {
            let name = key.variable;
            return Self::Withheld(format!(
                "{name} isn't sent, because anybody on the way could read it: use https"
            ));
        }
        Self::Key(key)
    }

    /// The key, if it goes along.
    pub(super) fn key(&self) -> Option<&Key> {
        if let Self::Key(key) = self { Some(key) } else { None }
    }
}

/// Takes the key out of a text that comes in pieces: what may be its beginning is held back until it is known.
#[derive(Debug)]
pub(super) struct Veil {
    key: Option<Key>,
    held: String,
}

impl Veil {
    pub(super) fn new(key: Option<Key>) -> Self {
        Self { key, held: String::new() }
    }

    /// What can be shown by now.
    pub(super) fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let Some(secret) = self.key.as_ref().and_then(Key::secret) else {
            return std::mem::take(&mut self.held);
        };
        let text = self.held.replace(secret, MASK);
        let possible = |at: &usize| secret.starts_with(&text[*at..]);
        let known = text.char_indices().map(|(at, _)| at).find(possible).unwrap_or(text.len());
        text[known..].clone_into(&mut self.held);
        text[..known].to_owned()
    }

    /// What was held back, at the end.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::api::RemoteApi;

    const SECRET: &str = "sk-lovelace-1843";

    fn check(api: RemoteApi, url: &str, variables: &[(&str, &str)], expected: &str) {
        let read =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        let found = match Admission::to(&Url::parse(url).unwrap(), api.facts(), &read) {
            Admission::Key(key) => key.variable.to_owned(),
            Admission::Unset => "unset".into(),
            Admission::Withheld(reason) => reason,
        };
        assert!(found.starts_with(expected), "{url}: {found}");
    }

    #[test]
    fn a_key_goes_only_where_the_environment_lets_it() {
        use RemoteApi::{Anthropic, Gemini, OpenAi};
        let key = ("OPENAI_API_KEY", SECRET);
        check(OpenAi, "https://api.openai.com/v1", &[key], "OPENAI_API_KEY");
        check(OpenAi, "https://api.openai.com/v1", &[], "unset");
        check(OpenAi, "https://api.openai.com/v1", &[("OPENAI_API_KEY", " ")], "unset");
        check(OpenAi, "http://127.0.0.1:8000/v1", &[key], "OPENAI_API_KEY");
        check(OpenAi, "http://[::1]:8000/v1", &[key], "OPENAI_API_KEY");
        check(
            OpenAi,
            "https://models.example/v1",
            &[key],
            "OPENAI_API_KEY isn't sent to https://models.example,",
        );
        check(OpenAi, "https://127.0.0.1.example/v1", &[key], "OPENAI_API_KEY isn't sent to");
        let named = ("OPENAI_BASE_URL", "https://models.example/v1");
        check(OpenAi, "https://models.example/other", &[key, named], "OPENAI_API_KEY");
        check(OpenAi, "https://models.example:8443/v1", &[key, named], "OPENAI_API_KEY isn't sent to");
        let plain = ("OPENAI_BASE_URL", "http://models.example/v1");
        check(
            OpenAi,
            "http://models.example/v1",
            &[key, plain],
            "OPENAI_API_KEY isn't sent, because anybody",
        );
        check(
            Gemini,
            "https://generativelanguage.googleapis.com",
            &[("GOOGLE_API_KEY", SECRET)],
            "GOOGLE_API_KEY",
        );
        let both = [("GOOGLE_API_KEY", "other"), ("GEMINI_API_KEY", SECRET)];
        check(Gemini, "https://generativelanguage.googleapis.com", &both, "GEMINI_API_KEY");
        check(Anthropic, "https://api.anthropic.com", &[("ANTHROPIC_API_KEY", SECRET)], "ANTHROPIC_API_KEY");
        check(Anthropic, "https://api.anthropic.com", &[key], "unset");
    }

    #[test]
    fn a_key_that_comes_in_pieces_is_taken_out() {
        let text = format!("sk-no, {SECRET}{SECRET} sk-lovelace-184");
        for size in 1..text.len() {
            let mut veil = Veil::new(Some(Key::new("X", SECRET.into())));
            let mut shown = String::new();
            for piece in text.as_bytes().chunks(size) {
                shown += &veil.push(std::str::from_utf8(piece).unwrap());
            }
            shown += &veil.finish();
            assert_eq!(shown, "sk-no, [key][key] sk-lovelace-184", "by {size}");
        }
    }
}
