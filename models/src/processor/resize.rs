//! Resizing that gives the bytes that Pillow gives, or those that torchvision gives.
//!
//! Models were trained on images that Pillow resized, and other libraries differ from it by several grey
//! levels. The algorithm is Pillow's (`libImaging/Resample.c` and `Geometry.c`): two passes of weighted
//! sums in fixed point, rounded to bytes between them, the horizontal pass first. (Pillow 13 takes the
//! vertical pass first where that is cheaper, which can change a byte; the goldens are of Pillow 11.3.)
//! torchvision resizes bytes on a CPU in the same way, horizontally first too, but with weights of 16 bits
//! (`upsample_avx_bilinear_bicubic_uint8` in PyTorch's `UpSampleKernelAVXAntialias.h`).

use image::RgbImage;

use super::{
    backend::Backend,
    filter::{Filter, Taps, pass},
};
use crate::ModelError;

/// The most pixels that an image may have on the way through a processor, as many as Pillow opens without
/// calling the file a decompression bomb.
pub const MAX_PIXELS: u64 = 178_956_970;

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
/// [`ModelError::Image`] if a side is 0, or if the result or the image between the two passes would exceed
/// [`MAX_PIXELS`]; nothing is allocated then.
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
    let across = if width == source_width { None } else { Some(horizontal(image, width, filter, backend)) };
    let between = across.as_ref().unwrap_or(image);
    if height == source_height {
        return Ok(across.unwrap_or_else(|| image.clone()));
    }
    Ok(vertical(between, height, filter, backend))
}

fn horizontal(image: &RgbImage, width: u32, filter: Filter, backend: Backend) -> RgbImage {
    let pass = pass(image.width(), width, filter, backend);
    let half = half(pass.bits);
    let mut target = RgbImage::new(width, image.height());
    let stride = 3 * image.width() as usize;
    let rows = image.as_raw().chunks_exact(stride).zip(target.chunks_exact_mut(3 * width as usize));
    for (source, target) in rows {
        for (Taps { first, weights }, pixel) in pass.taps.iter().zip(target.chunks_exact_mut(3)) {
            let mut sums = [half; 3];
            for (weight, source) in weights.iter().zip(source[3 * first..].chunks_exact(3)) {
                for (sum, value) in sums.iter_mut().zip(source) {
                    *sum += weight * i32::from(*value);
                }
            }
            for (value, sum) in pixel.iter_mut().zip(sums) {
                *value = byte(sum, pass.bits);
            }
        }
    }
    target
}

fn vertical(image: &RgbImage, height: u32, filter: Filter, backend: Backend) -> RgbImage {
    let stride = 3 * image.width() as usize;
    let mut target = RgbImage::new(image.width(), height);
    let mut sums = vec![0_i32; stride];
    let pass = pass(image.height(), height, filter, backend);
    let half = half(pass.bits);
    for (Taps { first, weights }, target) in pass.taps.iter().zip(target.chunks_exact_mut(stride)) {
        sums.fill(half);
        let sources = image.as_raw()[first * stride..].chunks_exact(stride);
        for (weight, source) in weights.iter().zip(sources) {
            for (sum, value) in sums.iter_mut().zip(source) {
                *sum += weight * i32::from(*value);
            }
        }
        for (value, sum) in target.iter_mut().zip(&sums) {
            *value = byte(*sum, pass.bits);
        }
    }
    target
}

/// The byte that a sum in fixed point stands for; the half that rounds it is already in the sum.
fn byte(sum: i32, bits: u32) -> u8 {
    (sum >> bits).clamp(0, 255) as u8
}

/// What a sum begins with so that it is rounded. Weights are never so large that no bit is left after the point.
fn half(bits: u32) -> i32 {
    1 << bits.saturating_sub(1)
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
