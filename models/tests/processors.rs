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
    /// Rows and columns of patches in each picture, where pictures come in padded patches.
    spatial_shapes: Option<Vec<[usize; 2]>>,
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
        None if golden.spatial_shapes.is_some() => {
            let (pictures, patches) = (processed.tiles, processed.mask.len() / processed.tiles);
            let side = (processed.values.len() / processed.mask.len() / 3).isqrt();
            (vec![pictures, patches, side, side, 3], 1)
        }
        None => {
            let picture = [3, processed.height, processed.width];
            let cuts = matches!(
                processor,
                ImageProcessor::Tiled(_)
                    | ImageProcessor::Aspect(_)
                    | ImageProcessor::Anyres(_)
                    | ImageProcessor::Panned(_)
                    | ImageProcessor::Hd(_)
            );
            let tiles = cuts.then_some(processed.tiles);
            (tiles.into_iter().chain(picture).collect(), processed.height * processed.width)
        }
        Some(patches) => {
            let (side, numbers) = (processed.height / patches.rows, processed.values.len());
            let channel = numbers / (patches.rows * patches.columns * 3);
            let frames = channel / (side * side);
            (vec![patches.rows, patches.columns, 3, frames, side, side], channel)
        }
    };
    assert_eq!(shape, golden.shape, "{case}");
    if let Some(shapes) = &golden.spatial_shapes {
        let real = processed.mask.chunks(shape[1]).map(|mask| mask.iter().filter(|real| **real).count());
        assert_eq!(
            real.collect::<Vec<_>>(),
            shapes.iter().map(|[rows, columns]| rows * columns).collect::<Vec<_>>()
        );
        let whole = [processed.height / shape[2], processed.width / shape[2]];
        let last = shapes.last().unwrap();
        assert!(*last == whole || processed.grid.is_some_and(|_| golden.settings["use_thumbnail"] == false));
    }
    let first = [0, 1, 2].map(|place| processed.values[place * channel].to_bits());
    assert_eq!(first, golden.first.map(f32::to_bits), "{case}");
    let bytes: Vec<u8> = processed.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(format!("{:x}", Sha256::digest(bytes)), golden.sha256, "{case}");
}

#[test]
fn every_pixel_value_is_the_references_in_the_backend_that_is_meant() {
    let goldens = goldens("golden.json");
    let class = |golden: &Golden| golden.settings["image_processor_type"].as_str().unwrap().to_owned();
    let rows = |name: &str| goldens.iter().filter(|golden| class(golden) == name).count();
    // LLaVA's differs from CLIP's where it pads, and is shown that alone.
    for name in [
        "CLIP",
        "Siglip",
        "Blip",
        "Idefics",
        "Idefics3",
        "SmolVLM",
        "Qwen2VL",
        "GotOcr2",
        "LlavaNext",
        "LlavaOnevision",
        "Janus",
        "Chameleon",
    ]
    .map(|name| format!("{name}ImageProcessor"))
    {
        assert!(rows(&name) > 20, "{name}");
        assert_eq!(rows(&name), rows(&format!("{name}Fast")), "{name}");
    }
    // As Florence-2 has it: brought to a square, nothing cropped.
    let whole = |name: &str| {
        let uncropped = |golden: &&Golden| golden.settings["do_center_crop"] == false;
        goldens.iter().filter(uncropped).filter(|golden| class(golden) == name).count()
    };
    assert_eq!((whole("CLIPImageProcessor"), whole("CLIPImageProcessorFast")), (24, 24));
    // Which has numpy and Pillow alone.
    assert!(rows("Emu3ImageProcessor") > 20);
    check_all(&goldens);
}

#[test]
fn every_padded_patch_is_the_references() {
    let goldens = goldens("lfm2_vl.json");
    assert_eq!(goldens.len(), 41);
    check_all(&goldens);
}

#[test]
fn every_crop_is_the_references() {
    let goldens = goldens("gemma3.json");
    let of = |fast| goldens.iter().filter(|golden| golden.settings["image_processor_type"] == fast).count();
    assert!(of("Gemma3ImageProcessor") > 50);
    assert_eq!(of("Gemma3ImageProcessor"), of("Gemma3ImageProcessorFast"));
    check_all(&goldens);
}

