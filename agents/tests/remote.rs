//! Remote models on the command line: a question, a run, and a key that shows nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

#[path = "support/loopback.rs"]
mod loopback;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use loopback::{Loopback, Says};
use serde_json::{Value, json};

const SECRET: &str = "sk-lovelace-1843-analytical";

fn percept(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_percept"))
        .args(arguments)
        .current_dir(folder)
        .env("OPENAI_API_KEY", SECRET)
        .env_remove("GEMINI_API_KEY")
        .env_remove("GOOGLE_API_KEY")
        .env("RUST_LOG", "trace")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A folder with a picture, and a task about it for this model.
fn scene(model: &str, lines: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::from_pixel(40, 30, image::Rgb([200, 10, 10]))
        .save(folder.path().join("shot.png"))
        .unwrap();
    let task = format!(
        "task = \"What colour is it?\"\nmodel = \"{model}\"\n[screen]\nimage = \"shot.png\"\n{lines}"
    );
    fs::write(folder.path().join("task.toml"), task).unwrap();
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file of a folder, as text.
fn written(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        all += &if path.is_dir() { written(&path) } else { text(&fs::read(&path).unwrap()) };
    }
    all
}

#[test]
fn a_question_to_a_remote_model_is_answered() {
    let server = Loopback::new(vec![Says::Text("It is red."), Says::Text("It is red.")]);
    let folder = scene(&server.address, "");
    let output = percept(&["ask", &server.address, "shot.png", "What colour is it?"], folder.path());
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(0), "It is red.\n"),
        "{output:?}"
    );
    let output =
        percept(&["ask", &server.address, "shot.png", "What colour is it?", "--json"], folder.path());
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["text"], &document["tokens"]), (&json!("It is red."), &json!(null)));
    assert_eq!(document["device"], json!("remote"));
    let usage = &document["usage"];
    assert_eq!([&usage["fresh_tokens"], &usage["cached_tokens"], &usage["output_tokens"]], [20, 10, 7]);
    let message = &server.asked()[0]["messages"][0]["content"];
    assert_eq!(
        (&message[0]["type"], &message[1]["text"]),
        (&json!("image_url"), &json!("What colour is it?"))
    );
}

#[test]
fn a_run_with_a_remote_model_ends_done_and_replays_without_it() {
    let server = Loopback::new(vec![
        Says::Call("zoom", json!({ "region": { "left": 0, "top": 0, "right": 40, "bottom": 31 } })),
        Says::Text("The screenshot is less high."),
        Says::Call("zoom", json!({ "region": { "left": 0, "top": 0, "right": 20, "bottom": 15 } })),
        Says::Call("finish", json!({ "answer": "red" })),
    ]);
    let folder = scene(&server.address, "[done]\nanswer = \"red\"");
    let output = percept(&["run", "task.toml", "--json", "--out", "out"], folder.path());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(
        (output.status.code(), &result["outcome"], &result["verified"]),
        (Some(0), &json!("done"), &json!(true))
    );
    let journal = fs::read_to_string(folder.path().join("out/journal.jsonl")).unwrap();
    assert!(journal.contains("bottom is 31, the screenshot is 30 high"), "{journal}");
    assert!(journal.contains(r#""region":[0,0,20,15]"#), "{journal}");
    assert!(journal.contains(r#""thought":"I see it.""#), "{journal}");
    // What was wrong is said to the model.
    assert!(server.asked()[1]["messages"].to_string().contains("bottom is 31, the screenshot is 30 high"));
    assert_eq!(percept(&["replay", "out"], folder.path()).status.code(), Some(0));
    assert_eq!(server.asked().len(), 4);
    assert!(!(written(folder.path()) + &text(&output.stderr)).contains(SECRET));
}

#[test]
fn a_key_that_a_server_echoes_is_neither_printed_nor_kept() {
    let server = Loopback::new(vec![Says::Echo(401), Says::Echo(400)]);
    let folder = scene(&server.address, "");
    let asked = percept(&["ask", &server.address, "What?"], folder.path());
    let error = text(&asked.stderr);
    assert_eq!(asked.status.code(), Some(2), "{error}");
    assert!(
        error.contains("refused the request (401): You said Bearer [key]. Check the key in OPENAI_API_KEY"),
        "{error}"
    );
    let ran = percept(&["run", "task.toml", "--out", "out"], folder.path());
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let left =
        written(folder.path()) + &error + &text(&asked.stdout) + &text(&ran.stderr) + &text(&ran.stdout);
    assert!(left.contains("You said Bearer [key]") && !left.contains(SECRET));
}

#[test]
fn a_model_that_cant_be_asked_is_told_with_what_helps() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("openai:http://127.0.0.1:{port}/v1#small");
    let cases = [
        (nobody.as_str(), 1, "Start the server, or correct the port"),
        ("gemini:gemini-2.5-flash", 2, "Set GEMINI_API_KEY or GOOGLE_API_KEY to yours"),
        ("openai:http://127.0.0.1:8000/v1", 2, "names no model"),
        ("openai:https://me:secret@host/v1#x", 2, "keys come from the environment"),
    ];
    for (model, code, part) in cases {
        let folder = tempfile::tempdir().unwrap();
        let output = percept(&["ask", model, "What?"], folder.path());
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(error.contains(part), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_key_in_an_address_that_cant_be_read_is_in_no_error() {
    let address = "openai:https://me:secret@host/v1#x";
    let cases: [(&[&str], &str); 7] = [
        (&["ask", address, "What?"], "'openai:[…]' for '<MODEL>'"),
        (&["ask", "opnai:https://me:secret@host/v1#x", "What?"], "`opnai:` isn't a kind of address"),
        (&["run", "task.toml", "--model", address], "'openai:[…]' for '--model"),
        (&["models", "compare", address, "m", "--images", "a.png"], "'openai:[…]' for '<A>'"),
        // Where no model belongs.
        (&["models", "inspect", "m", address], "unexpected argument 'openai:[…]'"),
        (&[address], "unrecognized subcommand 'openai:[…]'"),
        (&["ask", "m#q 4", "What?"], "'m#q 4' for '<MODEL>'"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in cases {
        for flag in [&[][..], &["--json"]] {
            let output = percept(&[arguments, flag].concat(), folder.path());
            let (told, error) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(2), "{error}");
            assert!(error.contains(part), "{arguments:?}: {error}");
            assert!(!(told + &error).contains("secret"), "{error}");
        }
    }
}
