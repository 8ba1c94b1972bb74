//! Where the screen must be.

use serde::{Deserialize, Serialize};

use super::{Check, shortened};

/// A check of the address that the screen shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UrlCheck {
    /// It begins like this.
    Prefix(String),
    /// This is somewhere in it.
    Contains(String),
}

impl UrlCheck {
    pub(super) fn described(&self) -> String {
        match self {
            Self::Prefix(wanted) => format!("the address begins with “{wanted}”"),
            Self::Contains(wanted) => format!("the address contains “{wanted}”"),
        }
    }

    pub(super) fn check(&self, location: Option<&str>) -> Check {
        let holds = location.is_some_and(|location| match self {
            Self::Prefix(wanted) => location.starts_with(wanted.as_str()),
            Self::Contains(wanted) => location.contains(wanted.as_str()),
        });
        let found = (!holds).then(|| location.map_or_else(|| "no address".into(), shortened));
        Check { what: self.described(), holds, found }
    }
}

#[cfg(test)]
mod tests {
    use super::UrlCheck;

    #[test]
    fn an_address_is_checked_at_its_beginning_or_anywhere() {
        let prefix = UrlCheck::Prefix("https://example.org/done".into());
        let contains = UrlCheck::Contains("ok=1".into());
        let cases = [
            (&prefix, Some("https://example.org/done?ok=1"), true),
            (&prefix, Some("https://evil.example/https://example.org/done"), false),
            (&prefix, None, false),
            (&contains, Some("https://example.org/done?ok=1"), true),
            (&contains, Some("https://example.org/done?ok=2"), false),
        ];
        for (check, location, holds) in cases {
            assert_eq!(check.check(location).holds, holds, "{check:?} at {location:?}");
        }
    }
}
