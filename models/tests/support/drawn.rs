//! A tiny model whose images are tokens of its text: its drawings held to `drawn.json`, and what both such families must do.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_models::{ChatModel, Draw, ImageModel, LocalModel, ModelError};
use percept_runtime::CacheForm;
use serde::Deserialize;

use crate::{
    support::{data, goldens, levels_apart, load, off},
    whole,
};

/// What a reference draws; `models/export/README.md` tells the keys.
#[derive(Debug, Deserialize)]
struct GoldenDrawing {
    prompt: String,
    guidance: f32,
    input_ids: Vec<u32>,
    unconditional_ids: Vec<u32>,
    first_scores: Vec<f32>,
    tokens: Vec<u32>,
    width: u32,
    height: u32,
    rgb: String,
    negative: Option<String>,
    ratio: Option<[u32; 2]>,
    area: Option<u32>,
}

/// The same tokens, pixels within a level, and guided scores within a share of the largest; gives the greatest that was.
pub(crate) async fn check(model: &LocalModel, folder: &str, tolerance: f32) -> f32 {
    let text = std::fs::read_to_string(data().join(folder).join("drawn.json")).unwrap();
    let drawings: Vec<GoldenDrawing> = serde_json::from_str(&text).unwrap();
    assert!(drawings.len() > 1);
    let mut furthest = 0.0_f32;
    for golden in drawings {
        let case = &golden.prompt;
        let options = Draw {
            temperature: 0.0,
            guidance: Some(golden.guidance),
            negative: golden.negative.clone(),
            ratio: golden.ratio,
            area: golden.area,
            ..Draw::default()
        };
        let drawing = model.draw(&golden.prompt, &options).await.unwrap();
        assert_eq!(drawing.tokens, golden.tokens, "{case}");
        let read = golden.input_ids.len() + golden.unconditional_ids.len();
        assert_eq!(drawing.usage.fresh_tokens, read, "{case}");
        assert_eq!(drawing.usage.output_tokens, golden.tokens.len(), "{case}");
        assert_eq!(drawing.image.dimensions(), (golden.width, golden.height), "{case}");
        let expected = BASE64_STANDARD.decode(&golden.rgb).unwrap();
        let levels = levels_apart(drawing.image.as_raw(), &expected);
        assert!(levels <= 1, "{case}: {levels} grey levels off");
        let scores = model.first_drawing_scores(&golden.prompt, &options).await.unwrap();
        let off = off(&scores, &golden.first_scores);
        assert!(off < tolerance, "{case}: guided scores {off} off");
        furthest = furthest.max(off);
    }
    furthest
}

/// On `webgpu` it answers and draws as on the CPU, first logits within `most`, and its cache stays on the device; gives the
/// operators that don't.
pub(crate) async fn check_on_webgpu(folder: &str, most: f32) -> Vec<String> {
    let model = load(&data().join(folder), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    for golden in goldens(folder) {
        whole::check_on_device(&model, &golden, most).await;
    }
    check(&model, folder, 1e-3).await;
    let moved = model.moved();
    assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0));
    whole::computing_on_cpu(&model)
}

/// A copy of this folder without what makes pixels answers, and says why it can't draw.
pub(crate) async fn check_without_painter(path: &Path, folder: &str) {
    std::fs::remove_file(path.join("onnx/image_decode.onnx")).unwrap();
    let model = load(path, "cpu", CacheForm::Auto).await;
    let golden = &goldens(folder)[0];
    assert_eq!(whole::reply(&model, &golden.conversation()).await.0, golden.greedy);
    let error = model.draw("A house.", &Draw::default()).await.unwrap_err();
    assert!(matches!(error, ModelError::Request(_)), "{error:?}");
    assert!(error.to_string().contains("it has no `image_decode`"), "{error}");
}
