//! Models held to their goldens, and to each other.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{document, inspecting::tiny, percept, text};

#[test]
fn a_folder_is_held_to_its_goldens() {
    let folder = tempfile::tempdir().unwrap();
    tiny("smolvlm-tiny", folder.path());
    let verify =
        |arguments: &[&str]| percept(&[&["models", "verify", "model"], arguments].concat(), folder.path());
    let output = verify(&["--json"]);
    let found = document(&output);
    assert_eq!(output.status.code(), Some(0), "{found:#}");
    let cases = found["cases"].as_array().unwrap();
    assert!(cases.len() > 5);
    for case in cases {
        assert_eq!((&case["tokens_equal"], &case["against"]), (&json!(24), &json!("fp32")), "{case}");
        assert_eq!((&case["prompt_equal"], &case["ids_equal"]), (&json!(true), &json!(true)), "{case}");
    }
    assert!(cases.iter().filter(|case| case["pixels_differing"][0] == json!(0)).count() > 4, "{found:#}");
    assert!(found["greatest_relative_difference"].as_f64().unwrap() < 1e-4);
    let packed = document(&verify(&["--json", "--precision", "q4"]));
    let against: Vec<_> = packed["cases"].as_array().unwrap().iter().map(|case| &case["against"]).collect();
    assert!(against.contains(&&json!("q4")) && packed["failed"] == json!(0), "{packed:#}");

    let replaced = percept(&["models", "verify", "model#fp32", "--json", "--precision", "q4"], folder.path());
    let replaced = document(&replaced);
    assert_eq!((&replaced["model"], &replaced["cases"]), (&json!("model#q4"), &packed["cases"]));
    let fetched = percept(&["models", "verify", "hub:org/name"], folder.path());
    assert_eq!(fetched.status.code(), Some(2));
    let told = text(&fetched.stderr);
    assert!(told.contains("fetched without goldens") && told.contains("name the folder"), "{told}");

    // One token, one score and one pixel otherwise.
    let path = folder.path().join("model/golden.json");
    let mut goldens: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    goldens.as_array_mut().unwrap().truncate(3);
    goldens[0]["greedy"][7] = json!(1);
    goldens[1]["first_logits"][5] = json!(goldens[1]["first_logits"][5].as_f64().unwrap() + 0.1);
    let pixels = goldens[2]["pixel_values"]["base64"].as_str().unwrap().to_owned();
    goldens[2]["pixel_values"]["base64"] = json!(format!("AAAA{}", &pixels[4..]));
    fs::write(&path, goldens.to_string()).unwrap();
    let output = verify(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    for says in ["7 of 24 tokens equal", "pixels DIFFER in 1 of", "3 of 3 cases don't hold"] {
        assert!(told.contains(says), "{told}");
    }

    fs::write(&path, "{}").unwrap();
    let torn = verify(&[]);
    assert_eq!(torn.status.code(), Some(2));
    assert!(text(&torn.stderr).contains("no list of conversations"), "{}", text(&torn.stderr));
    fs::remove_file(&path).unwrap();
    let nothing = verify(&["--json"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(document(&nothing)["error"].as_str().unwrap().contains("it has no goldens"));
}

#[test]
fn another_precision_is_compared_by_scores_replies_and_clicks() {
    let folder = tempfile::tempdir().unwrap();
    tiny("smolvlm-tiny", folder.path());
    fs::create_dir(folder.path().join("shots")).unwrap();
    for file in ["wide.png", "small.png"] {
        fs::copy(folder.path().join("model").join(file), folder.path().join("shots").join(file)).unwrap();
    }
    let compare =
        |arguments: &[&str]| percept(&[&["models", "compare", "model"], arguments].concat(), folder.path());
    let asked = ["--images", "shots", "--ask", "What is shown?", "--click", "the square"];
    let output = compare(&[&asked[..], &["--precision", "q4", "--json"]].concat());
    let found = document(&output);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (replies, clicks) = (found["replies"].as_array().unwrap(), found["clicks"].as_array().unwrap());
    assert_eq!((replies.len(), clicks.len()), (2, 2), "{found:#}");
    for reply in replies {
        assert!(reply["divergence"].as_f64().unwrap() > 0.0, "4 bits move scores: {reply}");
        assert!(reply["greatest_logit"].as_f64().unwrap() > 1e-3, "{reply}");
    }
    for (click, file) in clicks.iter().zip(["small.png", "wide.png"]) {
        let (width, height) = image::image_dimensions(folder.path().join("shots").join(file)).unwrap();
        for point in click["points"].as_array().unwrap() {
            let [x, y] = [&point[0], &point[1]].map(|side| side.as_f64().unwrap());
            assert!(x < f64::from(width) && y < f64::from(height), "{click}");
        }
        assert!(click["distance"].is_number(), "{click}");
    }
    assert_eq!(found["b"]["model"], json!("model#q4"));

    // An option replaces the precision of an address.
    let precisions = |a: &str, precision: &str| {
        let arguments = ["models", "compare", a, "--images", "shots", "--ask", "?", "--precision", precision];
        percept(&[&arguments[..], &["--json"]].concat(), folder.path())
    };
    let found = document(&precisions("model#q4", "fp32"));
    assert_eq!((&found["a"]["model"], &found["b"]["model"]), (&json!("model#q4"), &json!("model#fp32")));
    assert!(found["summary"]["greatest_divergence"].as_f64().unwrap() > 0.0, "{found:#}");
    let same = precisions("model#q4", "q4");
    assert_eq!(same.status.code(), Some(2), "{}", text(&same.stdout));

    // With itself under another name: nothing moves.
    let same = document(&compare(&[&["model"], &asked[..], &["--json"]].concat()));
    let summary = &same["summary"];
    assert_eq!((&summary["equal_replies"], &summary["greatest_divergence"]), (&json!(1.0), &json!(0.0)));
    assert_eq!((&summary["moved_clicks"], &summary["greatest_distance"]), (&json!(0.0), &json!(0.0)));
    let plain = text(&compare(&[&["model"], &asked[..]].concat()).stdout);
    insta::assert_snapshot!("a_model_compared_with_itself", plain);

    let llava = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/llava-tiny");
    let llava = llava.display().to_string();
    let cases: [(&[&str], &str); 6] = [
        (&["model", "--images", "shots", "--ask", "?", "--max-tokens", "0"], "write 1 or more"),
        (&["--images", "shots", "--ask", "?"], "can't be compared with itself"),
        (
            &["--images", "shots", "--ask", "?", "--precision", "q4", "--precision-a", "q4"],
            "can't be compared with itself",
        ),
        (&["model", "--images", "shots"], "nothing is asked"),
        (&[&llava, "--images", "shots", "--ask", "?"], "they aren't two exports of one model"),
        (&["model", "--images", "model/config.json", "--ask", "?"], "config.json"),
    ];
    for (arguments, problem) in cases {
        let output = compare(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(problem), "{}", text(&output.stderr));
    }
}

#[test]
fn a_slip_in_the_second_model_is_told_before_the_first_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    tiny("smolvlm-tiny", folder.path());
    for graph in fs::read_dir(folder.path().join("model/onnx")).unwrap() {
        fs::write(graph.unwrap().path(), "no graph").unwrap();
    }
    let asked = ["--images", "model/small.png", "--ask", "?"];
    let compare =
        |b: &str| percept(&[&["models", "compare", "model", b], &asked[..]].concat(), folder.path());
    for (b, problem) in [("nowhere", "nowhere"), ("model#q7", "`q7`"), ("gemini:flash", "on this machine")] {
        let output = compare(b);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(problem), "{}", text(&output.stderr));
    }
}
