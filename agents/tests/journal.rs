//! The journal, read back whole, torn, changed, foreign and from another version.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

use std::{fs, path::Path};

use percept::{
    Agent, Entry, Event, JOURNAL_VERSION, JournalError, RunFolder, journal,
    models::{ScriptedModel, ScriptedReply},
    tools::{Screen, StillImage, builtin, image::RgbImage},
};
use serde_json::json;

/// The journal of a short run, its lines with their newlines.
fn lines() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let screen: std::sync::Arc<dyn Screen> = std::sync::Arc::new(StillImage::new(RgbImage::new(16, 16)));
    let replies = vec![
        ScriptedReply::thought_and_call("Looking closer.", "wait", json!({ "milliseconds": 1 })),
        ScriptedReply::call("finish", json!({})),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let agent =
            Agent::builder(std::sync::Arc::new(ScriptedModel::new(replies)), builtin::toolbox(&screen))
                .screen(screen)
                .folder(RunFolder::create(folder.path()).unwrap());
        agent.build().unwrap().run("Look closer.").outcome().await
    });
    let text = fs::read_to_string(folder.path().join("journal.jsonl")).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn read(text: &str) -> Result<(usize, bool), JournalError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("journal.jsonl"), text).unwrap();
    journal::read(folder.path()).map(|recording| (recording.entries.len(), recording.torn))
}

#[test]
fn a_journal_is_read_as_far_as_it_was_written() {
    let lines = lines();
    let whole = lines.concat();
    assert!(lines.len() > 8, "{whole}");
    assert_eq!(read(&whole).unwrap(), (lines.len(), false));
    let last = lines.last().unwrap();
    for cut in [1, 2, last.len() / 2, last.len() - 1] {
        assert_eq!(read(&whole[..whole.len() - cut]).unwrap(), (lines.len() - 1, true), "{cut} bytes less");
    }
}

#[test]
fn a_line_that_was_changed_left_out_or_put_in_is_named() {
    let mut changed = lines();
    let at = changed.iter().position(|line| line.contains("Looking closer.")).unwrap();
    changed[at] = changed[at].replace("Looking closer.", "Looking closet.");
    let mut left_out = lines();
    left_out.remove(at);
    let mut swapped = lines();
    swapped.swap(at, at + 1);
    let mut put_in = lines();
    put_in.insert(at, put_in[at].clone());
    let mut unsealed = lines();
    unsealed[at] = unsealed[at].rsplit_once(",\"seal\"").unwrap().0.to_owned() + "}\n";
    for (what, lines, line) in [
        ("changed", changed, at + 1),
        ("left out", left_out, at + 1),
        ("swapped", swapped, at + 1),
        ("put in", put_in, at + 2),
        ("unsealed", unsealed, at + 1),
    ] {
        let error = read(&lines.concat()).unwrap_err();
        let JournalError::Changed { line: found, step: 1, .. } = error else { panic!("{what}: {error}") };
        assert_eq!(found, line, "{what}");
    }
}

#[test]
fn a_line_that_is_no_event_is_named() {
    let lines = lines();
    let later = lines[1].replacen("\"v\":3", "\"v\":4", 1);
    let first_missing = {
        let entry: Entry = serde_json::from_str(&lines[1]).unwrap();
        journal::written(&[entry]).unwrap()
    };
    let noted = Event::Noted { note: "an image was dropped".into() };
    let only_noted =
        journal::written(&[Entry { v: JOURNAL_VERSION, seq: 0, at: 0.0, event: noted }]).unwrap();
    let cases = [
        (format!("{}nonsense\n{}", lines[0], lines[1]), "journal.jsonl:2: not an event of a journal"),
        (format!("{}\n{}", lines[0], lines[1]), "journal.jsonl:2: not an event of a journal"),
        (
            format!("{}{later}", lines[0]),
            "journal.jsonl:2: this is version 4 of the journal, and this Percept reads version 3",
        ),
        (first_missing, "holds no run"),
        (only_noted, "holds no run"),
        (String::new(), "holds no run"),
    ];
    for (text, message) in cases {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let missing = journal::read(Path::new("no/such/run")).unwrap_err();
    assert!(matches!(missing, JournalError::File { .. }), "{missing}");
}
