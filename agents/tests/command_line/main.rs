//! The command line, as a person or a script uses it: what it prints, and the exit code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

mod asking;
mod closed_pipe;
mod drawn_places;
mod evaluating;
mod full_disk;
mod inspecting;
mod measuring;
mod merging;
mod shots;
mod thinking;
mod waiting;
mod watching;
mod window;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

fn percept(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_percept"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The one document on standard output.
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}\nstdout: {}\nstderr: {}", text(&output.stdout), text(&output.stderr))
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn call(function: &str, arguments: Value) -> Value {
    json!({ "thought": "So.", "call": { "function": function, "arguments": arguments } })
}

/// A folder with a script and a task that runs it; the task's other lines are given.
fn scene(script: &[Value], lines: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("script.json"), serde_json::to_string(script).unwrap()).unwrap();
    let task = format!("task = \"What is six times seven?\"\nmodel = \"scripted:script.json\"\n{lines}");
    fs::write(folder.path().join("task.toml"), task).unwrap();
    folder
}

#[test]
fn a_run_ends_with_its_exit_code_and_one_document() {
    let finish = |answer: &str| call("finish", json!({ "answer": answer }));
    let cases = [
        (vec![finish("42")], "[done]\nanswer = \"42\"", 0, "done", json!(true)),
        (vec![finish("42")], "", 0, "done", json!(null)),
        (
            vec![finish("41"), json!({"text": "Hm."}), finish("41")],
            "[done]\nanswer = \"42\"",
            1,
            "failed",
            json!(false),
        ),
        (vec![call("wait", json!({ "seconds": 0 })); 3], "[limits]\nsteps = 2", 3, "limit", json!(null)),
        (
            vec![finish("42")],
            "[policy]\nrefuse = [\"finish\"]\n[limits]\nrefusals = 1",
            4,
            "refused",
            json!(null),
        ),
        (vec![finish("42")], "[policy]\nask = [\"finish\"]", 6, "waiting", json!(null)),
        (vec![], "", 1, "failed", json!(null)),
    ];
    for (script, lines, code, outcome, verified) in cases {
        let folder = scene(&script, lines);
        let output = percept(&["run", "task.toml", "--json", "--out", "out"], folder.path());
        let result = document(&output);
        assert_eq!(output.status.code(), Some(code), "{lines}: {}", text(&output.stderr));
        assert_eq!((&result["outcome"], &result["verified"]), (&json!(outcome), &verified), "{lines}");
        for file in ["run.toml", "journal.jsonl", "report.html", "shots"] {
            assert!(folder.path().join("out").join(file).exists(), "{lines}: no {file}");
        }
        for key in ["run", "folder", "reason", "answer", "steps", "usage", "milliseconds"] {
            assert!(result.get(key).is_some(), "no {key}");
        }
    }
}

#[test]
fn a_replay_from_a_step_goes_on_live_in_another_folder() {
    let wait = || call("wait", json!({ "seconds": 0 }));
    let folder = scene(&[wait(), wait(), call("finish", json!({ "answer": "42" }))], "");
    assert_eq!(percept(&["run", "task.toml", "--out", "first"], folder.path()).status.code(), Some(0));
    let output = percept(&["replay", "first", "--from", "2", "--out", "second", "--json"], folder.path());
    let result = document(&output);
    assert_eq!((output.status.code(), &result["steps"]), (Some(0), &json!(3)), "{}", text(&output.stderr));
    assert_eq!(result["run"], json!("second"));
    let both = percept(&["replay", "first", "second"], folder.path());
    assert_eq!((both.status.code(), text(&both.stdout).matches("identical").count()), (Some(0), 2));
    let beyond = percept(&["replay", "first", "--from", "9"], folder.path());
    assert_eq!(beyond.status.code(), Some(2));
    assert!(
        text(&beyond.stderr).contains("there is no step 9: the last one is 3"),
        "{}",
        text(&beyond.stderr)
    );
}

