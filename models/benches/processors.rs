//! What it costs to prepare an image for a vision encoder, and to resize one.
//!
//! `cargo bench -p percept-models --bench processors`; `models/export/speed/preprocessing.py` runs it in turns with
//! Pillow and numpy, and prints the ratios. With `--turns` it does what each line of its input names, and says the
//! milliseconds.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench may fail, and what it prints is its result"
)]

use std::{hint::black_box, time::Instant};

use fast_image_resize as fir;
use image::{Rgb, RgbImage};
use percept_models::{Filter, ImageProcessor, resize};
use serde_json::json;

/// Every processor that is known, by the name that a folder gives it, with settings that published models have.
const PROCESSORS: &[(&str, &str)] = &[
    ("CLIPImageProcessor", "{}"),
    ("SiglipImageProcessor", "{}"),
    ("ViTImageProcessor", "{}"),
    ("BlipImageProcessor", "{}"),
    ("IdeficsImageProcessor", "{}"),
    ("LlavaImageProcessor", r#"{"do_pad": true, "size": {"shortest_edge": 336}, "crop_size": 336}"#),
    ("Idefics3ImageProcessor", "{}"),
    ("SmolVLMImageProcessor", r#"{"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}"#),
    ("Qwen2VLImageProcessor", r#"{"size": {"shortest_edge": 3136, "longest_edge": 12845056}}"#),
    ("Lfm2VlImageProcessor", "{}"),
    (
        "GotOcr2ImageProcessor",
        r#"{"crop_to_patches": true, "size": {"height": 448, "width": 448}, "max_patches": 12}"#,
    ),
    ("LlavaNextImageProcessor", r#"{"size": {"shortest_edge": 336}, "crop_size": 336}"#),
    ("LlavaOnevisionImageProcessor", "{}"),
    ("JanusImageProcessor", "{}"),
];

/// What is resized to what: near the same size, to a few tiles, to one picture, and up.
const RESIZES: &[[u32; 2]] = &[[1288, 728], [398, 224], [384, 384], [2048, 1152]];

const FILTERS: &[(Filter, fir::FilterType)] = &[
    (Filter::Bilinear, fir::FilterType::Bilinear),
    (Filter::Bicubic, fir::FilterType::CatmullRom),
    (Filter::Lanczos, fir::FilterType::Lanczos3),
];

/// A picture like a screenshot: a gradient, windows with sharp edges, rows of marks like text. From integers alone, so
/// that Python makes the same one.
fn screenshot(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let window = (x / 320 + y / 240) % 3;
        let mark = window > 0 && y % 18 < 11 && (x * 7 + y / 18 * 13) % 29 < 9 && (x / 3 * 5 + y) % 4 < 2;
        let ground = if window == 0 { x / 8 + y / 8 } else { 255 - window * 20 };
        Rgb([0, 1, 2].map(|channel| if mark { 30 + 20 * channel } else { ground + channel } as u8))
    })
}

/// A name and what is timed under it.
type Case<'a> = (String, Box<dyn Fn() + 'a>);

fn cases(image: &RgbImage) -> Vec<Case<'_>> {
    let (width, height) = image.dimensions();
    let mut cases: Vec<Case<'_>> = Vec::new();
    for (class, settings) in PROCESSORS {
        for backend in ["", "Fast"] {
            let mut written: serde_json::Value = serde_json::from_str(settings).unwrap();
            written["image_processor_type"] = json!(format!("{class}{backend}"));
            let processor = ImageProcessor::from_json(&written.to_string()).unwrap();
            cases.push((
                format!("{class}{backend} {width}×{height}"),
                Box::new(move || drop(black_box(processor.process(image).unwrap()))),
            ));
        }
    }
    for [wide, high] in RESIZES {
        for (filter, theirs) in FILTERS {
            let case = format!("{filter:?} {width}×{height} to {wide}×{high}");
            cases.push((
                format!("resize {case}"),
                Box::new(move || drop(black_box(resize(image, *wide, *high, *filter).unwrap()))),
            ));
            cases.push((
                format!("fast_image_resize {case}"),
                Box::new(move || drop(black_box(theirs_of(image, *wide, *high, *theirs)))),
            ));
        }
    }
    cases
}

fn theirs_of(image: &RgbImage, width: u32, height: u32, filter: fir::FilterType) -> Vec<u8> {
    let kind = fir::PixelType::U8x3;
    let source = fir::images::ImageRef::new(image.width(), image.height(), image.as_raw(), kind).unwrap();
    let mut target = fir::images::Image::new(width, height, kind);
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter));
    fir::Resizer::new().resize(&source, &mut target, &options).unwrap();
    target.into_vec()
}

fn milliseconds(case: &dyn Fn()) -> f64 {
    let begun = Instant::now();
    case();
    begun.elapsed().as_secs_f64() * 1e3
}

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let images = [screenshot(1280, 720), screenshot(1920, 1080)];
    let cases: Vec<Case<'_>> = images.iter().flat_map(cases).collect();
    if has("--turns") {
        for name in std::io::stdin().lines() {
            let name = name.unwrap();
            let (_, case) = cases.iter().find(|(known, _)| *known == name).unwrap();
            println!("{}", milliseconds(case));
        }
        return;
    }
    // Cargo's own tests run benches too, to see that they work.
    let rounds = if has("--bench") { 9 } else { 1 };
    let mut found = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((_, case), found) in cases.iter().zip(&mut found) {
            found.push(milliseconds(case));
        }
    }
    for ((name, _), mut found) in cases.into_iter().zip(found) {
        found.sort_by(f64::total_cmp);
        println!("{:9.3} ms  {name}", found[found.len() / 2]);
    }
}
