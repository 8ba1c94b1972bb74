//! Cutting a rectangle out of an image, and putting an image onto a larger ground.

use image::{Rgb, RgbImage};

use super::{TileGrid, backend::Backend};

/// The tiles of an image that a grid of them fills, row by row; `tile` is width and height of one.
pub(super) fn cut_tiles(image: &RgbImage, grid: TileGrid, tile: (u32, u32)) -> Vec<RgbImage> {
    let (width, height) = tile;
    (0..grid.rows)
        .flat_map(|row| (0..grid.columns).map(move |column| (row, column)))
        .map(|(row, column)| {
            let mut target = RgbImage::new(width, height);
            lay(image, &mut target, [column * width, row * height].map(|begin| -i64::from(begin)));
            target
        })
        .collect()
}

/// The middle `width`×`height` of the image, on black where the image is smaller: transformers'
/// `center_crop`, odd remainders included.
pub(super) fn centre_crop(image: &RgbImage, width: u32, height: u32, backend: Backend) -> RgbImage {
    let (left, top) = (offset(image.width(), width, backend), offset(image.height(), height, backend));
    let mut target = RgbImage::new(width, height);
    lay(image, &mut target, [-left, -top]);
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
    lay(image, &mut target, [(side - width) / 2, (side - height) / 2].map(i64::from));
    target
}

/// Lays the image on `target`, its upper left corner at this place; what lies beyond isn't seen.
pub(super) fn lay(image: &RgbImage, target: &mut RgbImage, [left, top]: [i64; 2]) {
    let shown = |at: i64, side: u32, room: u32| {
        let begin = at.clamp(0, room.into());
        let end = (at + i64::from(side)).clamp(begin, room.into());
        // Where it is seen, and where that begins in the image.
        (begin as usize..end as usize, (begin - at).max(0) as usize)
    };
    let (columns, from) = shown(left, image.width(), target.width());
    let (rows, first) = shown(top, image.height(), target.height());
    if columns.is_empty() || rows.is_empty() {
        return;
    }
    let [stride, source_stride] = [target.width(), image.width()].map(|width| 3 * width as usize);
    let sources = image.as_raw().chunks_exact(source_stride).skip(first);
    for (target, source) in target.chunks_exact_mut(stride).skip(rows.start).take(rows.len()).zip(sources) {
        target[3 * columns.start..3 * columns.end].copy_from_slice(&source[3 * from..][..3 * columns.len()]);
    }
}
