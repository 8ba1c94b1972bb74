//! One model made of two, on the command line.

use std::path::Path;

use serde_json::json;

use crate::{document, percept, text};

#[test]
fn two_models_become_one_and_what_makes_no_sense_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let model = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(name);
        path.display().to_string()
    };
    let (a, b) = (model("llava-tiny"), model("smolvlm-tiny"));
    let merge = |arguments: &[&str]| percept(&[&["models", "merge"], arguments].concat(), folder.path());
    let merged = merge(&[&a, &a, "-o", "both", "--json"]);
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
    assert_eq!(document(&merged)["graphs"]["onnx/embed_tokens.onnx"], json!({ "merged": 0, "equal": 1 }));
    let cases: [(&[&str], &str); 6] = [
        (&[&a, &a, "-o", "both"], "both is there already"),
        (&[&a, &b, "-o", "c"], "it has other tokens than the first model's"),
        (&[&a, &a, "-o", "c", "--density", "0.5"], "this method has no use for it"),
        (&[&a, &a, "-o", "c", "--method", "dare"], "name the model that both come from"),
        (&[&a, &a, "-o", "c", "--weight", "2"], "lies between 0 and 1"),
        (&[&a, &a, "-o", "c", "--precision", "f/16"], "isn't a precision"),
    ];
    for (arguments, problem) in cases {
        let output = merge(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(problem), "{}", text(&output.stderr));
        assert!(!folder.path().join("c").exists());
    }
}
