//! A still image as a screen: what is read, and what is refused.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::{fs, path::Path};

use image::{
    Delay, Frame as AnimationFrame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage, codecs::gif::GifEncoder,
};
use percept_tools::{Frame, Input, Key, PixelSize, Screen, ScreenError, StillImage};

async fn check(path: &Path, size: (u32, u32), corner: [u8; 3], notes: &[&str]) {
    let shot = StillImage::open(path).unwrap().look().await.unwrap();
    assert_eq!(shot.pixels.dimensions(), size);
    assert_eq!(shot.frame, Frame { size: PixelSize { width: size.0, height: size.1 }, scale: 1.0 });
    let off = shot.pixels.get_pixel(0, 0).0.iter().zip(corner).map(|(a, b)| a.abs_diff(b)).max();
    assert!(off <= Some(2), "{:?} in {}", shot.pixels.get_pixel(0, 0), path.display());
    assert_eq!(shot.notes, notes);
    assert_eq!(shot.location, Some(path.display().to_string()));
}

#[tokio::test]
async fn every_usual_format_is_read_whatever_the_file_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let red = RgbImage::from_pixel(7, 5, Rgb([250, 0, 0]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp]
    {
        let path = folder.path().join("image.dat");
        red.save_with_format(&path, format).unwrap();
        check(&path, (7, 5), [250, 0, 0], &[]).await;
    }
    let one = folder.path().join("one.png");
    RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])).save(&one).unwrap();
    check(&one, (1, 1), [1, 2, 3], &[]).await;
}

#[tokio::test]
async fn transparent_pixels_lie_on_white_and_animations_stand_still_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let clear = folder.path().join("clear.png");
    RgbaImage::from_pixel(3, 3, Rgba([0, 0, 0, 0])).save(&clear).unwrap();
    check(&clear, (3, 3), [255; 3], &[]).await;
    let moving = folder.path().join("moving.gif");
    let mut encoder = GifEncoder::new(fs::File::create(&moving).unwrap());
    for colour in [[0, 0, 255, 255], [0, 255, 0, 255]] {
        let frame = RgbaImage::from_pixel(4, 4, Rgba(colour));
        encoder
            .encode_frame(AnimationFrame::from_parts(frame, 0, 0, Delay::from_numer_denom_ms(50, 1)))
            .unwrap();
    }
    drop(encoder);
    check(&moving, (4, 4), [0, 0, 255], &["the image is animated: this is its first frame"]).await;
}

#[test]
fn what_is_no_image_or_too_large_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let small = folder.path().join("small.png");
    RgbImage::new(64, 64).save(&small).unwrap();
    let bytes = fs::read(&small).unwrap();
    // The size in a PNG's header, with the header's checksum made right again.
    let mut huge = bytes.clone();
    huge[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let checksum = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.to_be_bytes());
    let cases = [
        (folder.path().join("missing.png"), "No such file"),
        (put("text.png", b"hello"), "save it as PNG, JPEG, WebP, GIF or BMP"),
        (put("empty.png", b""), "save it as PNG, JPEG, WebP, GIF or BMP"),
        (put("torn.png", &bytes[..bytes.len() / 2]), "torn.png: "),
        (put("huge.png", &huge), "the image is too large: at most 16384×16384 pixels are read"),
    ];
    for (path, expected) in cases {
        let error = StillImage::open(&path).unwrap_err();
        assert!(matches!(error, ScreenError::Refused { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_still_image_can_only_be_looked_at() {
    let screen = StillImage::new(RgbImage::new(4, 4));
    assert_eq!(screen.look().await.unwrap().location, None);
    let error = screen.act(&Input::Press(Key("Enter".into()))).await.unwrap_err();
    assert_eq!(error.to_string(), "this screen can't press a key: it is a still image");
    assert!(matches!(screen.visible_text().await.unwrap_err(), ScreenError::Unsupported { .. }));
}

/// CRC-32 as PNG has it (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
