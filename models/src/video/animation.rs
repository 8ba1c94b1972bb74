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
    decoded(bytes).is_ok_and(|frames| frames.take(2).flatten().count() > 1)
}

/// How long each frame is shown.
pub(super) fn durations(bytes: &[u8]) -> Result<Vec<Duration>, String> {
    let shown: Vec<Duration> =
        decoded(bytes)?.map(|frame| frame.map(|frame| shown(&frame))).collect::<Result<_, _>>()?;
    match shown.len() {
        0 => Err("it has no frame".into()),
        1 => Err("it has one frame and isn't animated: a picture, not a video".into()),
        _ => Ok(shown),
    }
}

/// The frames of these places, which ascend and are there, in turn.
pub(super) fn frames<'a>(
    bytes: &'a [u8],
    places: &'a [usize],
) -> Result<impl Iterator<Item = Result<Arc<RgbImage>, String>> + 'a, String> {
    let mut decoded = decoded(bytes)?.enumerate();
    let mut taken: Option<(usize, Arc<RgbImage>)> = None;
    Ok(places.iter().map(move |&wanted| {
        if let Some((last, pixels)) = taken.take()
            && last == wanted
        {
            taken = Some((last, Arc::clone(&pixels)));
            return Ok(pixels);
        }
        let (_, frame) = decoded
            .find(|(place, frame)| *place == wanted || frame.is_err())
            .ok_or("it has fewer frames than before")?;
        let pixels = Arc::new(on_white(frame?.buffer()));
        taken = Some((wanted, Arc::clone(&pixels)));
        Ok(pixels)
    }))
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
