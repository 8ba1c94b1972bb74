//! Folders that aren't the community's: onnxruntime-genai's, and those that a manifest explains. The graphs compute the same,
//! so they are held to the same goldens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use percept_models::{
    ChatModel, Generate, LayoutKind, LoadOptions, LocalModel, ModelError, ModelFolder, Precision, Survey,
    Usage,
};
use percept_runtime::{CacheForm, Silent};
use support::{Golden, change_json, copy, data, goldens, greatest_difference, load};
use tempfile::TempDir;

const FAMILY: &str = "qwen2_5_vl-tiny";

/// Qwen2.5-VL in onnxruntime-genai's layout: no `config.json`, no `onnx/`.
fn genai() -> (TempDir, PathBuf) {
    let (kept, path) = copy(FAMILY);
    fs::rename(path.join("onnx/vision_encoder.onnx"), path.join("vision.onnx")).unwrap();
    fs::remove_dir_all(path.join("onnx")).unwrap();
    fs::remove_file(path.join("config.json")).unwrap();
    fs::create_dir(path.join("text")).unwrap();
    for file in ["embedding.onnx", "text/model.onnx", "genai_config.json"] {
        fs::copy(data().join("genai").join(file), path.join(file)).unwrap();
    }
    (kept, path)
}

/// The same model with its graphs anywhere, and a manifest that names them.
fn manifest() -> (TempDir, PathBuf) {
    let (kept, path) = copy(FAMILY);
    fs::create_dir(path.join("parts")).unwrap();
    for (from, to) in [("vision_encoder", "tower"), ("embed_tokens", "table"), ("decoder_model_merged", "lm")]
    {
        fs::rename(path.join(format!("onnx/{from}.onnx")), path.join(format!("parts/{to}.onnx"))).unwrap();
    }
    change_json(&path.join("config.json"), |config| config["model_type"] = "my_own".into());
    let text = "[model]\nfamily = \"qwen2_5_vl\"\n[sessions]\nvision_encoder = \"parts/tower.onnx\"\n\
                embed_tokens = \"parts/table.onnx\"\ndecoder_model_merged = \"parts/lm.onnx\"\n";
    fs::write(path.join("percept.toml"), text).unwrap();
    (kept, path)
}

async fn reply(model: &LocalModel, golden: &Golden) -> Usage {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion =
        model.generate(&golden.conversation(), &options).await.unwrap().complete().await.unwrap();
    let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
    assert_eq!((&tokens, &completion.text), (&golden.greedy, &golden.text), "{}", golden.name);
    completion.usage
}

async fn check(path: &Path, kind: LayoutKind, cache: CacheForm) {
    assert_eq!(ModelFolder::open(path, None).unwrap().layout, kind);
    let model = load(path, "cpu", cache).await;
    for golden in goldens(FAMILY) {
        golden.check_pixels(path, &golden.name);
        golden.check_prompt(&model, &golden.name).await;
        reply(&model, &golden).await;
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{}", golden.name);
        let usage = reply(&model, &golden).await;
        assert_eq!(usage.cached_tokens, golden.input_ids.len() - 1, "{}", golden.name);
    }
}

#[tokio::test]
async fn a_genai_folder_answers_as_transformers_does_with_no_file_added() {
    let (_kept, path) = genai();
    check(&path, LayoutKind::Genai, CacheForm::Auto).await;
}

#[tokio::test]
async fn a_genai_folder_with_the_models_own_configuration_beside_it_is_read_the_same() {
    let (_kept, path) = genai();
    fs::copy(data().join(FAMILY).join("config.json"), path.join("config.json")).unwrap();
    change_json(&path.join("genai_config.json"), |config| config["model"]["context_length"] = 128.into());
    let folder = ModelFolder::open(&path, None).unwrap();
    assert_eq!((folder.layout, folder.config.text.context), (LayoutKind::Genai, 128));
    reply(&load(&path, "cpu", CacheForm::Growing).await, &goldens(FAMILY)[0]).await;
}

#[tokio::test]
async fn a_manifest_names_family_and_files() {
    let (_kept, path) = manifest();
    check(&path, LayoutKind::Manifest, CacheForm::Auto).await;
}

#[test]
fn a_folder_that_has_both_is_the_communitys() {
    let (_kept, path) = copy(FAMILY);
    fs::copy(data().join("genai/genai_config.json"), path.join("genai_config.json")).unwrap();
    assert_eq!(ModelFolder::open(&path, None).unwrap().layout, LayoutKind::Community);
}

/// Damages a folder and expects an error about a file that says something.
async fn refused(
    folder: fn() -> (TempDir, PathBuf),
    damage: impl FnOnce(&Path),
    precision: Option<&str>,
    file: &str,
    says: &str,
) {
    let (_kept, path) = folder();
    damage(&path);
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: precision.map(|name| Precision::named(name).unwrap()),
        ..LoadOptions::default()
    };
    let error = LocalModel::load(&path, options, Arc::new(Silent)).await.unwrap_err();
    let ModelError::Folder { path: found, .. } = &error else { panic!("{error}") };
    assert!(
        found.ends_with(file) && error.to_string().contains(says),
        "{error} should be about {file}: {says}"
    );
}

