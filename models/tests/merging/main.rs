//! Two models made into one, compared with the numbers computed here in another way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

mod fixed;
mod folders;
mod graphs;
mod tied;

use std::{fs, path::Path, sync::Arc};

use graphs::{bytes, elsewhere, floats, folder_of, graph, last, nested, node, node_of, weight};
use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, Merge, MergeMethod, Merged, Message,
    ModelError, Role,
};
use percept_runtime::Silent;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const LLAVA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/llava-tiny");

fn merge(a: &Path, b: &Path, weight: f64) -> Merge {
    let (a, b) = (a.to_owned(), b.to_owned());
    Merge {
        a,
        b,
        base: None,
        method: MergeMethod::Linear,
        weight,
        precision: None,
        cancel: CancellationToken::new(),
    }
}

#[test]
fn every_method_changes_floats_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let parts =
        |numbers: &[f32]| vec![node("Add", "y"), weight("n", 7, &[3, 0]), weight("w", 1, &floats(numbers))];
    let a = graph(folder.path(), "a.onnx", &parts(&[4.0, -1.0]));
    let b = graph(folder.path(), "b.onnx", &parts(&[2.0, 5.0]));
    let base = graph(folder.path(), "base.onnx", &parts(&[1.0, 1.0]));
    let angle = ((4.0f64 * 2.0 - 5.0) / (17.0f64 * 29.0).sqrt()).acos();
    let arc = |one: f64, other: f64| {
        ((0.75 * angle).sin() * one + (0.25 * angle).sin() * other) as f32 / angle.sin() as f32
    };
    let cases = [
        (MergeMethod::Linear, None, [3.5, 0.5]),
        (MergeMethod::Slerp, None, [arc(4.0, 2.0), arc(-1.0, 5.0)]),
        // Of what each adds, (3, -2) and (1, 4), the larger half: 3 and 4.
        (MergeMethod::Ties { density: 0.5 }, Some(base.clone()), [4.0, 5.0]),
        (MergeMethod::Dare { density: 1.0, seed: 1 }, Some(base), [3.5, 0.5]),
    ];
    for (index, (method, base, expected)) in cases.into_iter().enumerate() {
        let to = folder.path().join(format!("merged-{index}"));
        let merged = Merge { method, base, ..merge(&a, &b, 0.25) }.write(&to).unwrap();
        let file = to.join("a.onnx");
        for (found, expected) in last(&file, 2).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{method:?}: {found}, not {expected}");
        }
        let (before, after) = (fs::read(&a).unwrap(), fs::read(&file).unwrap());
        assert_eq!(before.len(), after.len());
        assert_eq!(before[..before.len() - 8], after[..after.len() - 8], "only the numbers are others");
        assert_eq!((merged.graphs["a.onnx"].merged, merged.graphs["a.onnx"].equal), (1, 1));
    }
}

