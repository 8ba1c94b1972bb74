//! Self-consistency (Wang et al. 2022): several decisions for one step, of which those that mean the same count
//! together. Which one is carried out, the majority says or a judge.

use std::collections::BTreeMap;

use percept_models::Call;
use percept_tools::{Element, PixelPoint, PixelRegion};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wording::normalised;
use crate::{Area, Target};

/// The temperature at which every vote but the first is sampled, where the run's own is lower.
pub(crate) const VOTING: f32 = 0.7;
/// The most votes.
pub(crate) const MOST_VOTES: usize = 15;
/// The most tokens of a judgement.
pub(crate) const JUDGEMENT_TOKENS: usize = 32;
/// How far two points may be apart, in pixels of the screenshot, and still mean the same place of a screen that
/// doesn't tell its elements.
const NEAR: u32 = 8;

/// Who says which vote is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choose {
    /// The most votes that mean the same; among equals the earliest.
    #[default]
    Majority,
    /// The model, which is shown every different proposal (best of N); where they all mean the same nobody is asked.
    Judge,
}

/// A place that a call names, and what is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// Something that can be acted on, wherever in it the point lies.
    Element(Element),
    /// A pixel of a screen that doesn't say more.
    Point(PixelPoint),
    /// A rectangle.
    Region(PixelRegion),
}

impl Place {
    /// A target without what the screen says of it.
    pub(crate) fn bare(target: &Target) -> Self {
        match target.area {
            Area::Point(point) => Self::Point(point),
            Area::Region(region) => Self::Region(region),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Element(one), Self::Element(other)) => one == other,
            (Self::Point(one), Self::Point(other)) => {
                one.x.abs_diff(other.x) <= NEAR && one.y.abs_diff(other.y) <= NEAR
            }
            (Self::Region(one), Self::Region(other)) => overlap(*one, *other),
            _ => false,
        }
    }
}

/// Whether two rectangles share more than half of what they cover together.
fn overlap(one: PixelRegion, other: PixelRegion) -> bool {
    let area = |left: u32, top: u32, right: u32, bottom: u32| {
        u64::from(right.saturating_sub(left)) * u64::from(bottom.saturating_sub(top))
    };
    let of = |region: PixelRegion| area(region.left, region.top, region.right, region.bottom);
    let shared = area(
        one.left.max(other.left),
        one.top.max(other.top),
        one.right.min(other.right),
        one.bottom.min(other.bottom),
    );
    2 * shared > of(one) + of(other) - shared
}

/// What a vote means: the tool, what it does it to, and with what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meaning {
    function: String,
    arguments: Value,
    places: BTreeMap<String, Place>,
}

impl Meaning {
    /// The meaning of a call whose targets are these places.
    pub(crate) fn new(call: &Call, places: BTreeMap<String, Place>) -> Self {
        let (function, mut arguments) = (call.function.clone(), call.arguments.clone());
        without(&mut arguments, &places);
        if !ANSWERING.contains(&function.as_str()) {
            return Self { function, arguments, places };
        }
        // Where an answer is seen doesn't change what it says.
        if let Value::Object(object) = &mut arguments {
            object.retain(|_, value| value.is_string());
            object.values_mut().for_each(in_words);
        }
        Self { function, arguments, places: BTreeMap::new() }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.function == other.function
            && self.arguments == other.arguments
            && self.places.len() == other.places.len()
            && self
                .places
                .iter()
                .all(|(name, place)| other.places.get(name).is_some_and(|other| place.is_like(other)))
    }
}

/// The tools whose words are answers to the task's question.
const ANSWERING: [&str; 2] = ["answer", "finish"];

/// Leaves of each text its words alone.
fn in_words(value: &mut Value) {
    if let Value::String(text) = value {
        *text = normalised(text);
    }
}

/// Takes the places out of the arguments, wherever they stand in them.
fn without(value: &mut Value, places: &BTreeMap<String, Place>) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !places.contains_key(name));
            object.values_mut().for_each(|value| without(value, places));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| without(value, places)),
        _ => {}
    }
}

/// For each vote the first one that means the same. One without a meaning is like no other.
pub(crate) fn grouped(votes: &[Option<Meaning>]) -> Vec<usize> {
    let first_like = |index: usize, vote: &Meaning| {
        votes.iter().take(index).position(|other| other.as_ref().is_some_and(|other| other.is_like(vote)))
    };
    let firsts = votes.iter().enumerate();
    firsts
        .map(|(index, vote)| vote.as_ref().and_then(|vote| first_like(index, vote)).unwrap_or(index))
        .collect()
}

/// The vote that stands for the most, a vote without a meaning last.
pub(crate) fn majority(alike: &[usize], votes: &[Option<Meaning>]) -> usize {
    let supporters = |first: usize| alike.iter().filter(|one| **one == first).count();
    let has_meaning = |first: usize| votes.get(first).is_some_and(Option::is_some);
    // Of equals, `max_by_key` takes the last.
    (0..alike.len()).rev().max_by_key(|first| (has_meaning(*first), supporters(*first))).unwrap_or_default()
}

