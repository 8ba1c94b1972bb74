//! Images from files: any common format becomes RGB pixels. What a camera held sideways is turned, as transformers' `load_image`
//! turns what it is given as a path; what is transparent lies on white, as transformers' `convert_to_rgb` has it for an image
//! that is handed over opened. (No path through transformers does both: `load_image` itself drops the alpha channel, and
//! shows colours that nobody sees; an opened image isn't turned.)
//!
//! What a reader might not expect is said in [`LoadedImage::notes`], never done silently. Pixels of JPEG
//! files can differ from libjpeg's by a level, because decoders round differently; PNG, GIF, BMP and
//! lossless WebP are exact.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
    sync::Arc,
};

use image::{
    AnimationDecoder, DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, Limits, Pixel, Rgb,
    RgbImage, Rgba, RgbaImage,
    codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use crate::{MAX_PIXELS, ModelError, processor::check_area};

/// So many bytes tell an image's format.
const BEGINNING: u64 = 64;
/// The most bytes of an image's file: the most pixels with four channels of 16 bits each, packed by nothing.
const MOST_BYTES: u64 = 8 * MAX_PIXELS + (1 << 20);

/// An image as it was read.
#[derive(Debug, Clone)]
pub struct LoadedImage {
    /// Its pixels.
    pub pixels: Arc<RgbImage>,
    /// What was left out or changed: further frames, transparency, a rotation.
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
        Self::decode_file(path, &Self::bytes_of(path)?)
    }

    /// The bytes of an image's file, for [`LoadedImage::decode_file`]. One that doesn't begin as an image of a known format is
    /// let go after its first bytes, whatever its size.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] naming the file, if it can't be read, doesn't begin as an image does, or is larger than any image
    /// that is taken.
    pub fn bytes_of(path: &Path) -> Result<Vec<u8>, ModelError> {
        let unread = |error: io::Error| named(path, problem(&error.to_string()));
        let mut file = File::open(path).map_err(unread)?;
        let mut bytes = Vec::new();
        file.by_ref().take(BEGINNING).read_to_end(&mut bytes).map_err(unread)?;
        format_of(&bytes).map_err(|error| named(path, error))?;
        file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(named(
                path,
                problem(&format!("larger than any image that is taken ({MOST_BYTES} bytes)")),
            ));
        }
        Ok(bytes)
    }

    /// Reads the image whose file has these bytes.
    ///
    /// # Errors
    ///
    /// Those of [`LoadedImage::open`].
    pub fn decode_file(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::decode(bytes).map_err(|error| named(path, error))
    }

    /// Reads an image that is already in memory.
    ///
    /// # Errors
    ///
    /// Those of [`LoadedImage::open`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ModelError> {
        let format = format_of(bytes)?;
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
                let mut frames = GifDecoder::new(Cursor::new(bytes)).map_err(torn)?;
                frames.set_limits(limits(frames.dimensions())).map_err(torn)?;
                if frames.into_frames().take(2).flatten().count() > 1 {
                    notes.push("an animation: only its first frame is seen".into());
                }
                image
            }
            ImageFormat::Bmp => {
                pixels(image::codecs::bmp::BmpDecoder::new(Cursor::new(bytes)).map_err(torn)?, &mut notes)?
            }
            other => return Err(unknown(other)),
        };
        Ok(Self { pixels: Arc::new(rgb(decoded, &mut notes)), notes })
    }
}

/// The format by the first bytes, if images of it are taken.
fn format_of(beginning: &[u8]) -> Result<ImageFormat, ModelError> {
    let format = image::guess_format(beginning)
        .map_err(|_| problem("not an image in a format that is known (PNG, JPEG, WebP, GIF, BMP)"))?;
    match format {
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Gif | ImageFormat::Bmp => {
            Ok(format)
        }
        other => Err(unknown(other)),
    }
}

fn unknown(format: ImageFormat) -> ModelError {
    problem(&format!("the format {format:?} isn't known; convert it to PNG first"))
}

/// What is wrong with an image, with its file's name.
fn named(path: &Path, error: ModelError) -> ModelError {
    match error {
        ModelError::Image(problem) => ModelError::Image(format!("{}: {problem}", path.display())),
        other => other,
    }
}

