//! What a run may do by itself, what a person must approve, and what it may not do at all.

use std::fmt;

use percept_models::Call;
use percept_tools::{Effect, HostPattern, ToolCard, Toolbox};
use regex::Regex;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use url::Url;

use crate::AgentError;

/// Which calls are meant: those that fit everything that is said. Written as a word it is an effect (`changes`,
/// `reads`) or a tool's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(into = "Written")]
pub struct Rule {
    /// The tool's name.
    pub tool: Option<String>,
    /// What the tool does to the world.
    pub effect: Option<EffectKind>,
    /// An argument that the call has.
    pub argument: Option<String>,
    /// A regular expression (the syntax of the crate `regex`) that is found in that argument's text, or in any
    /// argument's if none is named.
    pub matches: Option<String>,
    /// The host of the page that the call acts on, or of an address among its arguments: `example.org`,
    /// `*.example.org`, `127.0.0.1:8080`, or `*` for any.
    pub host: Option<String>,
}

/// An [`Effect`] as a rule names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// [`Effect::Reads`].
    Reads,
    /// [`Effect::Changes`].
    Changes,
}

impl EffectKind {
    fn of(effect: Effect) -> Self {
        match effect {
            Effect::Reads => Self::Reads,
            Effect::Changes { .. } => Self::Changes,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Changes => "changes",
        }
    }
}

/// A rule as files have it: a word, or a table.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Written {
    Word(String),
    Table(Table),
}

/// Every key that a rule may have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<EffectKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argument: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrTable;

        impl<'de> Visitor<'de> for WordOrTable {
            type Value = Rule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word, or a table of tool, effect, argument, matches and host")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Rule, E> {
                Ok(Rule::from(word))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
                let Table { tool, effect, argument, matches, host } =
                    Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Rule { tool, effect, argument, matches, host })
            }
        }

        deserializer.deserialize_any(WordOrTable)
    }
}

impl From<Rule> for Written {
    fn from(rule: Rule) -> Self {
        let Rule { tool, effect, argument, matches, host } = rule;
        match (tool, effect, argument, matches, host) {
            (Some(tool), None, None, None, None) => Self::Word(tool),
            (None, Some(effect), None, None, None) => Self::Word(effect.word().into()),
            (tool, effect, argument, matches, host) => {
                Self::Table(Table { tool, effect, argument, matches, host })
            }
        }
    }
}

