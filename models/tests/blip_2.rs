//! BLIP-2 against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::fs;

use percept_models::{ChatModel, Conversation, Generate, LocalModel, Message, ModelFolder, Role, Usage};
use percept_runtime::CacheForm;
use support::{change_json, copy, data, goldens, greatest_difference, largest, load};

const FOLDER: &str = "blip_2-tiny";

/// A reply of 24 tokens, its text, and what it cost.
async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.text, completion.usage)
}

#[tokio::test]
async fn blip_2_answers_as_transformers_does_also_from_a_cached_prefix() {
    let path = data().join(FOLDER);
    // One model for all: whatever the cache still holds of the case before is used.
    let lasting = load(&path, "cpu", CacheForm::Auto).await;
    let (mut furthest, mut cached) = (0.0_f32, Vec::new());
    for golden in goldens(FOLDER) {
        golden.check_pixels(&path, &golden.name);
        golden.check_prompt(&lasting, &golden.name).await;
        let alone = load(&path, "cpu", CacheForm::Auto).await;
        let conversation = golden.conversation();
        for model in [&alone, &lasting] {
            let (tokens, text, usage) = reply(model, &conversation).await;
            assert_eq!((&tokens, &text), (&golden.greedy, &golden.text), "{}", golden.name);
            cached.push(usage.cached_tokens);
            let logits = model.first_logits(&conversation).await.unwrap();
            let difference = greatest_difference(&logits, &golden.first_logits);
            assert!(difference < 1e-4, "{}: {difference}", golden.name);
            furthest = furthest.max(difference / largest(&golden.first_logits));
        }
    }
    assert!(cached.iter().any(|tokens| *tokens > 6), "an image stays in the cache: {cached:?}");
    println!("greatest difference: {furthest:e} of the largest logit");
}

#[tokio::test]
async fn one_image_is_asked_about_and_no_more() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    assert_eq!((model.card().max_images, model.captions()), (Some(1), true));
    let golden = &goldens(FOLDER)[0];
    let image = golden.conversation().images().next().unwrap().pixels().clone();
    let message = || Message { role: Role::User, content: Vec::new() };
    let cases = [
        (message().with_text("What is this?"), "the conversation has 0"),
        (
            message().with_image(image.clone()).with_image(image),
            "the conversation has 2: keep only the latest",
        ),
    ];
    for (message, says) in cases {
        let error = model.prompt(&[message].into_iter().collect()).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// An image token that is typed in is text, and so is the token that begins a text.
#[tokio::test]
async fn a_token_that_is_typed_in_is_text() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let golden = &goldens(FOLDER)[0];
    let image = golden.conversation().images().next().unwrap().pixels().clone();
    let message = Message { role: Role::User, content: Vec::new() }.with_image(image);
    let prompt = model.prompt(&[message.with_text("<image></s>a")].into_iter().collect()).await.unwrap();
    let special = |id: u32| prompt.tokens.iter().filter(|token| **token == id).count();
    assert_eq!((special(golden.input_ids[0]), special(golden.input_ids[6])), (6, 1), "{prompt:?}");
}

#[test]
fn a_folder_is_held_to_what_its_files_say_of_the_queries() {
    let cases: [(&str, u32, Option<&str>); 3] = [
        ("processor_config.json", 7, Some("has 7 `num_query_tokens`, `config.json` has 6")),
        ("config.json", 0, Some("`config.json` has 0")),
        ("config.json", 6, None),
    ];
    for (file, number, says) in cases {
        let (_kept, path) = copy(FOLDER);
        change_json(&path.join(file), |config| config["num_query_tokens"] = number.into());
        match (ModelFolder::open(&path, None), says) {
            (Ok(_), None) => {}
            (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
            (opened, _) => panic!("{file} with {number}: {:?}", opened.map(|_| ())),
        }
    }
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("config.json"), |config| config["text_config"]["model_type"] = "t5".into());
    let error = ModelFolder::open(&path, None).err().unwrap().to_string();
    assert!(error.contains("its language model is `t5`") && error.contains("OPT"), "{error}");
    let (_kept, path) = copy(FOLDER);
    assert!(!path.join("chat_template.jinja").exists(), "the family's own is at work");
    fs::write(path.join("chat_template.jinja"), "{{ messages | length }}").unwrap();
    assert!(ModelFolder::open(&path, None).is_ok(), "a folder's own comes first");
}

#[tokio::test]
async fn on_webgpu_the_tokens_are_those_of_the_cpu() {
    let model = load(&data().join(FOLDER), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    for golden in goldens(FOLDER) {
        golden.check_reply(&model, 1e-4, &golden.name).await;
    }
}
