//! One model made of two, on the command line.

use std::{fs, path::Path};

use serde_json::json;

use crate::{document, percept, text};

#[test]
fn two_models_become_one_and_what_makes_no_sense_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let model = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(name);
        path.display().to_string()
    };
    let (a, b) = (model("llava-tiny"), model("smolvlm-tiny"));
    let merge = |arguments: &[&str]| percept(&[&["models", "merge"], arguments].concat(), folder.path());
    let merged = merge(&[&a, &a, "-o", "both", "--json"]);
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
    assert_eq!(document(&merged)["graphs"]["onnx/embed_tokens.onnx"], json!({ "merged": 0, "equal": 1 }));
    let cases: [(&[&str], &str); 7] = [
        (&[&a, "nowhere", "-o", "c"], "nowhere: there is no such file or folder"),
        (&[&a, &a, "-o", "both"], "both is there already"),
        (&[&a, &b, "-o", "c"], "it has other tokens than the first model's"),
        (&[&a, &a, "-o", "c", "--density", "0.5"], "this method has no use for it"),
        (&[&a, &a, "-o", "c", "--method", "dare"], "name the model that both come from"),
        (&[&a, &a, "-o", "c", "--weight", "2"], "lies between 0 and 1"),
        (&[&a, &a, "-o", "c", "--precision", "f/16"], "isn't a precision"),
    ];
    for (arguments, problem) in cases {
        let output = merge(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(problem), "{}", text(&output.stderr));
        assert!(!folder.path().join("c").exists());
    }
}

/// A protocol buffer's field of bytes, and a number of variable length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], varint(content.len()), content.to_vec()].concat()
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut written = Vec::new();
    while number >= 0x80 {
        written.push((number & 0x7f | 0x80) as u8);
        number >>= 7;
    }
    written.push(number as u8);
    written
}

/// A graph with weights of so many floats, each in a file of its own.
fn graph(folder: &Path, name: &str, files: &[String], count: usize) {
    let weight = |file: &String| {
        let location = [field(1, b"location"), field(2, file.as_bytes())].concat();
        let rest = [field(8, b"w"), field(13, &location), vec![14 << 3, 1]].concat();
        field(5, &[vec![1 << 3], varint(count), vec![2 << 3, 1], rest].concat())
    };
    let node = field(1, &[field(2, b"y"), field(4, b"Add")].concat());
    let graph = [node, files.iter().flat_map(weight).collect()].concat();
    fs::write(folder.join(name), [vec![1 << 3, 8], field(7, &graph)].concat()).unwrap();
}

#[test]
#[cfg(unix)]
fn more_files_than_may_be_open_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    for (model, number) in [("a", 1.0f32), ("b", 3.0)] {
        let files: Vec<String> = (0..100).map(|index| format!("{model}{index}.data")).collect();
        for file in &files {
            fs::write(folder.path().join(file), number.to_le_bytes()).unwrap();
        }
        graph(folder.path(), &format!("{model}.onnx"), &files, 1);
    }
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" models merge a.onnx b.onnx -o c"])
        .arg(env!("CARGO_BIN_EXE_percept"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for index in 0..100 {
        assert_eq!(fs::read(folder.path().join(format!("c/a{index}.data"))).unwrap(), 2.0f32.to_le_bytes());
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_merge_leaves_nothing() {
    use std::{
        process::{Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    const BYTES: u64 = 1 << 30;
    let (models, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (model, first) in [("a", 1.0f32), ("b", 2.0)] {
        // Nothing but its beginning takes room.
        let data = models.path().join(format!("{model}.data"));
        fs::write(&data, first.to_le_bytes()).unwrap();
        fs::OpenOptions::new().write(true).open(&data).unwrap().set_len(BYTES).unwrap();
        graph(models.path(), &format!("{model}.onnx"), &[format!("{model}.data")], BYTES as usize / 4);
    }
    let path = |name: &str| models.path().join(name);
    let mut child = Command::new(env!("CARGO_BIN_EXE_percept"))
        .args(["models", "merge", "--method", "slerp", "-o", "both"])
        .args([path("a.onnx"), path("b.onnx")])
        .current_dir(out.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_dir(out.path()).unwrap().next().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never began");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let left: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
