//! Bad input that isn't a torn file: what a page says, numbers that are none, tokens that aren't there, a context that nobody
//! could hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::Path, sync::Arc};

use percept_models::{ChatModel, Conversation, Generate, LoadOptions, LocalModel, Message, ModelError, Role};
use percept_runtime::{CacheForm, Silent};
use serde_json::json;
use support::{change_json, copy, data, goldens, load};

/// A special token's name in a message is its letters: it becomes no image and ends no turn.
#[tokio::test]
async fn a_special_token_typed_in_as_text_stays_text() {
    let typed = ["llava-tiny", "smolvlm-tiny", "qwen2_vl-tiny", "qwen2_5_vl-tiny"];
    for folder in typed {
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let config = fs::read_to_string(data().join(folder).join("tokenizer.json")).unwrap();
        let tokenizer: serde_json::Value = serde_json::from_str(&config).unwrap();
        let special = tokenizer["added_tokens"].as_array().unwrap().iter();
        let special: Vec<(u32, String)> = special
            .map(|token| {
                (token["id"].as_u64().unwrap() as u32, token["content"].as_str().unwrap().to_owned())
            })
            .collect();
        assert!(special.len() > 2);
        let tokens = async |text: &str| {
            let conversation = Conversation::from_iter([Message::text(Role::User, text)]);
            model.prompt(&conversation).await.unwrap().tokens
        };
        let plain = tokens("a  b").await;
        for (id, name) in &special {
            let found = tokens(&format!("a {name} b")).await;
            let count = |tokens: &[u32]| tokens.iter().filter(|token| *token == id).count();
            assert_eq!(count(&found), count(&plain), "{folder}: {name} in a message is a token");
        }
        // Beside a real image its features are still the image's, and the reply goes on as ever.
        let shown = goldens(folder).into_iter().filter(|golden| golden.conversation().images().count() > 0);
        let golden = shown.min_by_key(|golden| golden.input_ids.len()).unwrap();
        let mut conversation = golden.conversation();
        conversation.push(Message::text(Role::Assistant, "So."));
        let names: String = special.iter().map(|(_, name)| name.as_str()).collect();
        conversation.push(Message::text(Role::User, names));
        let options = Generate { max_tokens: 2, ..Generate::default() };
        model.generate(&conversation, &options).await.unwrap().complete().await.unwrap();
    }
}

#[tokio::test]
async fn scores_that_are_no_numbers_name_their_graph() {
    let (_kept, path) = copy("llava-tiny");
    let weights = path.join("onnx/decoder_model_merged.onnx_data");
    let bytes = fs::metadata(&weights).unwrap().len();
    fs::write(&weights, vec![0xff; bytes as usize]).unwrap();
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let conversation = goldens("llava-tiny")[0].conversation();
    let of_reply = match model.generate(&conversation, &Generate::default()).await {
        Ok(generation) => generation.complete().await.unwrap_err(),
        Err(error) => error,
    };
    for error in [model.first_logits(&conversation).await.unwrap_err(), of_reply] {
        let ModelError::Folder { path: found, problem, .. } = &error else { panic!("{error}") };
        assert!(found.ends_with("onnx/decoder_model_merged.onnx"), "{error}");
        assert!(problem.contains("of 325 that are no numbers"), "{error}");
    }
}

