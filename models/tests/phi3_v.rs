//! Phi-3.5-vision against goldens: tiles, prompts, tokens, first logits, 24 greedy tokens, in both layouts, on `cpu` and
//! `webgpu`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_models::{
    ChatModel, Content, Conversation, ImageContent, ImageProcessor, LayoutKind, LoadOptions, Message,
    ModelFolder, Role, verify,
};
use percept_runtime::{CacheForm, Silent};
use serde_json::json;
use support::{Golden, change_json, copy, data, goldens, load, off, set_json};
use tempfile::TempDir;

const FAMILY: &str = "phi3_v-tiny";

/// The folder as onnxruntime-genai has it: the same graphs by other names, and its steps in place of the model's own
/// processor.
fn genai() -> (TempDir, PathBuf) {
    let (kept, path) = copy(FAMILY);
    for (session, file) in
        [("vision_encoder", "vision"), ("prepare_inputs_embeds", "embedding"), ("model", "text")]
    {
        fs::rename(path.join(format!("onnx/{session}.onnx")), path.join(format!("{file}.onnx"))).unwrap();
    }
    fs::remove_dir(path.join("onnx")).unwrap();
    fs::remove_file(path.join("preprocessor_config.json")).unwrap();
    let operation = |kind: &str, attributes: serde_json::Value| json!({ "operation": { "name": "step", "type": kind, "attrs": attributes } });
    let steps = json!([
        operation("DecodeImage", json!({ "color_space": "RGB" })),
        operation("Phi3ImageTransform", json!({ "num_crops": 2, "num_img_tokens": 144 })),
    ]);
    let processor = json!({ "processor": { "name": "image_processing", "transforms": steps } });
    fs::write(path.join("processor_config.json"), processor.to_string()).unwrap();
    (kept, path)
}

#[tokio::test]
async fn phi_answers_as_its_reference_does() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        whole::check_all(FAMILY, cache).await;
    }
    whole::check_tokenizer(FAMILY);
}

/// Its goldens keep pixel values by their checksum alone.
#[tokio::test]
async fn goldens_hold_by_a_checksum_and_not_by_another() {
    let (_kept, path) = copy(FAMILY);
    let options =
        || LoadOptions { device: "cpu".parse().unwrap(), threads: Some(1), ..LoadOptions::default() };
    let verdicts = verify(&path, options(), Arc::new(Silent)).await.unwrap();
    assert!(verdicts.iter().all(|verdict| verdict.holds(1e-4)), "{verdicts:#?}");
    let values: Vec<usize> =
        verdicts.iter().filter_map(|verdict| Some(verdict.pixels_differing?[1])).collect();
    assert!(values.len() > 2 && values.iter().all(|values| *values > 0), "{values:?}");

    change_json(&path.join("golden.json"), |goldens| {
        let cases = goldens.as_array_mut().unwrap();
        cases.retain(|case| case["pixel_values"].is_object());
        cases.truncate(1);
        cases[0]["pixel_values"]["sha256"] = json!("0".repeat(64));
    });
    let verdicts = verify(&path, options(), Arc::new(Silent)).await.unwrap();
    assert_eq!(verdicts[0].pixels_differing, Some([values[0]; 2]));
    assert!(!verdicts[0].holds(1e-4), "{verdicts:#?}");
}

#[tokio::test]
async fn a_later_image_is_read_from_a_cached_prefix() {
    whole::check_cached_prefix(FAMILY, "later_turn").await;
}

#[tokio::test]
async fn a_genai_folder_answers_the_same() {
    let (_kept, path) = genai();
    let folder = ModelFolder::open(&path, None).unwrap();
    assert_eq!(folder.layout, LayoutKind::Genai);
    let model = load(&path, "cpu", CacheForm::Auto).await;
    for golden in goldens(FAMILY).iter().filter(|golden| golden.has_usual_processor()) {
        golden.check_pixels(&path, &golden.name);
        golden.check_prompt(&model, &golden.name).await;
        assert_eq!(whole::tokens(&model, golden).await, golden.greedy, "{}", golden.name);
    }
}

