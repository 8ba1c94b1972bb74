//! A still image as a screen: it can be looked at, and that is all.

use std::{
    fmt,
    fs::File,
    io::{BufRead, BufReader, Seek},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};

use crate::{Frame, Input, PixelSize, Screen, ScreenError, Screenshot};

/// The widest and the highest image that is read, in pixels. A larger one is a mistake or an attack far more
/// often than a screenshot, and decoding it would take gigabytes.
const LARGEST_SIDE: u32 = 16_384;

/// Pixels that never change. Every [`Input`] is [`ScreenError::Unsupported`].
#[derive(Clone)]
pub struct StillImage {
    pixels: Arc<RgbImage>,
    location: Option<String>,
    notes: Vec<String>,
}

impl fmt::Debug for StillImage {
    /// The size instead of the pixels, which would fill a log with numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut image = f.debug_struct("StillImage");
        image
            .field("size", &self.pixels.dimensions())
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl StillImage {
    /// A screen that shows these pixels, one to a screen point.
    pub fn new(pixels: RgbImage) -> Self {
        Self { pixels: Arc::new(pixels), location: None, notes: Vec::new() }
    }

    /// A screen that shows an image file: PNG, JPEG, WebP, GIF or BMP, told by its content. Transparent
    /// pixels lie on white; of an animated image the first frame is shown, and a note says so.
    ///
    /// # Errors
    ///
    /// [`ScreenError::Refused`] if the file can't be read, is no image, or is wider or higher than
    /// 16,384 pixels.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ScreenError> {
        let path = path.as_ref();
        let refused =
            |reason: String| ScreenError::Refused { reason: format!("{}: {reason}", path.display()) };
        let file = File::open(path).map_err(|e| refused(e.to_string()))?;
        let (pixels, notes) = read(BufReader::new(file)).map_err(|e| refused(explain(&e)))?;
        Ok(Self { pixels: Arc::new(pixels), location: Some(path.display().to_string()), notes })
    }
}

#[async_trait]
impl Screen for StillImage {
    async fn look(&self) -> Result<Screenshot, ScreenError> {
        let (width, height) = self.pixels.dimensions();
        Ok(Screenshot {
            pixels: Arc::clone(&self.pixels),
            frame: Frame { size: PixelSize { width, height }, scale: 1.0 },
            location: self.location.clone(),
            notes: self.notes.clone(),
        })
    }

    async fn act(&self, input: &Input) -> Result<(), ScreenError> {
        Err(ScreenError::Unsupported { what: format!("{}: it is a still image", input.verb()) })
    }
}

/// The pixels of an image and what a reader of them must know.
fn read(source: impl BufRead + Seek) -> Result<(RgbImage, Vec<String>), ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    let mut reader = ImageReader::new(source).with_guessed_format()?;
    let format = reader.format();
    reader.limits(limits.clone());
    let (image, animated) = match format {
        Some(ImageFormat::Gif) => first_frame(GifDecoder::new(reader.into_inner())?, limits)?,
        Some(ImageFormat::WebP) => {
            let decoder = WebPDecoder::new(reader.into_inner())?;
            if decoder.has_animation() { first_frame(decoder, limits)? } else { whole(decoder, limits)? }
        }
        Some(ImageFormat::Png) => {
            let decoder = PngDecoder::with_limits(reader.into_inner(), limits.clone())?;
            // An animated PNG's plain reading is the still image that its author meant for such readers.
            let animated = decoder.is_apng()?;
            (whole(decoder, limits)?.0, animated)
        }
        _ => (reader.decode()?, false),
    };
    let notes =
        if animated { vec!["the image is animated: this is its first frame".into()] } else { Vec::new() };
    Ok((on_white(image), notes))
}

fn whole(mut decoder: impl ImageDecoder, limits: Limits) -> Result<(DynamicImage, bool), ImageError> {
    decoder.set_limits(limits)?;
    Ok((DynamicImage::from_decoder(decoder)?, false))
}

/// The first frame, and whether there are more.
fn first_frame<'a>(
    mut decoder: impl ImageDecoder + AnimationDecoder<'a>,
    limits: Limits,
) -> Result<(DynamicImage, bool), ImageError> {
    decoder.set_limits(limits)?;
    let mut frames = decoder.into_frames();
    let Some(first) = frames.next() else {
        return Err(ImageError::IoError(std::io::Error::other("the image has no frames")));
    };
    Ok((first?.into_buffer().into(), frames.next().is_some()))
}

/// Opaque pixels: what is transparent lies on white, as on a page.
fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let mut white = DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(
        image.width(),
        image.height(),
        image::Rgba([255; 4]),
    ));
    image::imageops::overlay(&mut white, &image.into_rgba8(), 0, 0);
    white.into_rgb8()
}

fn explain(error: &ImageError) -> String {
    match error {
        ImageError::Limits(_) => {
            format!("the image is too large: at most {LARGEST_SIDE}×{LARGEST_SIDE} pixels are read")
        }
        ImageError::Unsupported(_) => {
            format!("{error}: save it as PNG, JPEG, WebP, GIF or BMP")
        }
        other => other.to_string(),
    }
}
