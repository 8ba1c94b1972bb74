//! The house rules that no compiler checks: which crate may know which, how long a file may be, and that
//! every file says what it is. `ARCHITECTURE.md` gives the reasons.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "what fails in a test's own helpers fails the test"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The most lines of code in a file; docs, comments and inline tests aside.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file of the repository with this extension, as git and cargo would see them.
fn files(extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "runs" && name != "__pycache__" {
                    walk(&path, extension, found);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), extension, &mut found);
    assert!(!found.is_empty(), "no .{extension} files under {}", root().display());
    found.sort();
    found
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// What each crate of the workspace is built with, by name; development dependencies aside.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    packages()
        .iter()
        .map(|package| {
            let names = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|d| d["kind"].is_null())
                .map(|d| d["name"].as_str().unwrap().to_owned())
                .collect();
            (package["name"].as_str().unwrap().to_owned(), names)
        })
        .collect()
}

#[test]
fn arrows_between_crates_are_the_ones_that_were_drawn() {
    let drawn: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("percept-fetch", vec![]),
        ("percept-runtime", vec!["percept-fetch"]),
        ("percept-models", vec!["percept-runtime"]),
        ("percept-tools", vec!["percept-fetch"]),
        ("percept", vec!["percept-models", "percept-runtime", "percept-tools"]),
        ("percept-examples", vec!["percept"]),
    ]);
    let found = dependencies();
    let found: BTreeMap<&str, Vec<&str>> = found
        .iter()
        .map(|(name, all)| {
            let mut ours: Vec<&str> =
                all.iter().map(String::as_str).filter(|n| n.starts_with("percept")).collect();
            ours.sort_unstable();
            (name.as_str(), ours)
        })
        .collect();
    assert_eq!(found, drawn);
}

#[test]
fn only_the_room_that_it_belongs_to_knows_a_library() {
    let keepers = [
        ("ort", "percept-runtime"),
        ("ort-sys", "percept-runtime"),
        ("llguidance", "percept-runtime"),
        ("minijinja", "percept-models"),
        ("reqwest", "percept-models"),
        ("chromiumoxide", "percept-tools"),
        ("clap", "percept"),
    ];
    let found = dependencies();
    for (library, keeper) in keepers {
        let knows: Vec<_> =
            found.iter().filter(|(_, all)| all.iter().any(|n| n == library)).map(|(name, _)| name).collect();
        assert_eq!(knows, [keeper], "who depends on {library}");
    }
}

/// Lines that are neither blank nor comment, up to the inline tests.
fn code_lines(text: &str) -> usize {
    text.lines()
        .map(str::trim)
        .take_while(|line| *line != "#[cfg(test)]")
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[test]
fn no_file_is_too_long_to_be_told_in_one_sentence() {
    let long: Vec<_> = files("rs")
        .into_iter()
        .map(|path| (code_lines(&fs::read_to_string(&path).unwrap()), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "split these by topic: {long:#?}");
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let silent: Vec<_> = files("rs")
        .into_iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "these begin without `//!`: {silent:#?}");
    let silent: Vec<_> = files("py")
        .into_iter()
        .filter(|path| !fs::read_to_string(path).unwrap().trim_start().starts_with("\"\"\""))
        .collect();
    assert!(silent.is_empty(), "these begin without a docstring: {silent:#?}");
}

#[test]
fn names_are_nouns_of_the_domain() {
    let drawers = ["utils", "util", "common", "helpers", "misc", "types", "mod"];
    let found: Vec<_> = files("rs")
        .into_iter()
        .filter(|path| drawers.contains(&path.file_stem().unwrap().to_string_lossy().as_ref()))
        .collect();
    assert!(found.is_empty(), "name these for what they hold: {found:#?}");
}

#[test]
fn python_lives_only_where_models_are_made() {
    let (export, train) = (root().join("models/export"), root().join("models/train"));
    let astray: Vec<_> =
        files("py").into_iter().filter(|p| !p.starts_with(&export) && !p.starts_with(&train)).collect();
    assert!(astray.is_empty(), "{astray:#?}");
}

#[test]
fn unsafe_code_is_allowed_in_one_file() {
    let permission = ["allow(", "unsafe_code"].concat();
    let expectation = ["expect(", "unsafe_code"].concat();
    let found: Vec<_> = files("rs")
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.contains(&permission) || text.contains(&expectation)
        })
        .map(|path| path.strip_prefix(root()).unwrap().to_owned())
        .collect();
    assert_eq!(found, [Path::new("runtime/src/ort_boundary.rs")]);
}