#[test]
fn graphs_that_differ_are_refused_where_they_do_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = || vec![node("Add", "y"), weight("n", 7, &[3, 0]), weight("w", 1, &floats(&[1.0, 2.0]))];
    let with = |index: usize, part: Vec<u8>| {
        let mut parts = own();
        parts[index] = part;
        parts
    };
    let mut more = own();
    more.push(node("Mul", "z"));
    let cases = [
        (
            with(0, node("Mul", "y")),
            "node 0 is `Add` that gives `y` in one, and `Mul` that gives `y` in the other",
        ),
        (more, "one has 1 nodes, the other 2"),
        (with(2, weight("v", 1, &floats(&[1.0, 2.0]))), "one has the weight `w` where the other has `v`"),
        (
            with(2, weight("w", 10, &[0; 4])),
            "the weight `w` is float [2] in one, and float16 [2] in the other",
        ),
        (with(1, weight("n", 7, &[4, 0])), "the weight `n` differs, and is of the type int64"),
        (with(2, weight("w", 1, &floats(&[f32::NAN, 2.0]))), "holds a number that isn't finite"),
        (with(2, weight("w", 1, &[0; 6])), "the weight `w` isn't whole"),
        (with(2, weight("w", 1, &floats(&[1.0, 2.0, 3.0]))), "the weight `w` isn't whole"),
        (
            with(0, node_of("Loop", &["x"], "y", &bytes(5, &[bytes(1, b"many"), bytes(11, b"")].concat()))),
            "a node of the kind `Loop` keeps several tensors or graphs in one attribute",
        ),
        (
            with(0, node_of("Add", &["x"], "y", &bytes(5, &[bytes(1, b"many"), bytes(10, b"")].concat()))),
            "keeps several tensors or graphs in one attribute",
        ),
        (with(0, nested(40)), "graphs lie in it more than 16 deep"),
        (with(2, elsewhere("w", &[("location", "./a.onnx"), ("offset", "9999")])), "ends beyond"),
        (with(2, elsewhere("w", &[("location", "../a.onnx")])), "outside of the graph's folder"),
    ];
    let a = graph(folder.path(), "a.onnx", &own());
    for (parts, problem) in cases {
        let b = graph(folder.path(), "b.onnx", &parts);
        let to = folder.path().join("merged");
        let error = merge(&a, &b, 0.5).write(&to).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}\nnot: {problem}");
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
    let whole = fs::read(&a).unwrap();
    for torn in [&whole[..whole.len() - 3], b"", b"\xff\xff\xff\xff"] {
        let b = folder.path().join("b.onnx");
        fs::write(&b, torn).unwrap();
        let error = merge(&a, &b, 0.5).write(&folder.path().join("merged")).unwrap_err();
        assert!(matches!(error, ModelError::Folder { ref path, .. } if *path == b), "{error}");
    }
}

/// A second model: the first with other numbers in its decoder, which keeps them in a file of external data.
fn other_model() -> (TempDir, Vec<f32>, Vec<f32>) {
    let folder = tempfile::tempdir().unwrap();
    let copied = |from: &Path, to: &Path| {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    copied(Path::new(LLAVA), folder.path());
    copied(&Path::new(LLAVA).join("onnx"), &folder.path().join("onnx"));
    let data = folder.path().join("onnx/decoder_model_merged.onnx_data");
    let count = fs::metadata(&data).unwrap().len() as usize / 4;
    let before = last(&data, count);
    let after: Vec<f32> =
        before.iter().enumerate().map(|(index, number)| number + (index % 7) as f32 * 0.01).collect();
    fs::write(&data, floats(&after)).unwrap();
    (folder, before, after)
}

async fn reply(folder: &Path) -> String {
    let model = LocalModel::load(folder, LoadOptions::default(), Arc::new(Silent)).await.unwrap();
    let conversation: Conversation = [Message::text(Role::User, "What do you see?")].into_iter().collect();
    let options = Generate { max_tokens: 8, stop_at_end: false, ..Generate::default() };
    model.generate(&conversation, &options).await.unwrap().complete().await.unwrap().text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_folder_is_a_model() {
    let (other, before, after) = other_model();
    let root = tempfile::tempdir().unwrap();
    let data = |folder: &Path| {
        let path = folder.join("onnx/decoder_model_merged.onnx_data");
        last(&path, before.len())
    };
    for weight in [0.0, 1.0, 0.5] {
        let to = root.path().join(weight.to_string());
        let Merged { graphs, notes } = merge(Path::new(LLAVA), other.path(), weight).write(&to).unwrap();
        assert!(graphs["onnx/decoder_model_merged.onnx"].merged > 0, "{graphs:?}");
        assert_eq!(graphs["onnx/embed_tokens.onnx"].merged, 0, "{graphs:?}");
        assert_eq!(notes, ["left out, as true of the first model alone: golden.json"]);
        assert!(!to.join("golden.json").exists(), "it would say that the merged model is broken");
        let expected: Vec<f32> = before
            .iter()
            .zip(&after)
            .map(|(a, b)| ((1.0 - weight) * f64::from(*a) + weight * f64::from(*b)) as f32)
            .collect();
        assert_eq!(data(&to), expected, "{weight}");
    }
    assert_eq!(reply(&root.path().join("0")).await, reply(Path::new(LLAVA)).await);
    assert_eq!(reply(&root.path().join("1")).await, reply(other.path()).await);
    assert!(!reply(&root.path().join("0.5")).await.is_empty());
}

#[test]
fn a_place_that_cant_be_written_is_no_fault_of_a_model() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder_of(root.path(), name, &["onnx/model.onnx"], 1.0));
    let error = merge(&a, &b, 0.5).write(&root.path().join("nowhere/merged")).unwrap_err();
    assert!(matches!(error, ModelError::Request(_)), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("nowhere/merged can't be written") && told.contains("name another place"),
        "{told}"
    );
}

