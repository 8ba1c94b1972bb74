//! `InternVL` against goldens of transformers: tiles, prompts, tokens, first logits, 24 greedy tokens, on `cpu` and `webgpu`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use percept_models::{ChatModel, ImageProcessor, ModelFolder};
use percept_runtime::CacheForm;
use support::{copy, data, goldens, set_json};

#[tokio::test]
async fn internvl_answers_as_transformers_does() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        whole::check_all("internvl-tiny", cache).await;
    }
    whole::check_precision("internvl-tiny", "plain").await;
    whole::check_tokenizer("internvl-tiny");
}

#[tokio::test]
async fn a_later_image_is_read_from_a_cached_prefix() {
    whole::check_cached_prefix("internvl-tiny", "later_turn").await;
}

/// More tiles than the encoder is given at once, and as many as it is: the features are those of all together.
#[test]
fn goldens_have_more_tiles_than_are_encoded_at_once() {
    let tiles: Vec<usize> = goldens("internvl-tiny").iter().filter_map(support::Golden::pictures).collect();
    assert!(tiles.iter().any(|tiles| *tiles > 4) && tiles.contains(&1), "{tiles:?}");
}

#[test]
fn tiles_are_cut_although_the_file_says_they_arent() {
    let open = |path: &std::path::Path| match ModelFolder::open(path, None).unwrap().processor {
        Some(ImageProcessor::Aspect(aspect)) => aspect.cuts,
        other => panic!("{other:?}"),
    };
    assert!(open(&data().join("internvl-tiny")));
    let (_kept, path) = copy("internvl-tiny");
    set_json(&path.join("preprocessor_config.json"), "crop_to_patches", false.into());
    assert!(open(&path), "the prompt's processor asks for tiles whatever this file says");
}

#[tokio::test]
async fn a_wrong_number_of_features_is_refused() {
    let (_kept, path) = copy("internvl-tiny");
    set_json(&path.join("processor_config.json"), "image_seq_length", 5.into());
    let model = support::load(&path, "cpu", CacheForm::Auto).await;
    let golden = &goldens("internvl-tiny")[2];
    let error = model.first_logits(&golden.conversation()).await.unwrap_err().to_string();
    assert!(error.contains("aren't one row of 48 for each image token"), "{error}");
}

#[tokio::test]
async fn internvl_answers_on_webgpu_as_on_the_cpu_and_its_cache_never_leaves() {
    let model = whole::check_webgpu("internvl-tiny", 1e-4).await;
    assert_eq!(model.card().family, "internvl");
}
