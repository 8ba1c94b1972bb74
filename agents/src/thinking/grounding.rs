//! Grounding: whether what stands at a place is something to act on, and what the thought speaks of.

use percept_tools::Element;

/// Why acting on this element can't be what is meant; `None` if nothing speaks against it.
pub(crate) fn mismatch(thought: &str, place: &str, element: Option<&Element>) -> Option<String> {
    let Some(element) = element else { return Some(format!("there is nothing at {place}")) };
    let what = match element.name.as_str() {
        "" => format!("a {} without a name", element.role),
        name => format!("the {} “{name}”", element.role),
    };
    if !element.acts {
        return Some(format!("there is nothing to act on at {place}: only {what}"));
    }
    if !element.enabled {
        return Some(format!("at {place} is {what}, which takes no input now"));
    }
    let named = element.name.to_lowercase();
    let meant = quoted(thought);
    let is_meant = |quote: &String| {
        let quote = quote.to_lowercase();
        named.contains(&quote) || quote.contains(&named)
    };
    if named.is_empty() || meant.is_empty() || meant.iter().any(is_meant) {
        return None;
    }
    Some(format!("the thought speaks of “{}”, and at {place} is {what}", meant.join("”, “")))
}

/// What a text puts in quotation marks.
fn quoted(text: &str) -> Vec<String> {
    const MARKS: [(char, char); 4] = [('“', '”'), ('"', '"'), ('‘', '’'), ('`', '`')];
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((begin, open)) = rest.char_indices().find(|(_, c)| MARKS.iter().any(|(open, _)| open == c))
    {
        let close = MARKS.iter().find(|(mark, _)| *mark == open).map_or(open, |(_, close)| *close);
        let inside = &rest[begin + open.len_utf8()..];
        let Some(end) = inside.find(close) else { break };
        let quote = inside[..end].trim();
        if !quote.is_empty() {
            found.push(quote.to_owned());
        }
        rest = &inside[end + close.len_utf8()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use percept_tools::{Element, ScreenRegion};

    use super::{mismatch, quoted};

    #[test]
    fn quotes_are_found_whatever_their_marks() {
        let cases = [
            ("Press “Log in”, then \"OK\".", vec!["Log in", "OK"]),
            ("The `Save` of ‘Draft 1’", vec!["Save", "Draft 1"]),
            ("An \"open end", vec![]),
            ("It's ada's", vec![]),
            ("“ ”", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected, "{text}");
        }
    }

    #[test]
    fn an_element_fits_the_thought_or_the_reason_is_given() {
        let element = |name: &str, acts, enabled| Element {
            role: "button".into(),
            name: name.into(),
            region: ScreenRegion { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 },
            acts,
            value: None,
            checked: None,
            enabled,
        };
        let cases = [
            ("Press “Save”.", Some(element("Save", true, true)), None),
            ("Press “save draft”.", Some(element("Save", true, true)), None),
            ("Not “Cancel” but “Save”.", Some(element("Save as…", true, true)), None),
            ("Press the button.", Some(element("Save", true, true)), None),
            ("Press “Save”.", Some(element("", true, true)), None),
            (
                "Press “Save”.",
                Some(element("Cancel", true, true)),
                Some("the thought speaks of “Save”, and at [1, 2] is the button “Cancel”"),
            ),
            (
                "",
                Some(element("Sum", false, true)),
                Some("nothing to act on at [1, 2]: only the button “Sum”"),
            ),
            ("", Some(element("Send", true, false)), Some("the button “Send”, which takes no input now")),
            ("", None, Some("there is nothing at [1, 2]")),
        ];
        for (thought, element, expected) in cases {
            let found = mismatch(thought, "[1, 2]", element.as_ref());
            match expected {
                None => assert_eq!(found, None, "{thought} {element:?}"),
                Some(expected) => assert!(found.as_ref().is_some_and(|f| f.contains(expected)), "{found:?}"),
            }
        }
    }
}
