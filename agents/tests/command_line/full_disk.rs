//! A disk that is full in the middle of a run, by a limit on the size of files, which the system answers in the same way.
#![cfg(unix)]

use std::process::{Command, Stdio};

use serde_json::json;

use crate::{call, document, percept, scene, text};

#[test]
fn a_run_that_cannot_be_recorded_stops_and_is_gone_on_with_when_there_is_room() {
    let wait = || call("wait", json!({ "seconds": 0 }));
    let mut script: Vec<_> = (0..12).map(|_| wait()).collect();
    script.push(call("finish", json!({ "answer": "42" })));
    let folder = scene(&script, "[thinking]\nreflect = \"never\"\n[limits]\nstalls = 50\nrounds = 50");
    // Blocks are 512 or 1024 bytes, by the shell: the beginning alone takes some 4 KB.
    let limited = format!("trap '' XFSZ; ulimit -f 16; exec \"{}\" \"$@\"", env!("CARGO_BIN_EXE_percept"));
    let output = Command::new("sh")
        .args(["-c", &limited, "sh", "run", "task.toml", "--out", "r", "--json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let result = document(&output);
    assert_eq!((output.status.code(), &result["outcome"]), (Some(1), &json!("failed")), "{result}");
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.starts_with("the run can't be recorded, so it stopped: r/journal.jsonl: "), "{reason}");
    let steps = result["steps"].as_u64().unwrap();
    assert!((1..13).contains(&steps), "it was stopped on the way, at step {steps}");

    // The journal holds whole lines and at most a torn one; the rest is done when there is room.
    let output = percept(&["resume", "r", "--json"], folder.path());
    let result = document(&output);
    assert_eq!(output.status.code(), Some(0), "{result}\n{}", text(&output.stderr));
    assert_eq!((&result["steps"], &result["answer"]), (&json!(13), &json!("42")));
    let output = percept(&["replay", "r"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
