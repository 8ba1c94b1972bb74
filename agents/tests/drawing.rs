//! `percept draw`, as a person or a script uses it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(name)
}

fn draw(name: &str, arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_percept"))
        .arg("draw")
        .arg(model(name))
        .args(arguments)
        .args(["--device", "cpu"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names in a folder, so that nothing is left lying about.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_picture_is_written_as_the_reference_draws_it_and_its_cost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let golden = fs::read(model("janus-tiny").join("drawn.json")).unwrap();
    let golden = &serde_json::from_slice::<Value>(&golden).unwrap()[0];
    let guidance = golden["guidance"].to_string();
    let prompt = golden["prompt"].as_str().unwrap();
    let arguments = [prompt, "-o", "drawn.png", "--temperature", "0", "--guidance", &guidance, "--json"];
    // A second time over the first.
    for _ in 0..2 {
        let output = draw("janus-tiny", &arguments, folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["tokens"], golden["tokens"]);
        assert_eq!((&told["width"], &told["height"]), (&golden["width"], &golden["height"]));
        assert_eq!(told["file"], "drawn.png");
        assert_eq!((&told["prompt"], &told["top_p"]), (&prompt.into(), &1.0.into()));
        assert_eq!(told["usage"]["output_tokens"], 16);
        let picture = image::open(folder.path().join("drawn.png")).unwrap().to_rgb8();
        assert_eq!(picture.width(), golden["width"].as_u64().unwrap() as u32);
        assert_eq!(names(folder.path()), ["drawn.png"]);
    }
    let plain = draw("janus-tiny", &[prompt, "-o", "drawn.png", "--seed", "3"], folder.path());
    assert_eq!(text(&plain.stdout), "drawn.png\n");
    assert!(text(&plain.stderr).contains("guidance 5 · seed 3"), "{}", text(&plain.stderr));
    // What a killed drawing left is neither in the way nor taken for anything.
    fs::write(folder.path().join(".drawn.png.0.part"), "left").unwrap();
    let after = draw("janus-tiny", &[prompt, "-o", "drawn.png"], folder.path());
    assert_eq!(after.status.code(), Some(0), "{}", text(&after.stderr));
    assert_eq!(names(folder.path()), [".drawn.png.0.part", "drawn.png"]);
    assert_eq!(fs::read(folder.path().join(".drawn.png.0.part")).unwrap(), b"left");
}

#[test]
fn emu3_draws_in_the_shape_that_is_asked_for_and_unlike_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let goldens = fs::read(model("emu3-tiny").join("drawn.json")).unwrap();
    let goldens: Vec<Value> = serde_json::from_slice(&goldens).unwrap();
    let golden = goldens.iter().find(|golden| golden["negative"].is_string()).unwrap();
    let [prompt, negative] = ["prompt", "negative"].map(|key| golden[key].as_str().unwrap());
    let [guidance, area] = ["guidance", "area"].map(|key| golden[key].to_string());
    let ratio = format!("{}:{}", golden["ratio"][0], golden["ratio"][1]);
    let arguments = [
        &[prompt, "-o", "drawn.png", "--temperature", "0", "--guidance", &guidance, "--json"][..],
        &["--negative", negative, "--ratio", &ratio, "--area", &area],
    ];
    let output = draw("emu3-tiny", &arguments.concat(), folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["tokens", "width", "height", "negative"] {
        assert_eq!(told[key], golden[key], "{key}");
    }
    assert_ne!(told["width"], told["height"]);
}

#[test]
fn what_cant_be_drawn_or_written_is_refused_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.png");
    fs::write(&notes, "no picture").unwrap();
    let cases: [(&str, &[&str], &str); 8] = [
        ("janus-tiny", &["A house.", "-o", "notes.png"], "it is there already, and it is no picture"),
        ("janus-tiny", &["A house.", "-o", "house.jpg"], "the picture is a PNG file"),
        ("janus-tiny", &["A house.", "-o", "nowhere/house.png"], "there is no such folder"),
        ("janus-tiny", &["A house.", "-o", "house.png", "--guidance", "0.2"], "guidance is 0.2"),
        ("janus-tiny", &["A house.", "-o", "house.png", "--negative", "a tree"], "takes no negative one"),
        (
            "emu3-tiny",
            &["A house.", "-o", "house.png", "--ratio", "16:0"],
            "`16:0` is no ratio: write it as 16:9",
        ),
        ("llava-tiny", &["A house.", "-o", "house.png"], "a `llava` model can't draw; janus"),
        ("clip-tiny", &["A house.", "-o", "house.png"], "it doesn't converse"),
    ];
    for (name, arguments, says) in cases {
        let output = draw(name, arguments, folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
    assert_eq!(fs::read_to_string(&notes).unwrap(), "no picture");
    assert_eq!(names(folder.path()), ["notes.png"]);
}

/// Nobody may make a file there, whoever they are.
#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cant_be_written_is_told_before_a_model_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let output = draw("nowhere", &["A house.", "-o", "/proc/house.png"], folder.path());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: /proc/house.png can't be written: "), "{said}");
    assert!(said.contains("help: name a file in a folder that you may write to, or make room"), "{said}");
}

#[test]
fn a_folders_settings_and_the_numbers_are_checked_before_its_graphs_are_read() {
    let cases: [(&str, &[&str], &str); 5] = [
        ("janus-tiny", &["--guidance", "0.2"], "guidance is 0.2"),
        ("janus-tiny", &["--ratio", "16:9"], "this model's pictures have one size"),
        ("emu3-tiny", &["--ratio", "10000:1", "--area", "64"], "ask for a ratio nearer to 1:1"),
        ("janus-tiny", &["--top-p", "7"], "top_p"),
        ("llava-tiny", &[], "a `llava` model can't draw; janus"),
    ];
    for (name, arguments, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        let torn = folder.path().join("torn");
        fs::create_dir_all(torn.join("onnx")).unwrap();
        for entry in fs::read_dir(model(name)).unwrap().chain(fs::read_dir(model(name).join("onnx")).unwrap())
        {
            let from = entry.unwrap().path();
            let to = torn.join(from.strip_prefix(model(name)).unwrap());
            if to.starts_with(torn.join("onnx")) {
                fs::write(&to, "no graph").unwrap_or(());
            } else {
                fs::copy(&from, &to).unwrap();
            }
        }
        let torn = torn.display().to_string();
        let output = draw(&torn, &[&["A house.", "-o", "house.png"], arguments].concat(), folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn the_help_tells_it_all() {
    let output = Command::new(env!("CARGO_BIN_EXE_percept")).args(["draw", "--help"]).output().unwrap();
    insta::assert_snapshot!("help_of_draw", text(&output.stdout));
}
