//! What the file of Gemma 3's processor means.

use serde::Deserialize;

use super::{Defaults, HALF, SizeWritten, Written};
use crate::processor::{Backend, Filter, ImageProcessor, PanAndScan, PannedImage, TargetSize};

/// The most crops that a file may ask for; published ones ask for 4. Each is as many tokens as the whole.
const MOST_CROPS: u32 = 64;

/// The keys of pan and scan. Published files have them without a value: it is the one who asks that wants it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct PanWritten {
    do_pan_and_scan: Option<bool>,
    pan_and_scan_min_crop_size: Option<u32>,
    pan_and_scan_max_num_crops: Option<u32>,
    pan_and_scan_min_ratio_to_activate: Option<f64>,
}

impl Written {
    pub(super) fn panned(&self, backend: Backend) -> Result<ImageProcessor, String> {
        let usual = Defaults {
            filter: Filter::Bilinear,
            size: TargetSize::Exact { width: 224, height: 224 },
            crop: None,
            mean: HALF,
            deviation: HALF,
            square: true,
            pads: false,
            rescale: 1.0 / 255.0,
        };
        let pan = &self.pan;
        if pan.do_pan_and_scan != Some(true) {
            return self.single(&usual, backend);
        }
        let size = match self.size {
            None => [224; 2],
            Some(SizeWritten::Edge(edge)) => [edge; 2],
            Some(SizeWritten::Sides { height: Some(height), width: Some(width), .. }) => [width, height],
            Some(size) => return Err(format!("its `size` isn't height and width: {size:?}")),
        };
        if self.do_resize == Some(false) {
            return Err("it has `do_pan_and_scan` without `do_resize`: crops need one size".into());
        }
        let least_side = pan.pan_and_scan_min_crop_size.unwrap_or(256);
        if least_side == 0 {
            return Err("its `pan_and_scan_min_crop_size` is 0".into());
        }
        let most_crops = pan.pan_and_scan_max_num_crops.unwrap_or(4);
        if !(1..=MOST_CROPS).contains(&most_crops) {
            return Err(format!(
                "its `pan_and_scan_max_num_crops` is {most_crops}; known are 1 to {MOST_CROPS}"
            ));
        }
        Ok(ImageProcessor::Panned(PannedImage {
            backend,
            pan: PanAndScan {
                least_side,
                most_crops,
                least_ratio: pan.pan_and_scan_min_ratio_to_activate.unwrap_or(1.2),
            },
            resize: (size, self.filter_in(Filter::Bilinear, backend)?),
            normalise: self.normalise(self.image_mean.map_or(HALF, super::Channels::each), HALF, backend),
        }))
    }
}
