//! Videos from files: which frames there are, when they are shown, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{fs, path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{
    Delay, Frame, ImageFormat, Pixel, Rgb, RgbImage, RgbaImage,
    codecs::gif::{GifEncoder, Repeat},
};
use percept_models::{LoadedImage, Video};

/// An animation of one colour a frame, each shown for so many milliseconds.
fn gif(shown: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Infinite).unwrap();
    for (place, milliseconds) in shown.iter().enumerate() {
        let pixels = RgbaImage::from_pixel(6, 4, colour(place).to_rgba());
        let delay = Delay::from_numer_denom_ms(*milliseconds, 1);
        encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

fn colour(frame: usize) -> Rgb<u8> {
    Rgb([(frame * 40) as u8, 255 - (frame * 40) as u8, 128])
}

fn picture(frame: usize) -> RgbImage {
    RgbImage::from_pixel(6, 4, colour(frame))
}

fn starts(video: &Video) -> Vec<u128> {
    (0..video.len()).map(|frame| video.start(frame).unwrap().as_millis()).collect()
}

#[test]
fn an_animations_frames_are_shown_when_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.gif");
    // A delay of at most 10 ms means 100, as everywhere.
    fs::write(&path, gif(&[200, 500, 0, 1000])).unwrap();
    assert!(Video::is_at(&path));
    let video = Video::open(&path).unwrap();
    assert_eq!((video.len(), video.duration()), (4, Duration::from_millis(1800)));
    assert_eq!(starts(&video), [0, 200, 700, 800]);
    assert_eq!(video.start(4), None);
    assert!((video.rate() - 4.0 / 1.8).abs() < 1e-12, "{}", video.rate());
    let frames = video.frames(&[0, 2, 2, 3]).unwrap();
    let expected = [0, 2, 2, 3].map(picture);
    assert!(frames.iter().map(AsRef::as_ref).eq(expected.iter()), "{frames:?}");
    let single = video.frames(&[1]).unwrap();
    assert_eq!(*single[0], picture(1));
}

#[test]
fn a_folder_is_a_video_in_the_order_of_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for frame in 0..12 {
        let name = folder.path().join(format!("{frame}.png"));
        RgbImage::from_pixel(2, 2, Rgb([frame as u8; 3])).save(name).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    assert!(Video::is_at(folder.path()));
    let video = Video::open(folder.path()).unwrap();
    assert_eq!((video.len(), video.duration()), (12, Duration::from_secs(12)));
    let frames = video.frames(&[0, 2, 10, 11]).unwrap();
    let greys: Vec<u8> = frames.iter().map(|frame| frame.get_pixel(0, 0).0[0]).collect();
    assert_eq!(greys, [0, 2, 10, 11]);
    let files = [1, 0].map(|frame| (folder.path().join(format!("{frame}.png")), Duration::from_millis(250)));
    let video = Video::of_files(files).unwrap();
    assert_eq!(starts(&video), [0, 250]);
    assert_eq!(video.frames(&[0]).unwrap()[0].get_pixel(0, 0).0[0], 1);
}

fn refused(path: &Path, says: &str) {
    let error = Video::open(path).unwrap_err().to_string();
    assert!(error.contains(says) && error.contains(path.to_str().unwrap()), "{error}");
}

/// `GIF89a` with a logical screen of 1 × 1, and one frame that says it is larger.
fn frame_beyond_its_screen() -> Vec<u8> {
    let header = b"GIF89a\x01\0\x01\0\x80\0\0";
    let colours = [0, 0, 0, 255, 255, 255];
    let frame = [0x2C, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0];
    let pixels = [2, 2, 0x44, 0x01, 0, 0x3B];
    [&header[..], &colours, &frame, &pixels].concat()
}

/// An animation each, of one frame: two red pixels.
const PNG_OF_ONE_FRAME: &str = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAACGFjVEwAAAABAAAAALQt6aAAAAAaZmNUTAAAAAAAAAACAAAAAQAAAAAAAAAAAGQD6AAA\
    ECjlZAAAAA9JREFUeJxj/M/AwMDAAAAGCAEBy0d2dQAAAABJRU5ErkJggg==";
const WEBP_OF_ONE_FRAME: &str = "UklGRlQAAABXRUJQVlA4WAoAAAACAAAAAQAAAAAAQU5JTQYAAAAAAAAAAABBTk1GKAAAAAAAAAAAAAEAAAAAAGQAAAJWUDhMDwAAAC8BAAAABxD9j/4H\
    IqL/AQA=";

#[test]
fn what_is_no_video_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("empty")).unwrap();
    refused(&path("empty"), "holds no picture");
    refused(&path("missing.gif"), "No such file");
    fs::write(path("words.gif"), "words").unwrap();
    refused(&path("words.gif"), "not an image");
    // More than any memory holds; nothing of it is on the disk.
    fs::File::create(path("film.mp4")).unwrap().set_len(1 << 40).unwrap();
    assert!(!Video::is_at(&path("film.mp4")));
    refused(&path("film.mp4"), "not an image");
    for (name, format) in [("still.png", ImageFormat::Png), ("still.webp", ImageFormat::WebP)] {
        picture(0).save_with_format(path(name), format).unwrap();
        assert!(!Video::is_at(&path(name)));
        refused(&path(name), "isn't animated");
    }
    picture(0).save(path("still.bmp")).unwrap();
    refused(&path("still.bmp"), "is no video");
    let whole = gif(&[100, 100, 100]);
    fs::write(path("torn.gif"), &whole[..whole.len() - 30]).unwrap();
    refused(&path("torn.gif"), "can't be decoded");
    fs::write(path("one.gif"), gif(&[100])).unwrap();
    fs::write(path("one.png"), BASE64_STANDARD.decode(PNG_OF_ONE_FRAME).unwrap()).unwrap();
    fs::write(path("one.webp"), BASE64_STANDARD.decode(WEBP_OF_ONE_FRAME).unwrap()).unwrap();
    for name in ["one.gif", "one.png", "one.webp"] {
        assert!(!Video::is_at(&path(name)), "{name}");
        refused(&path(name), "one frame and isn't animated: a picture, not a video");
    }
    // A logical screen of 65535 × 65535 pixels.
    let mut huge = whole.clone();
    huge[6..10].fill(0xFF);
    fs::write(path("huge.gif"), huge).unwrap();
    refused(&path("huge.gif"), "more than the");
    // A frame of 65535 × 65535 pixels on a logical screen of one.
    fs::write(path("frame.gif"), frame_beyond_its_screen()).unwrap();
    refused(&path("frame.gif"), "more than the 178956970 pixels");
    let error = LoadedImage::open(&path("frame.gif")).unwrap_err().to_string();
    assert!(error.contains("frame.gif") && error.contains("more than the 178956970 pixels"), "{error}");
    let files = [path("still.png"), path("still.webp")].map(|path| (path, Duration::MAX));
    let error = Video::of_files(files).unwrap_err().to_string();
    assert!(error.contains("still.webp") && error.contains("longer than can be told"), "{error}");
    fs::write(path("whole.gif"), whole).unwrap();
    let video = Video::open(&path("whole.gif")).unwrap();
    for (places, says) in [(&[3][..], "no frame 3 in a video of 3"), (&[1, 0], "ascending")] {
        let error = video.frames(places).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let nothing = Video::of_files([]).unwrap_err().to_string();
    assert!(nothing.contains("without a frame"), "{nothing}");
    let unseen = Video::of_files([(path("still.png"), Duration::ZERO)]).unwrap_err().to_string();
    assert!(unseen.contains("for no time"), "{unseen}");
}
