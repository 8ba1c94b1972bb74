//! A look inside a model's folder, whole or not.

use std::{fs, path::Path};

use serde_json::json;

use crate::{document, percept, text};

/// A copy of a tiny model beside the tests of `models`.
pub(crate) fn tiny(name: &str, folder: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(name);
    fs::create_dir_all(folder.join("model/onnx")).unwrap();
    for under in ["", "onnx"] {
        for entry in fs::read_dir(source.join(under)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, folder.join("model").join(under).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}

#[test]
fn a_whole_folder_is_told_with_the_memory_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    tiny("llava-tiny", folder.path());
    let output = percept(&["models", "inspect", "model", "--json"], folder.path());
    let found = document(&output);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(found["layout"], json!("community"));
    let memory = &found["memory"];
    let each = memory["cache_bytes_per_token"].as_u64().unwrap();
    let config = fs::read_to_string(folder.path().join("model/config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let of = |key: &str| config["text_config"][key].as_u64().unwrap();
    // Keys and values, of four bytes each.
    let expected = 2 * of("num_hidden_layers") * of("num_key_value_heads") * of("head_dim") * 4;
    assert_eq!(each, expected);
    let sum = |weights: &serde_json::Value| -> u64 {
        weights["bytes_by_kind"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum()
    };
    let weights: u64 = memory["weights"].as_array().unwrap().iter().map(|pair| sum(&pair[1])).sum();
    assert_eq!(memory["total_bytes"].as_u64().unwrap(), weights + each * memory["context"].as_u64().unwrap());

    let told = text(&percept(&["models", "inspect", "model"], folder.path()).stdout);
    for line in ["layout: transformers.js", "weights of decoder_model_merged: ", "cache: ", "memory: "] {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn states_are_told_beside_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    tiny("qwen3_5-tiny", folder.path());
    let found = document(&percept(&["models", "inspect", "model", "--json"], folder.path()));
    assert!(found["memory"]["state_bytes"].as_u64().unwrap() > 0, "{found:#}");
    let told = text(&percept(&["models", "inspect", "model"], folder.path()).stdout);
    assert!(told.contains("states: ") && told.contains("can go back to"), "{told}");
}

#[test]
fn everything_that_is_missing_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    tiny("llava-tiny", folder.path());
    for file in ["tokenizer.json", "onnx/embed_tokens.onnx", "onnx/decoder_model_merged.onnx_data"] {
        fs::remove_file(folder.path().join("model").join(file)).unwrap();
    }
    let output = percept(&["models", "inspect", "model"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("a_folder_that_lacks_three_files", text(&output.stdout));
    let found = document(&percept(&["models", "inspect", "model", "--json"], folder.path()));
    assert_eq!(found["missing"].as_array().unwrap().len(), 3, "{found:#}");
    assert_eq!((&found["family"], &found["layout"]), (&json!("llava"), &json!("community")));
}

#[test]
fn a_list_of_models_is_nothing_but_models() {
    let folder = tempfile::tempdir().unwrap();
    let output = percept(&["models", "list"], folder.path());
    let (listed, said) = (text(&output.stdout), text(&output.stderr));
    assert!(listed.lines().all(|line| line.contains(':') && !line.contains(' ')), "{listed}");
    assert!(said.contains("percept models inspect FOLDER"), "{said}");
}
