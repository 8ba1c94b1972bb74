//! Two models made into one, compared with the numbers computed here in another way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, Merge, MergeMethod, Merged, Message,
    ModelError, Precision, Role,
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

/// A protocol buffer's field: a number, or bytes.
fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut written = vec![field << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        written.push((length & 0x7f | 0x80) as u8);
        length >>= 7;
    }
    written.push(length as u8);
    written.extend_from_slice(content);
    written
}

fn node(operator: &str, output: &str) -> Vec<u8> {
    let attribute = bytes(5, &[bytes(1, b"axis"), number(3, 1), vec![0xa0, 0x01, 2]].concat());
    bytes(
        1,
        &[bytes(1, b"x"), bytes(2, output.as_bytes()), bytes(4, operator.as_bytes()), attribute].concat(),
    )
}

fn weight(name: &str, kind: u8, raw: &[u8]) -> Vec<u8> {
    let shape = number(1, 2);
    bytes(5, &[shape, number(2, kind), bytes(8, name.as_bytes()), bytes(9, raw)].concat())
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Half floats as `onnx.helper` writes them: numbers of variable length.
fn halves_in_a_list() -> Vec<u8> {
    bytes(5, &[number(1, 2), number(2, 10), bytes(8, b"w"), bytes(5, &[0x80, 0x78, 0x80, 0x78])].concat())
}

/// A weight that lies in another file.
fn elsewhere(entries: &[(&str, &str)]) -> Vec<u8> {
    let entry = |(key, value): &(&str, &str)| {
        bytes(13, &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat())
    };
    let entries: Vec<u8> = entries.iter().flat_map(entry).collect();
    bytes(5, &[number(1, 2), number(2, 1), bytes(8, b"w"), entries, number(14, 1)].concat())
}

/// A node with a graph in it, with a node with a graph in it, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let within = if depth == 0 { node("Add", "y") } else { nested(depth - 1) };
    let attribute = bytes(5, &[bytes(1, b"body"), bytes(6, &within)].concat());
    bytes(1, &[bytes(2, b"y"), bytes(4, b"Loop"), attribute].concat())
}

/// A file with one graph of these parts.
fn graph(folder: &Path, name: &str, parts: &[Vec<u8>]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, [number(1, 8), bytes(7, &parts.concat())].concat()).unwrap();
    path
}

/// The numbers of the four bytes each that the file ends with.
fn last(path: &Path, count: usize) -> Vec<f32> {
    let file = fs::read(path).unwrap();
    let chunks = file[file.len() - 4 * count..].chunks_exact(4);
    chunks.map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap())).collect()
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
        (with(2, halves_in_a_list()), "the numbers of `w` are float16 in a list of another type"),
        (with(0, nested(40)), "graphs lie in it more than 16 deep"),
        (with(2, elsewhere(&[("location", "a.onnx"), ("offset", "9999")])), "ends beyond"),
        (with(2, elsewhere(&[("location", "../a.onnx")])), "outside of the graph's folder"),
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
fn a_session_without_the_precision_is_merged_in_the_best_it_has_and_a_shared_file_once() {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: &str, number: f32| {
        let path = root.path().join(name);
        let graphs = path.join("onnx");
        fs::create_dir_all(&graphs).unwrap();
        fs::write(path.join("tokenizer.json"), "{}").unwrap();
        fs::write(graphs.join("shared.data"), floats(&[number, number])).unwrap();
        let entries = [("location", "shared.data"), ("offset", "0"), ("length", "8")];
        for name in ["one.onnx", "two.onnx"] {
            graph(&graphs, name, &[node("Add", "y"), elsewhere(&entries)]);
        }
        graph(&graphs, "one_fp16.onnx", &[node("Add", "y"), weight("w", 10, &[0, 0x3c, 0, 0x40])]);
        path
    };
    let (a, b) = (folder("a", 1.0), folder("b", 3.0));
    let to = root.path().join("all");
    let merged = merge(&a, &b, 0.5).write(&to).unwrap();
    assert_eq!(
        merged.graphs.keys().collect::<Vec<_>>(),
        ["onnx/one.onnx", "onnx/one_fp16.onnx", "onnx/two.onnx"]
    );
    assert_eq!(last(&to.join("onnx/shared.data"), 2), [2.0, 2.0]);
    // A precision that isn't a usual one is a precision, not another session.
    for folder in [&a, &b] {
        graph(&folder.join("onnx"), "one_q8f16.onnx", &[node("Mul", "y"), weight("w", 2, &[1, 2])]);
    }
    let half = Some(Precision::named("fp16").unwrap());
    let to = root.path().join("half");
    let merged = Merge { precision: half, ..merge(&a, &b, 0.5) }.write(&to).unwrap();
    assert_eq!(merged.graphs.keys().collect::<Vec<_>>(), ["onnx/one_fp16.onnx", "onnx/two.onnx"]);
    assert_eq!(merged.notes, ["two is merged in fp32: the folder has no fp16 of it"]);
    let cancelled = merge(&a, &b, 0.5);
    cancelled.cancel.cancel();
    assert!(matches!(cancelled.write(&root.path().join("none")), Err(ModelError::Interrupted)));
    assert!(
        fs::read_dir(root.path()).unwrap().all(|entry| !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("unfinished"))
    );
}

