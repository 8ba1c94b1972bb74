//! Gemma 3 against goldens of transformers: pixels and crops, prompts, tokens, first logits, 24 greedy tokens; images whose
//! tokens see each other, windows shorter than they are, and what a graph that knows only what is before computes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, num::NonZeroUsize, path::Path, sync::Arc};

use percept_models::{
    ChatModel, Conversation, Function, Generate, LayoutKind, LoadOptions, LocalModel, Message, ModelFolder,
    Precision, Reply, Role, Thought, Usage,
};
use percept_runtime::{
    CacheForm, Device, EmbeddedTokens, Engine, EngineGraphs, EngineOptions, HostTensor, Runtime, Silent,
};
use serde_json::json;
use support::{Golden, change_json, copy, data, goldens, load, off, variant};

const FOLDER: &str = "gemma3-tiny";
const TEXT: &str = "gemma3_text-tiny";

async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.text, completion.usage)
}

async fn check(model: &LocalModel, golden: &Golden, most: f32, case: &str) -> Usage {
    let conversation = golden.conversation();
    let (tokens, text, usage) = reply(model, &conversation).await;
    assert_eq!((&tokens, &text), (&golden.greedy, &golden.text), "{case}");
    let logits = model.first_logits(&conversation).await.unwrap();
    let off = off(&logits, &golden.first_logits);
    assert!(off < most, "{case}: {off}");
    usage
}

async fn in_precision(path: &Path, precision: &str) -> LocalModel {
    let precision = Some(Precision::named(precision).unwrap());
    let options = LoadOptions { device: "cpu".parse().unwrap(), precision, ..LoadOptions::default() };
    LocalModel::load(path, options, Arc::new(Silent)).await.unwrap()
}

#[tokio::test]
async fn it_answers_as_transformers_does() {
    for golden in goldens(FOLDER) {
        let (_kept, path) = variant(FOLDER, &golden);
        golden.check_pixels(&path, &golden.name);
        let model = load(&path, "cpu", CacheForm::Auto).await;
        golden.check_prompt(&model, &golden.name).await;
        let read = golden.input_ids.len();
        let usage = check(&model, &golden, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (read, 0), "{}", golden.name);
        let usage = check(&model, &golden, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, read - 1), "{}", golden.name);
    }
}

#[tokio::test]
async fn the_one_that_reads_text_alone_does_too_beyond_its_window() {
    let model = load(&data().join(TEXT), "cpu", CacheForm::Auto).await;
    assert_eq!(model.card().max_images, Some(0));
    for golden in goldens(TEXT) {
        golden.check_prompt(&model, &golden.name).await;
        check(&model, &golden, 1e-5, &golden.name).await;
        let usage = check(&model, &golden, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, golden.input_ids.len() - 1));
    }
}

/// The community's graphs are exported so, and transformers.js feeds them nothing else.
#[tokio::test]
async fn a_decoder_that_isnt_told_what_is_an_images_answers_as_transformers_does_untold() {
    let mut differ = 0;
    for golden in goldens(FOLDER) {
        let (_kept, path) = variant(FOLDER, &golden);
        let model = in_precision(&path, "causal").await;
        let expected = golden.causal.as_ref().unwrap();
        let says =
            |model: &LocalModel| model.card().notes.iter().any(|note| note.contains("`token_type_ids`"));
        assert!(says(&model), "{:?}", model.card().notes);
        assert!(!says(&load(&path, "cpu", CacheForm::Auto).await));
        let (tokens, text, _) = reply(&model, &golden.conversation()).await;
        assert_eq!((&tokens, &text), (&expected.greedy, &expected.text), "{}", golden.name);
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(off(&logits, &expected.first_logits) < 1e-5, "{}", golden.name);
        differ += usize::from(off(&logits, &golden.first_logits) > 1e-4);
    }
    assert_eq!(differ, 4, "whether an image's tokens see each other must show wherever there is an image");
}

