//! Videos on the command line.

use std::{fs, path::Path, sync::Arc, time::Duration};

use percept::{
    footage, journal,
    models::{Video, VideoContent},
};
use serde_json::{Value, json};

use crate::{call, document, percept, scene, text};

fn data(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(path).display().to_string()
}

/// The tokens that transformers answers a golden conversation with.
fn golden(family: &str, case: &str) -> Value {
    let text = fs::read(data(&format!("videos/{family}.json"))).unwrap();
    let goldens: Vec<Value> = serde_json::from_slice(&text).unwrap();
    goldens.into_iter().find(|golden| golden["name"] == case).unwrap()["greedy"].take()
}

/// Asks a tiny model about files in the folder of videos.
fn ask(family: &str, arguments: &[&str]) -> std::process::Output {
    let model = data(&format!("{family}-tiny"));
    let always = ["ask", &model, "--device", "cpu", "--max-tokens", "24", "--ignore-end", "--json"];
    percept(&[&always[..], arguments].concat(), Path::new(&data("videos")))
}

#[test]
fn a_video_is_asked_about_as_a_picture_is() {
    let cases: [(&str, &[&str], &str); 7] = [
        ("internvl", &["run.gif", "What changed?"], "animation"),
        ("llava_onevision", &["run.gif", "What changed?"], "animation"),
        ("qwen3_vl", &["pair", "Which is the first?", "--fps", "10"], "pair"),
        ("qwen2_vl", &["run.gif", "What changed?"], "animation"),
        ("qwen2_vl", &["pair", "Which is the first?", "--fps", "10"], "pair"),
        ("smolvlm", &["run.gif", "What changed?"], "animation"),
        ("smolvlm", &["pair", "Which is the first?", "--fps", "10"], "pair"),
    ];
    for (family, arguments, case) in cases {
        let output = ask(family, arguments);
        assert_eq!(document(&output)["tokens"], golden(family, case), "{case}: {}", text(&output.stderr));
        let notes = document(&output)["notes"].to_string();
        assert!(!notes.contains("watches no videos"), "{case}: {notes}");
    }
}

#[test]
fn a_model_that_watches_no_videos_is_shown_frames_and_says_so() {
    let told = document(&ask("llava", &["steps", "What changed?"]));
    let note = told["notes"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    assert!(note.contains("watches no videos: 7 of 7 frame(s) were shown to it as images"), "{note}");
    // One that takes a single image sees one frame.
    let told = document(&ask("blip_2", &["steps", "What changed?"]));
    let note = told["notes"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    assert!(note.contains("1 of 7 frame(s)"), "{note}");
}

#[test]
fn a_runs_screenshots_are_a_video() {
    let (step, finish) =
        (call("wait", json!({ "seconds": 0.01 })), call("finish", json!({ "answer": "42" })));
    let folder = scene(&[step.clone(), step, finish], "[screen]\nimage = \"screen.png\"\n");
    fs::copy(data("videos/steps/1.png"), folder.path().join("screen.png")).unwrap();
    let output = percept(&["run", "task.toml", "--out", "out"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let run = folder.path().join("out");
    let looks = journal::read(&run).unwrap().entries;
    let looks = looks.iter().filter(|entry| matches!(entry.event, percept::Event::Looked { .. })).count();
    let video = footage(&run).unwrap();
    assert_eq!(video.len(), looks);
    assert!(video.duration() >= Duration::from_millis(20), "{:?}", video.duration());
    assert!(VideoContent::new(Arc::new(video)).is_ok());

    let model = data("qwen2_vl-tiny");
    let always = ["ask", &model, "--device", "cpu", "--max-tokens", "4", "--ignore-end", "--json"];
    let told = percept(&[&always[..], &["out", "What happened?"]].concat(), folder.path());
    assert_eq!(document(&told)["tokens"].as_array().unwrap().len(), 4, "{}", text(&told.stderr));
    let refused = percept(&[&always[..], &["out", "What happened?", "--fps", "2"]].concat(), folder.path());
    assert!(text(&refused.stderr).contains("times of their own"), "{}", text(&refused.stderr));
    // A screenshot that was changed since is no evidence of anything.
    let shot = fs::read_dir(run.join("shots")).unwrap().next().unwrap().unwrap().path();
    fs::copy(data("videos/steps/2.png"), shot).unwrap();
    let refused = percept(&[&always[..], &["out", "What happened?"]].concat(), folder.path());
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("it was changed since"), "{}", text(&refused.stderr));
}

#[test]
fn a_video_that_cannot_be_asked_about_is_bad_input() {
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    let single = tempfile::tempdir().unwrap();
    fs::copy(data("videos/steps/1.png"), single.path().join("1.png")).unwrap();
    let single = single.path().to_str().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (&["run.gif"], "the last argument is a video, run.gif, and no question"),
        (&["steps", "pair"], "the last argument is a video, pair, and no question"),
        (&[empty, "What?"], "it holds no picture"),
        (&[single, "What?"], "the video has 1 frame(s), and its model sees at least 2"),
        (&["run.gif", "What?", "--fps", "2"], "there is no folder of frames that it could be for"),
        (&["steps", "What?", "--fps", "0"], "0 frames a second: take 0.001 to 1000"),
    ];
    for (arguments, problem) in cases {
        let output = ask("qwen2_vl", arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(problem), "{arguments:?}: {}", text(&output.stderr));
    }
    // A picture with a single frame is a picture, whatever its format.
    let still = tempfile::tempdir().unwrap();
    let path = still.path().join("one.gif");
    image::open(data("videos/steps/1.png")).unwrap().to_rgba8().save(&path).unwrap();
    assert!(!Video::is_at(&path));
}
