//! Bad folders: each is refused with the file at fault and what to do, before or while it is loaded.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::Path, sync::Arc};

use percept_models::{LoadOptions, LocalModel, ModelConfig, ModelError, ModelFolder, Precision};
use percept_runtime::Silent;
use support::{change_json, copy};

/// Damages a copy of a tiny model and expects an error about a file that says something.
async fn check(folder: &str, damage: impl FnOnce(&Path), precision: Option<&str>, file: &str, says: &str) {
    let (_kept, path) = copy(folder);
    damage(&path);
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: precision.map(|name| Precision::named(name).unwrap()),
        ..LoadOptions::default()
    };
    let error = LocalModel::load(&path, options, Arc::new(Silent)).await.unwrap_err();
    let message = error.to_string();
    let ModelError::Folder { path: found, remedy, .. } = error else { panic!("{message}") };
    assert!(found.ends_with(file), "{message} should be about {file}");
    assert!(message.contains(says), "{message} should say: {says}");
    assert!(!remedy.is_empty(), "{message}");
}

fn remove(file: &'static str) -> impl FnOnce(&Path) {
    move |folder| fs::remove_file(folder.join(file)).unwrap()
}

fn set(file: &'static str, key: &'static str, value: serde_json::Value) -> impl FnOnce(&Path) {
    move |folder| {
        change_json(&folder.join(file), |config| match key.split_once('.') {
            Some((outer, inner)) => config[outer][inner] = value,
            None => config[key] = value,
        });
    }
}

fn truncate(file: &'static str) -> impl FnOnce(&Path) {
    move |folder| {
        let path = folder.join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    for file in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
        check("llava-tiny", remove(file), None, file, "missing").await;
    }
    for file in ["vision_encoder.onnx", "embed_tokens.onnx", "decoder_model_merged.onnx"] {
        let damage = |folder: &Path| fs::remove_file(folder.join("onnx").join(file)).unwrap();
        check("llava-tiny", damage, None, file, "missing").await;
    }
    check("llava-tiny", remove("chat_template.jinja"), None, "llava-tiny", "no chat template").await;
    check("llava-tiny", |folder| fs::remove_dir_all(folder).unwrap(), None, "llava-tiny", "no such folder")
        .await;
    let nothing = "no session is there in `fp16`";
    check("llava-tiny", |_| (), Some("fp16"), "onnx", nothing).await;
}

#[tokio::test]
async fn a_torn_file_is_named() {
    for file in ["config.json", "tokenizer.json", "preprocessor_config.json", "tokenizer_config.json"] {
        check("llava-tiny", truncate(file), None, file, "").await;
    }
    for file in ["onnx/vision_encoder.onnx", "onnx/embed_tokens.onnx", "onnx/decoder_model_merged.onnx"] {
        check("llava-tiny", truncate(file), None, file, "").await;
        check("llava-tiny", |folder| fs::write(folder.join(file), "").unwrap(), None, file, "").await;
    }
    let data = "onnx/decoder_model_merged.onnx_data";
    check("llava-tiny", remove(data), None, data, "it is missing").await;
    check("llava-tiny", truncate(data), None, "onnx/decoder_model_merged.onnx", "").await;
}

