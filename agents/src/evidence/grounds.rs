//! What an answer must stand on.

use serde::{Deserialize, Serialize};

use super::{Check, Claim, text};
use crate::AgentError;

/// What an answer must stand on, whatever it says. One that doesn't is withheld.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grounds {
    /// How certain it must be, from 0 to 1: the share of the step's votes that give the same answer, or without votes the
    /// [likelihood](percept_models::Completion::likelihood) of its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certainty: Option<f64>,
    /// Whether its words must be readable on the screen.
    pub visible: bool,
    /// Whether it must say where on the screen it is seen, as the tool `answer` can.
    pub seen_at: bool,
}

const VISIBLE: &str = "the screen shows the answer's words";
const SEEN_AT: &str = "the answer says where it is seen";

impl Grounds {
    /// Each in words.
    pub(super) fn described(self) -> Vec<String> {
        let mut all = Vec::new();
        all.extend(self.certainty.map(certain));
        all.extend(self.visible.then(|| VISIBLE.to_owned()));
        all.extend(self.seen_at.then(|| SEEN_AT.to_owned()));
        all
    }

    /// What a model is told of one of them that failed.
    pub(super) fn told(self, what: &str) -> Option<&'static str> {
        if self.certainty.is_some_and(|least| certain(least) == what) {
            return Some("the answer isn't certain enough: look closer");
        }
        match what {
            VISIBLE => Some("the screen doesn't show the answer's words"),
            SEEN_AT => Some("the answer doesn't say where on the screen it is seen"),
            _ => None,
        }
    }

    /// # Errors
    ///
    /// [`AgentError::Evidence`] for grounds that are none, or that no answer can have.
    pub(crate) fn checked(self) -> Result<(), AgentError> {
        let refused = |what: String, why: &str| Err(AgentError::Evidence { what, why: why.to_owned() });
        if self == Self::default() {
            return refused(
                "an answer's grounds".into(),
                "they ask for nothing: name certainty, visible or seen_at",
            );
        }
        match self.certainty {
            Some(least) if !(least > 0.0 && least <= 1.0) => {
                refused(certain(least), "a certainty lies above 0 and not above 1")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check(self, claim: &Claim<'_>, visible: &str) -> Vec<Check> {
        let mut checks = Vec::new();
        // What isn't an answer has no grounds.
        let is_one = claim.answer.is_some_and(|answer| !answer.trim().is_empty());
        if let Some(least) = self.certainty {
            let holds = is_one && claim.certainty.is_some_and(|found| found >= least);
            let found = claim
                .certainty
                .map_or_else(|| "nothing is known of it".into(), |found| format!("{found:.2}"));
            checks.push(Check { what: certain(least), holds, found: Some(found) });
        }
        if self.visible {
            let shown = claim.answer.map(|answer| text::check(answer, visible));
            let holds = is_one && shown.as_ref().is_some_and(|check| check.holds);
            let found = shown.map_or_else(|| Some("no answer".into()), |check| check.found);
            checks.push(Check { what: VISIBLE.into(), holds, found });
        }
        if self.seen_at {
            checks.push(Check { what: SEEN_AT.into(), holds: is_one && claim.is_seen, found: None });
        }
        checks
    }
}

fn certain(least: f64) -> String {
    format!("the answer is certain to at least {least}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_on_each_of_its_grounds() {
        let grounds = Grounds { certainty: Some(0.6), visible: true, seen_at: true };
        let claim = |answer, certainty, is_seen| Claim { answer, certainty, is_seen };
        let cases = [
            (claim(Some("42 mails"), Some(0.6), true), [true, true, true]),
            (claim(Some("42 mails"), Some(0.5), false), [false, true, false]),
            (claim(Some("42 mails"), None, true), [false, true, true]),
            (claim(Some("43 mails"), Some(1.0), true), [true, false, true]),
            (claim(None, Some(1.0), true), [false, false, false]),
            (claim(Some(" "), Some(1.0), true), [false, false, false]),
        ];
        for (claim, expected) in cases {
            let checks = grounds.check(&claim, "Inbox\n42   mails");
            assert_eq!(checks.iter().map(|check| check.holds).collect::<Vec<_>>(), expected, "{claim:?}");
            for check in checks.iter().filter(|check| !check.holds) {
                assert!(grounds.told(&check.what).is_some(), "{}", check.what);
            }
        }
    }

    #[test]
    fn grounds_that_are_none_are_refused() {
        let certainty = |least| Grounds { certainty: Some(least), ..Grounds::default() };
        for wrong in [Grounds::default(), certainty(0.0), certainty(1.1), certainty(f64::NAN)] {
            assert!(wrong.checked().is_err(), "{wrong:?}");
        }
        assert!(certainty(1.0).checked().is_ok());
    }
}