impl From<&str> for Rule {
    /// An effect's word, or else a tool's name.
    fn from(word: &str) -> Self {
        let effect =
            [EffectKind::Reads, EffectKind::Changes].into_iter().find(|effect| effect.word() == word);
        match effect {
            Some(effect) => Self { effect: Some(effect), ..Self::default() },
            None => Self { tool: Some(word.into()), ..Self::default() },
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.tool.as_ref().map(|tool| format!("`{tool}`")),
            self.effect.map(|effect| format!("what {}", effect.word())),
            self.argument.as_ref().map(|argument| format!("with `{argument}`")),
            self.matches.as_ref().map(|pattern| format!("matching `{pattern}`")),
            self.host.as_ref().map(|host| format!("on {host}")),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

impl Rule {
    /// Whether the rule is about this call, made on a page at this address.
    fn covers(&self, card: &ToolCard, call: &Call, location: Option<&str>) -> bool {
        self.tool.as_ref().is_none_or(|tool| *tool == card.name)
            && self.effect.is_none_or(|effect| effect == EffectKind::of(card.effect))
            && self.covers_arguments(&call.arguments)
            && self.host.as_ref().is_none_or(|host| reaches(host, call, location))
    }

    /// Whether the rule is about this call and nothing else that it does: for an exception, the page and every address
    /// among the arguments must be on the host.
    fn covers_all(&self, card: &ToolCard, call: &Call, location: Option<&str>) -> bool {
        self.covers(card, call, location)
            && self.host.as_ref().is_none_or(|host| stays_on(std::slice::from_ref(host), call, location))
    }

    fn covers_arguments(&self, arguments: &Value) -> bool {
        let argument = match &self.argument {
            Some(name) => arguments.get(name).filter(|value| !value.is_null()),
            None => Some(arguments),
        };
        let Some(argument) = argument else { return false };
        let Some(pattern) = &self.matches else { return true };
        // What isn't an expression was refused before the run; a rule that can't be understood holds.
        Regex::new(pattern).map_or(true, |pattern| any_text(argument, &|text| pattern.is_match(text)))
    }

    /// # Errors
    ///
    /// Why no call could ever fit the rule: a typing error would let through what it was meant to stop.
    pub(crate) fn checked(&self, tools: &[String]) -> Result<(), String> {
        if *self == Self::default() {
            return Err(
                "the rule says nothing: give it a tool, an effect, an argument, a pattern or a host".into()
            );
        }
        if let Some(tool) = self.tool.as_ref().filter(|tool| !tools.contains(tool)) {
            return Err(format!("no tool is named `{tool}`"));
        }
        if let Some(pattern) = &self.matches {
            Regex::new(pattern).map_err(|error| format!("`{pattern}` is no regular expression: {error}"))?;
        }
        if let Some(host) = &self.host {
            HostPattern::read(host).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Whether the page, or an address among the arguments, is on such a host.
fn reaches(host: &str, call: &Call, location: Option<&str>) -> bool {
    let Ok(pattern) = HostPattern::read(host) else { return true };
    let is_there = |address: &str| {
        Url::parse(address).is_ok_and(|url| {
            url.host_str().is_some_and(|name| pattern.covers(name, url.port_or_known_default()))
        })
    };
    location.is_some_and(is_there) || any_text(&call.arguments, &is_there)
}

/// Whether the page and every address among the arguments are on such hosts.
pub(crate) fn stays_on(hosts: &[String], call: &Call, location: Option<&str>) -> bool {
    let patterns: Vec<_> = hosts.iter().filter_map(|host| HostPattern::read(host).ok()).collect();
    let leads_away = |url: &Url| {
        let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
        !patterns.iter().any(|pattern| pattern.covers(name, port))
    };
    let page = location.and_then(|location| Url::parse(location).ok());
    let is_address_elsewhere =
        |text: &str| Url::parse(text.trim()).is_ok_and(|url| url.has_host() && leads_away(&url));
    page.is_some_and(|url| !leads_away(&url)) && !any_text(&call.arguments, &is_address_elsewhere)
}

/// Whether a text somewhere in the value passes; numbers count as they are written.
fn any_text(value: &Value, passes: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => passes(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, passes)),
        Value::Object(object) => object.values().any(|value| any_text(value, passes)),
        other => passes(&other.to_string()),
    }
}

/// What a run may do. It is fixed before the run begins; nothing that the run sees or that the model writes can
/// change it.
///
/// A rule under `refuse` holds whatever else is said. Of the rest, what `ask` names waits for a person, unless
/// `allow` names it too.
///
/// ```
/// use percept::{Policy, Rule};
///
/// let policy = Policy {
///     ask: vec!["changes".into()],
///     allow: vec!["scroll".into()],
///     grounded: true,
///     confirm: true,
///     refuse: vec![Rule { tool: Some("navigate".into()), host: Some("*.example.net".into()), ..Rule::default() }],
/// };
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What a person must approve; empty: nothing.
    pub ask: Vec<Rule>,
    /// What needs no approval although `ask` names it.
    #[serde(default)]
    pub allow: Vec<Rule>,
    /// What is never done.
    #[serde(default)]
    pub refuse: Vec<Rule>,
    /// Whether a call that changes something is turned down where there is nothing at its place, or something else than
    /// what the thought speaks of. The same call made again is carried out.
    #[serde(default)]
    pub grounded: bool,
    /// Whether a person is asked, as about what `ask` names, where the model's vendor wants one to confirm a call. Where nobody
    /// is, the call is refused and the model told so. A task file that asks about anything asks about that too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
}

/// What a policy says of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Go,
    Ask,
    /// With the rule that says so.
    Refuse(String),
}

impl Policy {
    /// What it says of this call, made on a page at this address.
    pub(crate) fn word(&self, card: &ToolCard, call: &Call, location: Option<&str>) -> Word {
        let names = |rules: &[Rule]| rules.iter().find(|rule| rule.covers(card, call, location)).cloned();
        if let Some(rule) = names(&self.refuse) {
            return Word::Refuse(rule.to_string());
        }
        if names(&self.ask).is_some() && !self.allow.iter().any(|rule| rule.covers_all(card, call, location))
        {
            Word::Ask
        } else {
            Word::Go
        }
    }

    /// The rules that could be about these tools.
    pub(crate) fn within(&self, toolbox: &Toolbox) -> Self {
        let is_there = |rule: &&Rule| rule.tool.as_ref().is_none_or(|tool| toolbox.card(tool).is_some());
        let kept = |rules: &[Rule]| rules.iter().filter(is_there).cloned().collect();
        let Self { ask, allow, refuse, grounded, confirm } = self;
        Self {
            ask: kept(ask),
            allow: kept(allow),
            refuse: kept(refuse),
            grounded: *grounded,
            confirm: *confirm,
        }
    }

    /// # Errors
    ///
    /// [`AgentError::Toolbox`] for a rule about a tool that isn't on offer, [`AgentError::Policy`] for another that no call could fit.
    pub(crate) fn checked(&self, toolbox: &Toolbox) -> Result<(), AgentError> {
        let rules = || self.ask.iter().chain(&self.allow).chain(&self.refuse);
        toolbox.only(&rules().filter_map(|rule| rule.tool.as_ref()).collect::<Vec<_>>())?;
        let tools: Vec<_> = toolbox.offered().into_iter().map(|tool| tool.card.name).collect();
        rules().try_for_each(|rule| rule.checked(&tools).map_err(|problem| AgentError::Policy { problem }))
    }
}

/// What a person says to a call that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Go on.
    Granted,
    /// Don't, and stop: with the reason that the result gives.
    Denied(String),
    /// Nobody can say now: the run ends as it stands, and can be taken up when somebody can.
    Later,
}

#[cfg(test)]
mod tests {
    use percept_models::Call;
    use percept_tools::ToolCard;
    use serde_json::{Value, json};