#[tokio::test]
async fn files_that_contradict_each_other_are_named() {
    let config = "config.json";
    let other = |folder: &Path| {
        let (_kept, smolvlm) = copy("smolvlm-tiny");
        fs::copy(smolvlm.join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    };
    check("llava-tiny", other, None, "tokenizer.json", "image token `<image>` has the id 341").await;
    check("llava-tiny", set(config, "image_token_index", 7.into()), None, "tokenizer.json", "says 7").await;
    check(
        "llava-tiny",
        set(config, "text_config.vocab_size", 300.into()),
        None,
        "tokenizer.json",
        "only 300",
    )
    .await;
    let decoder = "decoder_model_merged.onnx";
    check("llava-tiny", set(config, "text_config.vocab_size", 400.into()), None, decoder, "400").await;
    check("llava-tiny", set(config, "text_config.num_hidden_layers", 3.into()), None, decoder, "3").await;
    check("llava-tiny", set(config, "text_config.num_key_value_heads", 3.into()), None, decoder, "3").await;
    let swap = |folder: &Path| {
        let (_kept, smolvlm) = copy("smolvlm-tiny");
        fs::copy(smolvlm.join("onnx/embed_tokens.onnx"), folder.join("onnx/embed_tokens.onnx")).unwrap();
    };
    check("llava-tiny", swap, None, "vision_encoder.onnx", "48 numbers each").await;
}

#[tokio::test]
async fn a_processor_or_a_decoder_of_another_kind_is_named() {
    let processor = "preprocessor_config.json";
    let clip = r#"{ "image_processor_type": "CLIPImageProcessor" }"#;
    let pictures = |folder: &Path| fs::write(folder.join(processor), clip).unwrap();
    check("qwen2_vl-tiny", pictures, None, processor, "gives pictures, a `qwen2_vl` model takes patches")
        .await;
    let patches = |folder: &Path| {
        let (_kept, qwen) = copy("qwen2_vl-tiny");
        fs::copy(qwen.join(processor), folder.join(processor)).unwrap();
    };
    check("llava-tiny", patches, None, processor, "gives patches, a `llava` model takes pictures").await;
    // Patches are padded for one family and not for the other.
    let lfm2 = |folder: &Path| {
        let (_kept, lfm2) = copy("lfm2_vl-tiny");
        fs::copy(lfm2.join(processor), folder.join(processor)).unwrap();
    };
    let says = "gives padded patches, a `qwen2_vl` model takes patches";
    check("qwen2_vl-tiny", lfm2, None, processor, says).await;
    let says = "gives patches, a `lfm2_vl` model takes padded patches";
    check("lfm2_vl-tiny", patches, None, processor, says).await;
    // A folder that calls itself Qwen2-VL, around a decoder that counts its tokens.
    let counting = |folder: &Path| {
        patches(folder);
        change_json(&folder.join("config.json"), |config| config["model_type"] = "qwen2_vl".into());
        let tokenizer = fs::read_to_string(folder.join("tokenizer.json")).unwrap();
        fs::write(folder.join("tokenizer.json"), tokenizer.replace("<image>", "<|image_pad|>")).unwrap();
    };
    check("llava-tiny", counting, None, "onnx/decoder_model_merged.onnx", "in three rows").await;
}

#[test]
fn an_older_configuration_has_the_decoders_sizes_at_its_top() {
    let (_kept, path) = copy("qwen2_vl-tiny");
    let newer = ModelConfig::of_folder(&path, None).unwrap();
    assert_eq!(
        (newer.text.hidden_size, newer.text.usual_head_dim, newer.text.context),
        (Some(48), Some(16), 512)
    );
    change_json(&path.join("config.json"), |config| {
        let text = config.as_object_mut().unwrap().remove("text_config").unwrap();
        for (key, value) in text.as_object().unwrap() {
            if key != "model_type" {
                config[key] = value.clone();
            }
        }
    });
    assert_eq!(ModelConfig::of_folder(&path, None).unwrap(), newer);
}

#[test]
fn a_family_counts_in_place_of_the_one_that_a_configuration_names_or_does_not() {
    let (_kept, path) = copy("idefics-tiny");
    let named = ModelConfig::of_folder(&path, None).unwrap();
    assert!(named.image_token_id.is_some(), "the tokenizer has it");
    change_json(&path.join("config.json"), |config| config["model_type"] = "my_own".into());
    assert_eq!(ModelConfig::of_folder(&path, Some("idefics")).unwrap(), named);
    change_json(&path.join("config.json"), |config| {
        config.as_object_mut().unwrap().remove("model_type").unwrap();
    });
    assert_eq!(ModelConfig::of_folder(&path, Some("idefics")).unwrap(), named);
    let error = ModelConfig::of_folder(&path, None).unwrap_err().to_string();
    assert!(error.contains("doesn't say its `model_type`") && error.contains("`[model]`"), "{error}");
    fs::write(path.join("percept.toml"), "[model]\nfamily = \"idefics\"\n").unwrap();
    let folder = ModelFolder::open(&path, None).unwrap();
    assert_eq!((folder.family.name(), folder.config.image_token_id), ("idefics", named.image_token_id));
    change_json(&path.join("config.json"), |config| config["vocab_size"] = usize::MAX.into());
    let config = ModelConfig::of_folder(&path, Some("idefics")).unwrap();
    assert_eq!(config.text.vocabulary, Some(usize::MAX), "an absurd size is counted, not added up");
}

#[tokio::test]
async fn what_isnt_known_is_named() {
    let processor = "preprocessor_config.json";
    check(
        "llava-tiny",
        set("config.json", "model_type", "kosmos-2".into()),
        None,
        "config.json",
        "`kosmos-2`",
    )
    .await;
    let kind = set(processor, "image_processor_type", "DonutImageProcessor".into());
    check("llava-tiny", kind, None, processor, "`DonutImageProcessor` isn't known").await;
    check("llava-tiny", set(processor, "resample", 9.into()), None, processor, "`resample` 9").await;
    let percept =
        |text: &'static str| move |folder: &Path| fs::write(folder.join("percept.toml"), text).unwrap();
    check("llava-tiny", percept("[dialect]\nmarkr = 'x'"), None, "percept.toml", "markr").await;
    check("llava-tiny", percept("[dialect]\ngrid = [0, 5]"), None, "percept.toml", "at least 1").await;
    check("llava-tiny", percept("[dialect]\nkind = 'xml'"), None, "percept.toml", "xml").await;
}

#[test]
fn a_class_is_named_by_the_backend_that_is_meant() {
    let (_kept, path) = copy("smolvlm-tiny");
    let backend = || match ModelFolder::open(&path, None).unwrap().processor {
        Some(percept_models::ImageProcessor::Tiled(tiled)) => tiled.backend,
        other => panic!("{other:?}"),
    };
    assert_eq!(backend(), percept_models::Backend::Pillow);
    let class = "SmolVLMImageProcessorFast".into();
    set("preprocessor_config.json", "image_processor_type", class)(&path);
    assert_eq!(backend(), percept_models::Backend::Torchvision);
    fs::write(path.join("percept.toml"), "[images]\nbackend = \"pillow\"").unwrap();
    assert_eq!(backend(), percept_models::Backend::Pillow);
}

#[tokio::test]
async fn a_vision_encoder_of_another_image_size_is_told_when_an_image_comes() {
    let (_kept, path) = copy("llava-tiny");
    change_json(&path.join("processor_config.json"), |config| {
        config["num_additional_image_tokens"] = 3.into();
    });
    let model = support::load(&path, "cpu", percept_runtime::CacheForm::Auto).await;
    let golden = &support::goldens("llava-tiny")[0];
    let error = model.first_logits(&golden.conversation()).await.unwrap_err().to_string();
    assert!(error.contains("of different models"), "{error}");
}
