//! Image processors against goldens of transformers, in both of its backends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::path::Path;

use image::{Rgb, RgbImage};
use percept_models::ImageProcessor;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Golden {
    settings: serde_json::Value,
    size: [u32; 2],
    shape: Vec<usize>,
    first: [f32; 3],
    sha256: String,
}

/// The picture that `models/export/processors.py` computes.
fn formula([width, height]: [u32; 2]) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([0, 1, 2].map(|c| {
            let slopes = x * (3 + 2 * c) + y * (7 - c);
            (slopes + ((x / 8) ^ (y / 8)) * 29 * (c + 1) + x * y / 64) as u8
        }))
    })
}

fn check(golden: &Golden) {
    let case = format!("{} {:?}", golden.settings, golden.size);
    let processor = ImageProcessor::from_json(&golden.settings.to_string()).unwrap();
    let processed = processor.process(&formula(golden.size)).unwrap();
    let (shape, channel) = match processed.patches {
        None => (vec![3, processed.height, processed.width], processed.height * processed.width),
        Some(patches) => {
            let (side, numbers) = (processed.height / patches.rows, processed.values.len());
            let channel = numbers / (patches.rows * patches.columns * 3);
            let frames = channel / (side * side);
            (vec![patches.rows, patches.columns, 3, frames, side, side], channel)
        }
    };
    assert_eq!(shape, golden.shape, "{case}");
    let first = [0, 1, 2].map(|place| processed.values[place * channel].to_bits());
    assert_eq!(first, golden.first.map(f32::to_bits), "{case}");
    let bytes: Vec<u8> = processed.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(format!("{:x}", Sha256::digest(bytes)), golden.sha256, "{case}");
}

#[test]
fn every_pixel_value_is_the_references_in_the_backend_that_is_meant() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/processors/golden.json");
    let goldens: Vec<Golden> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let fast = |golden: &&Golden| golden.settings["image_processor_type"].as_str().unwrap().ends_with("Fast");
    assert_eq!(goldens.len(), 266);
    assert_eq!(goldens.iter().filter(fast).count(), 133);
    std::thread::scope(|scope| {
        for part in goldens.chunks(goldens.len().div_ceil(4)) {
            scope.spawn(|| part.iter().for_each(check));
        }
    });
}

#[test]
fn what_a_backend_lacks_is_refused() {
    let cases = [
        (r#"{"image_processor_type": "CLIPImageProcessorFast", "resample": 1}"#, None, "`resample` Lanczos"),
        (
            r#"{"image_processor_type": "Qwen2VLImageProcessorFast", "resample": 1}"#,
            None,
            "`resample` Lanczos",
        ),
        (r#"{"image_processor_type": "Qwen2VLImageProcessor", "merge_size": 0}"#, None, "`merge_size` is 0"),
        (
            r#"{"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 9}}"#,
            None,
            "which areas it allows",
        ),
        (
            r#"{"image_processor_type": "SmolVLMImageProcessor"}"#,
            Some(percept_models::Backend::Torchvision),
            "torchvision's way isn't known for `SmolVLMImageProcessor`",
        ),
    ];
    for (text, backend, says) in cases {
        let error = ImageProcessor::from_json_as(text, backend).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn an_image_that_doesnt_fit_in_patches_is_refused() {
    let cases = [
        ("{}", [201, 1], "more than 200 times the other"),
        (r#"{"do_resize": false}"#, [84, 57], "84×57 pixels aren't multiples of 28"),
        (r#"{"min_pixels": 400000000, "max_pixels": 500000000}"#, [640, 480], "more than the 178956970"),
    ];
    for (settings, size, says) in cases {
        let mut settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        settings["image_processor_type"] = "Qwen2VLImageProcessor".into();
        let processor = ImageProcessor::from_json(&settings.to_string()).unwrap();
        let error = processor.process(&formula(size)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