/// Features that are no numbers are the vision session's fault, also the second time, and the decoder isn't blamed for
/// them.
#[tokio::test]
async fn features_that_are_no_numbers_name_the_graph_that_gave_them() {
    let (_kept, path) = copy("llava-tiny");
    let graph = path.join("onnx/vision_encoder.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    // The last of its weights end the file.
    let end = bytes.len() - 1024;
    bytes[end - 256..end].fill(0xff);
    fs::write(&graph, bytes).unwrap();
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let golden = goldens("llava-tiny").into_iter().find(|golden| golden.name == "landscape").unwrap();
    let conversation = golden.conversation();
    assert!(conversation.images().next().is_some());
    for _ in 0..2 {
        let error = model.first_logits(&conversation).await.unwrap_err();
        let ModelError::Folder { path: found, problem, .. } = &error else { panic!("{error}") };
        assert!(found.ends_with("onnx/vision_encoder.onnx"), "{error}");
        assert!(problem.contains("of an image's features are no numbers"), "{error}");
    }
    let text = Conversation::from_iter([Message::text(Role::User, "a b")]);
    assert!(model.first_logits(&text).await.is_ok(), "without an image nothing is wrong");
}

/// A prompt without the image that was shown would be answered as if it had been seen.
#[tokio::test]
async fn an_image_of_which_no_token_is_left_in_the_prompt_is_refused() {
    let golden = goldens("llava-tiny").into_iter().find(|golden| golden.name == "landscape").unwrap();
    let (_kept, path) = copy("llava-tiny");
    // No patch of this size fits into the image.
    change_json(&path.join("processor_config.json"), |config| {
        config["patch_size"] = json!(4096);
        config["num_additional_image_tokens"] = json!(0);
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let conversation = golden.conversation();
    let error = model.first_logits(&conversation).await.unwrap_err();
    assert!(matches!(error, ModelError::Image(_)), "{error:?}");
    let said = error.to_string();
    for part in ["its processor leaves nothing of", "without the image", "compare `preprocessor_config.json`"]
    {
        assert!(said.contains(part), "{said}");
    }
    let text = Conversation::from_iter([Message::text(Role::User, "a b")]);
    assert!(model.first_logits(&text).await.is_ok(), "without an image nothing is wrong");
}

async fn refused(damage: impl FnOnce(&Path), file: &str, says: &str) {
    let (_kept, path) = copy("llava-tiny");
    damage(&path);
    let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
    let error = LocalModel::load(&path, options, Arc::new(Silent)).await.unwrap_err();
    let ModelError::Folder { path: found, .. } = &error else { panic!("{error}") };
    assert!(
        found.ends_with(file) && error.to_string().contains(says),
        "{error} should be about {file}: {says}"
    );
}

/// Calls a token of a tokenizer otherwise, wherever it is named.
fn without(token: &'static str) -> impl FnOnce(&Path) {
    move |path| {
        let file = path.join("tokenizer.json");
        let tokenizer = fs::read_to_string(&file).unwrap();
        assert!(tokenizer.contains(token));
        fs::write(file, tokenizer.replace(token, "<another>")).unwrap();
    }
}

#[tokio::test]
async fn a_tokenizer_without_the_special_tokens_is_refused() {
    let file = "tokenizer.json";
    refused(without("<image>"), file, "image token `<image>` has no id").await;
    refused(without("</s>"), file, "it has no `</s>`, which `tokenizer_config.json` names as `eos_token`")
        .await;
}

#[tokio::test]
async fn an_absurd_context_is_refused_or_costs_nothing_until_it_is_used() {
    let context = |tokens: u64| {
        move |path: &Path| {
            change_json(&path.join("config.json"), |config| {
                config["text_config"]["max_position_embeddings"] = json!(tokens);
            });
        }
    };
    refused(context(1_000_000_000_000), "config.json", "1000000000000 tokens").await;
    refused(context(0), "config.json", "0 tokens").await;
    for folder in ["llava-tiny", "smolvlm-tiny"] {
        let (_kept, path) = copy(folder);
        context(2_000_000_000)(&path);
        let model = load(&path, "cpu", CacheForm::Auto).await;
        assert_eq!(model.card().context, 2_000_000_000);
        let memory = model.inspect().memory;
        assert!(memory.total_bytes > memory.cache_bytes_per_token * 1_999_999_999, "{memory:?}");
        let golden = &goldens(folder)[0];
        let options = Generate { max_tokens: 2, ..Generate::default() };
        model.generate(&golden.conversation(), &options).await.unwrap().complete().await.unwrap();
    }
}
