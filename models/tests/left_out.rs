//! Folders as they are published: what a configuration leaves to its class, and tokens that a model has no row for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::Path};

use percept_models::{
    ChatModel, Conversation, Function, Generate, Message, ModelConfig, ModelFolder, Reply, Role, Thought,
};
use percept_runtime::CacheForm;
use serde_json::{Map, Value, json};
use support::{change_json, copy, goldens, load, set_json};

/// Keys that transformers up to 4.50 leaves out of a decoder's part where its class has the same.
const KEYS: [&str; 11] = [
    "max_position_embeddings",
    "hidden_size",
    "d_model",
    "num_attention_heads",
    "decoder_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "sliding_window",
    "use_sliding_window",
    "original_max_position_embeddings",
    "vocab_size",
];

/// Changes the decoder's part of a configuration.
fn change_text(folder: &Path, change: impl FnOnce(&mut Map<String, Value>)) {
    change_json(&folder.join("config.json"), |config| {
        let text = if config["text_config"].is_object() { &mut config["text_config"] } else { config };
        change(text.as_object_mut().unwrap());
    });
}

fn leave_out(folder: &Path, keys: &[&str]) {
    change_text(folder, |text| text.retain(|key, _| !keys.contains(&key.as_str())));
}

/// Context, heads of keys and values, length of a head, window: those of transformers 5.23.
#[test]
fn what_a_configuration_leaves_out_is_its_classs() {
    for (folder, class, expected) in [
        ("llama-tiny", "llama", (2048, 32, 128, None)),
        ("llava-tiny", "llama", (2048, 32, 128, None)),
        ("llava_next-tiny", "llama", (2048, 32, 128, None)),
        ("llava_next-tiny", "mistral", (131_072, 8, 128, Some(4096))),
        ("smolvlm-tiny", "llama", (2048, 32, 128, None)),
        ("janus-tiny", "llama", (2048, 32, 128, None)),
        ("idefics-tiny", "idefics", (2048, 32, 128, None)),
        ("mistral-tiny", "mistral", (131_072, 8, 128, Some(4096))),
        ("phi3-tiny", "phi3", (4096, 32, 96, None)),
        ("qwen2-tiny", "qwen2", (32_768, 32, 128, None)),
        ("qwen3-tiny", "qwen3", (32_768, 32, 128, None)),
        ("internvl-tiny", "qwen2", (32_768, 32, 128, None)),
        ("internvl-tiny", "qwen3", (32_768, 32, 128, None)),
        ("llava_onevision-tiny", "qwen2", (32_768, 32, 128, None)),
        ("qwen2_vl-tiny", "qwen2_vl_text", (32_768, 8, 128, None)),
        ("qwen2_5_vl-tiny", "qwen2_5_vl_text", (32_768, 8, 128, None)),
        ("qwen3_vl-tiny", "qwen3_vl_text", (128_000, 32, 128, None)),
        ("qwen3_vl_moe-tiny", "qwen3_vl_moe_text", (128_000, 16, 128, None)),
        ("qwen3_5-tiny", "qwen3_5_text", (32_768, 4, 256, None)),
        ("lfm2_vl-tiny", "lfm2", (128_000, 8, 80, None)),
        ("paligemma-tiny", "gemma", (8192, 16, 256, None)),
        ("paligemma-tiny", "gemma2", (8192, 4, 256, Some(4096))),
        ("gemma3-tiny", "gemma3_text", (131_072, 4, 256, Some(4096))),
        ("gemma3_text-tiny", "gemma3_text", (131_072, 4, 256, Some(4096))),
        ("blip_2-tiny", "opt", (2048, 12, 64, None)),
        ("florence2-tiny", "bart", (1024, 16, 64, None)),
        ("chameleon-tiny", "chameleon", (4096, 32, 128, None)),
        ("emu3-tiny", "emu3_text_model", (9216, 8, 128, None)),
    ] {
        let (_kept, path) = copy(folder);
        leave_out(&path, &KEYS);
        let check = |case: &str| {
            let text = ModelConfig::of_folder(&path, None).unwrap().text;
            assert_eq!((text.key_value_heads, text.head_dim), (None, None), "{case}: nothing is written");
            let heads = (text.usual_key_value_heads.unwrap(), text.usual_head_dim.unwrap());
            assert_eq!((text.context, heads.0, heads.1, text.sliding_window), expected, "{case}");
        };
        let config: Value =
            serde_json::from_str(&fs::read_to_string(path.join("config.json")).unwrap()).unwrap();
        if config["text_config"].is_object() {
            let usual = config["text_config"]["model_type"] == class;
            change_text(&path, |text| text["model_type"] = class.into());
            check(&format!("{folder} {class}"));
            if !usual {
                continue;
            }
            leave_out(&path, &["model_type"]);
        }
        check(folder);
    }
}