#[tokio::test]
async fn a_later_turn_with_another_image_is_read_from_the_cached_prefix() {
    let whole = goldens(FOLDER).into_iter().find(|golden| golden.name == "later_turn").unwrap();
    let first: Conversation = whole.conversation().messages()[..1].iter().cloned().collect();
    for precision in ["fp32", "causal"] {
        let model = in_precision(&data().join(FOLDER), precision).await;
        let (logits, greedy) = match precision {
            "causal" => whole.causal.as_ref().map(|told| (&told.first_logits, &told.greedy)).unwrap(),
            _ => (&whole.first_logits, &whole.greedy),
        };
        let mut cached = Vec::new();
        for conversation in [&first, &whole.conversation(), &first, &whole.conversation()] {
            let (tokens, _, usage) = reply(&model, conversation).await;
            if conversation.messages().len() == 3 {
                assert_eq!(&tokens, greedy, "{precision} {cached:?}");
                let found = model.first_logits(conversation).await.unwrap();
                assert!(off(&found, logits) < 1e-5, "{precision} {cached:?}");
            }
            cached.push(usage.cached_tokens);
        }
        let beginning = model.prompt(&first).await.unwrap().tokens.len();
        // An image and what is before it stay; the reply gives way to what was said.
        assert!(cached[1] > 9 && cached[1] <= beginning, "{cached:?}");
        assert_eq!((cached[2], cached[3]), (beginning - 1, cached[1]), "{cached:?}");
    }
}

/// The embeddings of a golden's prompt, with the rows of its images in them, and which these are.
async fn embedded(engine: &Engine, golden: &Golden, image: u32) -> (Vec<f32>, Vec<bool>) {
    let (shape, mut rows) = engine.embed(&golden.input_ids).await.unwrap().into_f32().unwrap();
    let mut features = Vec::new();
    for image in golden.processed(&data().join(FOLDER)) {
        let shape = vec![image.tiles, 3, image.height, image.width];
        let pixels = vec![("pixel_values".to_owned(), HostTensor::F32 { shape, data: image.values })];
        let (_, found) = engine.encode("vision_encoder", pixels).await.unwrap().swap_remove(0);
        features.extend(found.into_f32().unwrap().1);
    }
    let is_image: Vec<bool> = golden.input_ids.iter().map(|id| *id == image).collect();
    let places = rows.chunks_exact_mut(shape[2]).zip(&is_image).filter(|(_, is_image)| **is_image);
    for ((row, _), feature) in places.zip(features.chunks_exact(shape[2])) {
        row.copy_from_slice(feature);
    }
    (rows, is_image)
}

#[tokio::test]
async fn a_prompt_in_short_runs_gives_the_same_and_an_image_is_never_cut() {
    let golden = goldens(FOLDER).into_iter().find(|golden| golden.name == "later_turn").unwrap();
    let folder = ModelFolder::open(&data().join(FOLDER), None).unwrap();
    let image = folder.config.image_token_id.unwrap();
    let runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
    let choice = runtime.resolve(&Device::Cpu, &Silent).unwrap();
    let graph = |name: &str| data().join(FOLDER).join(format!("onnx/{name}.onnx"));
    for longest in [Some(1), Some(5), Some(16), None] {
        let graphs = EngineGraphs {
            encoders: vec![("vision_encoder".to_owned(), graph("vision_encoder"))],
            embedding: Some(graph("embed_tokens")),
            decoder: Some(graph("decoder_model_merged")),
            ..EngineGraphs::default()
        };
        let longest_run = longest.and_then(NonZeroUsize::new);
        let options = EngineOptions { threads: Some(1), longest_run, ..EngineOptions::new(choice.clone()) };
        let engine = Engine::load(&runtime, graphs, options).await.unwrap();
        assert!(engine.tells_blocks());
        let (rows, is_image) = embedded(&engine, &golden, image).await;
        let tokens = is_image.len();
        let embeddings = HostTensor::F32 { shape: vec![1, tokens, rows.len() / tokens], data: rows };
        for (together, is_right) in [(Some(is_image), true), (None, false)] {
            let mut sequence = engine.sequence().await.unwrap();
            let tokens = EmbeddedTokens { together, ..embeddings.clone().into() };
            sequence.append(tokens).await.unwrap();
            let off = off(&sequence.last_logits().await.unwrap(), &golden.first_logits);
            assert_eq!(off < 1e-5, is_right, "{longest:?}: {off}");
        }
    }
}

#[tokio::test]
async fn it_answers_on_webgpu_as_on_the_cpu() {
    for (folder, goldens) in [(FOLDER, goldens(FOLDER)), (TEXT, goldens(TEXT))] {
        let model = load(&data().join(folder), "webgpu", CacheForm::Auto).await;
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        assert!(goldens.iter().any(|golden| golden.input_ids.len() > 31));
        for golden in goldens.iter().filter(|golden| golden.has_usual_processor()) {
            // A device's sine and cosine need only be right to 2^-11.
            check(&model, golden, 1e-2, &golden.name).await;
        }
        let moved = model.moved();
        assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0));
    }
}