/// These proposals as a numbered list.
pub(crate) fn proposed(proposals: &[(String, &Call)]) -> String {
    let lines = proposals.iter().enumerate().map(|(index, (thought, call))| {
        let (number, function, arguments) = (index + 1, &call.function, &call.arguments);
        match thought.trim() {
            "" => format!("{number}. {function} {arguments}"),
            thought => format!("{number}. {function} {arguments} — {thought}"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a judgement of so many proposals must look like.
pub(crate) fn judgement_schema(proposals: usize) -> Value {
    json!({
        "type": "object",
        "properties": { "best": { "type": "integer", "minimum": 1, "maximum": proposals } },
        "required": ["best"],
        "additionalProperties": false
    })
}

/// Reads a judgement: the index of the best of so many proposals.
///
/// # Errors
///
/// Why the text is none.
pub(crate) fn read_judgement(text: &str, proposals: usize) -> Result<usize, String> {
    #[derive(Deserialize)]
    struct Written {
        best: usize,
    }
    let Written { best } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    best.checked_sub(1)
        .filter(|index| *index < proposals)
        .ok_or_else(|| format!("there is no proposal {best}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percept_tools::ScreenRegion;

    fn element(name: &str) -> Place {
        let region = ScreenRegion { left: 0.0, top: 0.0, right: 9.0, bottom: 9.0 };
        Place::Element(Element {
            role: "button".into(),
            name: name.into(),
            region,
            acts: true,
            value: None,
            checked: None,
            enabled: true,
        })
    }

    fn point(x: u32, y: u32) -> Place {
        Place::Point(PixelPoint { x, y })
    }

    fn meaning(function: &str, arguments: Value, place: Place) -> Meaning {
        let call = Call { function: function.into(), arguments };
        Meaning::new(&call, BTreeMap::from([("point".to_owned(), place)]))
    }

    fn click(place: Place) -> Meaning {
        meaning("click", json!({ "point": [1, 2] }), place)
    }

    fn typed(text: &str, x: u32, on: &str) -> Meaning {
        meaning("type", json!({ "text": text, "point": [x, x] }), element(on))
    }

    #[test]
    fn votes_that_mean_the_same_count_together() {
        let region = |left, right| Place::Region(PixelRegion { left, top: 0, right, bottom: 10 });
        let cases = [
            (
                vec![Some(click(element("Go"))), Some(click(element("No"))), Some(click(element("Go")))],
                vec![0, 1, 0],
                0,
            ),
            (
                vec![Some(click(element("No"))), Some(click(element("Go"))), Some(click(element("Go")))],
                vec![0, 1, 1],
                1,
            ),
            (
                vec![Some(click(point(10, 10))), Some(click(point(18, 2))), Some(click(point(30, 10)))],
                vec![0, 0, 2],
                0,
            ),
            (vec![Some(click(element("Go"))), Some(click(point(1, 1)))], vec![0, 1], 0),
            (vec![None, Some(click(point(1, 1))), None], vec![0, 1, 2], 1),
            (vec![None, None], vec![0, 1], 0),
            (
                vec![Some(typed("a", 1, "Go")), Some(typed("b", 1, "Go")), Some(typed("b", 2, "Go"))],
                vec![0, 1, 1],
                1,
            ),
            (
                vec![Some(click(region(0, 10))), Some(click(region(1, 10))), Some(click(region(6, 16)))],
                vec![0, 0, 2],
                0,
            ),
        ];
        for (votes, alike, chosen) in cases {
            let found = grouped(&votes);
            assert_eq!((found.clone(), majority(&found, &votes)), (alike, chosen), "{votes:?}");
        }
    }

    #[test]
    fn answers_are_alike_by_their_words_wherever_they_are_seen() {
        let answer = |arguments: Value| {
            let call = Call { function: "answer".into(), arguments };
            Some(Meaning::new(&call, BTreeMap::new()))
        };
        let votes = [
            answer(json!({ "text": "Three." })),
            answer(json!({ "text": "3", "seen_at": [] })),
            answer(json!({ "text": "the 3", "seen_at": null })),
            answer(json!({ "text": "3", "seen_at": [[0, 0, 9, 9]] })),
            answer(json!({ "text": "4" })),
        ];
        assert_eq!(grouped(&votes), [0, 0, 0, 0, 4]);
    }

    #[test]
    fn a_judgement_is_read_or_the_reason_given() {
        assert_eq!(read_judgement(r#"{"best":2}"#, 2), Ok(1));
        for (text, problem) in
            [("{\"best\":3}", "no proposal 3"), ("{\"best\":0}", "no proposal 0"), ("two", "expected")]
        {
            assert!(read_judgement(text, 2).unwrap_err().contains(problem), "{text}");
        }
    }
}
