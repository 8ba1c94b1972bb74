//! Janus against goldens of transformers: what it sees and says, and what it draws.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_models::{
    ChatModel, Conversation, Draw, DrawProgress, Generate, ImageModel, LocalModel, Message, ModelError,
    ModelFolder, Role, Usage,
};
use percept_runtime::CacheForm;
use serde::Deserialize;
use serde_json::json;
use support::{Golden, change_json, copy, data, goldens, levels_apart, load, off};
use tokio_util::sync::CancellationToken;

const FOLDER: &str = "janus-tiny";

/// What transformers draws; `models/export/README.md` tells the keys.
#[derive(Debug, Deserialize)]
struct GoldenDrawing {
    prompt: String,
    guidance: f32,
    input_ids: Vec<u32>,
    first_scores: Vec<f32>,
    tokens: Vec<u32>,
    width: u32,
    height: u32,
    rgb: String,
}

fn drawings() -> Vec<GoldenDrawing> {
    let text = std::fs::read_to_string(data().join(FOLDER).join("drawn.json")).unwrap();
    let drawings: Vec<GoldenDrawing> = serde_json::from_str(&text).unwrap();
    assert!(drawings.len() > 1);
    drawings
}

async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.text, completion.usage)
}

/// The greatest difference of a logit from transformers', as a share of the largest.
async fn check(model: &LocalModel, golden: &Golden) -> f32 {
    let case = &golden.name;
    golden.check_prompt(model, case).await;
    let conversation = golden.conversation();
    let (tokens, text, usage) = reply(model, &conversation).await;
    assert_eq!((&tokens, &text), (&golden.greedy, &golden.text), "{case}");
    assert_eq!(usage.fresh_tokens + usage.cached_tokens, golden.input_ids.len(), "{case}");
    let logits = model.first_logits(&conversation).await.unwrap();
    // The same again: everything but the last token of the prompt is still in the cache.
    let (tokens, _, usage) = reply(model, &conversation).await;
    assert_eq!(tokens, golden.greedy, "{case}");
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, golden.input_ids.len() - 1), "{case}");
    off(&logits, &golden.first_logits)
}

async fn check_drawings(model: &LocalModel, tolerance: f32) -> f32 {
    let mut furthest = 0.0_f32;
    for golden in drawings() {
        let case = &golden.prompt;
        let options = Draw { temperature: 0.0, guidance: Some(golden.guidance), ..Draw::default() };
        let drawing = model.draw(&golden.prompt, &options).await.unwrap();
        assert_eq!(drawing.tokens, golden.tokens, "{case}");
        assert_eq!(drawing.usage.fresh_tokens, 2 * golden.input_ids.len(), "{case}");
        assert_eq!(drawing.usage.output_tokens, golden.tokens.len(), "{case}");
        assert_eq!(drawing.image.dimensions(), (golden.width, golden.height), "{case}");
        let expected = BASE64_STANDARD.decode(&golden.rgb).unwrap();
        let levels = levels_apart(drawing.image.as_raw(), &expected);
        assert!(levels <= 1, "{case}: {levels} grey levels off");
        let scores = model.first_drawing_scores(&golden.prompt, &options).await.unwrap();
        let off = off(&scores, &golden.first_scores);
        assert!(off < tolerance, "{case}: guided scores {off} off");
        furthest = furthest.max(off);
    }
    furthest
}

#[tokio::test]
async fn it_answers_and_draws_as_transformers_does() {
    let mut furthest = 0.0_f32;
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        let model = load(&data().join(FOLDER), "cpu", cache).await;
        for golden in goldens(FOLDER) {
            golden.check_pixels(&data().join(FOLDER), &golden.name);
            furthest = furthest.max(check(&model, &golden).await);
        }
        let drawn = check_drawings(&model, 1e-4).await;
        println!("{cache:?}: guided scores {drawn:.1e} of the largest off");
    }
    println!("logits {furthest:.1e} of the largest off");
    assert!(furthest < 1e-4, "{furthest}");
}