#[test]
fn a_run_that_ended_well_is_kept_and_shown_to_the_next_one() {
    let finish = || call("finish", json!({ "answer": "42" }));
    let folder = scene(&[finish()], "[memory]\nstore = \"memory.db\"\nshow = 1");
    for (run, shown) in [("first", 0), ("second", 1)] {
        let output = percept(&["run", "task.toml", "--out", run], folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let journal = fs::read_to_string(folder.path().join(run).join("journal.jsonl")).unwrap();
        assert_eq!(journal.matches("\"demonstrations\":[{").count(), shown, "{journal}");
    }
    let found = document(&percept(&["memory", "search", "memory.db", "six times", "--json"], folder.path()));
    assert_eq!(found["found"].as_array().unwrap().len(), 2, "{found}");
    let left = percept(&["memory", "forget", "memory.db", "first"], folder.path());
    assert_eq!(text(&left.stdout), "1 runs in the store\n");
    let nowhere = percept(&["memory", "search", "nowhere.db", "x"], folder.path());
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere.stderr));
    assert!(!folder.path().join("nowhere.db").exists(), "a search makes no store");
    assert_eq!(percept(&["replay", "first", "second"], folder.path()).status.code(), Some(0));
}

#[test]
fn several_tasks_give_one_document_and_the_worst_code() {
    let folder = scene(&[call("finish", json!({ "answer": "42" }))], "");
    let good = fs::read_to_string(folder.path().join("task.toml")).unwrap();
    fs::write(folder.path().join("bad.toml"), format!("{good}[done]\nanswer = \"43\"")).unwrap();
    let output = percept(&["run", "task.toml", "bad.toml", "--json", "--out", "all"], folder.path());
    let runs = document(&output)["runs"].as_array().unwrap().clone();
    let outcomes: Vec<_> = runs.iter().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!((outcomes.as_slice(), output.status.code()), (["done", "failed"].as_slice(), Some(1)));
    assert!(folder.path().join("all/task/report.html").exists());
    assert!(folder.path().join("all/bad/report.html").exists());
}

#[test]
fn bad_input_is_told_before_anything_is_done() {
    let folder = scene(&[], "sede = 3");
    let occupied = folder.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("journal.jsonl"), "").unwrap();
    fs::write(folder.path().join("fine.toml"), "task = \"x\"\nmodel = \"scripted:script.json\"").unwrap();
    fs::write(folder.path().join("broken.json"), "{").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["run", "task.toml"], "task.toml:3:1: unknown key `sede`"),
        (&["run", "fine.toml", "task.toml"], "task.toml:3:1: unknown key `sede`"),
        (&["run", "nowhere.toml"], "nowhere.toml: there is no such file"),
        (&["run", "fine.toml", "--out", "occupied"], "already holds a run"),
        (&["run", "fine.toml", "--model", "scripted:broken.json"], "broken.json"),
        (&["ask", "empty", "What is this?"], "empty"),
        (&["ask", "scripted:script.json", "nowhere.png", "What is this?"], "nowhere.png"),
        (&["ask", "scripted:script.json", "task.toml"], "the last argument is a file"),
        (&["report", "nowhere"], "nowhere"),
        (&["tools", "schema", "clik"], "no tool is named `clik`"),
        (&["demo", "--out", "occupied"], "already holds a run"),
    ];
    for (arguments, problem) in cases {
        let output = percept(&[*arguments, &["--json"]].concat(), folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        let error = document(&output)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(problem), "{arguments:?}: {error}");
        let told = text(&output.stderr);
        assert!(told.starts_with("error: ") && told.contains(problem), "{arguments:?}: {told}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing was begun");
}