fn genai_with(change: fn(&mut serde_json::Value)) -> impl FnOnce(&Path) {
    move |path| change_json(&path.join("genai_config.json"), |config| change(&mut config["model"]))
}

fn manifest_with(text: &'static str) -> impl FnOnce(&Path) {
    move |path| fs::write(path.join("percept.toml"), text).unwrap()
}

/// Calls an input of the text graph otherwise; the name is as long.
fn renamed(path: &Path, name: &str, by: &str) {
    assert_eq!(name.len(), by.len());
    let file = path.join("text/model.onnx");
    let mut bytes = fs::read(&file).unwrap();
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name.as_bytes()) && !bytes[*at - 1].is_ascii_alphanumeric())
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + name.len()].copy_from_slice(by.as_bytes());
    }
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn positions_go_by_the_name_that_a_folder_gives_them() {
    let (_kept, path) = genai();
    renamed(&path, "position_ids", "own_places_3");
    change_json(&path.join("genai_config.json"), |config| {
        config["model"]["decoder"]["inputs"]["position_ids"] = "own_places_3".into();
    });
    check(&path, LayoutKind::Genai, CacheForm::Auto).await;
    // A folder that doesn't say so is refused, and not run without its positions.
    let (_kept, path) = genai();
    renamed(&path, "position_ids", "own_places_3");
    let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
    let error = LocalModel::load(&path, options, Arc::new(Silent)).await.unwrap_err().to_string();
    assert!(error.contains("own_places_3") || error.contains("position_ids"), "{error}");
}

#[tokio::test]
async fn what_a_layout_names_wrongly_is_named() {
    let file = "genai_config.json";
    let no_vision = genai_with(|model| drop(model.as_object_mut().unwrap().remove("vision")));
    refused(
        genai,
        no_vision,
        None,
        file,
        "no graph for `vision_encoder`. It would be `model.vision.filename`",
    )
    .await;
    let gone = genai_with(|model| model["vision"]["filename"] = "gone.onnx".into());
    refused(genai, gone, None, "gone.onnx", "missing").await;
    let outside = genai_with(|model| model["vision"]["filename"] = "../vision.onnx".into());
    refused(genai, outside, None, "../vision.onnx", "outside of the model's folder").await;
    let pipeline = genai_with(|model| model["decoder"]["pipeline"] = serde_json::json!([]));
    refused(genai, pipeline, None, file, "a pipeline of several graphs").await;
    let unknown = genai_with(|model| model["type"] = "whisper".into());
    refused(genai, unknown, None, file, "`whisper` isn't hosted").await;
    refused(genai, |_| (), Some("q4"), FAMILY, "no session is there in `q4`").await;
    let cache = genai_with(|model| model["decoder"]["inputs"]["past_key_names"] = "past_%d".into());
    refused(genai, cache, None, "text/model.onnx", "its input past.0.k").await;
    let layers = genai_with(|model| model["decoder"]["num_hidden_layers"] = 3.into());
    refused(genai, layers, None, "text/model.onnx", "num_hidden_layers = 3").await;
    let steps = |path: &Path| {
        fs::remove_file(path.join("preprocessor_config.json")).unwrap();
        fs::write(
            path.join("processor_config.json"),
            r#"{ "processor": { "name": "x", "transforms": [] } }"#,
        )
        .unwrap();
    };
    refused(genai, steps, None, "processor_config.json", "Put the model's `preprocessor_config.json`").await;

    let file = "percept.toml";
    let unknown =
        manifest_with("[model]\nfamily = \"qwen2_5_vl\"\n[sessions]\nvision = \"parts/tower.onnx\"");
    refused(manifest, unknown, None, file, "`vision`, which this family doesn't have").await;
    let gone = manifest_with("[model]\nfamily = \"qwen2_5_vl\"\n[sessions]\nvision_encoder = \"gone.onnx\"");
    refused(manifest, gone, None, "gone.onnx", "missing").await;
    let absolute =
        manifest_with("[model]\nfamily = \"qwen2_5_vl\"\n[sessions]\nvision_encoder = \"/gone.onnx\"");
    refused(manifest, absolute, None, "/gone.onnx", "outside").await;
    let family =
        manifest_with("[model]\nfamily = \"mine\"\n[sessions]\nvision_encoder = \"parts/tower.onnx\"");
    refused(manifest, family, None, "config.json", "`mine` isn't hosted").await;
}