#[test]
fn folders_that_do_not_belong_together_are_refused() {
    let (other, ..) = other_model();
    let tokens = other.path().join("tokenizer.json");
    let text = fs::read_to_string(&tokens).unwrap();
    let to = other.path().join("merged");
    let llava = Path::new(LLAVA);
    let check = |merge: Merge, problem: &str| {
        let error = merge.write(&to).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}\nnot: {problem}");
        assert!(!to.exists());
    };
    check(merge(llava, other.path(), 1.5), "lies between 0 and 1");
    check(merge(llava, &other.path().join("onnx/embed_tokens.onnx"), 0.5), "name two of a kind");
    check(merge(llava, &other.path().join("nowhere"), 0.5), "nowhere");
    let ties = MergeMethod::Ties { density: 0.5 };
    check(Merge { method: ties, ..merge(llava, other.path(), 0.5) }, "name the model that both come from");
    let base = Some(llava.to_owned());
    check(Merge { base: base.clone(), ..merge(llava, other.path(), 0.5) }, "this method takes no base");
    let none = MergeMethod::Ties { density: 0.0 };
    check(Merge { method: none, base, ..merge(llava, other.path(), 0.5) }, "a density lies above 0");
    let q4 = Some(Precision::named("q4").unwrap());
    check(Merge { precision: q4, ..merge(llava, other.path(), 0.5) }, "it holds no graph in `q4`");
    fs::write(
        &tokens,
        text.replacen("\"vocab\": {", "\"vocab\": {\"new\": 99999,", 1).replacen(
            "\"vocab\":{",
            "\"vocab\":{\"new\":99999,",
            1,
        ),
    )
    .unwrap();
    check(merge(llava, other.path(), 0.5), "it has other tokens");
    fs::write(&tokens, text).unwrap();
    fs::remove_file(other.path().join("onnx/embed_tokens.onnx")).unwrap();
    check(merge(llava, other.path(), 0.5), "embed_tokens.onnx");
    assert!(
        matches!(merge(llava, llava, 0.5).write(llava), Err(ModelError::Request(_))),
        "what is there stays"
    );
}

