//! The way a run has gone: which call was made on which screen and what it brought, and whether that goes round in
//! circles.

use percept_models::{Call, ContentHash};

use crate::RecordedPart;

/// The longest circle that is looked for, in actions.
const LONGEST: usize = 8;

/// One action as the trail compares it: its thought doesn't count, for a model can put the same step into other words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Footprint {
    /// The screen that it was decided on; `None` in a run without one.
    pub(crate) screen: Option<ContentHash>,
    /// What was done.
    pub(crate) call: Call,
    /// Whether that is something that changes things.
    pub(crate) changes: bool,
    /// What it brought back.
    pub(crate) brought: Vec<RecordedPart>,
}

/// The newest actions are the ones before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circle {
    /// How many actions are repeated.
    pub(crate) actions: usize,
    /// How often they were carried out, one after the other.
    pub(crate) rounds: usize,
    /// Whether one of them is meant to change something. Waiting twice, or looking twice, is no mistake yet.
    pub(crate) changes: bool,
}

impl Circle {
    /// The circle in words.
    pub(crate) fn told(self) -> String {
        let times = if self.rounds == 2 { "twice".to_owned() } else { format!("{} times", self.rounds) };
        match self.actions {
            1 => format!("the same action was carried out {times} on the same screen, and came to the same"),
            actions => {
                format!(
                    "the same {actions} actions were carried out {times} on the same screens, and came to the same"
                )
            }
        }
    }
}

/// Every action so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trail(Vec<Footprint>);

impl Trail {
    pub(crate) fn push(&mut self, footprint: Footprint) {
        self.0.push(footprint);
    }

    /// The circle that the newest action has closed, the shortest if there are several.
    pub(crate) fn closed(&self) -> Option<Circle> {
        (1..=LONGEST).find_map(|actions| {
            let pairs = self.0.iter().rev().zip(self.0.iter().rev().skip(actions));
            let repeated = pairs.take_while(|(new, old)| new == old).count();
            let changes = self.0.iter().rev().take(actions).any(|footprint| footprint.changes);
            (repeated > 0 && repeated % actions == 0).then_some(Circle {
                actions,
                rounds: repeated / actions + 1,
                changes,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use percept_models::Call;
    use serde_json::json;

    use super::{Circle, Footprint, Trail};

    fn closed(steps: &str) -> Option<Circle> {
        let mut trail = Trail::default();
        for step in steps.chars() {
            let call = Call { function: step.into(), arguments: json!({}) };
            let changes = step.is_lowercase();
            trail.push(Footprint { screen: None, call, changes, brought: Vec::new() });
        }
        trail.closed()
    }

    #[test]
    fn a_circle_is_noticed_each_time_it_closes() {
        let circle = |actions, rounds| Some(Circle { actions, rounds, changes: true });
        let cases = [
            ("", None),
            ("a", None),
            ("ab", None),
            ("aa", circle(1, 2)),
            ("baaa", circle(1, 3)),
            ("aba", None),
            ("abab", circle(2, 2)),
            ("ababa", None),
            ("xababab", circle(2, 3)),
            ("abcabc", circle(3, 2)),
            ("abaab", None),
            ("aabaab", circle(3, 2)),
            ("abcdefghabcdefgh", circle(8, 2)),
            ("abcdefghiabcdefghi", None),
        ];
        for (steps, expected) in cases {
            assert_eq!(closed(steps), expected, "{steps}");
        }
        assert_eq!(closed("AA"), Some(Circle { actions: 1, rounds: 2, changes: false }));
        assert_eq!(closed("bABAB"), Some(Circle { actions: 2, rounds: 2, changes: false }));
        assert_eq!(closed("AbAb"), circle(2, 2), "one that changes is enough");
    }

    #[test]
    fn another_screen_or_another_result_is_another_step() {
        let call = Call { function: "click".into(), arguments: json!({}) };
        let mut trail = Trail::default();
        for text in ["1 left", "none left"] {
            let part = json!({ "source": "runtime", "text": text });
            let brought = vec![serde_json::from_value(part).unwrap()];
            trail.push(Footprint { screen: None, call: call.clone(), changes: true, brought });
        }
        assert_eq!(trail.closed(), None);
    }
}
