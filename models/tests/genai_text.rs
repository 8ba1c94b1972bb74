//! Language models that see nothing in onnxruntime-genai's layout, as its builder writes it: fp32 against goldens of
//! transformers, 4 bits against what onnxruntime-genai itself replies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_models::{
    ChatModel, Conversation, Generate, LayoutKind, LoadOptions, LocalModel, ModelFolder, Survey, Usage,
};
use percept_runtime::{CacheForm, Silent};
use serde::Deserialize;
use support::{Golden, change_json, copy, data, goldens, greatest_difference, load, set_json};
use tempfile::TempDir;

const FAMILIES: [&str; 3] = ["llama", "phi3", "qwen3"];
const PACKED: [&str; 1] = ["llama"];

/// What onnxruntime-genai replies with 4-bit weights.
#[derive(Deserialize)]
struct PackedReply {
    name: String,
    first_logits: Vec<f32>,
    greedy: Vec<u32>,
}

/// A family's folder with one of its graphs: no `config.json`, no `generation_config.json`, no `onnx/`.
fn genai(family: &str, graph: &str) -> (TempDir, PathBuf) {
    let (kept, path) = copy(&format!("{family}-tiny"));
    fs::remove_dir_all(path.join("onnx")).unwrap();
    for file in ["config.json", "generation_config.json"] {
        fs::remove_file(path.join(file)).unwrap();
    }
    let source = data().join("genai_text").join(family);
    fs::copy(source.join(graph), path.join("model.onnx")).unwrap();
    fs::copy(source.join("genai_config.json"), path.join("genai_config.json")).unwrap();
    (kept, path)
}

async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.usage)
}

/// How far first logits are off, relative to the greatest of those expected.
async fn off(model: &LocalModel, golden: &Golden, expected: &[f32]) -> f32 {
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    let largest = expected.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
    greatest_difference(&logits, expected) / largest
}

#[tokio::test]
async fn each_answers_as_transformers_does_with_no_file_added() {
    for family in FAMILIES {
        let (_kept, path) = genai(family, "model.onnx");
        let folder = ModelFolder::open(&path, None).unwrap();
        assert_eq!((folder.layout, folder.family.name()), (LayoutKind::Genai, family));
        let whole = ModelFolder::open(&data().join(format!("{family}-tiny")), None).unwrap();
        let ends = &folder.config.end_tokens;
        assert!(whole.config.end_tokens.iter().all(|end| ends.contains(end)), "{family}: {ends:?}");
        assert_eq!(folder.config.text.sliding_window, whole.config.text.sliding_window, "{family}");
        for cache in [CacheForm::Auto, CacheForm::Growing] {
            let model = load(&path, "cpu", cache).await;
            let mut furthest = 0.0_f32;
            for golden in goldens(&format!("{family}-tiny")) {
                let case = format!("{family} {} {cache:?}", golden.name);
                golden.check_prompt(&model, &case).await;
                let read = golden.input_ids.len();
                for cached in [0, read - 1] {
                    let (tokens, usage) = reply(&model, &golden.conversation()).await;
                    assert_eq!(tokens, golden.greedy, "{case}");
                    assert!(usage.cached_tokens >= cached, "{case}: {usage:?}");
                }
                furthest = furthest.max(off(&model, &golden, &golden.first_logits).await);
            }
            assert!(furthest < 1e-4, "{family}: {furthest}");
            eprintln!("{family} {cache:?}: within {furthest:e}");
        }
    }
}

/// Activations are rounded to 8 bits on the way (`accuracy_level` 4), by kernels that differ between processors.
#[tokio::test]
async fn four_bits_answer_as_onnxruntime_genai_does() {
    for family in PACKED {
        let (_kept, path) = genai(family, "model_int4.onnx");
        let text = fs::read_to_string(data().join("genai_text").join(family).join("int4.json")).unwrap();
        let packed: Vec<PackedReply> = serde_json::from_str(&text).unwrap();
        let model = load(&path, "cpu", CacheForm::Auto).await;
        let goldens = goldens(&format!("{family}-tiny"));
        assert_eq!(packed.len(), goldens.len());
        for (golden, expected) in goldens.iter().zip(&packed) {
            assert_eq!(golden.name, expected.name);
            let case = format!("{family} {}", golden.name);
            let off = off(&model, golden, &expected.first_logits).await;
            assert!(off < 1e-2, "{case}: {off}");
            assert_eq!(reply(&model, &golden.conversation()).await.0, expected.greedy, "{case}");
            eprintln!("{case}: {off:e}");
        }
        let survey = Survey::of_folder(&path, None).unwrap();
        assert_eq!(survey.missing, Vec::new(), "{family}");
        let bits: Vec<_> = survey.sessions[0].weights.packed_bits.iter().copied().collect();
        assert_eq!(bits, [4], "{family}");
    }
}

#[test]
fn a_long_phi_ends_where_its_positions_turn() {
    let context = |path: &Path, length: usize| {
        change_json(&path.join("genai_config.json"), |config| {
            config["model"]["context_length"] = length.into();
        });
        ModelFolder::open(path, None).unwrap().config.text.context
    };
    let (_kept, path) = genai("phi3", "model.onnx");
    for (written, taken) in [(4096, 4096), (16_384, 16_384), (131_072, 4096)] {
        assert_eq!(context(&path, written), taken, "{written}");
    }
    // The model's own configuration says it itself.
    fs::copy(data().join("phi3-tiny/config.json"), path.join("config.json")).unwrap();
    assert_eq!(context(&path, 131_072), 1024);
    // Others have no such place.
    let (_kept, path) = genai("llama", "model.onnx");
    assert_eq!(context(&path, 131_072), 131_072);
}

#[tokio::test]
async fn a_model_type_that_isnt_hosted_and_a_graph_that_isnt_there_are_named() {
    let (_kept, path) = genai("qwen3", "model.onnx");
    let open = async |path: &Path| {
        let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
        LocalModel::load(path, options, Arc::new(Silent)).await.unwrap_err().to_string()
    };
    change_json(&path.join("genai_config.json"), |config| config["model"]["type"] = "nemotron".into());
    let error = open(&path).await;
    assert!(error.contains("genai_config.json") && error.contains("`nemotron` isn't hosted"), "{error}");
    change_json(&path.join("genai_config.json"), |config| {
        config["model"]["type"] = "qwen3".into();
        config["model"]["decoder"]["filename"] = "gone.onnx".into();
    });
    let error = open(&path).await;
    assert!(error.contains("gone.onnx") && error.contains("missing"), "{error}");
    set_json(&path.join("genai_config.json"), "model", serde_json::json!({ "type": "qwen3" }));
    let error = open(&path).await;
    assert!(error.contains("genai_config.json") && error.contains("decoder"), "{error}");
}