/// A model's folder whose graphs are at these paths, each with a weight of its own.
fn folder_of(root: &Path, name: &str, graphs: &[&str], number: f32) -> PathBuf {
    let folder = root.join(name);
    for path in graphs {
        let path = folder.join(path);
        let (home, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
        fs::create_dir_all(home).unwrap();
        graph(home, name, &[node("Add", "y"), weight("w", 1, &floats(&[number, number]))]);
    }
    folder
}

/// Graphs, and the file that names some of them.
type Graphs<'a> = (&'a [&'a str], Option<(&'a str, &'a str)>);

#[test]
fn graphs_are_merged_wherever_the_folder_has_them() {
    let genai = r#"{"model": {"type": "llama", "decoder": {"filename": "text/lm.onnx"}}}"#;
    let cases: [Graphs; 4] = [
        (&["embed_tokens.onnx", "model.onnx"], None),
        (
            &["onnx/embed_tokens.onnx", "lm.onnx"],
            Some(("percept.toml", "[sessions]\ndecoder = \"lm.onnx\"\n")),
        ),
        (
            &["onnx/embed_tokens.onnx", "graphs/lm.onnx"],
            Some(("percept.toml", "[sessions]\ndecoder = \"graphs/lm.onnx\"\n")),
        ),
        (&["text/lm.onnx"], Some(("genai_config.json", genai))),
    ];
    for (graphs, settings) in cases {
        let root = tempfile::tempdir().unwrap();
        let [a, b] =
            [("a", 1.0), ("b", 3.0)].map(|(name, number)| folder_of(root.path(), name, graphs, number));
        for folder in [&a, &b] {
            if let Some((file, text)) = settings {
                fs::write(folder.join(file), text).unwrap();
            }
            // Nothing names it, and it is no copy of a model's weights.
            fs::create_dir(folder.join("other")).unwrap();
            fs::write(folder.join("other/x.onnx"), "no graph").unwrap();
            fs::write(folder.join("model.safetensors"), "its own").unwrap();
            fs::write(folder.join("model.onnx_data"), "of no graph that is there").unwrap();
        }
        let to = root.path().join("merged");
        let merged = merge(&a, &b, 0.5).write(&to).unwrap();
        let mut expected = graphs.to_vec();
        expected.sort_unstable();
        assert_eq!(merged.graphs.keys().collect::<Vec<_>>(), expected);
        for path in graphs {
            assert_eq!(last(&to.join(path), 2), [2.0, 2.0], "{path}");
        }
        assert_eq!(
            merged.notes,
            ["left out, as true of the first model alone: model.onnx_data, model.safetensors"]
        );
        let left = |file: &str| !to.join(file).exists();
        assert!(left("model.safetensors") && left("model.onnx_data") && left("other"), "{graphs:?}");
        assert!(settings.is_none_or(|(file, _)| to.join(file).is_file()));
    }
}

#[test]
fn every_file_of_settings_that_differs_is_told() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder_of(root.path(), name, &["onnx/model.onnx"], 1.0));
    let tokenizer = |rest: &str| format!("{{\"model\": {{\"vocab\": {{}}}}, \"added_tokens\": [], {rest}}}");
    let files = [
        // Their bytes differ, what they say doesn't; padding isn't used.
        ("config.json", "{\"a\": 1, \"b\": 2}", "{ \"b\": 2, \"a\": 1 }", false),
        ("chat_template.jinja", "one", "other", true),
        ("tokenizer_config.json", "{\"a\": 1}", "{\"a\": 2}", true),
        ("video_preprocessor_config.json", "{\"fps\": 1}", "{\"fps\": 2}", true),
        ("special_tokens_map.json", "{}", "{\"eos_token\": \"</s>\"}", true),
    ];
    for (file, of_a, of_b, _) in files {
        fs::write(a.join(file), of_a).unwrap();
        fs::write(b.join(file), of_b).unwrap();
    }
    fs::write(a.join("tokenizer.json"), tokenizer("\"normalizer\": {\"type\": \"NFC\"}")).unwrap();
    fs::write(b.join("tokenizer.json"), tokenizer("\"padding\": {\"length\": 8}, \"decoder\": null"))
        .unwrap();
    let notes = merge(&a, &b, 0.5).write(&root.path().join("merged")).unwrap().notes;
    let taken = format!("in {}: the first model's is taken", b.display());
    let mut expected: Vec<_> = files
        .into_iter()
        .filter(|(.., differs)| *differs)
        .map(|(file, ..)| format!("{file} differs {taken}"))
        .collect();
    expected.push(format!("tokenizer.json cuts or joins text otherwise {taken}"));
    expected.sort_unstable();
    let mut found = notes.clone();
    found.sort_unstable();
    assert_eq!(found, expected);
    fs::write(b.join("tokenizer.json"), tokenizer("\"normalizer\": {\"type\": \"NFC\"}, \"padding\": {}"))
        .unwrap();
    let notes = merge(&a, &b, 0.5).write(&root.path().join("again")).unwrap().notes;
    assert!(!notes.iter().any(|note| note.contains("tokenizer.json")), "{notes:?}");
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
