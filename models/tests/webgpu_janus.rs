//! Janus on a GPU device, which every machine has: the WebGPU provider, on real hardware or on the software Vulkan device
//! that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_models::{ChatModel, Draw, Generate, ImageModel, LocalModel};
use percept_runtime::{CPU_PROVIDER, CacheForm};
use serde::Deserialize;
use support::{data, goldens, greatest_difference, levels_apart, load};

const FOLDER: &str = "janus-tiny";

#[derive(Debug, Deserialize)]
struct GoldenDrawing {
    prompt: String,
    guidance: f32,
    tokens: Vec<u32>,
    rgb: String,
}

/// Operators of a session that are on the CPU and are no arithmetic on shapes and masks.
fn computing_on_cpu(model: &LocalModel, session: &str) -> Vec<String> {
    let of_shapes = ["Cast", "Concat", "Gather", "ReduceSum", "Shape", "Sub"];
    let sessions = model.inspect().sessions.into_iter().filter(|found| found.file.session == session);
    let placed = sessions.flat_map(|session| session.placement);
    placed
        .filter(|placed| placed.provider == CPU_PROVIDER && !of_shapes.contains(&placed.operator.as_str()))
        .map(|placed| placed.operator)
        .collect()
}

#[tokio::test]
async fn it_answers_and_draws_on_webgpu_as_on_the_cpu_and_its_cache_never_leaves() {
    let model = load(&data().join(FOLDER), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    for golden in goldens(FOLDER) {
        let options =
            Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
        let completion =
            model.generate(&golden.conversation(), &options).await.unwrap().complete().await.unwrap();
        let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
        assert_eq!(tokens, golden.greedy, "{}", golden.name);
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        let off = greatest_difference(&logits, &golden.first_logits);
        assert!(off < 1e-3, "{}: {off}", golden.name);
    }
    let text = std::fs::read_to_string(data().join(FOLDER).join("drawn.json")).unwrap();
    for golden in serde_json::from_str::<Vec<GoldenDrawing>>(&text).unwrap() {
        let options = Draw { temperature: 0.0, guidance: Some(golden.guidance), ..Draw::default() };
        let drawing = model.draw(&golden.prompt, &options).await.unwrap();
        assert_eq!(drawing.tokens, golden.tokens, "{}", golden.prompt);
        let expected = BASE64_STANDARD.decode(&golden.rgb).unwrap();
        let levels = levels_apart(drawing.image.as_raw(), &expected);
        assert!(levels <= 1, "{}: {levels} grey levels off", golden.prompt);
    }
    let moved = model.moved();
    assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0));
    assert!(moved.encoders_to_device > 0 && moved.embeddings_to_device > 0, "{moved:?}");
    // Arithmetic on shapes and the mask aside, everything is on the device but one operator that it lacks.
    for session in ["language_model", "lm_head", "gen_head", "gen_img_embeds"] {
        assert_eq!(computing_on_cpu(&model, session), Vec::<String>::new(), "{session}");
    }
    assert_eq!(computing_on_cpu(&model, "image_decode"), ["FusedMatMul"]);
    // The control: what the asserts above would have noticed.
    let cpu = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    assert!(computing_on_cpu(&cpu, "image_decode").len() > 2, "{:?}", computing_on_cpu(&cpu, "image_decode"));
}
