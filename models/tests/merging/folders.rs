//! Whole folders made into one: which of their graphs, and what is told of the rest.

use std::{fs, path::Path};

use percept_models::{Merge, MergeMethod, ModelError, Precision};

use crate::{
    LLAVA,
    graphs::{elsewhere, floats, folder_of, graph, last, node, weight, words},
    merge, other_model,
};

#[test]
fn a_session_without_the_precision_is_merged_in_the_best_it_has_and_a_shared_file_once() {
    let root = tempfile::tempdir().unwrap();
    let folder = |name: &str, number: f32| {
        let path = root.path().join(name);
        let graphs = path.join("onnx");
        fs::create_dir_all(&graphs).unwrap();
        fs::write(path.join("tokenizer.json"), words(&["a"], "")).unwrap();
        fs::write(graphs.join("shared.data"), floats(&[number, number])).unwrap();
        let entries = [("location", "shared.data"), ("offset", "0"), ("length", "8")];
        for name in ["one.onnx", "two.onnx"] {
            graph(&graphs, name, &[node("Add", "y"), elsewhere("w", &entries)]);
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
    assert_eq!(
        merged.notes,
        [
            "two is merged in fp32: the folder has no fp16 of it",
            "left out, as true of the first model alone: onnx/one.onnx, onnx/one_q8f16.onnx"
        ]
    );
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
    check(merge(llava, &other.path().join("onnx/embed_tokens.onnx"), 0.5), "name all of a kind");
    let nowhere = other.path().join("nowhere");
    check(merge(llava, &nowhere, 0.5), "nowhere: there is no such file or folder");
    check(merge(&nowhere, llava, 0.5), "nowhere: there is no such file or folder");
    let ties = MergeMethod::Ties { density: 0.5 };
    let base = Some(nowhere);
    check(Merge { method: ties, base, ..merge(llava, other.path(), 0.5) }, "there is no such file or folder");
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
    let tokenizer = |rest: &str| words(&["a"], rest);
    let padding = r#", "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "a"}"#;
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
    let normalises = ", \"normalizer\": {\"type\": \"NFC\"}";
    fs::write(a.join("tokenizer.json"), tokenizer(normalises)).unwrap();
    fs::write(b.join("tokenizer.json"), tokenizer(&format!("{padding}, \"decoder\": null"))).unwrap();
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
    fs::write(b.join("tokenizer.json"), tokenizer(&format!("{normalises}{padding}"))).unwrap();
    let notes = merge(&a, &b, 0.5).write(&root.path().join("again")).unwrap().notes;
    assert!(!notes.iter().any(|note| note.contains("tokenizer.json")), "{notes:?}");
}

#[test]
fn what_cant_be_merged_is_told_before_anything_is_computed() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = [("a", 1.0), ("b", f32::NAN)].map(|(name, number)| {
        let folder = folder_of(root.path(), name, &["onnx/model.onnx"], number);
        let packed = weight("q", 2, if number.is_nan() { &[1, 2] } else { &[1, 3] });
        graph(&folder.join("onnx"), "model_q4.onnx", &[node("Add", "y"), packed]);
        folder
    });
    let merged = |precision: Option<&str>| {
        let precision = precision.map(|name| Precision::named(name).unwrap());
        Merge { precision, ..merge(&a, &b, 0.5) }.write(&root.path().join("c")).unwrap_err().to_string()
    };
    let (all, full) = (merged(None), merged(Some("fp32")));
    assert!(all.contains("the weight `q` differs, and is of the type uint8"), "{all}");
    assert!(all.contains("--precision fp32"), "{all}");
    assert!(full.contains("the weight `w` holds a number that isn't finite"), "{full}");
}

#[test]
fn a_graph_that_the_folder_names_is_merged_whatever_the_precision() {
    let root = tempfile::tempdir().unwrap();
    let graphs = ["dec.onnx", "dec_fp16.onnx", "onnx/embed_tokens.onnx", "onnx/embed_tokens_fp16.onnx"];
    let [a, b] = [("a", 1.0), ("b", 3.0)].map(|(name, number)| {
        let folder = folder_of(root.path(), name, &graphs, number);
        fs::write(folder.join("percept.toml"), "[sessions]\ndecoder_model_merged = \"dec.onnx\"\n").unwrap();
        folder
    });
    let half = Some(Precision::named("fp16").unwrap());
    let to = root.path().join("c");
    let merged = Merge { precision: half, ..merge(&a, &b, 0.5) }.write(&to).unwrap();
    assert_eq!(merged.graphs.keys().collect::<Vec<_>>(), ["dec.onnx", "onnx/embed_tokens_fp16.onnx"]);
    assert_eq!(last(&to.join("dec.onnx"), 2), [2.0, 2.0]);
    assert_eq!(
        merged.notes,
        [
            "dec.onnx is merged as it is: the folder names it, whatever the precision",
            "left out, as true of the first model alone: dec_fp16.onnx, onnx/embed_tokens.onnx"
        ]
    );
}
