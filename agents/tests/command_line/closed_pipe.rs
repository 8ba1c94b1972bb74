//! Standard output that nobody reads any more, as behind `| head`: the program ends, and has nothing to say about it.
#![cfg(unix)]

use std::process::{Command, Stdio};

use serde_json::json;

use crate::{call, percept, scene, text};

#[test]
fn a_command_whose_reader_left_ends_quietly_as_by_the_signal() {
    let folder = scene(&[call("finish", json!({ "answer": "42" }))], "");
    let written = percept(&["run", "task.toml", "--out", "before"], folder.path());
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let cases: [&[&str]; 9] = [
        &["tools", "list"],
        &["tools", "schema"],
        &["models", "list"],
        &["models", "list", "--json"],
        &["run", "task.toml", "--out", "r", "--json"],
        &["replay", "before"],
        &["report", "before"],
        &["memory", "add", "memory.db", "before"],
        // What failed says so on the other stream, with its own code.
        &["models", "inspect", "nowhere", "--json"],
    ];
    for arguments in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = Command::new(env!("CARGO_BIN_EXE_percept"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        let failed = arguments.contains(&"nowhere");
        assert_eq!(output.status.code(), Some(if failed { 2 } else { 141 }), "{arguments:?}: {said}");
        assert_eq!(said.contains("error:"), failed, "{arguments:?}: {said}");
        assert!(!said.contains("ipe"), "{arguments:?}: {said}");
    }
    // The run itself was done and recorded.
    let output = percept(&["replay", "r"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
