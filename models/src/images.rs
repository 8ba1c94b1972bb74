//! Images from files: any common format becomes the RGB pixels that Pillow's `convert("RGB")` would give.
//!
//! What a reader might not expect is said in [`LoadedImage::notes`], never done silently. Pixels of JPEG
//! files can differ from libjpeg's by a level, because decoders round differently; PNG, GIF, BMP and
//! lossless WebP are exact.

use std::{io::Cursor, path::Path, sync::Arc};

use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, Limits, RgbImage,
    codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use crate::{ModelError, processor::check_area};

/// An image as it was read.
#[derive(Debug, Clone)]
pub struct LoadedImage {
    /// Its pixels.
    pub pixels: Arc<RgbImage>,
    /// What was left out or taken as it is: further frames, transparency, a rotation.
    pub notes: Vec<String>,
}

impl LoadedImage {
    /// Reads a file; the format is known by its content, not by its name.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if it can't be read, isn't an image of a known format, has CMYK colours, or has
    /// more than [`crate::MAX_PIXELS`] pixels (refused before they are decoded).
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let named = |problem: String| ModelError::Image(format!("{}: {problem}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
        Self::decode(&bytes).map_err(|error| match error {
            ModelError::Image(problem) => named(problem),
            other => other,
        })
    }

    /// Reads an image that is already in memory.
    ///
    /// # Errors
    ///
    /// Those of [`LoadedImage::open`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let format = image::guess_format(bytes)
            .map_err(|_| problem("not an image in a format that is known (PNG, JPEG, WebP, GIF, BMP)"))?;
        let mut notes = Vec::new();
        let decoded = match format {
            ImageFormat::Png => {
                let decoder = PngDecoder::new(Cursor::new(bytes)).map_err(torn)?;
                if decoder.is_apng().map_err(torn)? {
                    notes.push("an animation: only its first frame is seen".into());
                }
                pixels(decoder, &mut notes)?
            }
            ImageFormat::Jpeg => {
                if jpeg_components(bytes) == Some(4) {
                    return Err(problem("a JPEG in CMYK colours; convert it to RGB first"));
                }
                pixels(JpegDecoder::new(Cursor::new(bytes)).map_err(torn)?, &mut notes)?
            }
            ImageFormat::WebP => {
                let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(torn)?;
                if decoder.has_animation() {
                    notes.push("an animation: only its first frame is seen".into());
                }
                pixels(decoder, &mut notes)?
            }
            ImageFormat::Gif => {
                let image = pixels(GifDecoder::new(Cursor::new(bytes)).map_err(torn)?, &mut notes)?;
                let frames = GifDecoder::new(Cursor::new(bytes)).map_err(torn)?.into_frames();
                if frames.take(2).filter(Result::is_ok).count() > 1 {
                    notes.push("an animation: only its first frame is seen".into());
                }
                image
            }
            ImageFormat::Bmp => {
                pixels(image::codecs::bmp::BmpDecoder::new(Cursor::new(bytes)).map_err(torn)?, &mut notes)?
            }
            other => {
                return Err(problem(&format!("the format {other:?} isn't known; convert it to PNG first")));
            }
        };
        Ok(Self { pixels: Arc::new(rgb(decoded, &mut notes)), notes })
    }
}

fn problem(text: &str) -> ModelError {
    ModelError::Image(text.into())
}

fn torn(error: impl std::fmt::Display) -> ModelError {
    ModelError::Image(format!("can't be decoded: {error}"))
}

/// Checks size and orientation by the header, then decodes.
fn pixels(mut decoder: impl ImageDecoder, notes: &mut Vec<String>) -> Result<DynamicImage, ModelError> {
    let (width, height) = decoder.dimensions();
    check_area(width, height, "the file")?;
    // The area bounds the memory; the decoder's own, smaller limit would refuse what is allowed.
    decoder.set_limits(Limits::no_limits()).map_err(torn)?;
    if let Ok(orientation) = decoder.orientation()
        && orientation != Orientation::NoTransforms
    {
        notes.push(
            "its EXIF orientation isn't applied, as in the reference: rotate the pixels if it matters".into(),
        );
    }
    DynamicImage::from_decoder(decoder).map_err(torn)
}

/// Eight bits, three channels. Transparency is dropped, not blended; of 16 bits the high byte is kept.
fn rgb(image: DynamicImage, notes: &mut Vec<String>) -> RgbImage {
    if image.color().has_alpha() && has_transparency(&image) {
        notes.push("its transparency is dropped: hidden colours are seen as they are stored".into());
    }
    match image {
        DynamicImage::ImageRgb8(image) => image,
        DynamicImage::ImageLuma16(_) => {
            notes.push("16-bit grey is brought to 8 bits (Pillow would clip it at 255)".into());
            high_bytes(&image)
        }
        DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => {
            high_bytes(&image)
        }
        other => other.into_rgb8(),
    }
}

/// Pillow takes the high byte; `to_rgb8` would round.
fn high_bytes(image: &DynamicImage) -> RgbImage {
    let wide = image.to_rgb16();
    let bytes = wide.as_raw().iter().map(|value| (value >> 8) as u8).collect();
    RgbImage::from_raw(wide.width(), wide.height(), bytes).unwrap_or_default()
}

fn has_transparency(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel.0[3] != u8::MAX),
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel.0[1] != u8::MAX),
        other => other.to_rgba16().pixels().any(|pixel| pixel.0[3] != u16::MAX),
    }
}

/// The number of colour components that a JPEG's frame header declares (ITU T.81, B.2.2).
fn jpeg_components(bytes: &[u8]) -> Option<u8> {
    let mut at = 2;
    loop {
        let [0xFF, marker, high, low] = *bytes.get(at..at + 4)? else {
            return None;
        };
        // SOF0 to SOF15, without DHT, JPG and DAC, which lie among them.
        if matches!(marker, 0xC0..=0xCF) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            return bytes.get(at + 9).copied();
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}
