//! What must be the same in models that are merged, and what may be written in different ways.

use std::fs;

use serde_json::{Value, json};

use crate::{
    graphs::{floats, folder_of, graph, halves_in_a_list, node, node_of, weight, words},
    merge,
};

#[test]
fn halves_in_a_list_are_no_hindrance_where_they_are_equal() {
    let root = tempfile::tempdir().unwrap();
    let model = |name: &str, number: f32, halves: &[u8]| {
        let parts = [node("Add", "y"), halves_in_a_list(halves), weight("w", 1, &floats(&[number, number]))];
        graph(root.path(), name, &parts)
    };
    let (one, other) = ([0x80, 0x78, 0x80, 0x78], [0x80, 0x78, 0x81, 0x78]);
    let (a, b) = (model("a.onnx", 1.0, &one), model("b.onnx", 3.0, &one));
    let merged = merge(&a, &b, 0.5).write(&root.path().join("c")).unwrap();
    assert_eq!((merged.graphs["a.onnx"].merged, merged.graphs["a.onnx"].equal), (1, 1));
    for halves in [&other[..], &other[..2]] {
        let b = model("b.onnx", 3.0, halves);
        let error = merge(&a, &b, 0.5).write(&root.path().join("d")).unwrap_err().to_string();
        assert!(
            error.contains("the weight `h` differs, and is float16 in a list of another type"),
            "{error}"
        );
        assert!(error.contains("quantise what comes of it"), "{error}");
    }
}

#[test]
fn tables_of_angles_are_no_weights() {
    let attention = ["q", "k", "v", "pk", "pv", "s", "t", "cos", "sin"];
    // The operator, its inputs, and the weight that differs; whether it may.
    let cases: [(&str, &[&str], &str, bool); 6] = [
        ("RotaryEmbedding", &["x", "ids", "cos", "sin"], "sin", false),
        ("RotaryEmbedding", &["x", "cos", "sin"], "cos", false),
        ("GroupQueryAttention", &attention, "cos", false),
        ("GroupQueryAttention", &attention, "k", true),
        ("RotaryEmbedding", &["w", "ids", "cos", "sin"], "w", true),
        ("MatMul", &["x", "rotary_emb.inv_freq"], "rotary_emb.inv_freq", false),
    ];
    for (operator, inputs, name, may_differ) in cases {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = [("a.onnx", 1.0), ("b.onnx", 3.0)].map(|(file, number)| {
            let parts = [node_of(operator, inputs, "y", &[]), weight(name, 1, &floats(&[number, number]))];
            graph(root.path(), file, &parts)
        });
        let merged = merge(&a, &b, 0.5).write(&root.path().join("c"));
        let told = merged.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(merged.is_ok(), may_differ, "{operator} {inputs:?}: {told}");
        assert!(may_differ || told.contains(&format!("`{name}` differs, and tells positions")), "{told}");
    }
}

