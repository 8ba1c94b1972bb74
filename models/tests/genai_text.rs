//! Language models that see nothing in onnxruntime-genai's layout, as its builder writes it: fp32 against goldens of
//! transformers, 4 bits against what onnxruntime-genai itself replies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_models::{
    ChatModel, Conversation, Generate, LayoutKind, LoadOptions, LocalModel, ModelFolder, Survey, Usage,
};
use percept_runtime::{AttentionWindow, CacheForm, Silent};
use serde::Deserialize;
use support::{Golden, change_json, copy, data, goldens, load, set_json};
use tempfile::TempDir;

const FAMILIES: [&str; 4] = ["llama", "mistral", "phi3", "qwen3"];
/// The one whose attention keeps a window in the cache by itself, which only one buffer can be.
const WINDOWED: &str = "mistral";
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
    support::off(&logits, expected)
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
        let forms = [CacheForm::Auto, CacheForm::Growing];
        for cache in forms.into_iter().filter(|form| family != WINDOWED || *form == CacheForm::Auto) {
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

async fn refused(path: &Path, device: &str, options: LoadOptions) -> String {
    let options = LoadOptions { device: device.parse().unwrap(), ..options };
    let error = LocalModel::load(path, options, Arc::new(Silent)).await.unwrap_err();
    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[tokio::test]
async fn a_cache_that_the_graph_keeps_a_window_in_is_one_buffer() {
    let (_kept, path) = genai(WINDOWED, "model.onnx");
    let window = AttentionWindow { sinks: 4, recent: NonZeroUsize::new(64).unwrap() };
    let form = |cache| LoadOptions { cache, ..LoadOptions::default() };
    for (device, options, says) in [
        ("cpu", form(CacheForm::Growing), "let its cache be shared"),
        ("cpu", form(CacheForm::Host), "let its cache be shared"),
        ("webgpu", form(CacheForm::Auto), "load it on cpu, or export it with caches of full length"),
    ] {
        let error = refused(&path, device, options).await;
        let keeps = "keeps a window of 8 positions in its cache by itself (`sliding_window_cache`)";
        assert!(error.contains("model.onnx") && error.contains(keeps) && error.contains(says), "{error}");
    }
    let error = refused(&path, "cpu", LoadOptions { window: Some(window), ..form(CacheForm::Auto) }).await;
    assert!(error.contains("windows of 8 tokens of its own (`sliding_window`)"), "{error}");
}

/// The operator refuses a buffer that is shorter than its window.
#[tokio::test]
async fn such_a_buffer_begins_at_the_windows_length() {
    let (_kept, path) = genai(WINDOWED, "model.onnx");
    let conversation = goldens("mistral-tiny")[0].conversation();
    let shared = CacheForm::Shared { positions: 64 };
    let narrow = reply(&load(&path, "cpu", shared).await, &conversation).await.0;
    assert_eq!(narrow, goldens("mistral-tiny")[0].greedy);
    // Wider than the cache will ever be: no token of this conversation is beyond it.
    let file = path.join("model.onnx");
    let mut graph = fs::read(&file).unwrap();
    let name = b"local_window_size";
    let places: Vec<usize> =
        (0..graph.len() - name.len()).filter(|at| graph[*at..].starts_with(name)).collect();
    assert_eq!(places.len(), 2);
    for place in places {
        // The field of a whole number (3, a varint), and 8.
        let at = place + name.len();
        assert_eq!(graph[at..at + 2], [0x18, 8]);
        graph[at + 1] = 100;
    }
    fs::write(&file, graph).unwrap();
    change_json(&path.join("genai_config.json"), |config| {
        config["model"]["decoder"]["sliding_window"]["window_size"] = 100.into();
    });
    let wide = reply(&load(&path, "cpu", shared).await, &conversation).await.0;
    assert_eq!(wide, reply(&load(&path, "cpu", CacheForm::Auto).await, &conversation).await.0);
    assert_ne!(wide, narrow, "what lies beyond the window of 8 is seen now");
}

#[test]
fn a_folder_over_whose_graph_a_window_is_to_slide_is_refused() {
    let (_kept, path) = genai(WINDOWED, "model.onnx");
    let open = |slides: serde_json::Value| {
        change_json(&path.join("genai_config.json"), |config| {
            config["model"]["decoder"]["sliding_window"] = slides;
        });
        ModelFolder::open(&path, None).map(|folder| folder.config.text.sliding_window)
    };
    let json = |cache: bool, inputs: bool| serde_json::json!({ "window_size": 8, "slide_key_value_cache": cache, "slide_inputs": inputs });
    for (slides, key) in [
        (json(true, false), "`slide_key_value_cache`"),
        (json(false, true), "`slide_inputs`"),
        // What is left out means yes.
        (serde_json::json!({ "window_size": 8 }), "`slide_key_value_cache`"),
    ] {
        let error = open(slides).unwrap_err().to_string();
        let asks = format!("`model.decoder.sliding_window` asks for {key}");
        assert!(error.contains("genai_config.json") && error.contains(&asks), "{error}");
    }
    assert_eq!(open(json(false, false)).unwrap(), Some(8));
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
