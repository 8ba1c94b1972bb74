//! Emu3 against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use percept_models::{ChatModel, Draw, Generate, ImageModel, ImageProcessor, Message, ModelFolder, Role};
use percept_runtime::CacheForm;
use serde_json::json;
use support::{change_json, copy, data, goldens, load};

const FOLDER: &str = "emu3-tiny";

#[tokio::test]
async fn emu3_answers_as_transformers_does() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        whole::check_all(FOLDER, cache).await;
    }
    whole::check_tokenizer(FOLDER);
}

#[tokio::test]
async fn a_later_image_is_read_from_a_cached_prefix() {
    whole::check_cached_prefix(FOLDER, "later_turn").await;
}

#[tokio::test]
async fn what_begins_and_ends_rows_and_images_is_only_words_in_a_message() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let path = data().join(FOLDER).join("config.json");
    let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let marks = ["<|visual token 000003|>", "<|extra_200|>", "<|image start|>", "<|image end|>", "<image>"];
    for text in marks {
        let message = Message::text(Role::User, format!("What is {text}?"));
        let tokens = model.prompt(&[message].into_iter().collect()).await.unwrap().tokens;
        let id = config["vocabulary_map"][text].as_u64().unwrap() as u32;
        assert!(!tokens.contains(&id), "{text}: {tokens:?}");
    }
}

#[tokio::test]
async fn it_says_that_it_doesnt_draw_here() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    assert_eq!(model.card().family, "emu3");
    let error = model.draw("A house.", &Draw::default()).await.unwrap_err().to_string();
    assert!(error.contains("a `emu3` model can't draw"), "{error}");
}

#[tokio::test]
async fn a_folder_whose_files_dont_belong_together_is_refused() {
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("config.json"), |config| {
        config["vocabulary_map"].as_object_mut().unwrap().remove("<|extra_200|>");
    });
    let error = ModelFolder::open(&path, None).err().unwrap().to_string();
    assert!(error.contains("has no `<|extra_200|>`"), "{error}");
    let (_kept, path) = copy(FOLDER);
    // One level more halves the sides once more: fewer tokens are expected than the tower gives.
    change_json(&path.join("config.json"), |config| {
        config["vq_config"]["channel_multiplier"] = json!([1, 1, 1]);
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let error = model.first_logits(&goldens(FOLDER)[0].conversation()).await.unwrap_err().to_string();
    assert!(error.contains("tokens for an image, which aren't one for each"), "{error}");
}

#[test]
fn its_processor_has_no_way_of_torchvisions() {
    for (settings, says) in [
        (json!({ "image_processor_type": "Emu3ImageProcessorFast" }), "only Pillow's"),
        (json!({ "image_processor_type": "Emu3ImageProcessor", "spatial_factor": 0 }), "must be at least 1"),
    ] {
        let error = ImageProcessor::from_json(&settings.to_string()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn on_webgpu_the_tokens_are_those_of_the_cpu() {
    let golden = &goldens(FOLDER)[0];
    let model = load(&data().join(FOLDER), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let replied = model.generate(&golden.conversation(), &options).await.unwrap().complete().await.unwrap();
    assert_eq!(replied.tokens.iter().map(|token| token.id).collect::<Vec<_>>(), golden.greedy);
}