#[test]
fn models_that_turn_positions_otherwise_are_refused() {
    let differs = |key: &str| format!("its `{key}` is ");
    let text = |config: Value| json!({ "text_config": config });
    let yarn = |key: &str| json!({ "rope_theta": 1e4, key: { "rope_type": "yarn", "factor": 4.0 } });
    let old = json!({ "rope_theta": 1e4, "rope_scaling": { "type": "yarn", "factor": 4 } });
    let new = json!({ "rope_parameters": { "rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0 } });
    let plain = json!({ "rope_theta": 10000, "rope_scaling": null });
    let usual = json!({ "rope_parameters": { "rope_theta": 1e4, "rope_type": "default" } });
    // Gemma 3's, layer by layer: how it says the same as before isn't read.
    let linear = json!({ "type": "linear", "factor": 8.0 });
    let local = json!({ "rope_theta": 1e6, "rope_scaling": linear, "rope_local_base_freq": 1e4 });
    let layers = |theta: f64| json!({ "rope_parameters": { "full_attention": { "rope_theta": theta } } });
    let window = |size: u32, is_used: bool| json!({ "sliding_window": size, "use_sliding_window": is_used });
    let cases = [
        (json!({ "rope_theta": 1e4 }), json!({ "rope_theta": 1e6 }), Some(differs("rope_theta"))),
        (
            text(json!({ "rope_theta": 1e4 })),
            text(json!({ "rope_theta": 1e6 })),
            Some(differs("text_config.rope_theta")),
        ),
        (plain.clone(), yarn("rope_scaling"), Some(differs("rope_type"))),
        (new.clone(), text(json!({ "head_dim": 64 })), None),
        (
            text(json!({ "head_dim": 64 })),
            text(json!({ "head_dim": 128 })),
            Some(differs("text_config.head_dim")),
        ),
        (window(512, true), window(1024, true), Some(differs("sliding_window"))),
        (window(512, false), window(1024, false), None),
        // The same, as older and newer versions write it.
        (old.clone(), new.clone(), None),
        (old, yarn("rope_parameters"), None),
        (plain.clone(), usual.clone(), None),
        (usual, new, Some(differs("rope_type"))),
        (local, layers(1e6), None),
        (layers(1e6), layers(1e4), Some(differs("full_attention"))),
        (
            json!({ "rope_scaling": { "type": "mrope", "mrope_section": [2, 3, 3] } }),
            json!({ "rope_scaling": { "type": "default", "rope_type": "default", "mrope_section": [2, 3, 3] } }),
            None,
        ),
        // The default of one class isn't known here, and the difference of the files is told.
        (plain, json!({}), None),
    ];
    for (of_a, of_b, expected) in cases {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = [("a", &of_a), ("b", &of_b)].map(|(name, config)| {
            let folder = folder_of(root.path(), name, &["onnx/model.onnx"], 1.0);
            fs::write(folder.join("config.json"), config.to_string()).unwrap();
            folder
        });
        let told = merge(&a, &b, 0.5).write(&root.path().join("c")).err().map(|error| error.to_string());
        match (&told, &expected) {
            (None, None) => {}
            (Some(told), Some(expected)) if told.contains(expected) => {}
            _ => panic!("{of_a} {of_b}: {told:?}, not {expected:?}"),
        }
    }
}

#[test]
fn one_vocabulary_may_be_written_by_two_versions() {
    let pairs = |merges: Value, rest: Value| {
        let model = json!({ "type": "BPE", "vocab": { "a": 0, "b": 1, "ab": 2, "ba": 3 }, "merges": merges });
        let mut file = json!({ "version": "1.0", "added_tokens": [], "model": model });
        file["model"].as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        file.to_string()
    };
    let a = pairs(json!(["a b"]), json!({}));
    let note = "tokenizer.json cuts or joins text otherwise";
    let cases = [
        (pairs(json!([["a", "b"]]), json!({ "ignore_merges": false, "byte_fallback": false })), Ok(None)),
        (pairs(json!([["b", "a"]]), json!({})), Ok(Some(note))),
        (words(&["a", "b"], ""), Err("it has other tokens")),
    ];
    for (index, (b, expected)) in cases.into_iter().enumerate() {
        let root = tempfile::tempdir().unwrap();
        let [a, b] = [("a", &a), ("b", &b)].map(|(name, tokenizer)| {
            let folder = folder_of(root.path(), name, &["onnx/model.onnx"], 1.0);
            fs::write(folder.join("tokenizer.json"), tokenizer).unwrap();
            folder
        });
        match (merge(&a, &b, 0.5).write(&root.path().join("c")), expected) {
            (Ok(merged), Ok(note)) => {
                let told = merged.notes.iter().find(|told| told.starts_with("tokenizer.json"));
                assert_eq!(told.is_some(), note.is_some(), "{index}: {told:?}");
                assert!(told.is_none_or(|told| note.is_some_and(|note| told.starts_with(note))), "{told:?}");
            }
            (Err(error), Err(problem)) => assert!(error.to_string().contains(problem), "{error}"),
            (merged, expected) => panic!("{index}: {merged:?}, not {expected:?}"),
        }
    }
}