#[test]
fn a_window_counts_where_its_class_uses_one_or_it_says_that_it_does() {
    for (folder, class, written, used, expected) in [
        ("qwen2-tiny", "qwen2", json!(64), None, None),
        ("qwen2-tiny", "qwen2", json!(64), Some(true), Some(64)),
        ("qwen2-tiny", "qwen2", Value::Null, Some(true), None),
        ("qwen3-tiny", "qwen3", json!(64), None, None),
        ("qwen2_vl-tiny", "qwen2_vl_text", json!(64), None, None),
        ("mistral-tiny", "mistral", json!(64), None, Some(64)),
        ("paligemma-tiny", "gemma2", json!(64), None, Some(64)),
        ("paligemma-tiny", "gemma2", Value::Null, None, None),
    ] {
        let (_kept, path) = copy(folder);
        leave_out(&path, &["use_sliding_window"]);
        change_text(&path, |text| {
            text.insert("model_type".into(), class.into());
            text.insert("sliding_window".into(), written.clone());
            used.map(|used: bool| text.insert("use_sliding_window".into(), used.into()));
        });
        let found = ModelConfig::of_folder(&path, None).unwrap().text.sliding_window;
        assert_eq!(found, expected, "{class} {written} {used:?}");
    }
}

/// What a class usually has, or what heads make of it, fills what nothing says; a graph that says otherwise is right.
#[tokio::test]
async fn a_graph_is_read_by_its_own_sizes_where_the_configuration_says_none() {
    for folder in ["llama-tiny", "gemma3_text-tiny", "mistral-tiny", "qwen3-tiny"] {
        let (_kept, path) = copy(folder);
        for keys in [["num_key_value_heads", "head_dim"], ["num_attention_heads", "max_position_embeddings"]]
        {
            leave_out(&path, &keys);
            let model = load(&path, "cpu", CacheForm::Auto).await;
            let golden = goldens(folder).into_iter().find(|golden| golden.name == "turns").unwrap();
            golden.check_reply(&model, 1e-4, folder).await;
        }
    }
}

/// The tokenizer of a Gemma 3 that reads text alone has a token for images, and no row for it.
#[tokio::test]
async fn a_special_token_without_a_row_leaves_words_and_calls() {
    let (_kept, path) = copy("gemma3_text-tiny");
    change_json(&path.join("tokenizer.json"), |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        for name in ["<audio_soft_token>", "<start_of_audio>"] {
            let mut more = added.last().unwrap().clone();
            (more["id"], more["content"]) = ((more["id"].as_u64().unwrap() + 1).into(), name.into());
            added.push(more);
        }
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    for golden in goldens("gemma3_text-tiny") {
        golden.check_prompt(&model, &golden.name).await;
        golden.check_reply(&model, 1e-4, &golden.name).await;
    }
    let finish = Function {
        name: "finish".into(),
        description: "Says that the task is done.".into(),
        schema: json!({ "type": "object" }),
    };
    let reply = Reply::Call { thought: Thought::None, functions: vec![finish] };
    let options = Generate { reply, max_tokens: 60, ..Generate::default() };
    // A message that names it names it in letters.
    let asked: Conversation =
        [Message::text(Role::User, "What is <audio_soft_token>?")].into_iter().collect();
    let completion = model.generate(&asked, &options).await.unwrap().complete().await.unwrap();
    assert_eq!(completion.call.unwrap().unwrap().function, "finish");
    // One that isn't special may come up in any text, and one that ends a turn in every reply.
    let refused = |path: &Path, token: u32| {
        let error = ModelFolder::open(path, None).err().unwrap().to_string();
        assert!(error.contains(&format!("it has a token {token}, but the model has only 329")), "{error}");
    };
    set_json(&path.join("generation_config.json"), "eos_token_id", 329.into());
    refused(&path, 329);
    change_json(&path.join("tokenizer.json"), |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.last_mut().unwrap()["special"] = false.into();
    });
    refused(&path, 330);
}

