//! Models of the Hub on the command line, against a server on this machine that speaks its protocol.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    dead_code,
    reason = "what fails in a test's own helpers fails the test; not every test file needs every part of the server"
)]

#[path = "../../models/tests/hub/server.rs"]
mod server;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use server::{COMMIT, Fault, Server};

const TOKEN: &str = "hf_lovelace_1843_analytical";
const GRAPH: &str = "onnx/decoder_model_merged.onnx_data";

fn command(server: &Server, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_percept"));
    for variable in ["HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"] {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .current_dir(folder)
        .env("HF_ENDPOINT", server.endpoint())
        .env("HF_HOME", folder.join("hf"))
        .env("HF_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn percept(server: &Server, folder: &Path, arguments: &[&str]) -> Output {
    command(server, folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stdout)))
}

/// A Hub with a tiny model, and a machine with a picture.
fn scene() -> (Server, tempfile::TempDir) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/llava-tiny");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(model.join("small.png"), folder.path().join("shot.png")).unwrap();
    (Server::of_folder(&model, &[]), folder)
}

#[test]
fn a_model_is_pulled_asked_listed_and_looked_into() {
    let (server, folder) = scene();
    let folder = folder.path();
    let pulled = document(&percept(&server, folder, &["models", "pull", "test/model", "--json"]));
    assert_eq!((&pulled["model"], &pulled["commit"]), (&json!("hub:test/model"), &json!(COMMIT)));
    let files = pulled["files"].as_array().unwrap();
    assert!(files.contains(
        &json!({ "path": "config.json", "bytes": server.file("config.json").len(), "source": "fetched" })
    ));

    // The same answer as from the folder that it was made in.
    let asked = |model: &str| {
        document(&percept(
            &server,
            folder,
            &["ask", model, "shot.png", "What is it?", "--max-tokens", "8", "--json"],
        ))["answer"]
            .clone()
    };
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/llava-tiny");
    let before = server.asked().len();
    assert_eq!(asked("hub:test/model"), asked(original.to_str().unwrap()));
    assert_eq!(asked(pulled["folder"].as_str().unwrap()), asked("hub:test/model"));
    assert_eq!(server.asked().len(), before, "what is there isn't asked for");

    let listed = document(&percept(&server, folder, &["models", "list", "--json"]));
    assert!(listed["models"].as_array().unwrap().contains(&json!("hub:test/model")), "{listed}");
    let inspected = document(&percept(&server, folder, &["models", "inspect", "hub:test/model", "--json"]));
    assert_eq!(inspected["card"]["name"], "hub:test/model");
    let notes = inspected["card"]["notes"].as_array().unwrap();
    assert!(notes.contains(&json!(format!("hub:test/model is at commit {COMMIT}"))), "{notes:?}");
    let again = text(&percept(&server, folder, &["models", "pull", "hub:test/model"]).stdout);
    assert!(
        again.contains("was there") && again.contains("config.json") && !again.contains("fetched"),
        "{again}"
    );
}

#[test]
fn a_run_fetches_the_model_that_its_task_names_and_says_so() {
    let (server, folder) = scene();
    let task = "task = \"What is it?\"\nmodel = \"hub:test/model\"\n[screen]\nimage = \"shot.png\"\n[limits]\nsteps = 1\ntokens = 16\n";
    fs::write(folder.path().join("task.toml"), task).unwrap();
    let output = percept(&server, folder.path(), &["run", "task.toml", "--out", "out", "--json"]);
    let told = text(&output.stderr);
    assert!(told.contains("fetching graphs of hub:test/model"), "{told}");
    assert!(server.asked().iter().any(|asked| asked.path.contains(GRAPH)));
    let journal = fs::read_to_string(folder.path().join("out/journal.jsonl")).unwrap();
    assert!(
        journal.contains("hub:test/model") && !journal.contains(TOKEN) && !told.contains(TOKEN),
        "{journal}"
    );
}