#[test]
fn every_tile_of_phi_3_vision_is_that_of_the_code_that_comes_with_it() {
    let goldens = goldens("phi3_v.json");
    assert_eq!(goldens.len(), 31);
    check_all(&goldens);
}

fn goldens(file: &str) -> Vec<Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/processors").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn check_all(goldens: &[Golden]) {
    std::thread::scope(|scope| {
        for part in goldens.chunks(goldens.len().div_ceil(4)) {
            scope.spawn(|| part.iter().for_each(check));
        }
    });
}

#[test]
fn what_a_backend_lacks_is_refused() {
    let cases = [
        (r#"{"image_processor_type": "CLIPImageProcessorFast", "resample": 5}"#, None, "`resample` Hamming"),
        (r#"{"image_processor_type": "Qwen2VLImageProcessorFast", "resample": 4}"#, None, "`resample` Box"),
        (r#"{"image_processor_type": "Qwen2VLImageProcessor", "merge_size": 0}"#, None, "`merge_size` is 0"),
        (
            r#"{"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 9}}"#,
            None,
            "which areas it allows",
        ),
        (
            r#"{"image_processor_type": "Lfm2VlImageProcessor"}"#,
            Some(percept_models::Backend::Pillow),
            "`Lfm2VlImageProcessor` has no way of Pillow's",
        ),
        (
            r#"{"image_processor_type": "Phi3VImageProcessor"}"#,
            Some(percept_models::Backend::Torchvision),
            "`Phi3VImageProcessor` has no way of torchvision's",
        ),
        (r#"{"image_processor_type": "Phi3VImageProcessor", "num_crops": 0}"#, None, "`num_crops` is 0"),
        (r#"{"image_processor_type": "Lfm2VlImageProcessor", "do_pad": false}"#, None, "without `do_pad`"),
        (
            r#"{"image_processor_type": "Lfm2VlImageProcessor", "tile_size": 500}"#,
            None,
            "whole features of 32",
        ),
        (
            r#"{"image_processor_type": "Lfm2VlImageProcessor", "min_tiles": 11}"#,
            None,
            "least number of tiles",
        ),
        (r#"{"image_processor_type": "Lfm2VlImageProcessor", "max_tiles": 0}"#, None, "`max_tiles` is 0"),
        (
            r#"{"image_processor_type": "SmolVLMImageProcessor", "resample": 0}"#,
            Some(percept_models::Backend::Torchvision),
            "`resample` Nearest",
        ),
        (r#"{"image_processor_type": "GotOcr2ImageProcessorFast", "resample": 4}"#, None, "`resample` Box"),
        (
            r#"{"image_processor_type": "GotOcr2ImageProcessor", "size": {"height": 0, "width": 9}}"#,
            None,
            "`size` is 0",
        ),
        (
            r#"{"image_processor_type": "GotOcr2ImageProcessor", "max_patches": 9999}"#,
            None,
            "known are up to 1024",
        ),
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor"}"#,
            None,
            "336×672, which isn't of whole tiles of 224×224",
        ),
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor", "size": {"shortest_edge": 300}}"#,
            None,
            "isn't of whole tiles of 300×300",
        ),
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor", "size": 300, "crop_size": 336}"#,
            None,
            "`size` and its `crop_size` differ",
        ),
        (
            r#"{"image_processor_type": "LlavaOnevisionImageProcessor", "size": {"height": 384, "width": 336}}"#,
            None,
            "its `size` isn't a square",
        ),
        (
            r#"{"image_processor_type": "LlavaOnevisionImageProcessor", "image_grid_pinpoints": []}"#,
            None,
            "are empty",
        ),
        (
            r#"{"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": true, "pan_and_scan_min_crop_size": 0}"#,
            None,
            "`pan_and_scan_min_crop_size` is 0",
        ),
        (
            r#"{"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": true, "pan_and_scan_max_num_crops": 0}"#,
            None,
            "known are 1 to 64",
        ),
        (
            r#"{"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": true, "pan_and_scan_max_num_crops": 65}"#,
            None,
            "known are 1 to 64",
        ),
        (
            r#"{"image_processor_type": "Gemma3ImageProcessor", "do_pan_and_scan": true, "do_resize": false}"#,
            None,
            "crops need one size",
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
