//! `PaliGemma` against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens; prompts that see
//! all of themselves; places.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use percept_models::{ChatModel, Conversation, Generate, Message, ModelFolder, Role};
use percept_runtime::CacheForm;
use serde_json::json;
use support::{change_json, copy, data, goldens, load};

const FOLDER: &str = "paligemma-tiny";

#[tokio::test]
async fn it_answers_as_transformers_does() {
    for golden in goldens(FOLDER) {
        golden.check_pixels(&data().join(FOLDER), &golden.name);
        let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
        golden.check_prompt(&model, &golden.name).await;
        let read = golden.input_ids.len();
        let usage = golden.check_reply(&model, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (read, 0), "{}", golden.name);
        // The same prompt again is in the cache but for its last token, which sees all the others anyway.
        let usage = golden.check_reply(&model, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, read - 1), "{}", golden.name);
    }
}

/// What is in the cache of another prompt was read without sight of this one's end.
#[tokio::test]
async fn a_prompt_is_read_from_its_beginning_after_any_other() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let goldens = goldens(FOLDER);
    let whole = goldens.iter().find(|golden| golden.name == "later_turn").unwrap();
    let other = goldens.iter().find(|golden| golden.name == "detect").unwrap();
    // The same image first, and the beginning of the same task.
    for golden in [other, whole, other, whole] {
        let usage = golden.check_reply(&model, 1e-5, &golden.name).await;
        assert_eq!(usage.cached_tokens, 0, "{}", golden.name);
    }
}

#[tokio::test]
async fn it_answers_on_webgpu_as_on_the_cpu_with_prompts_longer_than_a_piece() {
    let model = load(&data().join(FOLDER), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    let goldens = goldens(FOLDER);
    assert!(goldens.iter().any(|golden| golden.input_ids.len() > 31));
    for golden in goldens {
        // A device's sine and cosine need only be right to 2^-11.
        golden.check_reply(&model, 1e-2, &golden.name).await;
    }
    let moved = model.moved();
    assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0));
}

#[tokio::test]
async fn a_question_without_an_image_is_refused() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let conversation: Conversation = [Message::text(Role::User, "caption en")].into_iter().collect();
    let error = model.generate(&conversation, &Generate::default()).await.err().unwrap().to_string();
    assert!(error.contains("show it one"), "{error}");
}

#[tokio::test]
async fn the_places_that_a_reply_names_are_pixels_of_its_image() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let located =
        model.located("detect cat", "<loc0256><loc0512><loc0768><loc1023> cat", [640, 480]).unwrap();
    assert_eq!((located.found[0].corners, located.found[0].label.as_str()), ([320, 120, 639, 360], "cat"));
    assert_eq!(model.located("detect cat", "no", [640, 480]), None);
    // A place is one token, in the prompt of a later turn too.
    let golden = goldens(FOLDER).into_iter().find(|golden| golden.name == "later_turn").unwrap();
    let prompt = model.prompt(&golden.conversation()).await.unwrap();
    let text = prompt.rendered.matches("<loc").count();
    let folder = ModelFolder::open(&data().join(FOLDER), None).unwrap();
    let first = folder.tokenizer.token_to_id("<loc0000>").unwrap();
    assert_eq!(prompt.tokens.iter().filter(|id| (first..first + 1024).contains(*id)).count(), text);
}

#[test]
fn a_folder_that_counts_no_features_or_too_many_is_refused() {
    let huge = json!(1_000_000_000_000_000_000_u64);
    for (count, says) in
        [(huge, "more than the 65536 that are taken"), (json!(0), "how many tokens an image has")]
    {
        let (_kept, path) = copy(FOLDER);
        let file = path.join("preprocessor_config.json");
        change_json(&file, |settings| settings["image_seq_length"] = count.clone());
        let error = ModelFolder::open(&path, None).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains("preprocessor_config.json"), "{error}");
    }
}
