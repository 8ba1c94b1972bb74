//! `percept classify`, `nearest` and `embed`, as a person or a script uses them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use percept::runtime::Cache;
use serde_json::{Value, json};
use tempfile::TempDir;

fn percept(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_percept"))
        .args(arguments)
        .args(if arguments.contains(&"--help") { &[][..] } else { &["--device", "cpu"] })
        .current_dir(folder)
        // What a search remembers goes there, and not to whoever runs the tests.
        .env("PERCEPT_CACHE", folder.join("cache"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}\nstdout: {}\nstderr: {}", text(&output.stdout), text(&output.stderr))
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data").join(name)
}

/// A folder with the model `m`, its pictures in `shots`, and two files there that are none.
fn scene(model: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (m, shots) = (folder.path().join("m"), folder.path().join("shots"));
    fs::create_dir_all(m.join("onnx")).unwrap();
    fs::create_dir_all(shots.join("deeper")).unwrap();
    for under in ["", "onnx"] {
        for entry in fs::read_dir(data(model).join(under)).unwrap() {
            let path = entry.unwrap().path();
            let target = if path.extension().is_some_and(|e| e == "png") { &shots } else { &m.join(under) };
            if path.is_file() {
                fs::copy(&path, target.join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let whole = fs::read(shots.join("wide.png")).unwrap();
    fs::write(shots.join("torn.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(shots.join("notes.txt"), "not a picture").unwrap();
    fs::create_dir(folder.path().join("cache")).unwrap();
    // ONNX Runtime's library is where it is for everybody.
    let packages = Cache::open().unwrap().root().join("packages");
    #[cfg(unix)]
    std::os::unix::fs::symlink(packages, folder.path().join("cache/packages")).unwrap();
    folder
}

fn golden(model: &str) -> Value {
    serde_json::from_slice(&fs::read(data(model).join("golden.json")).unwrap()).unwrap()
}

fn near(found: &Value, expected: f64) -> bool {
    (found.as_f64().unwrap() - expected).abs() <= 1e-4 * expected.abs().max(1.0)
}

fn labels(golden: &Value) -> Vec<&str> {
    golden["zero_shot"]["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect()
}

#[test]
fn labels_get_the_references_probabilities() {
    for model in ["clip-tiny", "siglip-tiny"] {
        let (folder, golden) = (scene(model), golden(model));
        let labels = labels(&golden);
        let mut arguments = vec!["classify", "m", "shots/wide.png", "shots", "--label"];
        arguments.extend(&labels);
        let templates = golden["zero_shot"]["templates"].as_array().unwrap();
        for template in templates {
            arguments.extend(["--template", template.as_str().unwrap()]);
        }
        let output = percept(&[&arguments[..], &["--json"]].concat(), folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let told = document(&output);
        let images = told["images"].as_array().unwrap();
        assert_eq!(images.len(), 6, "the file, and what can be read of the folder");
        for (place, row) in golden["images"].as_array().unwrap().iter().enumerate() {
            let file = format!("shots/{}", row["file"].as_str().unwrap());
            let image = images.iter().find(|image| image["image"] == json!(file)).unwrap();
            let scores = image["scores"].as_array().unwrap();
            assert_eq!(image["best"], scores[0]["label"]);
            for score in scores {
                let at = labels.iter().position(|label| score["label"] == json!(label)).unwrap();
                let expected = &golden["zero_shot"]["probabilities"][place][at];
                assert!(near(&score["probability"], expected.as_f64().unwrap()), "{model} {file} {score}");
            }
        }
        let left_out: Vec<_> =
            told["left_out"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
        assert_eq!(left_out, ["shots/notes.txt", "shots/torn.png"]);
        assert_eq!(told["temperature"]["source"], "joint_graph");

        let plain = percept(&arguments, folder.path());
        let (shown, said) = (text(&plain.stdout), text(&plain.stderr));
        assert_eq!(shown.lines().filter(|line| line.contains('%')).count(), 6 * labels.len(), "{shown}");
        assert!(said.contains("left out: image: shots/notes.txt: not an image"), "{said}");
        assert!(said.contains("shots/clear.png: its transparency is seen on white"), "{said}");
    }
}

#[test]
fn the_nearest_picture_to_itself_is_itself_and_words_find_what_the_reference_finds() {
    let (folder, golden) = (scene("clip-tiny"), golden("clip-tiny"));
    let output = percept(&["nearest", "m", "shots/tall.png", "shots", "--top", "2", "--json"], folder.path());
    let told = document(&output);
    assert_eq!((&told["query"]["image"], &told["searched"]), (&json!("shots/tall.png"), &json!(5)));
    assert_eq!(told["found"].as_array().unwrap().len(), 2);
    assert_eq!(told["found"][0]["image"], "shots/tall.png");
    assert!(near(&told["found"][0]["cosine"], 1.0));

    let words = golden["texts"][0]["text"].as_str().unwrap();
    let told = document(&percept(&["nearest", "m", words, "shots", "--json"], folder.path()));
    let logits = golden["logits_per_image"].as_array().unwrap();
    let best = (0..logits.len())
        .max_by(|a, b| logits[*a][0].as_f64().unwrap().total_cmp(&logits[*b][0].as_f64().unwrap()))
        .unwrap();
    let expected = format!("shots/{}", golden["images"][best]["file"].as_str().unwrap());
    assert_eq!((&told["query"]["text"], &told["found"][0]["image"]), (&json!(words), &json!(expected)));
    let shown = text(&percept(&["nearest", "m", words, "shots", "--top", "1"], folder.path()).stdout);
    assert!(shown.ends_with(&format!("  {expected}\n")) && shown.lines().count() == 1, "{shown}");
}

#[test]
fn a_search_says_what_it_searched_for_and_refuses_a_file_that_isnt_there() {
    let folder = scene("clip-tiny");
    let told = |query: &str| text(&percept(&["nearest", "m", query, "shots"], folder.path()).stderr);
    assert!(told("cat").contains("of 5 pictures by the words “cat”, m on cpu"), "{}", told("cat"));
    let picture = told("shots/tall.png");
    assert!(picture.contains("by the picture shots/tall.png, m on cpu"), "{picture}");
    let named = told("shots");
    assert!(named.contains("“shots” is taken for words, though a folder is called so"), "{named}");
    let named = percept(&["nearest", "m", "shots", "shots", "--json"], folder.path());
    assert!(document(&named)["notes"].to_string().contains("is taken for words"), "{named:?}");
    let sentence = told("a view of logo.png");
    assert!(sentence.contains("“a view of logo.png” is taken for words: no file is called so"), "{sentence}");
    for slip in ["shto.png", "shots/none.JPEG"] {
        let output = percept(&["nearest", "m", slip, "shots"], folder.path());
        assert_eq!(output.status.code(), Some(2), "{slip}");
        assert!(
            text(&output.stderr).contains(&format!("there is no file {slip}")),
            "{}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_picture_in_a_folder_is_left_out_without_being_waited_for_or_read() {
    let folder = scene("clip-tiny");
    let shots = folder.path().join("shots");
    let made = Command::new("mkfifo").arg(shots.join("pipe")).status().unwrap();
    assert!(made.success());
    // More than any memory holds; nothing of it is on the disk.
    fs::File::create(shots.join("film.mp4")).unwrap().set_len(1 << 40).unwrap();
    let told = document(&percept(&["nearest", "m", "cat", "shots", "--json"], folder.path()));
    assert_eq!(told["searched"], 5, "{told:#}");
    let why = |file: &str| {
        let mut left_out = told["left_out"].as_array().unwrap().iter();
        let found = left_out.find(|left_out| left_out["file"] == file).unwrap_or_else(|| panic!("{told:#}"));
        found["problem"].as_str().unwrap().to_owned()
    };
    assert!(why("shots/pipe").contains("it is no file"), "{}", why("shots/pipe"));
    assert!(why("shots/film.mp4").contains("not an image"), "{}", why("shots/film.mp4"));
}

/// How many pictures a search looked at and how many of them it had embedded before, the first one's file and cosine, and
/// what it said.
fn searched(folder: &TempDir, more: &[&str]) -> (Value, Value, String) {
    let arguments = [&["nearest", "m", "shots/tall.png", "shots", "--json"][..], more].concat();
    let output = percept(&arguments, folder.path());
    let told = document(&output);
    (json!([told["searched"], told["known"]]), told["found"].clone(), text(&output.stderr))
}

/// The one file of what searches remember.
fn indices(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("cache/embeddings")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_search_that_fails_keeps_what_it_embedded() {
    let folder = scene("clip-tiny");
    // More pictures than are embedded at once, so some are before the torn one is opened.
    let pictures: Vec<String> = (0..9).map(|number| format!("p{number}.png")).collect();
    for (number, name) in pictures.iter().enumerate() {
        let image = image::RgbImage::from_pixel(9, 9, image::Rgb([20 * number as u8, 9, 9]));
        image.save(folder.path().join(name)).unwrap();
    }
    let all: Vec<&str> = pictures.iter().map(String::as_str).collect();
    let search = |more: &[&str]| {
        percept(&[&["nearest", "m", "shots/tall.png", "--json"][..], &all, more].concat(), folder.path())
    };
    let failed = search(&["shots/torn.png"]);
    assert!(!failed.status.success() && text(&failed.stderr).contains("torn.png"));
    // The picture that is searched for isn't among those that are compared.
    assert_eq!(document(&search(&[]))["known"], 8);
}

#[test]
fn a_second_search_embeds_only_new_pictures() {
    let folder = scene("clip-tiny");
    let (counted, none, _) = searched(&folder, &["--no-index"]);
    assert_eq!((counted, indices(&folder).len()), (json!([5, 0]), 0));
    // The picture that is searched for is itself in the folder.
    let (counted, first, said) = searched(&folder, &[]);
    assert_eq!((&counted, &first, indices(&folder).len()), (&json!([5, 1]), &none, 1));
    assert!(said.contains("shots/clear.png: its transparency is seen on white"), "{said}");
    let (counted, again, said) = searched(&folder, &[]);
    assert_eq!((&counted, &again), (&json!([5, 5]), &first));
    assert!(said.contains("shots/clear.png: its transparency is seen on white"), "{said}");

    let shots = folder.path().join("shots");
    // Another name and another place are the same picture; another content under a known name isn't.
    fs::rename(shots.join("wide.png"), shots.join("renamed.png")).unwrap();
    fs::copy(shots.join("tall.png"), shots.join("clear.png")).unwrap();
    let (counted, found, _) = searched(&folder, &[]);
    assert_eq!(counted, json!([5, 5]));
    let fits = |found: &Value, file: &str| {
        found.as_array().unwrap().iter().any(|one| one["image"] == json!(file) && near(&one["cosine"], 1.0))
    };
    assert!(fits(&found, "shots/clear.png") && !fits(&first, "shots/clear.png"), "{found}");
    fs::remove_file(shots.join("renamed.png")).unwrap();
    fs::copy(data("siglip-tiny/golden.json"), shots.join("notes.txt")).unwrap();
    let (counted, found, _) = searched(&folder, &[]);
    assert_eq!(counted, json!([4, 4]));
    assert!(!found.to_string().contains("renamed"), "{found}");
}

#[test]
fn what_another_model_made_isnt_taken_and_what_is_damaged_is_made_anew() {
    let folder = scene("clip-tiny");
    searched(&folder, &[]);
    let index = indices(&folder).remove(0);
    let whole = fs::read(&index).unwrap();
    // The same graphs with another image processor make other embeddings.
    let settings = folder.path().join("m/preprocessor_config.json");
    let changed = fs::read_to_string(&settings).unwrap();
    let mut config: Value = serde_json::from_str(&changed).unwrap();
    config["do_normalize"] = json!(false);
    fs::write(&settings, config.to_string()).unwrap();
    assert_eq!(searched(&folder, &[]).0, json!([5, 1]));
    fs::write(&settings, changed).unwrap();
    assert_eq!((searched(&folder, &[]).0, indices(&folder).len()), (json!([5, 5]), 2));
    let mut graph = fs::read(folder.path().join("m/onnx/vision_model.onnx")).unwrap();
    let weight = graph.len() / 2;
    graph[weight] ^= 1;
    fs::write(folder.path().join("m/onnx/vision_model.onnx"), graph).unwrap();
    assert_eq!((searched(&folder, &[]).0, indices(&folder).len()), (json!([5, 1]), 3));

    let folder = scene("clip-tiny");
    searched(&folder, &[]);
    assert_eq!(fs::read(&indices(&folder)[0]).unwrap(), whole, "what is kept depends on nothing else");
    fs::write(&indices(&folder)[0], &whole[..whole.len() / 2]).unwrap();
    let (counted, _, said) = searched(&folder, &[]);
    assert_eq!(counted, json!([5, 1]));
    assert!(said.contains("is damaged, so it is made anew"), "{said}");
    assert_eq!(searched(&folder, &[]).0, json!([5, 5]));
    // A place that can't be written to is said, and the search goes on.
    fs::remove_dir_all(folder.path().join("cache/embeddings")).unwrap();
    fs::write(folder.path().join("cache/embeddings"), "a file").unwrap();
    let (counted, _, said) = searched(&folder, &[]);
    assert_eq!(counted, json!([5, 1]));
    assert!(said.contains("the next search embeds all pictures again"), "{said}");
}

#[test]
fn embeddings_come_as_one_document_with_or_without_the_flag() {
    let (folder, golden) = (scene("siglip-tiny"), golden("siglip-tiny"));
    let long = golden["texts"][6]["text"].as_str().unwrap();
    let arguments = ["embed", "m", "shots/wide.png", "--text", "a photo of a cat", "--text", long];
    for flag in [&[][..], &["--json"]] {
        let told = document(&percept(&[&arguments[..], flag].concat(), folder.path()));
        let rows = told["embeddings"].as_array().unwrap();
        let expected = [&golden["images"][0], &golden["texts"][0], &golden["texts"][6]];
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(expected) {
            let pairs =
                row["embedding"].as_array().unwrap().iter().zip(expected["embedding"].as_array().unwrap());
            assert!(pairs.clone().count() > 8 && pairs.clone().all(|(a, b)| near(a, b.as_f64().unwrap())));
        }
        assert_eq!((&rows[1]["cut"], rows[2]["cut"]["read"].as_u64()), (&Value::Null, Some(63)));
    }
}

#[test]
fn inspection_tells_what_a_folder_is() {
    let folder = scene("siglip-tiny");
    let told = document(&percept(&["models", "inspect", "m", "--json"], folder.path()));
    assert_eq!((&told["config"]["family"], &told["layout"]), (&json!("siglip"), &json!("towers")));
    assert_eq!(
        (&told["temperature"]["source"], &told["card"]["context"]),
        (&json!("joint_graph"), &json!(64))
    );
    let shown = text(&percept(&["models", "inspect", "m"], folder.path()).stdout);
    assert!(shown.contains("probabilities: sigmoid of 21.75"), "{shown}");
    assert!(shown.contains("vision_model (m/onnx/vision_model.onnx)"), "{shown}");
    fs::remove_file(folder.path().join("m/onnx/model.onnx")).unwrap();
    let shown = text(&percept(&["models", "inspect", "m"], folder.path()).stdout);
    assert!(shown.contains("probabilities: none: m: nothing says the temperature"), "{shown}");
    let doctor = percept(&["doctor", "m", "--json"], folder.path());
    assert_eq!(document(&doctor)["model"]["sessions"].as_array().unwrap().len(), 2);
}

#[test]
fn inspection_tells_everything_that_a_folder_lacks_at_once() {
    let folder = scene("clip-tiny");
    let gone = ["onnx/model.onnx", "onnx/text_model.onnx", "preprocessor_config.json", "tokenizer.json"];
    for file in gone {
        fs::remove_file(folder.path().join("m").join(file)).unwrap();
    }
    fs::remove_file(folder.path().join("m/onnx/text_model_quantized.onnx")).unwrap();
    let output = percept(&["models", "inspect", "m", "--json"], folder.path());
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let told = document(&output);
    let mut missing: Vec<_> =
        told["missing"].as_array().unwrap().iter().map(|missing| missing["path"].as_str().unwrap()).collect();
    missing.sort_unstable();
    assert_eq!(missing, ["m/onnx/text_model.onnx", "m/preprocessor_config.json", "m/tokenizer.json"]);
    assert_eq!((&told["family"], &told["sessions"][0]["session"]), (&json!("clip"), &json!("vision_model")));
    let shown = text(&percept(&["models", "inspect", "m"], folder.path()).stdout);
    assert!(shown.starts_with("m: clip, not whole\n") && shown.matches("missing: ").count() == 3, "{shown}");
}

#[test]
fn what_makes_no_sense_is_bad_input_with_a_remedy() {
    let folder = scene("clip-tiny");
    let llava = data("llava-tiny").display().to_string();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("none.png"), "").unwrap();
    let mut huge = fs::read(folder.path().join("shots/wide.png")).unwrap();
    // The header says 100,000 × 100,000 pixels; its checksum is mended so that nothing else is wrong with it.
    huge[16..24].copy_from_slice(&[0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0]);
    let checksum = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.to_be_bytes());
    fs::write(folder.path().join("huge.png"), huge).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["classify", &llava, "shots", "--label", "a", "b"], "isn't a model that puts images and texts"),
        (&["ask", "m", "shots/wide.png", "What is it?"], "`percept classify`"),
        (&["classify", "m", "shots", "--label", "a", "A"], "are the same"),
        (&["classify", "m", "shots", "--label", "a", ""], "a label is empty"),
        (&["classify", "m", "shots", "--label", "a"], "the only label"),
        (&["classify", "m", "shots", "--label", "a", "b", "--template", "a photo"], "has no {}"),
        (&["classify", "m", "nowhere.png", "--label", "a", "b"], "nowhere.png"),
        (&["classify", "m", "shots/torn.png", "--label", "a", "b"], "shots/torn.png: can't be decoded"),
        (&["classify", "m", "none.png", "--label", "a", "b"], "none.png: not an image"),
        (&["classify", "m", "huge.png", "--label", "a", "b"], "huge.png: the file has 100000×100000 pixels"),
        (&["classify", "m#q4", "shots", "--label", "a", "b"], "`q4`"),
        (
            &["classify", "scripted:x.json", "shots", "--label", "a", "b"],
            "isn't a model that runs on this machine",
        ),
        (&["nearest", "m", "words", "empty"], "there is no file in empty"),
        (&["nearest", "m", " ", "shots"], "a text is empty"),
        (&["embed", "m"], "there is nothing to embed"),
        // Before a model is loaded, and before pictures are embedded for nothing.
        (&["embed", "nowhere", "shots/wide.png", "shots/torn.png"], "shots/torn.png: can't be decoded"),
        (&["embed", "m", "--text", ""], "a text is empty"),
    ];
    for (arguments, problem) in cases {
        let output = percept(&[*arguments, &["--json"]].concat(), folder.path());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        let error = document(&output)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(problem), "{arguments:?}: {error}");
    }
    let unlabelled = percept(&["classify", "m", "shots"], folder.path());
    assert_eq!(unlabelled.status.code(), Some(2));
    assert!(text(&unlabelled.stderr).contains("--label"), "{}", text(&unlabelled.stderr));
}

/// The checksum of PNG's chunks (CRC-32 of ISO 3309).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |mut sum: u32, byte| {
        sum ^= u32::from(*byte);
        (0..8).for_each(|_| sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 });
        sum
    })
}

#[test]
fn the_help_says_what_can_be_done() {
    for name in ["classify", "nearest", "embed"] {
        let output = percept(&[name, "--help"], &data(""));
        assert_eq!(output.status.code(), Some(0));
        insta::assert_snapshot!(format!("help_of_{name}"), text(&output.stdout));
    }
}
