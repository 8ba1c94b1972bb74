//! Images as users have them: what transformers makes of them, and what is said about the rest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::io::Cursor;

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{
    DynamicImage, ExtendedColorType, Frame, GrayAlphaImage, GrayImage, ImageBuffer, ImageEncoder,
    ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::{gif::GifEncoder, png::PngEncoder},
};
use percept_models::{ImageProcessor, LoadedImage};

fn bytes(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Decodes an image of one pixel row and expects its pixels and what its notes begin with.
fn check(bytes: &[u8], pixels: &[[u8; 3]], notes: &[&str]) {
    let loaded = LoadedImage::decode(bytes).unwrap();
    let found: Vec<[u8; 3]> = loaded.pixels.pixels().map(|pixel| pixel.0).collect();
    assert_eq!(found, pixels);
    assert_eq!(loaded.notes.len(), notes.len(), "{:?}", loaded.notes);
    for (note, start) in loaded.notes.iter().zip(notes) {
        assert!(note.starts_with(start), "{note}");
    }
}

#[test]
fn any_colours_become_rgb() {
    let png = ImageFormat::Png;
    let rgba = RgbaImage::from_fn(2, 1, |x, _| Rgba([10, 20, 30, if x == 0 { 255 } else { 0 }]));
    check(&bytes(rgba, png), &[[10, 20, 30], [255; 3]], &["its transparency is seen on white"]);
    check(&bytes(RgbaImage::from_pixel(1, 1, Rgba([1, 2, 3, 255])), png), &[[1, 2, 3]], &[]);
    check(&bytes(GrayImage::from_pixel(1, 1, Luma([9])), png), &[[9; 3]], &[]);
    let grey = GrayAlphaImage::from_pixel(1, 1, image::LumaA([9, 8]));
    check(&bytes(grey, png), &[[247; 3]], &["its transparency is seen on white"]);
    let wide: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(1, 1, Rgb([0x12FF, 0xFF00, 0x00FF]));
    check(&bytes(wide, png), &[[0x12, 0xFF, 0x00]], &[]);
    let wide: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_pixel(1, 1, Luma([0x80FF]));
    check(&bytes(wide, png), &[[0x80; 3]], &["16-bit grey"]);
    check(&bytes(RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])), ImageFormat::Bmp), &[[1, 2, 3]], &[]);
    check(&bytes(RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])), ImageFormat::WebP), &[[1, 2, 3]], &[]);
}

#[test]
fn an_animation_is_seen_by_its_first_frame_and_says_so() {
    let frame = |colour| Frame::new(RgbaImage::from_pixel(2, 1, Rgba(colour)));
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif).encode_frames([frame([255, 0, 0, 255]), frame([0, 0, 255, 255])]).unwrap();
    check(&gif, &[[255, 0, 0]; 2], &["an animation"]);
    let mut still = Vec::new();
    GifEncoder::new(&mut still).encode_frames([frame([255, 0, 0, 255])]).unwrap();
    check(&still, &[[255, 0, 0]; 2], &[]);
}

/// Two frames of one row each, red then blue, written by Pillow 11.3.
const ANIMATED_WEBP: &str = "UklGRoQAAABXRUJQVlA4WAoAAAACAAAAAQAAAAAAQU5JTQYAAAAAAAAAAABBTk1GKAAAAAAAAAAAAAEAAAAAAGQAAAJWUDhM\
    DwAAAC8BAAAABxD9j/4HIqL/AQBBTk1GKAAAAAAAAAAAAAEAAAAAAGQAAABWUDhMDwAAAC8BAAAABxDR//4HIqL/AQA=";
const ANIMATED_PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAACGFjVEwAAAACAAAAAPONk3AAAAAaZmNUTAAAAAAAAAACAAAAAQAA\
    AAAAAAAAAGQD6AAAECjlZAAAAA9JREFUeJxj/M/AwMDAAAAGCAEBy0d2dQAAABpmY1RMAAAAAQAAAAIAAAABAAAAAAAAAAAAZAPoAACLWw+wAAAAE2Zk\
    QVQAAAACeJxjZGD4z8DAAAAECgEBAZKCvQAAAABJRU5ErkJggg==";

