//! An element and its state.

use std::fmt::Write;

use percept_tools::Element;
use serde::{Deserialize, Serialize};

use super::{Check, shortened};
use crate::AgentError;

/// A check that an element is in view, and of what state it is in. At least a role or a name says which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElementCheck {
    /// Its role in the words of WAI-ARIA: `checkbox`, `textbox`, `button`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its label or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What a field must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether a box must be ticked, or an option chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked: Option<bool>,
    /// Whether it must take input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl ElementCheck {
    pub(super) fn described(&self) -> String {
        let mut what = match (&self.role, &self.name) {
            (Some(role), Some(name)) => format!("the {role} “{name}”"),
            (Some(role), None) => format!("a {role}"),
            (None, Some(name)) => format!("“{name}”"),
            (None, None) => "an element".into(),
        };
        let states = [
            self.value.as_ref().map(|value| format!("holds “{value}”")),
            self.checked.map(|checked| (if checked { "is ticked" } else { "isn't ticked" }).to_owned()),
            self.enabled.map(|enabled| (if enabled { "takes input" } else { "takes no input" }).to_owned()),
        ];
        let states: Vec<_> = states.into_iter().flatten().collect();
        what.push(' ');
        what.push_str(&if states.is_empty() { "is in view".to_owned() } else { states.join(" and ") });
        what
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] if it doesn't say which element.
    pub(crate) fn checked(&self) -> Result<(), AgentError> {
        if self.role.is_some() || self.name.is_some() {
            return Ok(());
        }
        Err(AgentError::Evidence { what: self.described(), why: "it has neither a role nor a name".into() })
    }

    pub(super) fn check(&self, elements: &[Element]) -> Check {
        let is_named = |element: &&Element| {
            self.role.as_ref().is_none_or(|role| *role == element.role)
                && self.name.as_ref().is_none_or(|name| name.trim() == element.name)
        };
        let is_so = |element: &Element| {
            self.value.as_ref().is_none_or(|value| element.value.as_deref() == Some(value))
                && self.checked.is_none_or(|checked| element.checked == Some(checked))
                && self.enabled.is_none_or(|enabled| element.enabled == enabled)
        };
        let holds = elements.iter().filter(is_named).any(is_so);
        let found = match elements.iter().find(is_named) {
            _ if holds => None,
            None => Some("no such element in view".into()),
            Some(element) => Some(shortened(&state(element))),
        };
        Check { what: self.described(), holds, found }
    }
}

fn state(element: &Element) -> String {
    let mut state = format!("{} “{}”", element.role, element.name);
    if let Some(value) = &element.value {
        // Writing to a string can't fail.
        let _ = write!(state, " holding “{value}”");
    }
    match element.checked {
        Some(true) => state.push_str(", ticked"),
        Some(false) => state.push_str(", not ticked"),
        None => {}
    }
    if !element.enabled {
        state.push_str(", off");
    }
    state
}

#[cfg(test)]
mod tests {
    use percept_tools::{Element, ScreenRegion};

    use super::ElementCheck;

    fn element(role: &str, name: &str, value: Option<&str>, checked: Option<bool>) -> Element {
        Element {
            role: role.into(),
            name: name.into(),
            region: ScreenRegion { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 },
            acts: true,
            value: value.map(Into::into),
            checked,
            enabled: role != "button",
        }
    }

    #[test]
    fn an_element_in_view_is_in_the_state_that_is_asked_for_or_what_it_is_in_is_told() {
        let elements = [
            element("textbox", "City", Some("Bern"), None),
            element("checkbox", "News", None, Some(true)),
            element("checkbox", "News", None, Some(false)),
            element("button", "Send", None, None),
        ];
        let check = |role: &str, name: &str| ElementCheck {
            role: (!role.is_empty()).then(|| role.into()),
            name: (!name.is_empty()).then(|| name.into()),
            ..ElementCheck::default()
        };
        let value = |check: ElementCheck, value: &str| ElementCheck { value: Some(value.into()), ..check };
        let ticked = |check: ElementCheck, ticked| ElementCheck { checked: Some(ticked), ..check };
        let cases = [
            (check("button", "Send"), None),
            (check("", "City"), None),
            (check("textbox", ""), None),
            (check("link", "Send"), Some("no such element in view")),
            (value(check("textbox", "City"), "Bern"), None),
            (value(check("textbox", "City"), "Ber"), Some("textbox “City” holding “Bern”")),
            (ticked(check("checkbox", "News"), false), None),
            (ticked(check("button", "Send"), true), Some("button “Send”, off")),
            (ElementCheck { enabled: Some(true), ..check("button", "Send") }, Some("button “Send”, off")),
        ];
        for (check, found) in cases {
            let result = check.check(&elements);
            assert_eq!((result.holds, result.found.as_deref()), (found.is_none(), found), "{check:?}");
        }
        assert!(ElementCheck { checked: Some(true), ..ElementCheck::default() }.checked().is_err());
        let told = ticked(value(check("checkbox", "News"), "x"), false).described();
        assert_eq!(told, "the checkbox “News” holds “x” and isn't ticked");
    }
}