#[tokio::test]
async fn an_image_token_that_is_typed_in_is_text() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let folder = ModelFolder::open(&data().join(FOLDER), None).unwrap();
    let ids = ["<start_of_image>", "<image_soft_token>", "<end_of_image>", "<start_of_turn>"]
        .map(|token| folder.tokenizer.token_to_id(token).unwrap());
    let typed = "<start_of_image> <image_soft_token><image_soft_token><end_of_image><start_of_turn>";
    let conversation: Conversation = [Message::text(Role::User, typed)].into_iter().collect();
    let prompt = model.prompt(&conversation).await.unwrap();
    let counts = ids.map(|id| prompt.tokens.iter().filter(|token| **token == id).count());
    assert_eq!(counts, [0, 0, 0, 2], "{}", prompt.expanded);
    reply(&model, &conversation).await;
}

/// Gemma's template takes the system's first text and drops the others.
#[tokio::test]
async fn functions_are_told_beside_a_system_message() {
    let (_kept, path) = copy(TEXT);
    change_json(&path.join("config.json"), |config| config["max_position_embeddings"] = json!(16_384));
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let function = Function {
        name: "press".into(),
        description: "Presses a key.".into(),
        schema: json!({ "type": "object", "properties": {}, "additionalProperties": false }),
    };
    let system = Message::text(Role::System, "You plan.").with_text(" You act.");
    let messages = [system, Message::text(Role::User, "Go on.")];
    let conversation: Conversation = messages.into_iter().collect();
    let reply = Reply::Call { thought: Thought::None, functions: vec![function] };
    let rendered = model.prompt_for(&conversation, &reply).await.unwrap().rendered;
    assert!(rendered.contains("You plan. You act.") && rendered.contains("Presses a key."), "{rendered}");
}

#[tokio::test]
async fn a_genai_folder_answers_alike_with_no_file_added() {
    let (_kept, path) = copy(FOLDER);
    for (from, to) in [("vision_encoder", "vision.onnx"), ("decoder_model_merged_causal", "model.onnx")] {
        fs::rename(path.join(format!("onnx/{from}.onnx")), path.join(to)).unwrap();
    }
    fs::remove_dir_all(path.join("onnx")).unwrap();
    fs::remove_file(path.join("config.json")).unwrap();
    for file in ["embedding.onnx", "genai_config.json"] {
        fs::copy(data().join("genai_gemma3").join(file), path.join(file)).unwrap();
    }
    assert_eq!(ModelFolder::open(&path, None).unwrap().layout, LayoutKind::Genai);
    let model = load(&path, "cpu", CacheForm::Auto).await;
    for golden in goldens(FOLDER).iter().filter(|golden| golden.has_usual_processor()) {
        golden.check_prompt(&model, &golden.name).await;
        let expected = golden.causal.as_ref().unwrap();
        assert_eq!(reply(&model, &golden.conversation()).await.0, expected.greedy, "{}", golden.name);
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(off(&logits, &expected.first_logits) < 1e-5, "{}", golden.name);
    }
}

#[test]
fn a_folder_that_gives_a_picture_no_tokens_or_too_many_is_refused() {
    let huge = json!(1_000_000_000_000_000_000_u64);
    let (features, tokens) = ("image_seq_length", "mm_tokens_per_image");
    for (file, key, count, says) in [
        ("processor_config.json", features, huge.clone(), "more than the 65536 that are taken"),
        ("processor_config.json", features, json!(0), "at least one"),
        ("config.json", tokens, huge, "more than the 65536 that are taken"),
        ("config.json", tokens, json!(0), "at least one"),
    ] {
        let (_kept, path) = copy(FOLDER);
        change_json(&path.join("processor_config.json"), |settings| {
            settings.as_object_mut().unwrap().remove(features);
        });
        change_json(&path.join(file), |settings| settings[key] = count);
        let error = ModelFolder::open(&path, None).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains(file), "{error}");
    }
}

/// An empty mark would be found everywhere in a prompt, and one that is no token nowhere among its tokens.
#[test]
fn an_images_mark_is_a_token() {
    let (_kept, path) = copy(FOLDER);
    let named = |mark: &str| {
        change_json(&path.join("tokenizer_config.json"), |config| config["boi_token"] = json!(mark));
        ModelFolder::open(&path, None).map(|folder| folder.family.placeholder().to_owned())
    };
    assert_eq!(named("").unwrap(), "<start_of_image>");
    let error = named("<nothing>").unwrap_err().to_string();
    assert!(error.contains("has no token `<nothing>`") && error.contains("tokenizer.json"), "{error}");
}
