//! Captions and questions with examples, on the command line.

use std::{fs, path::PathBuf, sync::Arc};

use percept::models::{
    Conversation, Generate, LoadOptions, LoadedImage, LocalModel, Message, ModelError, Role,
};
use serde_json::Value;

use crate::{document, percept, text};

fn model(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(name)
}

/// The tokens that transformers answers a golden conversation with.
fn golden(folder: &str, case: &str) -> Value {
    let goldens: Vec<Value> =
        serde_json::from_slice(&fs::read(model(folder).join("golden.json")).unwrap()).unwrap();
    goldens.into_iter().find(|golden| golden["name"] == case).unwrap()["greedy"].take()
}

/// Asks a tiny model about pictures in its own folder.
fn ask(folder: &str, arguments: &[&str]) -> std::process::Output {
    let always = ["ask", ".", "--device", "cpu", "--max-tokens", "24", "--ignore-end", "--json"];
    percept(&[&always[..], arguments].concat(), &model(folder))
}

#[test]
fn an_image_without_a_word_is_captioned_by_a_model_that_captions() {
    let captioned = ask("blip_2-tiny", &["landscape.png"]);
    assert_eq!(document(&captioned)["tokens"], golden("blip_2-tiny", "caption"));
    let asked = ask("blip_2-tiny", &["portrait.png", "What is in the picture?"]);
    assert_eq!(document(&asked)["tokens"], golden("blip_2-tiny", "question"));
}

#[test]
fn shots_are_the_turns_of_an_open_flamingo() {
    let question = ["landscape.png", "What is this?"];
    let shots = ["--shot", "small.png", "a square", "--shot", "portrait.png", "a circle"];
    let shown = ask("idefics-tiny", &[&question[..], &shots].concat());
    assert_eq!(document(&shown)["tokens"], golden("idefics-tiny", "examples"), "{}", text(&shown.stderr));
}

/// Florence-2 takes one turn: nothing more can be asked about an answer that is there, and what it names itself is drawn.
#[test]
fn an_answer_that_names_its_places_is_drawn_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("found.png");
    let named = ["landscape.png", "<OD>", "--draw", drawn.to_str().unwrap()];
    let output = ask("florence2-tiny", &named);
    let found = &document(&output)["located"]["found"];
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let has_places = !found.as_array().unwrap().is_empty();
    assert_eq!((drawn.exists(), said.contains("nothing was drawn")), (has_places, !has_places), "{said}");

    let told = document(&ask("florence2-tiny", &["landscape.png", "<CAPTION>", "--boxes"]));
    let notes = told["notes"].to_string();
    assert!(told["text"].is_string() && notes.contains("couldn't be asked where it is seen"), "{told}");
}

/// Pairs of image and answer become turns, in the family's own form.
#[tokio::test]
async fn shots_are_shown_before_the_question() {
    let question = "What is this?";
    let shown =
        ["landscape.png", question, "--shot", "small.png", "a square", "--shot", "portrait.png", "a circle"];
    let folder = "llava-tiny";
    let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
    let loaded = LocalModel::load(&model(folder), options, Arc::new(percept::Silent)).await.unwrap();
    let image = |name: &str| LoadedImage::open(&model(folder).join(name)).unwrap().pixels;
    let asked = |name: &str| {
        Message { role: Role::User, content: Vec::new() }.with_image(image(name)).with_text(question)
    };
    let said = |answer: &str| Message::text(Role::Assistant, answer);
    let turns = [
        asked("small.png"),
        said("a square"),
        asked("portrait.png"),
        said("a circle"),
        asked("landscape.png"),
    ];
    let conversation: Conversation = turns.into_iter().collect();
    let expected = tokens(&loaded, &conversation).await.unwrap();
    let output = ask(folder, &shown);
    assert_eq!(document(&output)["tokens"], serde_json::json!(expected), "{}", text(&output.stderr));
    let alone = ask(folder, &shown[..2]);
    assert_ne!(document(&alone)["tokens"], serde_json::json!(expected), "the examples matter");
}

async fn tokens(model: &LocalModel, conversation: &Conversation) -> Result<Vec<u32>, ModelError> {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion =
        percept::models::ChatModel::generate(model, conversation, &options).await?.complete().await?;
    Ok(completion.tokens.iter().map(|token| token.id).collect())
}

#[test]
fn what_cannot_be_asked_is_bad_input() {
    let cases: [(&str, &[&str], &str); 11] = [
        ("llava-tiny", &["small.png"], "the last argument is a file, small.png"),
        ("llava-tiny", &["small.png", " "], "the last argument is empty"),
        ("blip_2-tiny", &["config.json"], "the last argument is a file, config.json, and no image"),
        (
            "blip_2-tiny",
            &["small.png", "What?", "--shot", "portrait.png", "a circle"],
            "takes 1 image(s), the question with its shots has 2",
        ),
        ("blip_2-tiny", &["small.png", "portrait.png", "What?"], "takes 1 image(s), the question has 2"),
        ("llava-tiny", &["small.png", "What?", "--shot", "portrait.png", " "], "its answer is empty"),
        (
            "llava-tiny",
            &["small.png", "What?", "--shot", "portrait.png", "landscape.png"],
            "what stands for its answer is a file",
        ),
        ("llava-tiny", &["small.png", "What?", "--shot", "portrait.png"], "--shot <IMAGE> <ANSWER>"),
        (
            "llava-tiny",
            &["small.png", "What?", "--shot", "portrait.png", "--votes"],
            "--shot portrait.png: what stands for its answer is an option, --votes",
        ),
        // An answer may begin with a hyphen: this is refused for its images alone.
        (
            "blip_2-tiny",
            &["small.png", "How cold?", "--shot", "portrait.png", "-5"],
            "takes 1 image(s), the question with its shots has 2",
        ),
        ("llava-tiny", &["What?", "--shot", "portrait.png", "a circle"], "no image to ask about"),
    ];
    for (folder, arguments, problem) in cases {
        let output = ask(folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(problem), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_forgotten_question_is_told_before_a_model_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(model("llava-tiny").join("small.png"), folder.path().join("small.png")).unwrap();
    let llava = folder.path().join("llava");
    fs::create_dir(&llava).unwrap();
    // What says the family; there is nothing to load.
    for file in ["config.json", "processor_config.json"] {
        if model("llava-tiny").join(file).exists() {
            fs::copy(model("llava-tiny").join(file), llava.join(file)).unwrap();
        }
    }
    fs::write(folder.path().join("said.json"), "no script").unwrap();
    for address in ["llava", "scripted:said.json", "bundled:glance", "openai:http://127.0.0.1:9/v1#x"] {
        let output = percept(&["ask", address, "small.png"], folder.path());
        assert_eq!(output.status.code(), Some(2), "{address}: {}", text(&output.stderr));
        let told = text(&output.stderr);
        assert!(told.contains("there is no question") && told.contains("question last"), "{address}: {told}");
    }
    let asked = percept(&["ask", "llava", "small.png", "What?"], folder.path());
    assert!(text(&asked.stderr).contains("missing"), "{}", text(&asked.stderr));
}
