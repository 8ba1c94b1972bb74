//! Images as they are sent: brought within the API's bounds, as PNG, or as JPEG where that would be too large.

use std::{
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use image::{ExtendedColorType, ImageEncoder, RgbImage, codecs::jpeg::JpegEncoder, codecs::png::PngEncoder};

use crate::{
    ContentHash, Conversation, Filter, ImageContent, ModelError,
    processor::{Fit, resize},
};

/// The most bytes of an image: Anthropic takes 5 MB of base64 an image, Gemini 20 MB a request, which holds four.
pub(super) const MOST_BYTES: usize = 3_500_000;
/// The quality of a JPEG, of 100.
const QUALITY: u8 = 90;
/// How many images are remembered as they were sent: a conversation shows the same ones again each turn.
const REMEMBERED: usize = 16;

/// An image as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    /// `image/png` or `image/jpeg`.
    pub(super) media_type: &'static str,
    /// Its file.
    pub(super) base64: String,
}

impl Picture {
    /// The same as a `data:` URL.
    pub(super) fn url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, self.base64)
    }

    /// Scales and encodes.
    fn of(pixels: &RgbImage, fit: Fit) -> Result<Self, ModelError> {
        let [width, height] = fit.size(pixels.width(), pixels.height());
        let scaled;
        let pixels = if (width, height) == pixels.dimensions() {
            pixels
        } else {
            scaled = resize(pixels, width, height, Filter::Lanczos)?;
            &scaled
        };
        let mut file = Vec::new();
        let broken = |error: image::ImageError| ModelError::Image(format!("can't be encoded: {error}"));
        let colours = ExtendedColorType::Rgb8;
        PngEncoder::new(Cursor::new(&mut file))
            .write_image(pixels, width, height, colours)
            .map_err(broken)?;
        let mut media_type = "image/png";
        if file.len() > MOST_BYTES {
            file.clear();
            let encoder = JpegEncoder::new_with_quality(Cursor::new(&mut file), QUALITY);
            encoder.write_image(pixels, width, height, colours).map_err(broken)?;
            media_type = "image/jpeg";
        }
        if file.len() > MOST_BYTES {
            return Err(ModelError::Image(format!(
                "{width}×{height} pixels take {} bytes even as JPEG, more than the {MOST_BYTES} that are sent; scale it \
                 down or cut it first",
                file.len()
            )));
        }
        Ok(Self { media_type, base64: BASE64_STANDARD.encode(file) })
    }
}

/// The images that were sent last.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    remembered: Mutex<Vec<(ContentHash, Arc<Picture>)>>,
}

impl Pictures {
    /// Every image of a conversation as it is sent.
    pub(super) async fn of(
        &self,
        conversation: &Conversation,
        fit: Fit,
    ) -> Result<Vec<(ContentHash, Arc<Picture>)>, ModelError> {
        let mut pictures: Vec<(ContentHash, Arc<Picture>)> = Vec::new();
        for image in conversation.images() {
            if pictures.iter().any(|(hash, _)| *hash == image.hash()) {
                continue;
            }
            let picture = match self.known(image.hash()) {
                Some(picture) => picture,
                None => encoded(image, fit).await?,
            };
            pictures.push((image.hash(), picture));
        }
        let newest = pictures.iter().rev().take(REMEMBERED).cloned().collect();
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        Ok(pictures)
    }

    fn known(&self, hash: ContentHash) -> Option<Arc<Picture>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.iter().find(|(known, _)| *known == hash).map(|(_, picture)| Arc::clone(picture))
    }
}

/// Encodes off the threads that wait for others.
async fn encoded(image: &ImageContent, fit: Fit) -> Result<Arc<Picture>, ModelError> {
    let pixels = Arc::clone(image.pixels());
    let work = tokio::task::spawn_blocking(move || Picture::of(&pixels, fit).map(Arc::new));
    work.await.map_err(|error| ModelError::Engine(error.into()))?
}

#[cfg(test)]
mod tests {
    use rand::{RngCore, SeedableRng, rngs::StdRng};

    use super::*;

    fn decoded(picture: &Picture) -> image::DynamicImage {
        image::load_from_memory(&BASE64_STANDARD.decode(&picture.base64).unwrap()).unwrap()
    }

    #[test]
    fn an_image_is_a_png_of_the_same_pixels_unless_it_is_too_large() {
        let small = RgbImage::from_fn(30, 20, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let picture = Picture::of(&small, Fit::default()).unwrap();
        assert_eq!((picture.media_type, decoded(&picture).into_rgb8()), ("image/png", small.clone()));
        let halved = Picture::of(&small, Fit { longest: Some(15), ..Fit::default() }).unwrap();
        assert_eq!(decoded(&halved).into_rgb8().dimensions(), (15, 10));
        let mut noise = RgbImage::new(1200, 1200);
        StdRng::seed_from_u64(1).fill_bytes(&mut noise);
        assert_eq!(Picture::of(&noise, Fit::default()).unwrap().media_type, "image/jpeg");
    }
}
