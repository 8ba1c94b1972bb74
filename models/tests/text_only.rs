//! Language models that see nothing, against goldens of transformers: prompts, tokens, first logits, 24 greedy tokens;
//! and what they refuse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::Path, sync::Arc};

use percept_models::{
    ChatModel, Conversation, Function, Generate, LoadOptions, LocalModel, Message, ModelError, Precision,
    Reply, Role, Thought, Usage,
};
use percept_runtime::{CacheForm, Silent};
use support::{Golden, change_json, copy, data, goldens, load, off};

const FOLDERS: [&str; 5] = ["llama-tiny", "mistral-tiny", "phi3-tiny", "qwen2-tiny", "qwen3-tiny"];

async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    let tokens = completion.tokens.iter().map(|token| token.id).collect();
    (tokens, completion.text, completion.usage)
}

async fn check(model: &LocalModel, golden: &Golden, case: &str) -> Usage {
    golden.check_prompt(model, case).await;
    let (tokens, text, usage) = reply(model, &golden.conversation()).await;
    assert_eq!((&tokens, &text), (&golden.greedy, &golden.text), "{case}");
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    let off = off(&logits, &golden.first_logits);
    assert!(off < 1e-4, "{case}: {off}");
    usage
}

async fn in_precision(path: &Path, precision: &str) -> LocalModel {
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named(precision).unwrap()),
        ..LoadOptions::default()
    };
    LocalModel::load(path, options, Arc::new(Silent)).await.unwrap()
}

#[tokio::test]
async fn each_answers_as_transformers_does() {
    for folder in FOLDERS {
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        assert_eq!(model.card().max_images, Some(0), "{folder}");
        for golden in goldens(folder) {
            let case = format!("{folder} {}", golden.name);
            check(&model, &golden, &case).await;
            // The same again: everything but the last token is still in the cache.
            let usage = check(&model, &golden, &case).await;
            let read = golden.input_ids.len();
            assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, read - 1), "{case}");
        }
    }
}

#[tokio::test]
async fn other_files_of_a_folder_answer_alike() {
    for (folder, precision) in [("llama-tiny", "q4"), ("qwen3-tiny", "plain")] {
        let model = in_precision(&data().join(folder), precision).await;
        assert!(model.card().notes.join("\n").contains(precision), "{:?}", model.card().notes);
        for golden in goldens(folder) {
            let expected = golden.q4.as_ref().map_or(&golden.greedy, |q4| &q4.greedy);
            assert_eq!(&reply(&model, &golden.conversation()).await.0, expected, "{folder} {}", golden.name);
        }
    }
    // Older exports call the one graph a merged decoder.
    let (_kept, path) = copy("qwen2-tiny");
    fs::rename(path.join("onnx/model.onnx"), path.join("onnx/decoder_model_merged.onnx")).unwrap();
    let model = load(&path, "cpu", CacheForm::Auto).await;
    check(&model, &goldens("qwen2-tiny")[0], "renamed").await;
    let sessions = model.inspect().sessions;
    let inputs: Vec<&str> = sessions[0].inputs.iter().map(|input| input.split('[').next().unwrap()).collect();
    assert!(inputs.iter().any(|input| input.contains("input_ids")), "{inputs:?}");
}

#[tokio::test]
async fn a_turn_that_follows_reads_only_what_is_new() {
    for folder in FOLDERS {
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let goldens = goldens(folder);
        let whole = goldens.iter().find(|golden| golden.name == "turns").unwrap();
        let turns = whole.conversation();
        let first: Conversation = turns.messages()[..1].iter().cloned().collect();
        reply(&model, &first).await;
        let usage = check(&model, whole, folder).await;
        assert!(usage.cached_tokens > 10, "{folder}: {usage:?}");
    }
}

#[tokio::test]
async fn an_image_is_refused_before_anything_is_computed() {
    let model = load(&data().join("qwen3-tiny"), "cpu", CacheForm::Auto).await;
    let message = Message::text(Role::User, "What is this?").with_image(Arc::new(image::RgbImage::new(3, 2)));
    let generation = model.generate(&[message].into_iter().collect(), &Generate::default()).await;
    let error = generation.err().unwrap();
    assert!(matches!(error, ModelError::Conversation(_)), "{error}");
    for part in ["`qwen3` model reads text alone", "1 image(s)", "ask a model that sees"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_call_is_written_under_its_grammar() {
    let finish = Function {
        name: "finish".into(),
        description: "Says that the task is done.".into(),
        schema: serde_json::json!({ "type": "object" }),
    };
    let reply = Reply::Call { thought: Thought::None, functions: vec![finish] };
    for folder in FOLDERS {
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let conversation = goldens(folder)[0].conversation();
        let options = Generate { reply: reply.clone(), max_tokens: 60, ..Generate::default() };
        let completion = model.generate(&conversation, &options).await.unwrap().complete().await.unwrap();
        assert_eq!(completion.call.unwrap().unwrap().function, "finish", "{folder}");
    }
}

#[tokio::test]
async fn a_folder_without_its_graph_or_with_another_models_tokenizer_is_refused() {
    let (_kept, path) = copy("qwen2-tiny");
    let open = async |path: &Path| {
        let options = LoadOptions { device: "cpu".parse().unwrap(), ..LoadOptions::default() };
        LocalModel::load(path, options, Arc::new(Silent)).await.unwrap_err().to_string()
    };
    change_json(&path.join("config.json"), |config| config["vocab_size"] = 200.into());
    assert!(open(&path).await.contains("the model has only 200"), "{}", open(&path).await);
    fs::remove_file(path.join("onnx/model.onnx")).unwrap();
    let error = open(&path).await;
    assert!(error.contains("model.onnx") && error.contains("missing"), "{error}");
}

/// Qwen3's template has the model think unless it is told not to; words and JSON would come after a thought then, or cut
/// off within one, and a call's own thought would have tags around it that its grammar doesn't know.
#[tokio::test]
async fn a_template_that_thinks_is_told_when_a_thought_isnt_wanted() {
    let (_kept, folder) = copy("qwen3-tiny");
    let path = folder.join("chat_template.jinja");
    let asks = "{% if enable_thinking is defined and enable_thinking is false %}<no thought>{% endif %}";
    fs::write(&path, fs::read_to_string(&path).unwrap() + asks).unwrap();
    let model = load(&folder, "cpu", CacheForm::Auto).await;
    let conversation: Conversation = [Message::text(Role::User, "Hi")].into_iter().collect();
    let functions = vec![Function {
        name: "finish".into(),
        description: "Ends.".into(),
        schema: serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false }),
    }];
    let call = |thought| Reply::Call { thought, functions: functions.clone() };
    let json = Reply::Json(serde_json::json!({ "type": "object" }));
    for reply in [Reply::Text, json, call(Thought::None), call(Thought::Free)] {
        let prompt = model.prompt_for(&conversation, &reply).await.unwrap();
        assert!(prompt.rendered.ends_with("<no thought>"), "{reply:?}");
    }
}