/// Gemma's tokenizers have tokens for HTML, which are text to them; what means something else stays broken.
#[tokio::test]
async fn html_in_a_message_is_left_as_it_is() {
    let (_kept, path) = copy("gemma3_text-tiny");
    change_json(&path.join("tokenizer.json"), |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        for (token, name) in added.iter_mut().rev().zip(["<td>", "</td>", "<tool_call>"]) {
            (token["content"], token["special"]) = (name.into(), false.into());
        }
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let asked = "<td>a</td> <tool_call> <end_of_turn>";
    let conversation: Conversation = [Message::text(Role::User, asked)].into_iter().collect();
    let rendered = model.prompt(&conversation).await.unwrap().rendered;
    let kept = "<td>a</td> <\u{2060}tool_call> <\u{2060}end_of_turn>";
    assert!(rendered.contains(kept), "{rendered:?}");
}

#[test]
fn a_family_is_known_by_the_name_that_its_folders_were_published_under() {
    let (_kept, path) = copy("lfm2_vl-tiny");
    let known = ModelConfig::of_folder(&path, None).unwrap();
    set_json(&path.join("config.json"), "model_type", "lfm2-vl".into());
    assert_eq!(ModelConfig::of_folder(&path, None).unwrap(), known);
    assert_eq!(ModelFolder::open(&path, None).unwrap().family.name(), "lfm2_vl");
}

#[tokio::test]
async fn what_ends_a_reply_is_found_in_any_of_its_files_or_missed() {
    let (_kept, path) = copy("llama-tiny");
    fs::remove_file(path.join("generation_config.json")).unwrap();
    for file in ["config.json", "tokenizer_config.json"] {
        change_json(&path.join(file), |settings| {
            settings.as_object_mut().unwrap().retain(|key, _| !key.starts_with("eos_token"));
        });
    }
    let says = "nothing names a token that ends a reply";
    let notes = load(&path, "cpu", CacheForm::Auto).await.card().notes.join("\n");
    assert!(notes.contains(says), "{notes}");
    let end = "</s>";
    fs::write(path.join("special_tokens_map.json"), json!({ "eos_token": { "content": end } }).to_string())
        .unwrap();
    let notes = load(&path, "cpu", CacheForm::Auto).await.card().notes.join("\n");
    assert!(!notes.contains(says), "{notes}");
    let tokens = |path: &Path| {
        ModelFolder::open(path, None).unwrap().template.special_token("eos_token").map(str::to_owned)
    };
    assert_eq!(tokens(&path).as_deref(), Some(end));
    set_json(&path.join("tokenizer_config.json"), "eos_token", "<s>".into());
    assert_eq!(tokens(&path).as_deref(), Some("<s>"), "`tokenizer_config.json` counts first");
}

#[test]
fn what_a_folder_asks_of_a_reply_and_isnt_done_is_noted() {
    let notes = |folder: &str, asked: Value| {
        let (_kept, path) = copy(folder);
        change_json(&path.join("generation_config.json"), |settings| {
            settings.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        });
        ModelFolder::open(&path, None).unwrap().notes.join("\n")
    };
    let says = "`generation_config.json` asks for ";
    let asked = json!({ "repetition_penalty": 1.05, "no_repeat_ngram_size": 3, "suppress_tokens": [7] });
    let expected =
        format!("{says}`repetition_penalty` 1.05, `no_repeat_ngram_size` 3, `suppress_tokens`, which");
    let found = notes("qwen2-tiny", asked);
    assert!(found.contains(&expected), "{found}");
    for asked in [
        json!({}),
        json!({ "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "bad_words_ids": [], "suppress_tokens": null }),
    ] {
        let found = notes("qwen2-tiny", asked);
        assert!(!found.contains(says), "{found}");
    }
    // Florence-2 keeps to it.
    let found = notes("florence2-tiny", json!({ "bad_words_ids": [[7]] }));
    assert!(found.contains(&format!("{says}`bad_words_ids`, which")), "{found}");
}

#[test]
fn janus_in_the_words_of_its_first_code_is_told_from_what_nobody_knows() {
    let (_kept, path) = copy("janus-tiny");
    set_json(&path.join("config.json"), "model_type", "multi_modality".into());
    let error = ModelFolder::open(&path, None).err().unwrap().to_string();
    assert!(
        error.contains("it is Janus in the words of its first code") && error.contains("`janus`"),
        "{error}"
    );
}