#[test]
fn a_survey_names_everything_that_is_missing_at_once() {
    let (_kept, path) = copy("llava-tiny");
    let whole = Survey::of_folder(&path, None).unwrap();
    assert_eq!((whole.missing.as_slice(), whole.sessions.len()), (&[][..], 3));
    assert_eq!(whole.family.as_deref(), Some("llava"));
    let kinds: Vec<_> = whole.sessions[2].weights.bytes_by_kind.keys().cloned().collect();
    assert!(kinds.contains(&"float32".to_owned()), "{kinds:?}");
    let decoder = &whole.sessions[2];
    let data = fs::metadata(path.join("onnx/decoder_model_merged.onnx_data")).unwrap().len();
    assert!(decoder.weights.bytes() >= data && decoder.weights.bytes() < data * 11 / 10, "{decoder:?}");

    let gone = [
        "onnx/vision_encoder.onnx",
        "onnx/decoder_model_merged.onnx_data",
        "tokenizer.json",
        "preprocessor_config.json",
    ];
    for file in gone {
        fs::remove_file(path.join(file)).unwrap();
    }
    let survey = Survey::of_folder(&path, None).unwrap();
    let mut missing: Vec<_> = survey
        .missing
        .iter()
        .map(|missing| missing.path.strip_prefix(&path).unwrap().to_str().unwrap())
        .collect();
    missing.sort_unstable();
    let mut expected = gone.to_vec();
    expected.sort_unstable();
    assert_eq!(missing, expected);
    assert!(survey.missing.iter().all(|missing| !missing.remedy.is_empty()));

    fs::remove_file(path.join("config.json")).unwrap();
    let survey = Survey::of_folder(&path, None).unwrap();
    assert!(survey.missing.iter().any(|missing| missing.path.ends_with("config.json")), "{survey:?}");
    assert_eq!(survey.missing.len(), 5, "{survey:?}");
}

#[test]
fn a_survey_finds_nothing_missing_in_a_whole_folder() {
    let mut surveyed = 0;
    for entry in fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // CLIP and SigLIP don't converse.
        if !name.ends_with("-tiny") || name.starts_with("clip") || name.starts_with("siglip") {
            continue;
        }
        let survey = Survey::of_folder(&path, None).unwrap();
        assert_eq!((survey.missing, survey.family.is_some()), (Vec::new(), true), "{name}");
        surveyed += 1;
    }
    assert!(surveyed > 15, "{surveyed}");
}

#[test]
fn a_survey_names_each_problem_of_a_file() {
    let (_kept, path) = copy("llava-tiny");
    change_json(&path.join("config.json"), |config| {
        config["model_type"] = "mine".into();
        config["text_config"]["max_position_embeddings"] = 0.into();
    });
    let survey = Survey::of_folder(&path, None).unwrap();
    let problems: Vec<_> = survey.missing.iter().map(|missing| missing.problem.as_str()).collect();
    assert!(problems.iter().any(|problem| problem.contains("which is no length")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("`mine` isn't hosted")), "{problems:?}");
    assert!(survey.missing.iter().all(|missing| missing.path.ends_with("config.json")), "{survey:?}");
}

#[tokio::test]
async fn an_error_about_a_genai_folders_configuration_names_its_own_file() {
    let file = "genai_config.json";
    let type_of = genai_with(|model| model["type"] = "mine".into());
    refused(genai, type_of, None, file, "`mine` isn't hosted").await;
    let length = genai_with(|model| model["context_length"] = 0.into());
    refused(genai, length, None, file, "which is no length").await;
    let token = genai_with(|model| {
        model.as_object_mut().unwrap().remove("image_token_id").unwrap();
    });
    refused(genai, token, None, file, "neither `image_token_id`").await;
}

#[test]
fn the_precision_of_weights_is_read_from_them() {
    let survey = |folder: &str, precision: Option<&str>| {
        let precision = precision.map(|name| Precision::named(name).unwrap());
        Survey::of_folder(&data().join(folder), precision.as_ref()).unwrap()
    };
    let packed = survey("smolvlm-tiny", Some("q4"));
    let decoder =
        packed.sessions.iter().find(|session| session.file.session == "decoder_model_merged").unwrap();
    assert_eq!(decoder.weights.packed_bits.iter().copied().collect::<Vec<_>>(), [4]);
    assert!(packed.weight_bytes() < survey("smolvlm-tiny", None).weight_bytes());
}

#[test]
fn eight_bit_weights_of_a_named_graph_are_found_by_the_name_that_is_asked_for() {
    let (_kept, path) = copy("smolvlm-tiny");
    let graph = path.join("onnx/decoder_model_merged_q4.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    // An attribute: its name, then its number.
    let bits = b"\x0a\x04bits\x18\x04";
    let places: Vec<_> =
        bytes.windows(bits.len()).enumerate().filter(|(_, at)| at == bits).map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place + bits.len() - 1] = 8;
    }
    fs::write(&graph, bytes).unwrap();
    let text = "[sessions]\ndecoder_model_merged = \"onnx/decoder_model_merged_q4.onnx\"\n";
    fs::write(path.join("percept.toml"), text).unwrap();
    for asked in [None, Some("q8"), Some("quantized")] {
        let precision = asked.map(|name| Precision::named(name).unwrap());
        let folder = ModelFolder::open(&path, precision.as_ref()).unwrap();
        let decoder = folder.sessions.iter().find(|file| file.session == "decoder_model_merged").unwrap();
        assert_eq!(decoder.precision, Precision::named("q8").unwrap(), "{asked:?}");
    }
}
