//! Tiny Qwen3-VL models against goldens of transformers, and what is refused where tower and decoder don't belong together.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::Path, sync::Arc};

use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, ModelFolder, Precision, Usage,
};
use percept_runtime::{CacheForm, Silent};
use support::{change_json, copy, data, goldens, greatest_difference, largest, load, off, variant};

const FOLDERS: [&str; 2] = ["qwen3_vl-tiny", "qwen3_vl_moe-tiny"];

/// A reply of 24 tokens, its text, and what it cost.
async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.text, completion.usage)
}

#[tokio::test]
async fn answers_are_those_of_transformers() {
    for folder in FOLDERS {
        let mut furthest = 0.0f32;
        for golden in goldens(folder) {
            let case = format!("{folder} {}", golden.name);
            let (_kept, path) = variant(folder, &golden);
            golden.check_pixels(&path, &case);
            let model = load(&path, "cpu", CacheForm::Auto).await;
            golden.check_prompt(&model, &case).await;
            let (tokens, text, usage) = reply(&model, &golden.conversation()).await;
            assert_eq!((&tokens, text.as_str()), (&golden.greedy, golden.text.as_str()), "{case}");
            assert_eq!((usage.fresh_tokens, usage.cached_tokens), (golden.input_ids.len(), 0), "{case}");
            let logits = model.first_logits(&golden.conversation()).await.unwrap();
            let difference = greatest_difference(&logits, &golden.first_logits);
            assert!(difference < 1e-4, "{case}: {difference}");
            furthest = furthest.max(difference / largest(&golden.first_logits));
            // The same again: everything but the last token of the prompt is still in the cache.
            let (tokens, _, usage) = reply(&model, &golden.conversation()).await;
            assert_eq!(tokens, golden.greedy, "{case}");
            assert_eq!(usage.fresh_tokens, 1, "{case}");
        }
        assert!(furthest < 1e-5, "{folder}: first logits {furthest} of the largest off");
    }
}

/// What goes beside the embeddings comes along wherever reading begins, and with images that are remembered.
#[tokio::test]
async fn later_images_and_remembered_ones_are_seen_as_if_each_turn_were_the_first() {
    for folder in FOLDERS {
        let goldens = goldens(folder);
        let named = |name: &str| goldens.iter().find(|golden| golden.name == name).unwrap();
        let (whole, text) = (named("later_turn"), named("text_only"));
        let turns = whole.conversation();
        let first: Conversation = turns.messages()[..1].iter().cloned().collect();
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let mut cached = Vec::new();
        for conversation in [&first, &turns, &text.conversation(), &turns, &first, &turns] {
            let (tokens, _, usage) = reply(&model, conversation).await;
            let alone = load(&data().join(folder), "cpu", CacheForm::Auto).await;
            assert_eq!(tokens, reply(&alone, conversation).await.0, "{folder} after {cached:?}");
            if conversation.messages().len() == 3 {
                assert_eq!(tokens, whole.greedy, "{folder} after {cached:?}");
            }
            cached.push(usage.cached_tokens);
        }
        let image = 10 * 4 / 4;
        // The second image from behind the first in the cache; then both remembered and read anew.
        assert!(cached[1] > image && cached[3] < image && cached[5] > image, "{folder}: {cached:?}");
    }
}

#[tokio::test]
async fn a_tower_that_is_told_where_patches_lie_sees_what_one_that_finds_it_sees() {
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("indexed").unwrap()),
        ..LoadOptions::default()
    };
    let model = LocalModel::load(&data().join("qwen3_vl-tiny"), options, Arc::new(Silent)).await.unwrap();
    let notes = model.card().notes.join("\n");
    assert!(notes.contains("vision_encoder is in indexed"), "{notes}");
    for golden in goldens("qwen3_vl-tiny") {
        assert_eq!(reply(&model, &golden.conversation()).await.0, golden.greedy, "{}", golden.name);
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{}", golden.name);
    }
}

