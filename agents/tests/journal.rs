//! The journal, read back whole, torn, foreign and from the future.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

use std::{fs, path::Path};

use percept::{JournalError, journal};

const BEGAN: &str = r#"{"v":1,"seq":0,"at":0.5,"event":{"kind":"began","run":"r","task":"Press OK.","model":"scripted","family":"scripted","device":"none","notes":[],"tools":["click"],"style":"direct","reflect":"never","limits":{"steps":1,"tokens":1,"seconds":1,"refusals":1,"stalls":1},"seed":0,"evidence":[],"percept":"0.1.0"}}"#;
const NOTED: &str = r#"{"v":1,"seq":1,"at":0.7,"event":{"kind":"noted","note":"an image was dropped"}}"#;

fn check(text: &str) -> Result<(usize, bool), JournalError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("journal.jsonl"), text).unwrap();
    journal::read(folder.path()).map(|recording| (recording.entries.len(), recording.torn))
}

#[test]
fn a_journal_is_read_as_far_as_it_was_written() {
    let half = &NOTED[..NOTED.len() / 2];
    let cases = [
        (format!("{BEGAN}\n{NOTED}\n"), (2, false)),
        (format!("{BEGAN}\n{half}"), (1, true)),
        (format!("{BEGAN}\n{NOTED}"), (1, true)),
        (format!("{BEGAN}\n\n{NOTED}\n"), (2, false)),
    ];
    for (text, expected) in cases {
        assert_eq!(check(&text).unwrap(), expected, "{text}");
    }
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let later = NOTED.replace("\"v\":1", "\"v\":2");
    let cases = [
        (format!("{BEGAN}\nnonsense\n{NOTED}\n"), "journal.jsonl:2: not an event of a journal"),
        (
            format!("{BEGAN}\n{later}\n"),
            "journal.jsonl:2: version 2 of the journal is newer than this Percept, which reads 1",
        ),
        (format!("{NOTED}\n"), "holds no run"),
        (String::new(), "holds no run"),
    ];
    for (text, message) in cases {
        let error = check(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let missing = journal::read(Path::new("no/such/run")).unwrap_err();
    assert!(matches!(missing, JournalError::File { .. }), "{missing}");
}
