//! A person's recording on the command line: where it can't be made, and what each command does with one.
#![allow(clippy::unwrap_used, reason = "what fails in a test's own helpers fails the test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use image::RgbImage;
use percept::{
    Notebook,
    tools::{Deed, Input, MouseButton, Screen, ScreenPoint, StillImage},
};
use serde_json::{Value, json};

fn percept(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_percept"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    // Nobody sits at this display, if there is one.
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").output().unwrap()
}

/// The one document on standard output.
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn recording_needs_a_display_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), "<p>Hello").unwrap();
    let record = |arguments: &[&str]| {
        percept(&[&["record", "--json", "--out", "out"], arguments].concat(), folder.path())
    };
    if cfg!(not(any(windows, target_os = "macos"))) {
        let output = record(&["page.html"]);
        assert_eq!(output.status.code(), Some(2));
        let told = document(&output);
        assert!(
            told["error"].as_str().unwrap().starts_with("there is no display to show a window on"),
            "{told}"
        );
        assert!(told["help"].as_str().unwrap().contains("xvfb-run"), "{told}");
    }
    let bad_size = record(&["page.html", "--size", "1280"]);
    assert_eq!(bad_size.status.code(), Some(2));
    assert!(text(&bad_size.stderr).contains("write width and height, as in 1280x800"));
    assert!(!folder.path().join("out").exists(), "nothing is left behind");
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/journal.jsonl"), "").unwrap();
    let occupied = record(&["page.html"]);
    assert_eq!(occupied.status.code(), Some(2));
    assert!(text(&occupied.stderr).contains("already holds a run"), "{}", text(&occupied.stderr));
}

#[test]
fn a_persons_recording_is_kept_and_shown_but_neither_taken_up_nor_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("screen.png");
    RgbImage::new(32, 24).save(&picture).unwrap();
    let at = ScreenPoint { x: 3.5, y: 4.5 };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let screen: Arc<dyn Screen> = Arc::new(StillImage::open(&picture).unwrap());
        let deed = Deed {
            tool: "click",
            arguments: json!({ "point": [3, 4] }),
            input: Input::Click { at, button: MouseButton::Left, count: 1 },
            before: screen.look().await.unwrap(),
        };
        let mut notebook = Notebook::new(folder.path().join("recorded"), "Press it.", &screen).unwrap();
        notebook.keep(&deed).await.unwrap();
        notebook.close("the window was closed", None).await.unwrap().unwrap();
    });
    let cases: [(&[&str], i32); 5] = [
        (&["report", "recorded"], 0),
        (&["memory", "add", "memory.db", "recorded"], 0),
        (&["resume", "recorded"], 2),
        (&["replay", "recorded", "--from", "1", "--out", "branch"], 2),
        (&["replay", "recorded"], 1),
    ];
    for (arguments, code) in cases {
        let output = percept(arguments, folder.path());
        let told = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert_eq!(told.contains("a person acted here"), code != 0, "{arguments:?}: {told}");
    }
    let found = document(&percept(&["memory", "search", "memory.db", "press", "--json"], folder.path()));
    assert_eq!(found["found"][0]["task"], "Press it.");

    // A task is shown it by name.
    let shown = "[thinking]\ndemonstrations = [\"recorded\"]";
    let script =
        json!([{ "thought": "So.", "call": { "function": "finish", "arguments": { "answer": "42" } } }]);
    fs::write(folder.path().join("script.json"), script.to_string()).unwrap();
    let task = format!("task = \"What is six times seven?\"\nmodel = \"scripted:script.json\"\n{shown}");
    fs::write(folder.path().join("task.toml"), task).unwrap();
    let output = percept(&["run", "task.toml", "--json", "--out", "run"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let journal = fs::read_to_string(folder.path().join("run/journal.jsonl")).unwrap();
    assert!(journal.contains("Press it.") && journal.contains(r#"{\"tool\":\"click\",\"point\":[3,4]}"#));
    assert_eq!(percept(&["replay", "run"], folder.path()).status.code(), Some(0));
}
