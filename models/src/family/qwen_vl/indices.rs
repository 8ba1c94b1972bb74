//! What a vision tower's graph may want to be told of an image's patches, where it doesn't work it out itself.
//!
//! Reference: transformers' `vision_utils.py`, for one image, or one video, every layer of which is as an image of its own.

use percept_runtime::HostTensor;

use crate::processor::PatchGrid;

/// Rows and columns of the patches, in the order in which they are fed: `position_ids`, `[patches, 2]`.
pub(super) fn places(grid: PatchGrid) -> HostTensor {
    let [rows, columns] = grid.features();
    let mut data = Vec::with_capacity(2 * grid.patches());
    for feature in 0..rows * columns {
        let (top, left) = (feature / columns * grid.merge, feature % columns * grid.merge);
        for inside in 0..grid.merge * grid.merge {
            data.push((top + inside / grid.merge) as i64);
            data.push((left + inside % grid.merge) as i64);
        }
    }
    HostTensor::I64 { shape: vec![grid.patches(), 2], data: data.repeat(grid.layers) }
}

/// Where layers begin among the patches, and the end: `cu_seqlens`.
pub(super) fn bounds(grid: PatchGrid) -> HostTensor {
    let data: Vec<i32> = (0..=grid.layers).map(|layer| (layer * grid.rows * grid.columns) as i32).collect();
    HostTensor::I32 { shape: vec![data.len()], data }
}

/// The features' order window by window (`window_index`), and where windows begin among the patches in that order, and
/// the end (`cu_window_seqlens`). Windows at the edges are as small as the image leaves them; `side` is a whole one's,
/// in features.
pub(super) fn windows(grid: PatchGrid, side: usize) -> (HostTensor, HostTensor) {
    let [rows, columns] = grid.features();
    let mut order = Vec::with_capacity(grid.layers * rows * columns);
    let mut begins = vec![0];
    let corners = (0..grid.layers)
        .flat_map(|layer| (0..rows).step_by(side.max(1)).map(move |top| (layer * rows * columns, top)));
    for (before, top) in corners {
        for left in (0..columns).step_by(side.max(1)) {
            for row in top..rows.min(top + side) {
                let across = left..columns.min(left + side);
                order.extend(across.map(|column| (before + row * columns + column) as i64));
            }
            begins.push((order.len() * grid.merge * grid.merge) as i32);
        }
    }
    (
        HostTensor::I64 { shape: vec![order.len()], data: order },
        HostTensor::I32 { shape: vec![begins.len()], data: begins },
    )
}

