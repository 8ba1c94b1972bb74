//! From bytes to the numbers that a vision encoder takes: rescaled, normalised, planes instead of pixels.

use std::array::from_fn;

use image::{Rgb, RgbImage};

use super::{backend::Backend, resize::check_area};
use crate::ModelError;

/// The two arithmetic steps of a processor. The order of operations and the precision of each are the
/// reference's (`rescale` and `normalize` of transformers' `image_transforms.py`, or `rescale_and_normalize` of its
/// torchvision backend), so that results are equal bit for bit.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalise {
    /// Multiplied with each byte, in double precision; `None` leaves the bytes.
    pub rescale: Option<f64>,
    /// Mean and standard deviation of each channel; `None` leaves the rescaled values.
    pub mean_and_deviation: Option<[[f32; 3]; 2]>,
    /// Whose arithmetic it is.
    pub backend: Backend,
}

impl Normalise {
    /// Black as −1 and white as 1.
    pub(crate) fn minus_one_to_one() -> Self {
        Self { rescale: Some(1.0 / 127.5), mean_and_deviation: Some([[1.0; 3]; 2]), backend: Backend::Pillow }
    }

    /// The value of one byte in each channel: `table[channel][byte]`.
    ///
    /// A channel has 256 values, so that the arithmetic is done 768 times whatever the image's size.
    pub(super) fn tables(&self) -> [[f32; 256]; 3] {
        from_fn(|channel| from_fn(|byte| self.value(channel, byte as u8)))
    }

    fn value(&self, channel: usize, byte: u8) -> f32 {
        match self.backend {
            Backend::Pillow => self.in_two_steps(channel, byte),
            Backend::Torchvision => self.in_one_step(channel, byte),
        }
    }

    /// Mean and deviation are brought to the scale of bytes instead of the bytes to theirs.
    fn in_one_step(&self, channel: usize, byte: u8) -> f32 {
        let value = f32::from(byte);
        match (self.mean_and_deviation, self.rescale) {
            (Some([mean, deviation]), Some(factor)) => {
                let scale = (1.0 / factor) as f32;
                (value - mean[channel] * scale) / (deviation[channel] * scale)
            }
            (Some([mean, deviation]), None) => (value - mean[channel]) / deviation[channel],
            (None, Some(factor)) => value * factor as f32,
            (None, None) => value,
        }
    }

    fn in_two_steps(&self, channel: usize, byte: u8) -> f32 {
        let rescaled = self.rescale.map_or(f32::from(byte), |factor| (f64::from(byte) * factor) as f32);
        match self.mean_and_deviation {
            Some([mean, deviation]) => (rescaled - mean[channel]) / deviation[channel],
            None => rescaled,
        }
    }

    /// The picture that three planes of normalised values are: the way back, as transformers' torchvision backend goes it
    /// (`postprocess` of `image_processing_janus.py`), whatever the backend of the way in. Fractions of a level are
    /// dropped, and what lies beyond black and white is black or white.
    ///
    /// # Errors
    ///
    /// [`ModelError::Image`] if the planes aren't three of this size.
    pub(crate) fn image_of_planes(
        &self,
        planes: &[f32],
        height: u32,
        width: u32,
    ) -> Result<RgbImage, ModelError> {
        check_area(width, height, "the picture")?;
        let area = width as usize * height as usize;
        if planes.len() != 3 * area {
            return Err(ModelError::Image(format!(
                "{} numbers aren't three planes of {width}×{height}",
                planes.len()
            )));
        }
        let [mean, deviation] = self.mean_and_deviation.unwrap_or([[0.0; 3], [1.0; 3]]);
        let levels = self.rescale.map_or(1.0, |factor| 1.0 / factor);
        let byte = |channel: usize, value: f32| {
            let (mean, deviation) = (f64::from(mean[channel]), f64::from(deviation[channel]));
            let (shift, scale) = ((-mean / deviation) as f32, (1.0 / deviation / levels) as f32);
            ((value - shift) / scale).clamp(0.0, 255.0) as u8
        };
        Ok(RgbImage::from_fn(width, height, |x, y| {
            let at = y as usize * width as usize + x as usize;
            Rgb([0, 1, 2].map(|channel| byte(channel, planes[channel * area + at])))
        }))
    }

    /// Appends the image as three planes of `height`×`width`, padded with zeros below and to the right.
    pub(super) fn append_planes(&self, image: &RgbImage, height: usize, width: usize, planes: &mut Vec<f32>) {
        let tables = self.tables();
        let own_width = image.width() as usize;
        for (channel, table) in tables.iter().enumerate() {
            let start = planes.len();
            for row in image.as_raw().chunks_exact(3 * own_width) {
                planes.extend(row.chunks_exact(3).map(|pixel| table[usize::from(pixel[channel])]));
                planes.extend(std::iter::repeat_n(0.0, width - own_width));
            }
            planes.resize(start + height * width, 0.0);
        }
    }
}
