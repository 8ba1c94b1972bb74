//! A tiny model's drawings held to `drawn.json`.

use base64::{Engine, prelude::BASE64_STANDARD};
use percept_models::{Draw, ImageModel, LocalModel};
use serde::Deserialize;

use crate::support::{data, greatest_difference};

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
        let levels = drawing.image.as_raw().iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(levels <= Some(1), "{case}: {levels:?} grey levels off");
        let scores = model.first_drawing_scores(&golden.prompt, &options).await.unwrap();
        let largest = golden.first_scores.iter().fold(0.0_f32, |largest, score| largest.max(score.abs()));
        let off = greatest_difference(&scores, &golden.first_scores) / largest;
        assert!(off < tolerance, "{case}: guided scores {off} off");
        furthest = furthest.max(off);
    }
    furthest
}