#[test]
fn a_mistake_is_shown_in_its_line_with_help() {
    let folder = scene(&[], "sede = 3");
    let output = percept(&["run", "task.toml"], folder.path());
    assert_eq!(
        text(&output.stderr),
        "error: task.toml:3:1: unknown key `sede`\n  |\n3 | sede = 3\n  | ^\nhelp: did you mean `seed`?\n"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn unknown_words_on_the_command_line_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[&[&str]] = &[
        &["runn"],
        &["run"],
        &["run", "x.toml", "--device", "gpu"],
        &["run", "x.toml", "--model", "hub:name"],
        &["models", "pull", "../name"],
        &["run", "x.toml", "--sede", "3"],
    ];
    for arguments in cases {
        let output = percept(arguments, folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        let told = text(&output.stderr);
        assert!(told.starts_with("error: ") && output.stdout.is_empty(), "{told}");
        let output = percept(&[*arguments, &["--json"]].concat(), folder.path());
        let document = document(&output);
        assert_eq!((output.status.code(), &document["exit_code"]), (Some(2), &json!(2)));
        let error = document["error"].as_str().unwrap();
        assert!(told.starts_with(&format!("error: {error}")), "{document}");
    }
    // What follows `--` is no option, and help is no mistake.
    let output = percept(&["runn", "--", "--json"], folder.path());
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    let help = percept(&["ask", "--help", "--json"], folder.path());
    assert!(help.status.success() && text(&help.stdout).contains("Usage"));
}

/// Asks a process to stop, as Ctrl-C does.
#[cfg(unix)]
fn interrupt(process: u32) {
    assert!(Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap().success());
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_leaves_a_readable_folder() {
    let folder = scene(&[call("wait", json!({ "seconds": 10 }))], "");
    let child = Command::new(env!("CARGO_BIN_EXE_percept"))
        .args(["run", "task.toml", "--json", "--out", "out"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = folder.path().join("out/journal.jsonl");
    let begun = Instant::now();
    while !fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"calling\"")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "the run never called its tool");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(child.id());
    let interrupted = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(document(&output)["outcome"], "cancelled");
    // By itself the tool would have waited for ten.
    assert!(interrupted.elapsed() < Duration::from_secs(8), "it stopped at once");
    let again = percept(&["report", "out", "--json"], folder.path());
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
}

#[test]
fn the_tools_are_listed_with_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let listed = document(&percept(&["tools", "list", "--json"], folder.path()));
    let names: Vec<_> =
        listed["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "answer",
            "click",
            "double_click",
            "drag",
            "finish",
            "navigate",
            "press_key",
            "right_click",
            "scroll",
            "type_text",
            "wait",
            "zoom"
        ]
    );
    let schema = document(&percept(&["tools", "schema", "click", "--json"], folder.path()));
    assert_eq!(schema["tools"][0]["schema"]["properties"]["point"]["x-percept"]["kind"], "point");
}

#[test]
fn the_help_says_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("percept", &["--help"][..]),
        ("run", &["run", "--help"]),
        ("ask", &["ask", "--help"]),
        ("doctor", &["doctor", "--help"]),
        ("record", &["record", "--help"]),
    ] {
        let output = percept(arguments, folder.path());
        assert_eq!(output.status.code(), Some(0));
        insta::assert_snapshot!(format!("help_of_{name}"), text(&output.stdout));
    }
}

#[test]
fn a_device_that_cannot_be_had_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = if cfg!(target_os = "macos") { "directml:0" } else { "coreml" };
    let output = percept(&["doctor", "--device", elsewhere, "--json"], folder.path());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let error = document(&output)["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with(elsewhere), "{error}");
}

#[test]
fn doctor_says_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let output = percept(&["doctor", "--json"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found = document(&output);
    assert_eq!(found["providers"][0]["device"], "cpu");
    assert!(found["library"]["path"].is_string() && found["device"]["why"].is_string(), "{found}");
}

#[test]
fn asking_a_tiny_model_prints_exactly_its_golden_tokens() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data");
    for name in ["llava-tiny", "smolvlm-tiny"] {
        let model = data.join(name);
        let goldens: Value = serde_json::from_slice(&fs::read(model.join("golden.json")).unwrap()).unwrap();
        let golden = &goldens[0];
        let image = model.join(golden["image"].as_str().unwrap());
        let question = golden["messages"][0]["content"][1]["text"].as_str().unwrap();
        let (model, image) = (model.display().to_string(), image.display().to_string());
        let arguments =
            ["ask", &model, &image, question, "--device", "cpu", "--max-tokens", "24", "--ignore-end"];
        let output = percept(&[&arguments[..], &["--json"]].concat(), &data);
        assert_eq!(document(&output)["tokens"], golden["greedy"], "{name}: {}", text(&output.stderr));
        let plain = percept(&arguments, &data);
        assert_eq!(text(&plain.stdout), format!("{}\n", golden["text"].as_str().unwrap()), "{name}");
    }
}

/// The demo's page in the real browser, with a script in the model's place.
#[test]
fn the_demo_ends_verified_when_the_model_does_the_right_things() {
    let steps = [
        call("click", json!({ "point": [78, 63] })),
        call("type_text", json!({ "text": "ada" })),
        call("click", json!({ "point": [78, 110] })),
        call("type_text", json!({ "text": "lovelace" })),
        call("click", json!({ "point": [18, 138] })),
        call("click", json!({ "point": [45, 168] })),
    ];
    let folder = scene(&steps, "");
    let output =
        percept(&["demo", "--model", "scripted:script.json", "--json", "--out", "out"], folder.path());
    let result = document(&output);
    assert_eq!(output.status.code(), Some(0), "{result:#}\n{}", text(&output.stderr));
    assert_eq!((&result["verified"], &result["steps"]), (&json!(true), &json!(6)));
    let report = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(report.contains("verified on the screen") && report.contains("class=\"ring\""));
    let again = percept(&["run", "out/run.toml", "--model", "scripted:script.json", "--json"], folder.path());
    assert_eq!(again.status.code(), Some(0), "run.toml is a task file: {}", text(&again.stderr));
}