/// The weights of that model lie on the grid of four bits, so that torch's own reply is the 4-bit decoder's too.
#[tokio::test]
async fn experts_in_four_bits_answer_as_transformers_does_with_the_weights_that_they_mean() {
    let folder = data().join("qwen3_vl_moe-tiny");
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("q4").unwrap()),
        ..LoadOptions::default()
    };
    let model = LocalModel::load(&folder, options, Arc::new(Silent)).await.unwrap();
    let sessions = model.inspect().sessions;
    let operators: Vec<&str> = sessions
        .iter()
        .flat_map(|session| &session.placement)
        .map(|placed| placed.operator.as_str())
        .filter(|operator| operator.contains("MoE"))
        .collect();
    assert!(!operators.is_empty() && operators.iter().all(|operator| *operator == "QMoE"), "{operators:?}");
    let mut furthest = 0.0f32;
    for golden in goldens("qwen3_vl_moe-tiny").iter().filter(|golden| golden.has_usual_processor()) {
        let (tokens, _, _) = reply(&model, &golden.conversation()).await;
        assert_eq!(tokens, golden.greedy, "{}", golden.name);
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        furthest = furthest.max(off(&logits, &golden.first_logits));
    }
    println!("QMoE: first logits within {furthest:.1e} of the largest");
    assert!(furthest < 1e-5, "{furthest}");
}

/// A form that only a newer library knows, here an attribute that none has.
#[tokio::test]
async fn experts_in_a_form_that_the_library_lacks_are_named_with_its_version_and_a_way_on() {
    let (_kept, folder) = copy("qwen3_vl_moe-tiny");
    replace(&folder.join("onnx/decoder_model_merged_q4.onnx"), b"expert_weight_bits", b"expert_weight_bats");
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("q4").unwrap()),
        ..LoadOptions::default()
    };
    let error = LocalModel::load(&folder, options, Arc::new(Silent)).await.unwrap_err().to_string();
    for part in [
        "decoder_model_merged_q4.onnx: it needs the operator QMoE",
        "with `expert_weight_bats`",
        "onnxruntime 1.",
        "Take a newer ONNX Runtime",
    ] {
        assert!(error.contains(part), "{error:?} doesn't say {part:?}");
    }
}

#[tokio::test]
async fn a_folder_whose_tower_and_decoder_dont_belong_together_is_refused() {
    type Break = fn(&Path);
    let cases: [(Break, [&str; 2]); 4] = [
        (
            |folder| {
                change_json(&folder.join("config.json"), |config| {
                    config["vision_config"]["deepstack_visual_indexes"] = serde_json::json!([0, 1, 2]);
                });
            },
            [
                "decoder_model_merged.onnx",
                "takes 2 inputs beside the embeddings with a row a token, this `qwen3_vl` model has 3",
            ],
        ),
        (
            |folder| replace(&folder.join("onnx/vision_encoder.onnx"), b"deepstack.1", b"deepstick.1"),
            ["vision_encoder.onnx", "it has no output `deepstack.1`, which the decoder takes"],
        ),
        (
            |folder| replace(&folder.join("onnx/decoder_model_merged.onnx"), b"deepstack.1", b"deepstick.1"),
            ["decoder_model_merged.onnx", "deepstick.1"],
        ),
        (
            |folder| {
                change_json(&folder.join("config.json"), |config| {
                    config["vision_config"]["num_position_embeddings"] = 35.into();
                });
            },
            ["config.json", "`num_position_embeddings` is 35, which is no square's"],
        ),
    ];
    for (change, said) in cases {
        let (_kept, folder) = copy("qwen3_vl-tiny");
        change(&folder);
        let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
        let error = LocalModel::load(&folder, options, Arc::new(Silent)).await.unwrap_err().to_string();
        for part in said {
            assert!(error.contains(part), "{error:?} doesn't say {part:?}");
        }
    }
}

/// Replaces a name in a graph's file by one that is as long.
fn replace(path: &Path, name: &[u8], by: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> =
        bytes.windows(name.len()).enumerate().filter(|(_, found)| *found == name).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + name.len()].copy_from_slice(by);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn points_are_thousandths_and_texts_become_the_tokens_that_transformers_makes_of_them() {
    for (folder, name) in FOLDERS.into_iter().zip(["qwen3_vl", "qwen3_vl_moe"]) {
        let opened = ModelFolder::open(&data().join(folder), None).unwrap();
        assert_eq!((opened.family.name(), opened.family.side_inputs()), (name, 2));
        assert!(!opened.family.points_at_pixels());
        let text = fs::read_to_string(data().join(folder).join("tokenizer_golden.json")).unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(rows.len() > 10);
        for row in rows {
            let text = row["text"].as_str().unwrap();
            let ids = opened.tokenizer.encode_fast(text, true).unwrap().get_ids().to_vec();
            assert_eq!(serde_json::json!(ids), row["ids"], "{text:?}");
        }
    }
}
