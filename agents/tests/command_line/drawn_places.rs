//! The picture of an answer's places: where it may be written, and what is told if it can't be.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{document, percept, scene, text};

/// A folder with a picture, and a script that answers and says where in it the answer is seen.
fn seen() -> tempfile::TempDir {
    let places = json!({ "function": "seen_at", "arguments": { "regions": [[1, 2, 30, 20]] } });
    let folder = scene(&[json!({ "text": "42" }), json!({ "call": places })], "");
    fs::create_dir(folder.path().join("frames")).unwrap();
    for name in ["shot.png", "frames/1.png", "frames/2.png"] {
        image::RgbImage::from_pixel(40, 30, image::Rgb([9, 9, 9])).save(folder.path().join(name)).unwrap();
    }
    for name in ["scan.tiff", "notes.png", "photo.bmp"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    folder
}

/// Everything in a folder, by its path.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

const ASKED: [&str; 5] = ["ask", "scripted:script.json", "shot.png", "How many?", "--boxes"];

#[test]
fn a_picture_takes_no_place_but_its_own() {
    let folder = seen();
    let before = files(folder.path());
    let cases: [(&[&str], &str); 7] = [
        (&["--draw", "shot.png"], "it would write over shot.png"),
        (&["--draw", "frames/../shot.png"], "it would write over shot.png"),
        (&["--shot", "frames/1.png", "1", "--draw", "frames/1.png"], "it would write over frames/1.png"),
        (&["--draw", "scan.tiff"], "no picture can be written in the format"),
        (&["--draw", "new.qoi"], "no picture can be written in the format"),
        (&["--draw", "notes.png"], "it is there already, and it is no picture"),
        (&["--draw", "frames.png/new.png"], "there is no such folder"),
    ];
    for (more, problem) in cases {
        let output = percept(&[&ASKED[..], more, &["--json"]].concat(), folder.path());
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", text(&output.stderr));
        assert!(document(&output)["error"].as_str().unwrap().contains(problem), "{}", document(&output));
        assert_eq!(files(folder.path()), before, "{more:?}");
    }
    let frames = ["ask", "scripted:script.json", "frames", "How many?", "--draw", "frames/2.png"];
    let said = text(&percept(&frames, folder.path()).stderr);
    assert!(said.contains("it would write over frames, which is read"), "{said}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_picture_is_told_where_it_is_and_leaves_nothing_else() {
    let folder = seen();
    for _ in 0..2 {
        let output = percept(&[&ASKED[..], &["--draw", "out.png", "--json"]].concat(), folder.path());
        let told = document(&output);
        assert_eq!((output.status.code(), &told["drawn"]), (Some(0), &json!("out.png")), "{told}");
        let picture = image::open(folder.path().join("out.png")).unwrap().to_rgb8();
        assert_eq!([picture[(1, 2)].0, picture[(0, 0)].0], [[230, 30, 80], [9, 9, 9]]);
    }
    let nowhere = ["ask", "scripted:script.json", "shot.png", "How many?", "--draw", "new.png", "--json"];
    let told = document(&percept(&nowhere, folder.path()));
    assert_eq!((&told["text"], &told["drawn"]), (&json!("42"), &Value::Null));
    assert!(told["notes"].to_string().contains("nothing was drawn"), "{told}");
    let names: Vec<String> = files(folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.iter().filter(|name| name.contains("part") || name.contains("new.png")).count(), 0);
}

/// A disk that is full, by a limit on the size of files, which the system answers in the same way.
#[cfg(unix)]
#[test]
fn an_answer_is_told_once_where_its_picture_finds_no_room() {
    let folder = seen();
    let before = files(folder.path());
    let limited = format!("trap '' XFSZ; ulimit -f 0; exec \"{}\" \"$@\"", env!("CARGO_BIN_EXE_percept"));
    let output = Command::new("sh")
        .args(["-c", &limited, "sh"])
        .args(ASKED)
        .args(["--draw", "out.png", "--json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = document(&output);
    assert_eq!((output.status.code(), &told["text"]), (Some(1), &json!("42")), "{told}");
    assert_eq!(told["drawn"], Value::Null);
    assert!(told["notes"].to_string().contains("nothing was drawn: out.png can't be written: "), "{told}");
    assert_eq!(files(folder.path()), before);
}