/// A weight that is read in more than one piece, and methods that look at all of it.
#[test]
fn a_weight_of_many_pieces_is_merged_as_one() {
    const COUNT: usize = (8 << 20) / 4 + 3;
    let root = tempfile::tempdir().unwrap();
    // What each adds to 1 falls from the first number to the last; the second adds the opposite of half.
    let added = |index: usize, share: f32| share * (COUNT - index) as f32 / COUNT as f32;
    let file = |name: &str, share: f32| {
        let numbers: Vec<f32> = (0..COUNT).map(|index| 1.0 + added(index, share)).collect();
        fs::write(root.path().join(format!("{name}.data")), floats(&numbers)).unwrap();
        let mut shape = vec![8];
        let mut count = COUNT;
        while count >= 0x80 {
            shape.push((count & 0x7f | 0x80) as u8);
            count >>= 7;
        }
        shape.push(count as u8);
        let location =
            bytes(13, &[bytes(1, b"location"), bytes(2, format!("{name}.data").as_bytes())].concat());
        let weight = bytes(5, &[shape, vec![2 << 3, 1], bytes(8, b"w"), location].concat());
        let graph = graph(root.path(), &format!("{name}.onnx"), &[node("Add", "y"), weight]);
        (graph, numbers)
    };
    let ((a, of_a), (b, of_b), (base, _)) = (file("a", 1.0), file("b", -0.5), file("base", 0.0));
    let dot = |one: &[f32], other: &[f32]| {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum::<f64>()
    };
    let angle = (dot(&of_a, &of_b) / (dot(&of_a, &of_a) * dot(&of_b, &of_b)).sqrt()).acos();
    let arc = |index: usize| {
        let shares = ((0.75 * angle).sin() / angle.sin(), (0.25 * angle).sin() / angle.sin());
        (shares.0 * f64::from(of_a[index]) + shares.1 * f64::from(of_b[index])) as f32
    };
    let slerp = root.path().join("slerp");
    Merge { method: MergeMethod::Slerp, ..merge(&a, &b, 0.25) }.write(&slerp).unwrap();
    // The heavier has its way, and what it adds is kept where it is among the larger half.
    let ties = root.path().join("ties");
    let half = MergeMethod::Ties { density: 0.5 };
    Merge { method: half, base: Some(base), ..merge(&a, &b, 0.25) }.write(&ties).unwrap();
    let kept = |index: usize| if index < COUNT.div_ceil(2) { 1.0 + added(index, 1.0) } else { 1.0 };
    let (slerp, ties) = (last(&slerp.join("a.data"), COUNT), last(&ties.join("a.data"), COUNT));
    for index in (0..COUNT).step_by(1013).chain(COUNT / 2 - 2..COUNT / 2 + 2).chain(COUNT - 4..COUNT) {
        assert!((slerp[index] - arc(index)).abs() < 1e-5, "{index}: {}, not {}", slerp[index], arc(index));
        assert!((ties[index] - kept(index)).abs() < 1e-6, "{index}: {}, not {}", ties[index], kept(index));
    }
}
