//! Idefics, the open Flamingo, against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, sync::Arc};

use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, Message, ModelFolder, Role, Usage,
};
use percept_runtime::{CacheForm, Silent};
use support::{change_json, copy, data, goldens, greatest_difference, largest, load};

const FOLDER: &str = "idefics-tiny";

/// A reply of 24 tokens, its text, and what it cost.
async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.text, completion.usage)
}

#[tokio::test]
async fn idefics_answers_as_transformers_does() {
    let path = data().join(FOLDER);
    let mut furthest = 0.0_f32;
    for golden in goldens(FOLDER) {
        golden.check_pixels(&path, &golden.name);
        let model = load(&path, "cpu", CacheForm::Auto).await;
        golden.check_prompt(&model, &golden.name).await;
        let (tokens, text, usage) = reply(&model, &golden.conversation()).await;
        assert_eq!((&tokens, &text), (&golden.greedy, &golden.text), "{}", golden.name);
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (golden.input_ids.len(), 0), "{}", golden.name);
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        let difference = greatest_difference(&logits, &golden.first_logits);
        assert!(difference < 1e-4, "{}: {difference}", golden.name);
        furthest = furthest.max(difference / largest(&golden.first_logits));
        let again = reply(&model, &golden.conversation()).await;
        assert_eq!((again.0, again.2.fresh_tokens), (golden.greedy.clone(), 1), "{}", golden.name);
    }
    println!("greatest difference: {furthest:e} of the largest logit");
}

/// An image that comes in a later turn changes what there is to look at, not what earlier tokens looked at: what is
/// cached of these stays right. Each conversation is asked after the one before, as if it had been the first.
#[tokio::test]
async fn a_later_image_leaves_what_is_cached_before_it_valid() {
    let path = data().join(FOLDER);
    let goldens = goldens(FOLDER);
    let named = |name: &str| goldens.iter().find(|golden| golden.name == name).unwrap();
    let (later, examples) = (named("later_turn"), named("examples"));
    let turns = |golden: &support::Golden, count: usize| -> Conversation {
        golden.conversation().messages()[..count].iter().cloned().collect()
    };
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let mut cached = Vec::new();
    let steps = [
        // One image, then a reply, then the second image: from the cache. Back to the first, and to text alone.
        (turns(later, 1), None),
        (turns(later, 3), Some(later)),
        (turns(later, 1), None),
        (named("text_only").conversation(), Some(named("text_only"))),
        // Other images: one, two, three; and back to two.
        (turns(examples, 1), None),
        (turns(examples, 3), None),
        (turns(examples, 5), Some(examples)),
        (turns(examples, 3), None),
    ];
    for (conversation, golden) in steps {
        let (tokens, _, usage) = reply(&model, &conversation).await;
        let alone = load(&path, "cpu", CacheForm::Auto).await;
        assert_eq!(tokens, reply(&alone, &conversation).await.0, "after {cached:?}");
        if let Some(golden) = golden {
            assert_eq!(tokens, golden.greedy, "after {cached:?}");
            let logits = model.first_logits(&conversation).await.unwrap();
            assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "after {cached:?}");
        }
        cached.push(usage.cached_tokens);
    }
    let image = later.input_ids.iter().position(|token| *token == image_token()).unwrap();
    assert!(cached[1] > image, "the first image is in the cache when the second comes: {cached:?}");
    let two = model.prompt(&turns(examples, 3)).await.unwrap().tokens;
    let shown = |tokens: &[u32]| tokens.iter().filter(|token| **token == image_token()).count();
    assert_eq!(shown(&two[..cached[6]]), 2, "two images are in the cache when the third comes: {cached:?}");
}

fn image_token() -> u32 {
    let tokenizer = ModelFolder::open(&data().join(FOLDER), None).unwrap().tokenizer;
    tokenizer.token_to_id("<image>").unwrap()
}

/// The order of images matters, and so does which of them a question comes after.
#[tokio::test]
async fn a_question_is_about_the_last_image_before_it() {
    let golden = goldens(FOLDER).into_iter().find(|golden| golden.name == "side_by_side").unwrap();
    let conversation = golden.conversation();
    let [one, two] =
        conversation.images().map(|image| image.pixels().clone()).collect::<Vec<_>>().try_into().unwrap();
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let message = || Message { role: Role::User, content: Vec::new() };
    let mut logits = Vec::new();
    for message in [
        message().with_image(one.clone()).with_image(two.clone()).with_text("Which?"),
        message().with_image(two.clone()).with_image(one.clone()).with_text("Which?"),
    ] {
        logits.push(model.first_logits(&[message].into_iter().collect()).await.unwrap());
    }
    assert!(greatest_difference(&logits[0], &logits[1]) > 0.1);
}

/// Without the token that ends turns, a new line does, and the next turn's beginning ends a reply.
#[tokio::test]
async fn a_model_that_was_not_instructed_is_asked_in_lines() {
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("tokenizer.json"), |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.retain(|token| token["content"] != "<end_of_utterance>");
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let asked = [
        Message::text(Role::User, "a?"),
        Message::text(Role::Assistant, "b"),
        Message::text(Role::User, "c?"),
    ];
    let prompt = model.prompt(&asked.into_iter().collect()).await.unwrap();
    assert_eq!(prompt.rendered, "<s>User: a?\nAssistant: b\nUser: c?\nAssistant:");
}

#[test]
fn a_folder_without_an_image_token_is_refused() {
    let (_kept, path) = copy(FOLDER);
    let text = fs::read_to_string(path.join("tokenizer.json")).unwrap();
    fs::write(path.join("tokenizer.json"), text.replace("\"<image>\"", "\"<picture>\"")).unwrap();
    let error = ModelFolder::open(&path, None).err().unwrap().to_string();
    assert!(error.contains("image_token_id"), "{error}");
}

/// A decoder that finds features in its prompt can't be told what there is to see.
#[tokio::test]
async fn a_decoder_that_does_not_look_is_refused() {
    let (_kept, path) = copy("llava-tiny");
    change_json(&path.join("config.json"), |config| config["model_type"] = "idefics".into());
    let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
    let error = LocalModel::load(&path, options, Arc::new(Silent)).await.unwrap_err().to_string();
    assert!(error.contains("decoder takes `image_hidden_states`, this one doesn't"), "{error}");
}

#[tokio::test]
async fn on_webgpu_the_tokens_are_those_of_the_cpu() {
    let model = load(&data().join(FOLDER), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    for golden in goldens(FOLDER) {
        // A device's sine and cosine, which its rotation is made of, need only be right to 2^-11.
        golden.check_reply(&model, 1e-2, &golden.name).await;
    }
}