#[test]
fn a_refusal_is_bad_input_and_a_broken_hub_isnt() {
    let cases = [
        (
            Fault::Status(403, vec![("x-error-code", "GatedRepo".into())], "Restricted.".into()),
            2,
            "licence must be accepted",
        ),
        (
            Fault::Status(404, vec![("x-error-code", "RevisionNotFound".into())], String::new()),
            2,
            "Check the revision",
        ),
        (
            Fault::Status(503, vec![("retry-after", "3600".into())], "Full.".into()),
            1,
            "left alone for 3600 s; Full",
        ),
    ];
    for (fault, code, part) in cases {
        let (server, folder) = scene();
        server.always("", fault.clone());
        for arguments in
            [&["models", "pull", "test/model"][..], &["ask", "hub:test/model", "shot.png", "What?"]]
        {
            let output = percept(&server, folder.path(), arguments);
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{fault:?}: {told}");
            assert!(told.contains(part) && !told.contains(TOKEN), "{fault:?}: {told}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_pull_that_is_killed_is_taken_up_by_the_next_process() {
    let (server, folder) = scene();
    let half = server.file(GRAPH).len() / 2;
    server.fault(GRAPH, Fault::Hang(half));
    let mut child = command(&server, folder.path(), &["models", "pull", "test/model"]).spawn().unwrap();
    let blobs = folder.path().join("hf/hub/models--test--model/blobs");
    let arrived = || {
        let files = fs::read_dir(&blobs).into_iter().flatten().flatten();
        files
            .filter(|file| file.file_name().to_str().unwrap().ends_with(".incomplete"))
            .any(|file| file.metadata().is_ok_and(|metadata| metadata.len() == half as u64))
    };
    let begun = Instant::now();
    while !arrived() {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing came");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    document(&percept(&server, folder.path(), &["models", "pull", "test/model", "--json"]));
    assert_eq!(server.ranges(GRAPH), [None, Some(format!("bytes={half}-"))]);
}

#[test]
#[cfg(unix)]
fn a_full_disk_is_said_and_what_came_is_kept() {
    let (server, folder) = scene();
    // Blocks are 512 or 1024 bytes, by the shell; the graph's data has 217 KiB.
    let limited = format!("trap '' XFSZ; ulimit -f 150; exec \"{}\" \"$@\"", env!("CARGO_BIN_EXE_percept"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &limited, "sh", "models", "pull", "test/model"]);
    let output = shell
        .env("HF_ENDPOINT", server.endpoint())
        .env("HF_HOME", folder.path().join("hf"))
        .env_remove("HF_HUB_CACHE")
        .env_remove("HF_HUB_OFFLINE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(".incomplete: ") && told.contains("Make room"), "{told}");
    document(&percept(&server, folder.path(), &["models", "pull", "test/model", "--json"]));
    assert!(server.ranges("onnx/").iter().any(Option::is_some), "what came was kept");
}

#[test]
fn a_model_is_removed_when_somebody_says_so() {
    let (server, folder) = scene();
    let folder = folder.path();
    let remove =
        |more: &[&str]| percept(&server, folder, &[&["models", "remove", "test/model"][..], more].concat());
    let pulled = document(&percept(&server, folder, &["models", "pull", "test/model@v1", "--json"]));
    document(&percept(&server, folder, &["models", "pull", "test/model", "--json"]));
    // Nobody sits there who could be asked.
    let output = remove(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("nobody is asked here") && said.contains("--yes"), "{said}");
    let shown = text(&remove(&["--yes"]).stdout);
    assert_eq!(
        shown,
        "removed hub:test/model, a name alone: others have what it leads to\nstill there: hub:test/model@v1\n"
    );
    let told =
        document(&percept(&server, folder, &["models", "remove", "hub:test/model@v1", "--yes", "--json"]));
    let files = pulled["files"].as_array().unwrap();
    let most: u64 = files.iter().map(|file| file["bytes"].as_u64().unwrap()).sum();
    let freed = told["bytes"].as_u64().unwrap();
    assert!(freed > most / 2 && freed <= most, "{told}");
    assert_eq!((&told["model"], &told["stays"]), (&json!("hub:test/model@v1"), &json!([])));
    assert_eq!(told["removed"], true);
    assert!(!folder.join("hf/hub/models--test--model").exists());
    let output = remove(&["--yes"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("it isn't in the cache"), "{}", text(&output.stderr));
}