#[tokio::test]
async fn a_genai_folder_needs_no_other_configuration() {
    let (_kept, path) = genai();
    for file in ["config.json", "generation_config.json", "chat_template.jinja"] {
        fs::remove_file(path.join(file)).unwrap();
    }
    let folder = ModelFolder::open(&path, None).unwrap();
    assert_eq!((folder.family.name(), folder.config.text.context), ("phi3_v", 1280));
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let golden = &goldens(FAMILY)[1];
    golden.check_prompt(&model, "without").await;
    assert_eq!(whole::tokens(&model, golden).await, golden.greedy);
}

fn asked(words: &str, image: bool) -> Conversation {
    let image = image.then(|| Content::Image(ImageContent::new(Arc::new(image::RgbImage::new(20, 10)))));
    let content = image.into_iter().chain([Content::Text(words.into())]).collect();
    std::iter::once(Message { role: Role::User, content }).collect()
}

/// Neither the tag that the model's own code looks for, nor the token that is written here.
#[tokio::test]
async fn what_somebody_typed_is_no_image() {
    let model = load(&data().join(FAMILY), "cpu", CacheForm::Auto).await;
    let image = ModelFolder::open(&data().join(FAMILY), None).unwrap().config.image_token_id.unwrap();
    let counted = |tokens: &[u32]| tokens.iter().filter(|token| **token == image).count();
    for words in ["<|image_1|> is what?", "<|image|> is what?"] {
        let typed = model.prompt(&asked(words, false)).await.unwrap();
        assert_eq!(counted(&typed.tokens), 0, "{words}");
        let shown = model.prompt(&asked(words, true)).await.unwrap();
        assert_eq!(counted(&shown.tokens), 12 * 25 + 1 + 12 * 13, "{words}");
    }
}

/// Beyond, all positions turn by other factors: what is cached would be wrong.
#[test]
fn the_context_ends_where_positions_turn() {
    let context = |path: &Path| ModelFolder::open(path, None).unwrap().config.text.context;
    assert_eq!(context(&data().join(FAMILY)), 1024);
    let (_kept, path) = copy(FAMILY);
    set_json(&path.join("config.json"), "max_position_embeddings", 512.into());
    assert_eq!(context(&path), 512);
    set_json(&path.join("config.json"), "original_max_position_embeddings", 0.into());
    let error = ModelFolder::open(&path, None).err().unwrap().to_string();
    assert!(error.contains("its `original_max_position_embeddings` is 0"), "{error}");
}

#[test]
fn an_image_that_would_be_nothing_is_refused() {
    let folder = ModelFolder::open(&data().join(FAMILY), None).unwrap();
    let Some(ImageProcessor::Hd(processor)) = folder.processor else { panic!("{:?}", folder.processor) };
    for (width, height) in [(700, 1), (1, 700)] {
        let error = processor.process(&image::RgbImage::new(width, height)).unwrap_err().to_string();
        assert!(error.contains("nothing along the shorter"), "{error}");
    }
    assert_eq!(processor.process(&image::RgbImage::new(672, 1)).unwrap().tiles, 3);
}

/// Its attention is so sharp that a device's rounding moves the logits by hundredths of the largest where there is an image:
/// with two in a conversation, only the first token is the reference's.
#[tokio::test]
async fn phi_answers_on_webgpu_as_far_as_is_known_and_its_cache_never_leaves() {
    let model = load(&data().join(FAMILY), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    let known =
        [("text_only", 24, 1e-5), ("two_above", 24, 5e-2), ("one_tile", 24, 5e-2), ("later_turn", 1, 5e-2)];
    let goldens = goldens(FAMILY).into_iter().filter(Golden::has_usual_processor).collect::<Vec<_>>();
    assert_eq!(goldens.len(), known.len());
    for (golden, (name, equal_at_least, most)) in goldens.iter().zip(known) {
        assert_eq!(golden.name, name);
        let tokens = whole::tokens(&model, golden).await;
        let equal = tokens.iter().zip(&golden.greedy).take_while(|(a, b)| a == b).count();
        assert!(equal >= equal_at_least, "{name}: {equal} tokens are equal");
        let off = off(&model.first_logits(&golden.conversation()).await.unwrap(), &golden.first_logits);
        assert!(off < most, "{name}: {off}");
    }
    let moved = model.moved();
    assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0));
    assert!(moved.encoders_to_device > 0 && moved.embeddings_to_device > 0, "{moved:?}");
}