/// An image in the first turn and another in a later one, read onto whatever the cache still holds; with a drawing between,
/// which has sequences of its own.
#[tokio::test]
async fn a_conversation_goes_on_from_its_cache_whatever_is_drawn_meanwhile() {
    let goldens = goldens(FOLDER);
    let whole = goldens.iter().find(|golden| golden.name == "later_turn").unwrap();
    let turns = whole.conversation();
    let first: Conversation = turns.messages()[..1].iter().cloned().collect();
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let beginning = model.prompt(&first).await.unwrap().tokens.len();
    reply(&model, &first).await;
    check_drawings(&model, 1e-4).await;
    let (tokens, text, usage) = reply(&model, &turns).await;
    assert_eq!((&tokens, &text), (&whole.greedy, &whole.text));
    assert!(usage.cached_tokens + 1 >= beginning, "{} of {beginning}", usage.cached_tokens);
}

#[tokio::test]
async fn a_seed_draws_the_same_picture_again_and_another_seed_another() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = {
        let told = Arc::clone(&told);
        DrawProgress::new(move |done, of| told.lock().unwrap().push((done, of)))
    };
    let options = |seed| Draw { seed, progress: Some(progress.clone()), ..Draw::default() };
    let first = model.draw("A house.", &options(3)).await.unwrap();
    let told: Vec<_> = std::mem::take(&mut told.lock().unwrap());
    assert_eq!(told, (1..=16).map(|done| (done, 16)).collect::<Vec<_>>());
    assert!((first.guidance - 5.0).abs() < f32::EPSILON, "the reference's own: {}", first.guidance);
    let again = model.draw("A house.", &options(3)).await.unwrap();
    assert_eq!((&first.tokens, &first.image), (&again.tokens, &again.image));
    let other = model.draw("A house.", &options(4)).await.unwrap();
    assert_ne!(first.tokens, other.tokens);
    // Without guidance only the prompt itself is read.
    let plain = model.draw("A house.", &Draw { guidance: Some(1.0), ..options(3) }).await.unwrap();
    assert_eq!(2 * plain.usage.fresh_tokens, first.usage.fresh_tokens);
    assert_ne!(plain.tokens, first.tokens);
}

#[tokio::test]
async fn the_marks_of_an_image_in_the_words_are_only_words() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    for text in ["<image_placeholder>", "<begin_of_image>"] {
        let conversation: Conversation = [Message::text(Role::User, text)].into_iter().collect();
        let tokens = model.prompt(&conversation).await.unwrap().tokens;
        let marks = [324, 325];
        assert!(!tokens.iter().any(|token| marks.contains(token)), "{text}: {tokens:?}");
        model.draw(text, &Draw::default()).await.unwrap();
    }
}

#[tokio::test]
async fn what_cant_be_drawn_is_refused_with_the_reason() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let guidance = |guidance| Draw { guidance: Some(guidance), ..Draw::default() };
    let long = "word ".repeat(300);
    let cases = [
        ("A house.", guidance(0.5), "guidance is 0.5, but must be from 1"),
        ("A house.", guidance(f32::NAN), "guidance is NaN"),
        ("A house.", Draw { temperature: -1.0, ..Draw::default() }, "temperature"),
        ("A house.", Draw { negative: Some("a tree".into()), ..Draw::default() }, "takes no negative one"),
        ("A house.", Draw { ratio: Some([16, 9]), ..Draw::default() }, "pictures have one size"),
        ("A house.", Draw { area: Some(64), ..Draw::default() }, "pictures have one size"),
        (long.as_str(), Draw::default(), "the model's context holds 512"),
    ];
    for (prompt, options, says) in cases {
        let error = model.draw(prompt, &options).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let progress = DrawProgress::new(move |done, _| {
        if done == 5 {
            stop.cancel();
        }
    });
    let options = Draw { cancel, progress: Some(progress), ..Draw::default() };
    assert!(matches!(model.draw("A house.", &options).await, Err(ModelError::Cancelled)));
    let other = load(&data().join("llava-tiny"), "cpu", CacheForm::Auto).await;
    let error = other.draw("A house.", &Draw::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("a `llava` model can't draw; janus"), "{error}");
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("generation_config.json"), |config| {
        config["pad_token_id"] = serde_json::Value::Null;
    });
    let error =
        load(&path, "cpu", CacheForm::Auto).await.draw("A house.", &Draw::default()).await.unwrap_err();
    assert!(error.to_string().contains("generation_config.json doesn't say"), "{error}");
}

