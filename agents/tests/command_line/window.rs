//! A window over a long conversation and a shorter context, on the command line.

use std::path::Path;

use serde_json::{Value, json};

use crate::{document, percept, text};

fn ask(model: &str, arguments: &[&str]) -> std::process::Output {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data");
    let model = data.join(model).display().to_string();
    let always = ["ask", &model, "--device", "cpu", "--max-tokens", "24", "--ignore-end", "--json"];
    percept(&[&always[..], arguments].concat(), &data)
}

#[test]
fn a_window_bounds_what_is_seen_and_says_so() {
    let question = "The red button is to the right of the text field. ".repeat(4);
    let told = |arguments: &[&str]| document(&ask("qwen3-tiny", &[&[&*question], arguments].concat()));
    let noted = |told: &Value, note: &str| told["notes"].as_array().unwrap().contains(&json!(note));
    let whole = told(&[]);
    let narrow = told(&["--window", "16"]);
    assert!(noted(
        &narrow,
        "of a conversation longer than 22 tokens it sees the first 4 and at least the last 16"
    ));
    assert_ne!(narrow["tokens"], whole["tokens"]);
    // One that everything fits into changes nothing.
    let wide = told(&["--window", "400", "--sinks", "2"]);
    assert!(noted(
        &wide,
        "of a conversation longer than 452 tokens it sees the first 2 and at least the last 400"
    ));
    assert_eq!(wide["tokens"], whole["tokens"]);
}

#[test]
fn a_window_or_a_context_that_cannot_be_had_is_refused() {
    let cases: [(&str, &[&str], i32, &str); 6] = [
        ("llama-tiny", &["Hm?", "--window", "16"], 2, "counts positions by its cache's length"),
        ("qwen3-tiny", &["Hm?", "--window", "0"], 2, "number would be zero"),
        ("qwen3-tiny", &["Hm?", "--sinks", "2"], 2, "--window"),
        ("qwen3-tiny", &[&"word ".repeat(600), "--window", "16"], 2, "the model's context holds 512"),
        ("qwen3-tiny", &[&"word ".repeat(60), "--context", "32"], 2, "the model's context holds 32"),
        ("qwen3-tiny", &["Hm?", "--context", "0"], 2, "number would be zero"),
    ];
    for (model, arguments, code, said) in cases {
        let output = ask(model, arguments);
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(said), "{told:?} doesn't say {said:?}");
    }
}