fn problem(text: &str) -> ModelError {
    ModelError::Image(text.into())
}

#[allow(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn torn(error: ImageError) -> ModelError {
    ModelError::Image(undecoded(&error))
}

/// Why a file can't be decoded.
pub(crate) fn undecoded(error: &ImageError) -> String {
    match error {
        ImageError::Limits(_) => {
            format!("can't be decoded: a frame in it has more than the {MAX_PIXELS} pixels that are taken")
        }
        error => format!("can't be decoded: {error}"),
    }
}

/// What decoding a picture of this width and height may take. The header's size is checked by itself; but a frame of a GIF
/// has a size of its own, up to 65535×65535 on a screen of one pixel. So: the frame as it is read, at four bytes a pixel,
/// beside the frame before, the canvas and one copy (APNG).
pub(crate) fn limits((width, height): (u32, u32)) -> Limits {
    let canvas = u64::from(width) * u64::from(height);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(4 * (3 * canvas.min(MAX_PIXELS) + MAX_PIXELS));
    limits
}

/// Checks size and orientation by the header, then decodes.
fn pixels(mut decoder: impl ImageDecoder, notes: &mut Vec<String>) -> Result<DynamicImage, ModelError> {
    let (width, height) = decoder.dimensions();
    check_area(width, height, "the file")?;
    // The decoder's own, smaller limit would refuse what is allowed.
    decoder.set_limits(limits((width, height))).map_err(torn)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(torn)?;
    if orientation != Orientation::NoTransforms {
        image.apply_orientation(orientation);
        notes.push("it is turned as its EXIF orientation says".into());
    }
    Ok(image)
}

/// Eight bits, three channels. What is transparent lies on white; of 16 bits the high byte is kept.
fn rgb(image: DynamicImage, notes: &mut Vec<String>) -> RgbImage {
    if matches!(image, DynamicImage::ImageLuma16(_)) {
        notes.push("16-bit grey is brought to 8 bits (Pillow would clip it at 255)".into());
    }
    if image.color().has_alpha() {
        let image = match image {
            DynamicImage::ImageLumaA16(_) | DynamicImage::ImageRgba16(_) => high_bytes(&image.into_rgba16()),
            other => other.into_rgba8(),
        };
        if image.pixels().any(|pixel| pixel.0[3] != u8::MAX) {
            notes.push("its transparency is seen on white".into());
        }
        return on_white(&image);
    }
    match image {
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageRgb16(_) => high_bytes(&image.into_rgb16()),
        other => other.into_rgb8(),
    }
}

/// Pillow takes the high byte where `image` would round.
fn high_bytes<P>(wide: &ImageBuffer<P, Vec<u16>>) -> ImageBuffer<P::Narrow, Vec<u8>>
where
    P: Pixel<Subpixel = u16> + Narrow,
{
    let bytes = wide.as_raw().iter().map(|value| (value >> 8) as u8).collect();
    ImageBuffer::from_raw(wide.width(), wide.height(), bytes).unwrap_or_default()
}

/// A pixel of 16-bit channels and the same with 8-bit ones.
trait Narrow {
    type Narrow: Pixel<Subpixel = u8>;
}

impl Narrow for Rgb<u16> {
    type Narrow = Rgb<u8>;
}

impl Narrow for Rgba<u16> {
    type Narrow = Rgba<u8>;
}

/// Pillow's `alpha_composite` over opaque white, rounding included (`libImaging/AlphaComposite.c`).
pub(crate) fn on_white(image: &RgbaImage) -> RgbImage {
    let blend = |value: u8, alpha: u8| {
        let [value, alpha] = [value, alpha].map(u32::from);
        let sum = (value * alpha + 255 * (255 - alpha) + 0x80) << 7;
        ((((sum >> 8) + sum) >> 8) >> 7) as u8
    };
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0;
        Rgb([red, green, blue].map(|value| blend(value, alpha)))
    })
}

/// The number of colour components that a JPEG's frame header declares (ITU T.81, B.2.2).
fn jpeg_components(bytes: &[u8]) -> Option<u8> {
    let mut at = 2;
    loop {
        // Any number of fill bytes may stand before a marker (B.1.1.2).
        while bytes.get(at..at + 2)? == [0xFF; 2] {
            at += 1;
        }
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
