//! Image processors against goldens of transformers, in both of its backends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "processors/published.rs"]
mod published;

use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use percept_models::{
    AspectTiles, Backend, Filter, ImageProcessor, ModelError, NaflexImage, Normalise, PanAndScan,
    PannedImage, SingleImage, SquaredImage, TiledImage,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Golden {
    settings: Value,
    size: [u32; 2],
    shape: Vec<usize>,
    first: [f32; 3],
    /// Rows and columns of patches in each picture, where pictures come in padded patches.
    spatial_shapes: Option<Vec<[usize; 2]>>,
    sha256: String,
}

impl Golden {
    /// What its settings name, the ending of a backend with it.
    fn class(&self) -> &str {
        self.settings["image_processor_type"].as_str().unwrap()
    }

    /// Whether its settings are these, the class's name aside.
    fn has(&self, settings: &Value) -> bool {
        let mut own = self.settings.clone();
        own.as_object_mut().unwrap().remove("image_processor_type");
        own == *settings
    }
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

/// Rows of the two longest files.
const GOLDEN: usize = 1481;
const CROPS: usize = 164;

/// The files of goldens, and how many rows they have.
const FILES: [(&str, usize); 4] =
    [("golden.json", GOLDEN), ("lfm2_vl.json", 41), ("gemma3.json", CROPS), ("phi3_v.json", 49)];

#[test]
fn every_pixel_value_is_the_references_in_the_backend_that_is_meant() {
    let goldens = goldens("golden.json");
    assert_eq!(goldens.len(), GOLDEN);
    // Settings that many rows have: as Florence-2 has it, brought to a square and nothing cropped; LLaVA's padding; bytes
    // that aren't rescaled; flags that are null.
    let cases = [
        ("CLIPImageProcessor", "do_center_crop", json!(false), 44),
        ("LlavaImageProcessor", "do_pad", json!(true), 26),
        ("CLIPImageProcessor", "do_rescale", json!(false), 2),
        ("CLIPImageProcessor", "do_resize", json!(null), 1),
        ("SiglipImageProcessor", "size", json!(56), 2),
        ("ViTImageProcessor", "size", json!(56), 2),
    ];
    for (class, key, value, expected) in cases {
        for name in [class.to_owned(), format!("{class}Fast")] {
            let has = |golden: &&Golden| golden.class() == name && golden.settings.get(key) == Some(&value);
            assert_eq!(goldens.iter().filter(has).count(), expected, "{name} {key}");
        }
    }
    check_all(&goldens);
}

#[test]
fn a_class_is_known_by_its_older_name_by_the_older_key_and_with_its_backend() {
    let read = |text: String| ImageProcessor::from_json(&text).unwrap();
    let named = |key: &str, name: &str| read(format!(r#"{{"{key}": "{name}", "size": 96}}"#));
    for (older, name) in
        [("CLIPFeatureExtractor", "CLIPImageProcessor"), ("ViTFeatureExtractor", "ViTImageProcessor")]
    {
        let expected = named("image_processor_type", name);
        assert_eq!(named("image_processor_type", older), expected, "{older}");
        assert_eq!(named("feature_extractor_type", older), expected, "{older}");
        assert_eq!(named("feature_extractor_type", name), expected, "{name}");
        assert_eq!(named("image_processor_type", &format!("{name}Pil")), expected, "{name}Pil");
        assert_ne!(named("image_processor_type", &format!("{name}Fast")), expected, "{name}Fast");
    }
    let both =
        r#"{"image_processor_type": "ViTImageProcessor", "feature_extractor_type": "OtherFeatureExtractor"}"#;
    assert_eq!(
        read(both.into()),
        ImageProcessor::from_json(r#"{"image_processor_type": "ViTImageProcessor"}"#).unwrap()
    );
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
    assert_eq!(goldens.len(), CROPS);
    assert_eq!(of("Gemma3ImageProcessor"), of("Gemma3ImageProcessorFast"));
    check_all(&goldens);
}

#[test]
fn every_tile_of_phi_3_vision_is_that_of_the_code_that_comes_with_it() {
    let goldens = goldens("phi3_v.json");
    assert_eq!(goldens.len(), 49);
    check_all(&goldens);
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn goldens(file: &str) -> Vec<Golden> {
    let path = data().join("processors").join(file);
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
        (r#"{"image_processor_type": "CLIPImageProcessor", "crop_size": 0}"#, None, "`crop_size` is 0×0"),
        (r#"{"image_processor_type": "Qwen2VLImageProcessorFast", "resample": 4}"#, None, "`resample` Box"),
        (r#"{"image_processor_type": "Qwen2VLImageProcessor", "merge_size": 0}"#, None, "`merge_size` is 0"),
        (
            r#"{"image_processor_type": "Qwen2VLImageProcessor", "size": {"shortest_edge": 9}}"#,
            None,
            "which areas it allows",
        ),
        (
            r#"{"image_processor_type": "Lfm2VlImageProcessor"}"#,
            Some(Backend::Pillow),
            "`Lfm2VlImageProcessor` has no way of Pillow's",
        ),
        (
            r#"{"image_processor_type": "Phi3VImageProcessor"}"#,
            Some(Backend::Torchvision),
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
            Some(Backend::Torchvision),
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
    ];
    refused(&cases);
}

#[test]
fn sizes_that_no_class_takes_are_refused() {
    let cases = [
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor"}"#,
            None,
            "336×672, which isn't of whole tiles of 224×224",
        ),
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor", "size": {"shortest_edge": 300}}"#,
            None,
            "would be resized to 300",
        ),
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor", "size": 300, "crop_size": 336}"#,
            None,
            "`size` and its `crop_size` differ",
        ),
        (
            r#"{"image_processor_type": "LlavaNextImageProcessor", "crop_size": 336}"#,
            None,
            "`size` and its `crop_size` differ",
        ),
        (
            r#"{"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 4294967295}}"#,
            None,
            "its `size` is 4294967295; known are 1 to 65536",
        ),
        (
            r#"{"image_processor_type": "Idefics3ImageProcessor", "max_image_size": {"longest_edge": 0}}"#,
            None,
            "its `max_image_size` is 0",
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
    refused(&cases);
}

/// Settings, the backend that is chosen, and what the error says.
fn refused(cases: &[(&str, Option<Backend>, &str)]) {
    for (text, backend, says) in cases {
        let error = ImageProcessor::from_json_as(text, *backend).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_crop_that_no_memory_holds_is_refused_before_it_is_made() {
    for side in [65_536, u32::MAX] {
        let text = format!(r#"{{"image_processor_type": "CLIPImageProcessor", "crop_size": {side}}}"#);
        let processor = ImageProcessor::from_json(&text).unwrap();
        let error = processor.process(&RgbImage::new(4, 4)).unwrap_err().to_string();
        assert!(error.contains("`crop_size`") && error.contains(&format!("{side}×{side}")), "{error}");
    }
}

/// What transformers 5.23 refuses too, class by class; and what it takes, because the step isn't done.
#[test]
fn a_number_that_is_null_is_refused_where_a_step_needs_it() {
    let classes = |names: &[&'static str]| names.to_vec();
    let all: Vec<&str> =
        ImageProcessor::classes().map(|(name, _)| name.trim_end_matches("ImageProcessor")).collect();
    let without = |left: &[&str]| all.iter().filter(|name| !left.contains(name)).copied().collect::<Vec<_>>();
    let cases = [
        ("resample", without(&[]), "do_resize"),
        ("size", without(&["Qwen2VL", "Emu3", "Phi3V"]), "do_resize"),
        ("rescale_factor", without(&[]), "do_rescale"),
        ("image_mean", without(&[]), "do_normalize"),
        ("image_std", without(&[]), "do_normalize"),
        ("crop_size", classes(&["CLIP", "Llava", "Chameleon", "LlavaNext"]), "do_center_crop"),
        ("max_image_size", classes(&["Idefics3", "SmolVLM"]), ""),
        ("patch_size", classes(&["Qwen2VL"]), ""),
        ("merge_size", classes(&["Qwen2VL"]), ""),
        ("temporal_patch_size", classes(&["Qwen2VL"]), ""),
        ("image_grid_pinpoints", classes(&["LlavaNext", "LlavaOnevision"]), ""),
        ("min_size", classes(&["Janus"]), ""),
        ("spatial_factor", classes(&["Emu3"]), ""),
    ];
    for (key, refusing, step) in cases {
        for class in &all {
            let text = format!(r#"{{"image_processor_type": "{class}ImageProcessor", "{key}": null}}"#);
            let refused = ImageProcessor::from_json(&text).err().filter(|error| error.contains(" is null"));
            assert_eq!(refused.is_some(), refusing.contains(class), "{class} {key}: {refused:?}");
            if let Some(error) = refused {
                assert!(error.contains(key) && error.contains(step), "{error}");
            }
            if !step.is_empty() && *class != "Phi3V" {
                let off = text.replace('}', &format!(r#", "{step}": false}}"#));
                let refused =
                    ImageProcessor::from_json(&off).err().filter(|error| error.contains(" is null"));
                assert_eq!(refused, None, "{class} {key}");
            }
        }
    }
}

#[test]
fn a_flag_that_is_null_is_off() {
    for (class, _) in ImageProcessor::classes() {
        for flag in [
            "do_resize",
            "do_center_crop",
            "do_rescale",
            "do_normalize",
            "do_pad",
            "do_image_splitting",
            "crop_to_patches",
            "use_thumbnail",
            "do_pan_and_scan",
        ] {
            let written = |value: &str| {
                // Canvases of whole tiles of LLaVA-NeXT's and of LLaVA-OneVision's.
                ImageProcessor::from_json(&format!(
                    r#"{{"image_processor_type": "{class}", "image_grid_pinpoints": [[2688, 2688]], "{flag}": {value}}}"#
                ))
            };
            assert_eq!(written("null"), written("false"), "{class} {flag}");
            let is_needed = class == "Lfm2VlImageProcessor" && flag == "do_pad";
            assert_eq!(written("null").is_err(), is_needed, "{class} {flag}");
            if ["do_rescale", "do_normalize"].contains(&flag) && class != "Phi3VImageProcessor" {
                assert_ne!(written("null"), written("true"), "{class} {flag}");
            }
        }
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
        let mut settings: Value = serde_json::from_str(settings).unwrap();
        settings["image_processor_type"] = "Qwen2VLImageProcessor".into();
        let processor = ImageProcessor::from_json(&settings.to_string()).unwrap();
        let error = processor.process(&formula(size)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// The fields are anyone's to fill, also with what no file can say.
#[test]
fn steps_with_which_nothing_can_be_made_are_refused_when_they_are_taken() {
    let normalise = Normalise { rescale: None, mean_and_deviation: None, backend: Backend::Pillow };
    let (backend, filter) = (Backend::Pillow, Filter::Bilinear);
    let single = |crop| SingleImage { backend, pad: None, resize: None, crop, normalise: normalise.clone() };
    let squared = SquaredImage { backend, resize: None, pad: None, normalise: normalise.clone() };
    let aspect = AspectTiles {
        backend,
        tile: (0, 0),
        cuts: false,
        resize: false,
        tiles: (1, 1),
        filter,
        normalise: normalise.clone(),
    };
    let tiled =
        TiledImage { backend, resize: None, tile: 0, split: true, filter, normalise: normalise.clone() };
    let panned = |least_side, most_crops| PannedImage {
        backend,
        pan: PanAndScan { least_side, most_crops, least_ratio: 1.0 },
        resize: ([2, 2], filter),
        normalise: normalise.clone(),
    };
    let naflex = |patch, side| NaflexImage {
        patch,
        downsample: 2,
        features: [1, 4],
        tolerance: 1.0,
        tiles: Some((side, [2, 4])),
        thumbnail: true,
        filter,
        normalise: normalise.clone(),
    };
    let (whole, empty) = (RgbImage::new(64, 8), RgbImage::new(0, 5));
    let cases = [
        single(None).process(&empty),
        single(Some((0, 3))).process(&whole),
        squared.process(&empty),
        aspect.process(&empty),
        AspectTiles { resize: true, ..aspect }.process(&whole),
        tiled.process(&whole),
        TiledImage { tile: 4, ..tiled }.process(&empty),
        panned(0, 1).process(&whole),
        panned(1, 0).process(&whole),
        panned(1, 1).process(&empty),
        naflex(0, 8).process(&whole),
        naflex(2, 0).process(&whole),
        naflex(2, 8).process(&empty),
    ];
    for (place, made) in cases.into_iter().enumerate() {
        assert!(matches!(made, Err(ModelError::Image(_))), "case {place}");
    }
}
