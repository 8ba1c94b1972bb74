//! Weights that are one tensor in one model and two in another.

use std::{
    fs,
    path::{Path, PathBuf},
};

use percept_models::{Merge, MergeMethod};

use crate::{
    graphs::{elsewhere, floats, graph, last, node, words},
    merge,
};

/// A folder with a graph for each of these weights' places, or one graph of all; the numbers lie beside them.
fn folder(root: &Path, name: &str, numbers: &[f32], places: &[(&str, &str)], is_apart: bool) -> PathBuf {
    let (folder, graphs) = (root.join(name), root.join(name).join("onnx"));
    fs::create_dir_all(&graphs).unwrap();
    fs::write(folder.join("tokenizer.json"), words(&["a"], "")).unwrap();
    fs::write(graphs.join("w.data"), floats(numbers)).unwrap();
    let weight = |(name, offset): &(&str, &str)| {
        elsewhere(name, &[("location", "./w.data"), ("offset", offset), ("length", "8")])
    };
    if is_apart {
        for place in places {
            graph(&graphs, &format!("{}.onnx", place.0), &[node("Add", "y"), weight(place)]);
        }
    } else {
        let weights: Vec<u8> = places.iter().flat_map(weight).collect();
        graph(&graphs, "one.onnx", &[node("Add", "y"), weights]);
    }
    folder
}

/// The second model's numbers, where its weights lie, and what comes of it.
type Case<'a> = (&'a [f32], [(&'a str, &'a str); 2], Result<[f32; 2], &'a str>);

#[test]
fn what_is_one_in_the_first_and_two_that_differ_in_the_second_is_refused() {
    let (tied, apart) = ([("x", "0"), ("y", "0")], [("x", "0"), ("y", "8")]);
    let same = Ok([2.0, 3.0]);
    let cases: [Case; 5] = [
        (&[3.0, 4.0, 0.0, 0.0], tied, same),
        (&[3.0, 4.0, 3.0, 4.0], apart, same),
        (
            &[3.0, 4.0, 3.0, 5.0],
            apart,
            Err("`x` and `y` are one tensor in the first model, and two that differ"),
        ),
        // One of the two is as it was: what the other becomes isn't it.
        (&[1.0, 2.0, 3.0, 4.0], apart, Err("`x` and `y` are one tensor")),
        (&[3.0, 4.0, 1.0, 2.0], apart, Err("`x` and `y` are one tensor")),
    ];
    for is_apart in [false, true] {
        for (numbers, places, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            let a = folder(root.path(), "a", &[1.0, 2.0, 0.0, 0.0], &tied, is_apart);
            let b = folder(root.path(), "b", numbers, &places, is_apart);
            let to = root.path().join("c");
            let merged = merge(&a, &b, 0.5).write(&to);
            match expected {
                Ok(expected) => {
                    merged.unwrap();
                    assert_eq!(last(&to.join("onnx/w.data"), 4)[..2], expected, "{places:?}");
                }
                Err(problem) => {
                    let error = merged.unwrap_err().to_string();
                    assert!(error.contains(problem), "{error}");
                }
            }
        }
    }
}

#[test]
fn weights_that_share_a_part_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = [("a", 1.0), ("b", 2.0)]
        .map(|(name, number)| folder(root.path(), name, &[number; 3], &[("x", "4"), ("y", "0")], false));
    let error = merge(&a, &b, 0.5).write(&root.path().join("c")).unwrap_err().to_string();
    assert!(error.contains("the weights `x` and `y` share some bytes, and not all"), "{error}");
}

#[test]
fn what_is_one_in_all_is_drawn_once() {
    let root = tempfile::tempdir().unwrap();
    let tied = [("x", "0"), ("y", "0")];
    let [a, b, base] = [("a", 1.0), ("b", 2.0), ("base", 0.0)]
        .map(|(name, number)| folder(root.path(), name, &[number; 2], &tied, false));
    for seed in 0..8 {
        let method = MergeMethod::Dare { density: 0.5, seed };
        let dare = Merge { method, base: Some(base.clone()), ..merge(&a, &b, 0.5) };
        let merged = dare.write(&root.path().join(seed.to_string())).unwrap();
        assert_eq!(merged.graphs["onnx/one.onnx"].merged, 2);
    }
}
