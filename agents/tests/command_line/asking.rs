//! Questions on the command line: what is told of an answer beside its words, and what is refused before a model is loaded.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{document, percept, scene, text};

fn data(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(path).display().to_string()
}

/// A folder with a script that says something twice, and a picture that one can see through.
fn clear() -> tempfile::TempDir {
    let folder = scene(&[json!({ "text": "42" }), json!({ "text": "42" })], "");
    let picture = image::RgbaImage::from_pixel(40, 30, image::Rgba([200, 10, 10, 90]));
    picture.save(folder.path().join("shot.png")).unwrap();
    folder
}

fn notes(told: &Value) -> String {
    told["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_to_be_known_of_an_answer_is_in_its_document_and_said() {
    let folder = clear();
    let cases: [(&[&str], &str); 5] = [
        (&["shot.png", "How many?"], "shot.png: its transparency is seen on white"),
        (
            &["shot.png", "How many?", "--shot", "shot.png", "1"],
            "shot.png: its transparency is seen on white",
        ),
        (&["shot.png", "other.pgn"], "“other.pgn” is taken for the question: no file is called so"),
        (&["shot.png", "What is in new.png"], "“What is in new.png” is taken for the question: no file"),
        (&["How many?"], "no image is asked about"),
    ];
    for (asked, note) in cases {
        for flag in [&[][..], &["--json"]] {
            let output = percept(&[&["ask", "scripted:script.json"], asked, flag].concat(), folder.path());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert!(said.contains(&format!("note: {note}")), "{asked:?}: {said}");
            if !flag.is_empty() {
                assert!(notes(&document(&output)).contains(note), "{asked:?}: {}", document(&output));
            }
        }
    }
}

#[test]
fn an_answer_that_was_cut_off_says_so() {
    let (model, image) = (data("llava-tiny"), data("llava-tiny/small.png"));
    let note = "the answer was cut off after 4 tokens: give it more with --max-tokens";
    let asked = ["ask", &model, &image, "What?", "--device", "cpu", "--max-tokens", "4"];
    let ask = |more: &[&str]| percept(&[&asked[..], more].concat(), Path::new("."));
    assert!(notes(&document(&ask(&["--json"]))).contains(note));
    assert!(text(&ask(&[]).stderr).contains(&format!("note: {note}\n")));
    // Then nothing else could end it.
    assert!(!notes(&document(&ask(&["--json", "--ignore-end"]))).contains("cut off"));
}

#[test]
fn what_needs_no_model_to_be_known_is_told_before_one_is_loaded() {
    let folder = clear();
    let cases: [(&[&str], &str); 9] = [
        (&["shto.png"], "there is no file shto.png"),
        (&["shot.png", "film.MP4"], "there is no file film.MP4"),
        (&["shot.png", "How many?", "--least", "7"], "a certainty lies between 0 and 1"),
        (&["How many?", "--boxes"], "there is no image"),
        (&["shot.png", "How many?", "--temperature=-1"], "temperature"),
        (&["shot.png", "How many?", "--max-tokens", "0"], "write 1 or more"),
        (&["shot.png", "How many?", "--draw", "shot.tiff"], "no picture can be written in the format"),
        (&["shot.png", "How many?", "--draw", "shot.png"], "it would write over shot.png, which is read"),
        (&["shot.png", "How many?", "--draw", "deep/new.png"], "there is no such folder"),
    ];
    for (asked, problem) in cases {
        let output = percept(&[&["ask", "nowhere"], asked].concat(), folder.path());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{asked:?}: {said}");
        assert!(said.contains(problem) && !said.contains("nowhere"), "{asked:?}: {said}");
    }
    let labels: [(&[&str], &str); 2] =
        [(&["a", "A"], "are the same"), (&["a", "b", "--template", "a photo"], "has no {}")];
    for (labels, problem) in labels {
        let asked = ["classify", "nowhere", "shot.png", "--label"];
        let said = text(&percept(&[&asked[..], labels].concat(), folder.path()).stderr);
        assert!(said.contains(problem), "{said}");
    }
    // What is in the way only of a model that isn't on this machine.
    let asked = ["ask", "scripted:script.json", "How many?", "--context", "99"];
    let said = text(&percept(&asked, folder.path()).stderr);
    assert!(said.contains("a shorter context is for models on this machine"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_file_is_read_once_and_no_further_than_an_image_goes() {
    let folder = clear();
    // More than any memory holds; nothing of it is on the disk.
    fs::File::create(folder.path().join("film.mp4")).unwrap().set_len(1 << 40).unwrap();
    for file in ["film.mp4", "/dev/zero"] {
        let output = percept(&["ask", "scripted:script.json", file, "How many?"], folder.path());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(&format!("{file}: not an image")), "{}", text(&output.stderr));
    }
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let picture = fs::read(folder.path().join("shot.png")).unwrap();
    // Whoever writes into it waits for a reader.
    let writer = std::thread::spawn(move || fs::write(pipe, picture));
    let output = percept(&["ask", "scripted:script.json", "pipe", "How many?"], folder.path());
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("42\n", Some(0)), "{output:?}");
    writer.join().unwrap().unwrap();
}

#[test]
fn a_model_that_breaks_off_is_no_bad_input() {
    let folder = scene(&[], "");
    let output = percept(&["ask", "scripted:script.json", "How many?"], folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the script has no reply for turn 1"), "{}", text(&output.stderr));
}