#[test]
fn a_folder_with_numbers_that_no_picture_has_is_refused() {
    let (config, processor) = ("config.json", "processor_config.json");
    let absurd = "more than the 65536 that are taken";
    let huge = json!(1_000_000_000_000_000_000_u64);
    let cases = [
        (processor, json!({ "num_image_tokens": huge }), absurd),
        (processor, json!({ "num_image_tokens": 0 }), "its `num_image_tokens` is 0"),
        (config, json!({ "vision_config": { "num_image_tokens": huge } }), absurd),
        (config, json!({ "vision_config": { "num_image_tokens": 0 } }), "its `num_image_tokens` is 0"),
        ("generation_config.json", json!({ "guidance_scale": 1e300 }), "number"),
    ];
    for (file, changes, says) in cases {
        let (_kept, path) = copy(FOLDER);
        change_json(&path.join(file), |settings| merge(settings, &changes));
        let error = ModelFolder::open(&path, None).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains(file), "{file} {changes}: {error}");
    }
}

/// Puts these settings over others.
fn merge(settings: &mut serde_json::Value, changes: &serde_json::Value) {
    match changes.as_object() {
        Some(changes) => changes.iter().for_each(|(key, value)| merge(&mut settings[key], value)),
        None => *settings = changes.clone(),
    }
}

#[tokio::test]
async fn the_configuration_counts_an_images_tokens_where_the_processor_doesnt() {
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("processor_config.json"), |settings| {
        settings.as_object_mut().unwrap().remove("num_image_tokens");
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    for golden in goldens(FOLDER) {
        golden.check_prompt(&model, &golden.name).await;
    }
}

#[tokio::test]
async fn a_picture_drawn_without_guidance_says_so() {
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("generation_config.json"), |settings| settings["guidance_scale"] = json!(0.5));
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let drawing = model.draw("A house.", &Draw::default()).await.unwrap();
    assert!((drawing.guidance - 1.0).abs() < f32::EPSILON, "{}", drawing.guidance);
}

#[tokio::test]
async fn scores_of_a_head_that_are_no_numbers_are_refused_by_its_name() {
    // One weight of each head's last product: where its numbers begin in the file.
    for (head, at, of) in [("lm_head", 116, 329), ("gen_head", 10_046, 64)] {
        let (_kept, folder) = copy(FOLDER);
        let path = folder.join(format!("onnx/{head}.onnx"));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let model = load(&folder, "cpu", CacheForm::Auto).await;
        let error = if head == "lm_head" {
            let conversation: Conversation = [Message::text(Role::User, "What is it?")].into_iter().collect();
            let options = Generate { max_tokens: 4, ..Generate::default() };
            match model.generate(&conversation, &options).await {
                Ok(generation) => generation.complete().await.unwrap_err(),
                Err(error) => error,
            }
        } else {
            model.draw("A red circle.", &Draw { temperature: 0.0, ..Draw::default() }).await.unwrap_err()
        };
        let told = format!("this graph gave 1 scores of {of} that are no numbers (NaN or infinite)");
        assert!(
            matches!(&error, ModelError::Folder { path: named, problem, .. } if *named == path && *problem == told),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_memory_that_is_told_holds_both_sequences_of_a_picture_beside_the_conversation() {
    for (folder, sequences) in [(FOLDER, 3), ("llava-tiny", 1)] {
        let memory = load(&data().join(folder), "cpu", CacheForm::Auto).await.inspect().memory;
        let weights: u64 = memory.weights.iter().map(|(_, weights)| weights.bytes()).sum();
        let cache = memory.cache_bytes_per_token * memory.context;
        assert!(cache > 0);
        assert_eq!(
            (memory.sequences, memory.total_bytes),
            (sequences, weights + sequences * cache),
            "{folder}"
        );
    }
}