/// Where the patches lie on a square of so many learnt positions a side, stretched over the image edge to edge: of each
/// patch the four positions around it (`interp_indices`, `[patches, 4]`) and their weights (`interp_weights`).
pub(super) fn on_square(grid: PatchGrid, side: usize) -> (HostTensor, HostTensor) {
    // Of a place on an edge of so many patches, the two positions that it lies between, and how near it is to each. In
    // 32 bits and in this order, as the reference.
    let between = |place: usize, patches: usize| {
        let at = place as f32 * (side - 1) as f32 / patches.saturating_sub(1).max(1) as f32;
        let lower = at.floor();
        [0.0, 1.0].map(|step| {
            let position = (lower + step) as usize;
            (position.min(side - 1), (1.0 - (at - lower - step).abs()).max(0.0))
        })
    };
    let [rows, columns] = grid.features();
    let (mut positions, mut weights) = (Vec::new(), Vec::new());
    for feature in 0..rows * columns {
        let (top, left) = (feature / columns * grid.merge, feature % columns * grid.merge);
        for inside in 0..grid.merge * grid.merge {
            for (row, height) in between(top + inside / grid.merge, grid.rows) {
                for (column, width) in between(left + inside % grid.merge, grid.columns) {
                    positions.push((row * side + column) as i64);
                    weights.push(height * width);
                }
            }
        }
    }
    let shape = vec![grid.patches(), 4];
    let (positions, weights) = (positions.repeat(grid.layers), weights.repeat(grid.layers));
    (HostTensor::I64 { shape: shape.clone(), data: positions }, HostTensor::F32 { shape, data: weights })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tensor: HostTensor) -> Vec<i64> {
        match tensor {
            HostTensor::I64 { data, .. } => data,
            HostTensor::I32 { data, .. } => data.into_iter().map(i64::from).collect(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn windows_at_the_edges_are_as_small_as_the_image_leaves_them() {
        // Rows and columns of features, a window's side, the order, where windows begin: what transformers gives.
        let cases = [
            ([1, 1], 2, vec![0], vec![0, 4]),
            ([2, 2], 2, vec![0, 1, 2, 3], vec![0, 16]),
            ([2, 3], 2, vec![0, 1, 3, 4, 2, 5], vec![0, 16, 24]),
            ([3, 3], 2, vec![0, 1, 3, 4, 2, 5, 6, 7, 8], vec![0, 16, 24, 32, 36]),
            ([2, 5], 4, vec![0, 1, 2, 3, 5, 6, 7, 8, 4, 9], vec![0, 32, 40]),
        ];
        for ([rows, columns], side, order, begins) in cases {
            let grid = PatchGrid { layers: 1, rows: 2 * rows, columns: 2 * columns, merge: 2 };
            let (found, bounds) = windows(grid, side);
            assert_eq!((numbers(found), numbers(bounds)), (order, begins), "{rows}×{columns}");
        }
    }

    #[test]
    fn patches_lie_between_four_positions_of_the_square() {
        let third = 1.0 / 3.0;
        let (here, beside) = ([1.0, 0.0, 0.0, 0.0], |near: f32| [near, 1.0 - near, 0.0, 0.0]);
        // Rows and columns of patches, the square's side, and what transformers gives.
        let cases = [
            ([2, 2], 3, vec![[0, 1, 3, 4], [2, 2, 5, 5], [6, 7, 6, 7], [8, 8, 8, 8]], vec![here; 4]),
            (
                [2, 4],
                2,
                [
                    [[0, 1, 2, 3], [0, 1, 2, 3], [2, 3, 2, 3], [2, 3, 2, 3]],
                    [[0, 1, 2, 3], [1, 1, 3, 3], [2, 3, 2, 3], [3; 4]],
                ]
                .concat(),
                [[here, beside(1.0 - third)].repeat(2), [beside(third), here].repeat(2)].concat(),
            ),
        ];
        for ([rows, columns], side, positions, weights) in cases {
            let (found, near) = on_square(PatchGrid { layers: 1, rows, columns, merge: 2 }, side);
            assert_eq!(numbers(found), positions.concat(), "{rows}×{columns}");
            let (shape, near) = near.into_f32().unwrap();
            assert_eq!(shape, [rows * columns, 4]);
            for (found, expected) in near.iter().zip(weights.concat()) {
                assert!((found - expected).abs() < 1e-6, "{rows}×{columns}: {near:?}");
            }
        }
    }

    #[test]
    fn patches_of_one_feature_follow_each_other() {
        let grid = PatchGrid { layers: 1, rows: 2, columns: 4, merge: 2 };
        assert_eq!(numbers(places(grid)), [0, 0, 0, 1, 1, 0, 1, 1, 0, 2, 0, 3, 1, 2, 1, 3]);
        assert_eq!(numbers(bounds(grid)), [0, 8]);
    }

    #[test]
    fn each_layer_of_a_video_is_as_an_image_of_its_own() {
        let still = PatchGrid { layers: 1, rows: 4, columns: 6, merge: 2 };
        let film = PatchGrid { layers: 2, ..still };
        assert_eq!(numbers(places(film)), numbers(places(still)).repeat(2));
        assert_eq!(numbers(bounds(film)), [0, 24, 48]);
        let (order, begins) = windows(film, 2);
        assert_eq!(numbers(order), [0, 1, 3, 4, 2, 5, 6, 7, 9, 10, 8, 11]);
        assert_eq!(numbers(begins), [0, 16, 24, 40, 48]);
        assert_eq!(numbers(on_square(film, 3).0), numbers(on_square(still, 3).0).repeat(2));
    }
}