#[test]
fn other_animations_are_seen_by_their_first_frame_too() {
    for animation in [ANIMATED_WEBP, ANIMATED_PNG] {
        check(&BASE64_STANDARD.decode(animation).unwrap(), &[[255, 0, 0]; 2], &["an animation"]);
    }
}

#[test]
fn a_photo_taken_sideways_is_turned() {
    let jpeg = bytes(RgbImage::from_pixel(16, 8, Rgb([128; 3])), ImageFormat::Jpeg);
    // An EXIF segment whose one entry says: orientation 6, a quarter turn clockwise.
    let exif = b"\xFF\xE1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&jpeg[..2], exif, &jpeg[2..]].concat();
    let loaded = LoadedImage::decode(&turned).unwrap();
    assert_eq!(loaded.pixels.dimensions(), (8, 16));
    assert_eq!(loaded.notes, ["it is turned as its EXIF orientation says"]);
    assert_eq!(LoadedImage::decode(&jpeg).unwrap().pixels.dimensions(), (16, 8));
}

#[test]
fn what_cant_be_taken_is_refused_with_a_reason() {
    let mut jpeg = bytes(RgbImage::new(8, 8), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 9] = 4;
    // The same with bytes that fill the place before a marker.
    let filled = [&jpeg[..frame], &[0xFF; 3], &jpeg[frame..]].concat();
    let mut huge = Vec::new();
    PngEncoder::new(&mut huge).write_image(&[0], 1, 1, ExtendedColorType::L8).unwrap();
    huge[16..24].copy_from_slice(&[0, 0, 0x4E, 0x20, 0, 0, 0x4E, 0x20]);
    let crc = crc32(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&crc);
    let png = bytes(RgbImage::new(9, 9), ImageFormat::Png);
    let cases: [(&[u8], &str); 6] = [
        (&jpeg, "CMYK"),
        (&filled, "CMYK"),
        (&huge, "20000×20000 pixels, more than"),
        (b"not an image", "not an image"),
        (&png[..png.len() / 2], "can't be decoded"),
        (b"II*\0........", "format Tiff isn't known"),
    ];
    for (bytes, expected) in cases {
        let error = LoadedImage::decode(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = LoadedImage::open("no/such.png".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("image: no/such.png:"), "{error}");
}

/// The checksum of a PNG chunk (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn odd_sizes_are_processed_or_refused_before_memory_is_taken() {
    let clip = r#"{"image_processor_type": "CLIPImageProcessor"}"#;
    let vit = r#"{"image_processor_type": "ViTImageProcessor"}"#;
    let smolvlm = r#"{"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 64},
                      "max_image_size": {"longest_edge": 32}}"#;
    let cases = [
        (clip, 1, 1, Ok([1, 224, 224])),
        (clip, 9, 100, Ok([1, 224, 224])),
        (clip, 1, 20_000, Err("more than the 178956970")),
        (vit, 1, 2000, Ok([1, 224, 224])),
        // Few pixels come out, but every one that comes in would be weighed.
        (vit, 20_000_000, 1, Err("a side of 20000000 can't be brought to 224")),
        (vit, 1, 20_000_000, Err("more than the 178956970")),
        (smolvlm, 1, 1, Ok([5, 32, 32])),
        (smolvlm, 1, 2000, Ok([3, 32, 32])),
        (smolvlm, 2000, 1, Ok([3, 32, 32])),
        (smolvlm, 0, 5, Err("nothing to see")),
    ];
    for (config, width, height, expected) in cases {
        let processor = ImageProcessor::from_json(config).unwrap();
        match (processor.process(&RgbImage::new(width, height)), expected) {
            (Ok(image), Ok([tiles, rows, columns])) => {
                assert_eq!(
                    (image.tiles, image.height, image.width),
                    (tiles, rows, columns),
                    "{width}×{height}"
                );
                assert_eq!(image.values.len(), tiles * 3 * rows * columns);
            }
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{error}"),
            (found, expected) => {
                panic!("{width}×{height}: {:?} {expected:?}", found.map(|image| image.tiles))
            }
        }
    }
}
