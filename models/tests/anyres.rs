//! LLaVA-NeXT and LLaVA-OneVision against goldens of transformers: tiles, prompts, tokens, first logits, 24 greedy tokens,
//! on `cpu` and `webgpu`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use std::{path::Path, sync::Arc};

use percept_models::{ChatModel, LoadOptions, LocalModel, ModelError, ModelFolder};
use percept_runtime::{CacheForm, Silent};
use support::{copy, goldens, set_json};

#[tokio::test]
async fn llava_next_answers_as_transformers_does() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        whole::check_all("llava_next-tiny", cache).await;
    }
    whole::check_cached_prefix("llava_next-tiny", "later_turn").await;
    whole::check_tokenizer("llava_next-tiny");
}

#[tokio::test]
async fn llava_onevision_answers_as_transformers_does() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        whole::check_all("llava_onevision-tiny", cache).await;
    }
    whole::check_cached_prefix("llava_onevision-tiny", "later_turn").await;
    whole::check_tokenizer("llava_onevision-tiny");
}

/// The first image's tiles, still in the cache, aren't taken for the one picture that it is now.
#[tokio::test]
async fn a_second_image_changes_how_onevision_sees_the_first() {
    let (cached, shown) = whole::cached_of_first("llava_onevision-tiny", "one_then_two").await;
    let wholes = ModelFolder::open(&support::data().join("llava_onevision-tiny"), None).unwrap();
    let of = |images| format!("{:?}", wholes.processor_of(images).unwrap()).starts_with("Single");
    assert!(cached < shown && !of(1) && of(2), "{cached} tokens are cached");
}

/// What is encoded at once is four tiles: an image of more, and with it lines across tiles that weren't.
#[test]
fn goldens_have_more_tiles_than_are_encoded_at_once() {
    for folder in ["llava_next-tiny", "llava_onevision-tiny"] {
        let tiles: Vec<usize> = goldens(folder).iter().filter_map(support::Golden::pictures).collect();
        assert!(tiles.iter().any(|tiles| *tiles > 4) && tiles.iter().any(|tiles| *tiles < 4), "{tiles:?}");
    }
}

#[tokio::test]
async fn both_answer_on_webgpu_as_on_the_cpu_and_their_caches_never_leave() {
    for folder in ["llava_next-tiny", "llava_onevision-tiny"] {
        let model = whole::check_webgpu(folder, 1e-4).await;
        assert_eq!(format!("{}-tiny", model.card().family), folder);
    }
}

async fn load(path: &Path) -> Result<LocalModel, ModelError> {
    let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
    LocalModel::load(path, options, Arc::new(Silent)).await
}

/// A copy of a folder with the encoder of LLaVA 1.5, which gives no end of lines.
#[tokio::test]
async fn an_encoder_without_the_end_of_lines_is_refused_when_it_is_loaded() {
    let (_kept, path) = copy("llava_next-tiny");
    let encoder = "onnx/vision_encoder.onnx";
    std::fs::copy(support::data().join("llava-tiny").join(encoder), path.join(encoder)).unwrap();
    let error = load(&path).await.unwrap_err();
    let ModelError::Folder { path: file, .. } = &error else { panic!("{error}") };
    assert!(file.ends_with(encoder), "{error}");
    assert!(error.to_string().contains("has no output `image_newline`"), "{error}");
}

#[tokio::test]
async fn a_count_that_the_encoder_doesnt_give_is_refused() {
    let cases = [
        // Fewer and larger patches, so fewer features a tile than there are.
        ("llava_next-tiny", "patch_size", 6.into(), "aren't 4 features of 48 numbers each"),
        ("llava_onevision-tiny", "num_image_tokens", 16.into(), "aren't 16 features of 48 numbers each"),
        // As many in each tile, but one more in the whole.
        ("llava_next-tiny", "num_additional_image_tokens", 2.into(), "one row of 48 for each image token"),
        (
            "llava_onevision-tiny",
            "vision_feature_select_strategy",
            "default".into(),
            "one row of 48 for each",
        ),
    ];
    for (folder, key, value, says) in cases {
        let (_kept, path) = copy(folder);
        set_json(&path.join("processor_config.json"), key, value);
        let model = load(&path).await.unwrap();
        let error = model.first_logits(&goldens(folder)[1].conversation()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{folder} {key}: {error}");
    }
}

#[test]
fn a_folder_that_doesnt_count_is_refused() {
    let refused = |folder: &str, file: &str, key: &str, value: serde_json::Value, says: &str| {
        let (_kept, path) = copy(folder);
        set_json(&path.join(file), key, value);
        let error = ModelFolder::open(&path, None).err().unwrap().to_string();
        assert!(error.contains(says), "{folder} {key}: {error}");
    };
    let (config, processor) = ("config.json", "processor_config.json");
    refused("llava_next-tiny", processor, "patch_size", 0.into(), "how many features a tile has");
    let absurd = "more than the 65536 that are taken";
    refused("llava_next-tiny", processor, "num_additional_image_tokens", u32::MAX.into(), absurd);
    refused("llava_onevision-tiny", processor, "num_image_tokens", u32::MAX.into(), absurd);
    refused("internvl-tiny", processor, "image_seq_length", u32::MAX.into(), absurd);
    for ratio in ["anyres", "anyres_max_0", "pad"] {
        let says = format!("its `vision_aspect_ratio` is `{ratio}`");
        refused("llava_onevision-tiny", processor, "vision_aspect_ratio", ratio.into(), &says);
    }
    let (_kept, path) = copy("llava_onevision-tiny");
    set_json(&path.join(processor), "vision_aspect_ratio", serde_json::Value::Null);
    assert!(ModelFolder::open(&path, None).is_ok(), "`{config}` says it too");
}
