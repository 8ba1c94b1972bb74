//! Animated GIF, PNG and WebP images, frame by frame.

use std::{io::Cursor, sync::Arc, time::Duration};

use image::{
    AnimationDecoder, Frame, ImageDecoder, ImageFormat, RgbImage,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};

use crate::{
    images::{limits, on_white, undecoded},
    processor::check_area,
};

/// What browsers make of a delay of at most 10 ms, as old files have it.
const SHORTEST: Duration = Duration::from_millis(11);
const INSTEAD: Duration = Duration::from_millis(100);

/// Whether these bytes are an image with more than one frame.
pub(super) fn is_animated(bytes: &[u8]) -> bool {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => {
            PngDecoder::new(Cursor::new(bytes)).and_then(|decoder| decoder.is_apng()).unwrap_or(false)
        }
        Ok(ImageFormat::WebP) => {
            WebPDecoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.has_animation())
        }
        Ok(ImageFormat::Gif) => decoded(bytes).is_ok_and(|frames| frames.take(2).flatten().count() > 1),
        _ => false,
    }
}

/// How long each frame is shown.
pub(super) fn durations(bytes: &[u8]) -> Result<Vec<Duration>, String> {
    let shown: Vec<Duration> =
        decoded(bytes)?.map(|frame| frame.map(|frame| shown(&frame))).collect::<Result<_, _>>()?;
    if shown.is_empty() { Err("it has no frame".into()) } else { Ok(shown) }
}

/// The frames of these places, which ascend and are there.
pub(super) fn frames(bytes: &[u8], places: &[usize]) -> Result<Vec<Arc<RgbImage>>, String> {
    let mut taken = Vec::with_capacity(places.len());
    let mut wanted = places.iter().peekable();
    for (place, frame) in decoded(bytes)?.enumerate() {
        if wanted.peek().is_none() {
            break;
        }
        let frame = frame?;
        let mut pixels = None;
        while wanted.next_if(|wanted| **wanted == place).is_some() {
            let pixels = pixels.get_or_insert_with(|| Arc::new(on_white(frame.buffer())));
            taken.push(Arc::clone(pixels));
        }
    }
    if wanted.next().is_some() { Err("it has fewer frames than before".into()) } else { Ok(taken) }
}

fn shown(frame: &Frame) -> Duration {
    let shown = Duration::from(frame.delay());
    if shown < SHORTEST { INSTEAD } else { shown }
}

type Decoded<'a> = Box<dyn Iterator<Item = Result<Frame, String>> + 'a>;

fn decoded(bytes: &[u8]) -> Result<Decoded<'_>, String> {
    let format = image::guess_format(bytes).map_err(|_| "not an image in a format that is known")?;
    let frames = match format {
        ImageFormat::Gif => checked(GifDecoder::new(Cursor::new(bytes)))?.into_frames(),
        ImageFormat::Png => {
            let decoder = checked(PngDecoder::new(Cursor::new(bytes)))?;
            if !decoder.is_apng().map_err(torn)? {
                return Err("a PNG that isn't animated: a picture, not a video".into());
            }
            decoder.apng().map_err(torn)?.into_frames()
        }
        ImageFormat::WebP => {
            let decoder = checked(WebPDecoder::new(Cursor::new(bytes)))?;
            if !decoder.has_animation() {
                return Err("a WebP that isn't animated: a picture, not a video".into());
            }
            decoder.into_frames()
        }
        other => {
            return Err(format!(
                "a {other:?} file is no video: animated GIF, PNG and WebP images and folders of pictures are"
            ));
        }
    };
    Ok(Box::new(frames.map(|frame| frame.map_err(torn))))
}

/// The decoder, if its header is whole and its frames fit in memory one by one.
fn checked<D: ImageDecoder>(decoder: Result<D, image::ImageError>) -> Result<D, String> {
    let mut decoder = decoder.map_err(torn)?;
    let (width, height) = decoder.dimensions();
    check_area(width, height, "a frame").map_err(|error| error.to_string())?;
    decoder.set_limits(limits((width, height))).map_err(torn)?;
    Ok(decoder)
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn torn(error: image::ImageError) -> String {
    undecoded(&error)
}
