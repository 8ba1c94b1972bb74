//! Cutting a rectangle out of an image, and putting an image onto a larger ground.

use image::{Rgb, RgbImage, imageops};

use super::{TileGrid, backend::Backend};

/// The tiles of an image that a grid of them fills, row by row; `tile` is width and height of one.
pub(super) fn cut_tiles(image: &RgbImage, grid: TileGrid, tile: (u32, u32)) -> Vec<RgbImage> {
    let (width, height) = tile;
    (0..grid.rows)
        .flat_map(|row| (0..grid.columns).map(move |column| (row, column)))
        .map(|(row, column)| {
            imageops::crop_imm(image, column * width, row * height, width, height).to_image()
        })
        .collect()
}

/// The middle `width`×`height` of the image, on black where the image is smaller: transformers'
/// `center_crop`, odd remainders included.
pub(super) fn centre_crop(image: &RgbImage, width: u32, height: u32, backend: Backend) -> RgbImage {
    let (left, top) = (offset(image.width(), width, backend), offset(image.height(), height, backend));
    let mut target = RgbImage::new(width, height);
    imageops::replace(&mut target, image, -left, -top);
    target
}

/// Where a crop of `wanted` begins in a side of `side` pixels; negative where the image is padded instead.
fn offset(side: u32, wanted: u32, backend: Backend) -> i64 {
    let over = i64::from(side) - i64::from(wanted);
    match backend {
        // Both a crop and a pad round towards the same side: −1/2 floors to −1, as a pad of 1/2 ceils to 1.
        Backend::Pillow => over.div_euclid(2),
        // Here the odd pixel of a pad goes to the right and below.
        Backend::Torchvision => over / 2,
    }
}

/// The image in the middle of a square of its longer side.
pub(super) fn pad_to_square(image: &RgbImage, ground: [u8; 3]) -> RgbImage {
    let (width, height) = image.dimensions();
    let side = width.max(height);
    let mut target = RgbImage::from_pixel(side, side, Rgb(ground));
    imageops::replace(&mut target, image, i64::from((side - width) / 2), i64::from((side - height) / 2));
    target
}