/// What was decided, in order.
fn decided(folder: &Path) -> Vec<String> {
    let entries = percept::journal::read(folder).unwrap().entries;
    let told = entries.into_iter().filter_map(|entry| match entry.event {
        percept::Event::Decided { text, .. } => Some(text),
        _ => None,
    });
    told.collect()
}

/// The bundled model on a still image: every click is refused, and all decisions but the first are sampled.
/// (A browser's pixels can differ by a level from one start to the next, so it is no fixed observation.)
#[test]
fn the_same_seed_makes_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let speckled = image::RgbImage::from_fn(160, 208, |x, y| {
        image::Rgb([(x * 7 + y * 13) as u8, (x * y) as u8, (x * 31) as u8])
    });
    speckled.save(folder.path().join("shot.png")).unwrap();
    let task = "task = \"Click somewhere.\"\n[screen]\nimage = \"shot.png\"\n[tools]\nallow = [\"click\"]\n[limits]\nrefusals = 8";
    fs::write(folder.path().join("task.toml"), task).unwrap();
    let run = |seed: &str, out: &str| {
        let arguments = ["run", "task.toml", "--device", "cpu", "--seed", seed, "--out", out, "--json"];
        let output = percept(&arguments, folder.path());
        assert_eq!(document(&output)["steps"], 8, "{}", text(&output.stderr));
        decided(&folder.path().join(out))
    };
    let (first, again, other) = (run("3", "first"), run("3", "again"), run("4", "other"));
    assert_eq!(first, again);
    assert_eq!(first[0], other[0], "the first decision is greedy");
    assert_ne!(first, other);
}

#[test]
fn a_run_that_was_cut_off_is_taken_up_and_replayed() {
    let script = [call("wait", json!({ "seconds": 0 })), call("finish", json!({ "answer": "42" }))];
    let folder = scene(&script, "[done]\nanswer = \"42\"");
    let output = percept(&["run", "task.toml", "--json", "--out", "out"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    let over = percept(&["resume", "out"], folder.path());
    assert_eq!(over.status.code(), Some(2));
    assert!(text(&over.stderr).contains("the run is over (done)"), "{}", text(&over.stderr));

    let replayed = percept(&["replay", "out", "--json"], folder.path());
    let document_of = document(&replayed);
    let replay = &document_of["replays"][0];
    assert_eq!((replayed.status.code(), &replay["identical"]), (Some(0), &json!(true)), "{replay}");

    // As a kill within the second step would have left it.
    let journal = folder.path().join("out/journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    let second =
        whole.match_indices('\n').map(|(at, _)| at).find(|at| whole[..*at].contains("\"called\"")).unwrap();
    fs::write(&journal, &whole[..second + 20]).unwrap();
    let replayed = percept(&["replay", "out"], folder.path());
    assert_eq!(replayed.status.code(), Some(0));
    assert!(text(&replayed.stdout).contains("identical as far as it goes"), "{}", text(&replayed.stdout));
    let resumed = percept(&["resume", "out", "--happened"], folder.path());
    assert_eq!(resumed.status.code(), Some(2));
    assert!(text(&resumed.stderr).contains("no call of it is in doubt"), "{}", text(&resumed.stderr));
    let resumed = percept(&["resume", "out", "--json"], folder.path());
    let result = document(&resumed);
    assert_eq!((resumed.status.code(), &result["verified"]), (Some(0), &json!(true)), "{result}");
    assert_eq!(result["steps"], json!(2));

    // A changed byte.
    let whole = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, whole.replacen("So.", "No.", 1)).unwrap();
    let replayed = percept(&["replay", "out"], folder.path());
    assert_eq!(replayed.status.code(), Some(1));
    assert!(
        text(&replayed.stdout).contains("the journal was changed here (step 1)"),
        "{}",
        text(&replayed.stdout)
    );
    let nowhere = percept(&["replay", "nowhere"], folder.path());
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("name a run folder"), "{}", text(&nowhere.stderr));
}
