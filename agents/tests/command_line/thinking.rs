//! A thought before an answer, on the command line.

use std::{fs, path::Path};

use serde_json::json;

use crate::{document, percept, text};

#[test]
fn a_thought_is_told_on_demand_and_never_as_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let script = json!([{ "thought": "Six times seven.", "text": "42" }]);
    fs::write(folder.path().join("script.json"), script.to_string()).unwrap();
    let asked = ["ask", "scripted:script.json", "What is six times seven?", "--think"];
    let told = document(&percept(&[&asked[..], &["--json"]].concat(), folder.path()));
    assert_eq!((&told["text"], &told["thought"]), (&json!("42"), &json!("Six times seven.")));
    let spoken = percept(&asked, folder.path());
    assert_eq!(text(&spoken.stdout).trim(), "42");
}

#[test]
fn a_model_that_cannot_think_is_refused_as_bad_input() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/qwen3-tiny");
    let refused = percept(&["ask", ".", "--device", "cpu", "Hm?", "--think"], &model);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("isn't known to think before it answers"),
        "{}",
        text(&refused.stderr)
    );
    let alone = percept(&["ask", ".", "--device", "cpu", "Hm?", "--thought-tokens", "9"], &model);
    assert_eq!(alone.status.code(), Some(2));
    assert!(text(&alone.stderr).contains("--think"), "{}", text(&alone.stderr));
}
