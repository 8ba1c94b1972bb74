//! Resizing that gives the bytes that Pillow gives, or those that torchvision gives.
//!
//! Models were trained on images that Pillow resized, and other libraries differ from it by several grey
//! levels. The algorithm is Pillow's (`libImaging/Resample.c` and `Geometry.c`): two passes of weighted
//! sums in fixed point, rounded to bytes between them, the horizontal pass first. (Pillow 13 takes the
//! vertical pass first where that is cheaper, which can change a byte; the goldens are of Pillow 11.3.)
//! torchvision resizes bytes on a CPU in the same way, horizontally first too, but with weights of 16 bits
//! (`upsample_avx_bilinear_bicubic_uint8` in PyTorch's `UpSampleKernelAVXAntialias.h`).

//!
//! The sums are integers, so that the order in which they are taken changes nothing: [`passes`] leaves them to AVX2
//! where the processor has it, and to plain loops elsewhere.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod passes;
mod portable;

use image::RgbImage;

use super::{backend::Backend, filter::Filter};
use crate::ModelError;

/// The most pixels that an image may have on the way through a processor, as many as Pillow opens without
/// calling the file a decompression bomb.
pub const MAX_PIXELS: u64 = 178_956_970;

/// The longest side that is weighed. Each of its pixels takes up to six weights, whatever the image's area; no picture is so
/// long but one that was made to take memory.
const LONGEST_SIDE: u32 = 1 << 22;

/// Refuses a size whose image wouldn't fit in reasonable memory.
pub(crate) fn check_area(width: u32, height: u32, what: &str) -> Result<(), ModelError> {
    if u64::from(width) * u64::from(height) <= MAX_PIXELS {
        return Ok(());
    }
    Err(ModelError::Image(format!(
        "{what} has {width}×{height} pixels, more than the {MAX_PIXELS} that are taken; scale it down or cut it first"
    )))
}

/// Resizes to `width`×`height` as Pillow does.
///
/// # Errors
///
/// [`ModelError::Image`] if a side is 0, if the result or the image between the two passes would exceed
/// [`MAX_PIXELS`], or if a side that changes has more than 4 194 304 pixels before or after; nothing is allocated then.
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> Result<RgbImage, ModelError> {
    resize_as(image, width, height, filter, Backend::Pillow)
}

/// Resizes as a backend does. torchvision has no such arithmetic for every filter; a processor that asks for
/// another one is refused when it is read.
pub(super) fn resize_as(
    image: &RgbImage,
    width: u32,
    height: u32,
    filter: Filter,
    backend: Backend,
) -> Result<RgbImage, ModelError> {
    let (source_width, source_height) = image.dimensions();
    if [source_width, source_height, width, height].contains(&0) {
        return Err(ModelError::Image(format!(
            "can't resize {source_width}×{source_height} to {width}×{height}: a side is 0"
        )));
    }
    check_area(width, height.max(source_height), &format!("{source_width}×{source_height} resized"))?;
    if (width, height) == (source_width, source_height) {
        return Ok(image.clone());
    }
    if filter == Filter::Nearest {
        return Ok(nearest(image, width, height));
    }
    let sides = [(source_width, width), (source_height, height)];
    if let Some((from, to)) = sides.into_iter().find(|(from, to)| from != to && *from.max(to) > LONGEST_SIDE)
    {
        return Err(ModelError::Image(format!(
            "{source_width}×{source_height} pixels: a side of {from} can't be brought to {to}, {LONGEST_SIDE} are the most \
             that are weighed; scale it down or cut it first"
        )));
    }
    let mut target = RgbImage::new(width, height);
    passes::run(image, &mut target, filter, backend);
    Ok(target)
}

fn nearest(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let columns = nearest_places(image.width(), width);
    let rows = nearest_places(image.height(), height);
    RgbImage::from_fn(width, height, |x, y| *image.get_pixel(columns[x as usize], rows[y as usize]))
}

/// Pillow steps through the source by addition, and its rounding errors are part of the result.
fn nearest_places(source: u32, target: u32) -> Vec<u32> {
    let step = f64::from(source) / f64::from(target);
    let mut place = step * 0.5;
    (0..target)
        .map(|_| {
            let at = (place as u32).min(source - 1);
            place += step;
            at
        })
        .collect()
}