    use super::{Policy, Rule, Word};

    fn rule(written: Value) -> Rule {
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn a_rule_covers_what_fits_all_that_it_says() {
        let page = Some("https://shop.example.org/cart");
        let cases = [
            (json!("changes"), true),
            (json!("reads"), false),
            (json!("type_text"), true),
            (json!("click"), false),
            (json!({ "tool": "type_text", "effect": "changes" }), true),
            (json!({ "tool": "type_text", "effect": "reads" }), false),
            (json!({ "argument": "text" }), true),
            (json!({ "argument": "url" }), false),
            (json!({ "argument": "nothing" }), false),
            (json!({ "argument": "text", "matches": "(?i)DROP +table" }), true),
            (json!({ "argument": "count", "matches": "^12$" }), true),
            (json!({ "matches": "drop" }), true),
            (json!({ "matches": "^drop$" }), false),
            (json!({ "host": "shop.example.org" }), true),
            (json!({ "host": "*.example.org" }), true),
            (json!({ "host": "example.org" }), false),
            (json!({ "host": "pay.example.com:8443" }), true),
            (json!({ "host": "pay.example.com:80" }), false),
            (json!({ "tool": "click", "host": "*" }), false),
        ];
        let card = ToolCard::changes("type_text", "Types.", false);
        let arguments = json!({ "text": "drop table", "nothing": null, "count": 12, "to": ["https://pay.example.com:8443/x"] });
        let call = Call { function: "type_text".into(), arguments };
        for (written, expected) in cases {
            let rule = rule(written.clone());
            assert_eq!(rule.covers(&card, &call, page), expected, "{written}");
            assert_eq!(serde_json::to_value(&rule).unwrap(), written, "it is written as it was read");
        }
        assert!(!rule(json!({ "host": "*" })).covers(&card, &Call { arguments: json!({}), ..call }, None));
    }

    #[test]
    fn a_refusal_holds_whatever_else_is_said_and_an_exception_needs_no_approval() {
        let (card, call) = (
            ToolCard::changes("click", "Clicks.", false),
            Call { function: "click".into(), arguments: json!({}) },
        );
        let rules = |word: &str| if word.is_empty() { Vec::new() } else { vec![Rule::from(word)] };
        let cases = [
            (["", "", ""], Word::Go),
            (["changes", "", ""], Word::Ask),
            (["changes", "click", ""], Word::Go),
            (["changes", "click", "click"], Word::Refuse("`click`".into())),
            (["scroll", "", "reads"], Word::Go),
        ];
        for ([ask, allow, refuse], expected) in cases {
            let policy =
                Policy { ask: rules(ask), allow: rules(allow), refuse: rules(refuse), ..Policy::default() };
            assert_eq!(policy.word(&card, &call, None), expected, "{policy:?}");
        }
    }

    #[test]
    fn an_exception_for_a_host_holds_only_where_the_call_stays_on_it() {
        let exception = rule(json!({ "host": "portal.example" }));
        let policy = Policy { ask: vec!["changes".into()], allow: vec![exception], ..Policy::default() };
        let card = ToolCard::changes("navigate", "Opens.", false);
        let cases = [
            ("https://portal.example/a", json!({}), Word::Go),
            ("https://portal.example/a", json!({ "url": "https://portal.example/b" }), Word::Go),
            ("https://portal.example/a", json!({ "url": "https://evil.example/b" }), Word::Ask),
            ("https://evil.example/a", json!({ "text": "https://portal.example/" }), Word::Ask),
        ];
        for (page, arguments, expected) in cases {
            let call = Call { function: "navigate".into(), arguments };
            assert_eq!(policy.word(&card, &call, Some(page)), expected, "{page} {call:?}");
        }
    }

    #[test]
    fn a_rule_that_nothing_could_fit_is_refused() {
        let tools = ["click".to_owned()];
        let cases = [
            (json!({}), "says nothing"),
            (json!("clikc"), "no tool is named `clikc`"),
            (json!({ "matches": "(" }), "is no regular expression"),
            (json!({ "host": "https://example.org" }), "it is an address"),
        ];
        for (written, problem) in cases {
            let found = rule(written.clone()).checked(&tools).unwrap_err();
            assert!(found.contains(problem), "{written}: {found}");
        }
        assert_eq!(rule(json!("click")).checked(&tools), Ok(()));
        assert!(serde_json::from_value::<Rule>(json!({ "tol": "click" })).is_err());
    }
}
