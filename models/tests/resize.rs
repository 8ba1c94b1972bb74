//! Resizing against goldens of Pillow 11.3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::path::Path;

use percept_models::{Filter, LoadedImage, resize};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Golden {
    source: String,
    width: u32,
    height: u32,
    filter: String,
    sha256: String,
    first_row: Vec<u8>,
    last_row: Vec<u8>,
}

fn check(golden: &Golden) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/resize");
    let image = LoadedImage::open(&folder.join(&golden.source)).unwrap();
    let filter = match golden.filter.as_str() {
        "nearest" => Filter::Nearest,
        "box" => Filter::Box,
        "bilinear" => Filter::Bilinear,
        "hamming" => Filter::Hamming,
        "bicubic" => Filter::Bicubic,
        "lanczos" => Filter::Lanczos,
        other => panic!("{other}"),
    };
    let resized = resize(&image.pixels, golden.width, golden.height, filter).unwrap();
    let case = format!("{} {} {}×{}", golden.source, golden.filter, golden.width, golden.height);
    let bytes = resized.as_raw();
    assert_eq!(bytes[..golden.first_row.len()], golden.first_row, "{case}");
    let last = bytes.len() - 3 * golden.width as usize;
    assert_eq!(bytes[last..][..golden.last_row.len()], golden.last_row, "{case}");
    assert_eq!(format!("{:x}", Sha256::digest(bytes)), golden.sha256, "{case}");
}

#[test]
fn every_byte_is_pillows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/resize/golden.json");
    let goldens: Vec<Golden> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(goldens.len() > 20);
    goldens.iter().for_each(check);
}

#[test]
fn a_result_of_too_many_pixels_is_refused_before_it_is_made() {
    let cases = [(1, 1, 20_000, 20_000), (1, 20_000, 20_000, 1), (3, 3, 0, 5)];
    for (source_width, source_height, width, height) in cases {
        let image = image::RgbImage::new(source_width, source_height);
        assert!(resize(&image, width, height, Filter::Bicubic).is_err(), "{width}×{height}");
    }
}
