//! The tiny models against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use percept_models::{ChatModel, Generate, LoadOptions, LocalModel, Precision, Usage};
use percept_runtime::CacheForm;
use support::{Golden, data, goldens, greatest_difference, load, variant};

async fn check(folder: &str, golden: &Golden, cache: CacheForm) {
    let case = format!("{folder} {} {cache:?}", golden.name);
    let (_kept, path) = variant(folder, golden);
    golden.check_pixels(&path, &case);
    let model = load(&path, "cpu", cache).await;
    golden.check_prompt(&model, &case).await;
    let usage = check_reply(&model, golden, &golden.greedy, &golden.text, &case).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (golden.input_ids.len(), 0), "{case}");
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{case}");
    // The same again: everything but the last token of the prompt is still in the cache.
    let usage = check_reply(&model, golden, &golden.greedy, &golden.text, &case).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, golden.input_ids.len() - 1), "{case}");
}

async fn check_reply(model: &LocalModel, golden: &Golden, greedy: &[u32], text: &str, case: &str) -> Usage {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let generation = model.generate(&golden.conversation(), &options).await.unwrap();
    let completion = generation.complete().await.unwrap();
    let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
    assert_eq!(tokens, greedy, "{case}");
    assert_eq!(completion.text, text, "{case}");
    assert_eq!(completion.usage.output_tokens, 24, "{case}");
    completion.usage
}

#[tokio::test]
async fn smolvlm_answers_as_transformers_does() {
    for golden in goldens("smolvlm-tiny") {
        check("smolvlm-tiny", &golden, CacheForm::Auto).await;
        check("smolvlm-tiny", &golden, CacheForm::Growing).await;
    }
}

#[tokio::test]
async fn llava_answers_as_transformers_does() {
    for golden in goldens("llava-tiny") {
        check("llava-tiny", &golden, CacheForm::Auto).await;
    }
}

#[tokio::test]
async fn another_precision_is_found_by_its_suffix_and_said() {
    for golden in goldens("smolvlm-tiny").iter().take(3) {
        let (_kept, path) = variant("smolvlm-tiny", golden);
        let options = LoadOptions {
            device: "cpu".parse().unwrap(),
            precision: Some(Precision::named("q4").unwrap()),
            ..LoadOptions::default()
        };
        let model =
            LocalModel::load(&path, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
        let expected = golden.q4.as_ref().unwrap();
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &expected.first_logits) < 1e-4, "{}", golden.name);
        check_reply(&model, golden, &expected.greedy, &expected.text, &golden.name).await;
        let notes = model.card().notes.join("\n");
        for note in ["decoder_model_merged is in q4", "vision_encoder is in fp32: the folder has no q4 of it"]
        {
            assert!(notes.contains(note), "{notes}");
        }
    }
}

#[tokio::test]
async fn a_decoder_of_plain_operators_gives_the_same_tokens() {
    let golden = &goldens("llava-tiny")[0];
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("plain").unwrap()),
        ..LoadOptions::default()
    };
    let folder = data().join("llava-tiny");
    let model =
        LocalModel::load(&folder, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
    check_reply(&model, golden, &golden.greedy, &golden.text, "plain").await;
}
