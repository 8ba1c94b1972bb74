//! A thought before an answer in words: asked for, bounded, and told apart from the answer, whatever its tags are to the
//! tokenizer. The tiny model's weights are random, so that nothing but the bound ends its thoughts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, path::PathBuf};

use percept_models::{
    ChatModel, Completion, Content, Conversation, Function, Generate, GenerationEvent, LocalModel, Message,
    ModelError, Reply, Role, Sampling, Thought,
};
use percept_runtime::CacheForm;
use serde_json::json;
use support::{change_json, copy, load};
use tempfile::TempDir;

/// The end of Qwen3's template, of Qwen3.5's, and of one that always thinks.
const SHUTS: &str = "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}";
const OPENS: &str = "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% else %}{{ '<think>\n' }}{% endif %}";
const ALWAYS: &str = "{{ '<think>\n' }}";

/// What the tags are to the tokenizer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tags {
    /// Characters like others.
    Text,
    /// Tokens that are text, as Qwen's are.
    Tokens,
    /// Special tokens.
    Special,
}

/// The tiny Qwen3 with this end of its template.
fn folder(end: &str, tags: Tags) -> (TempDir, PathBuf) {
    let (kept, folder) = copy("qwen3-tiny");
    let path = folder.join("chat_template.jinja");
    fs::write(&path, fs::read_to_string(&path).unwrap() + end).unwrap();
    if tags != Tags::Text {
        change_json(&folder.join("tokenizer.json"), |tokenizer| {
            let added = tokenizer["added_tokens"].as_array_mut().unwrap();
            for (old, new) in [("<|vision_start|>", "<think>"), ("<|vision_end|>", "</think>")] {
                let token = added.iter_mut().find(|token| token["content"] == old).unwrap();
                token["content"] = new.into();
                token["special"] = (tags == Tags::Special).into();
            }
        });
    }
    (kept, folder)
}

fn asked() -> Conversation {
    [Message::text(Role::User, "What is 2+2?")].into_iter().collect()
}

/// The reply, and what was told of its thought and its text meanwhile.
async fn heard(model: &LocalModel, options: &Generate) -> (Completion, String, String) {
    let mut generation = model.generate(&asked(), options).await.unwrap();
    let (mut thought, mut text) = (String::new(), String::new());
    while let Some(event) = generation.next().await {
        match event.unwrap() {
            GenerationEvent::Thought(piece) => thought += &piece,
            GenerationEvent::Text(piece) => text += &piece,
            GenerationEvent::Done(completion) => return (*completion, thought, text),
            _ => {}
        }
    }
    panic!("the reply never ended")
}

fn thinking(reply: Reply) -> Generate {
    Generate {
        reply,
        think: true,
        max_tokens: 60,
        max_thought_tokens: 8,
        stop_at_end: false,
        log_probabilities: true,
        ..Generate::default()
    }
}

#[tokio::test]
async fn a_thought_comes_apart_from_the_answer() {
    for (end, tags) in
        [(SHUTS, Tags::Text), (SHUTS, Tags::Tokens), (SHUTS, Tags::Special), (OPENS, Tags::Tokens)]
    {
        let case = format!("{end} {tags:?}");
        let (_kept, folder) = folder(end, tags);
        let model = load(&folder, "cpu", CacheForm::Auto).await;
        let (reply, thought, text) = heard(&model, &thinking(Reply::Text)).await;
        assert_eq!((reply.thought.as_str(), &reply.text), (thought.trim(), &text), "{case}");
        assert!(!reply.thought.is_empty() && !text.is_empty(), "{case}: {reply:?}");
        assert!(!format!("{thought}{text}").contains("think>"), "{case}: {reply:?}");
        // Every token is counted, and each knows which it belongs to.
        assert_eq!((reply.usage.output_tokens, reply.tokens.len()), (60, 60), "{case}");
        let thoughts = reply.tokens.iter().take_while(|token| token.thought).count();
        assert!(reply.tokens[thoughts..].iter().all(|token| !token.thought), "{case}");
        let written: String = reply.tokens[..thoughts].iter().map(|token| token.text.as_str()).collect();
        assert!(written.ends_with("</think>") && thoughts > 8, "{case}: {written:?}");
        assert!(reply.usage.forced_tokens > 0, "{case}");

        // Unasked, the template is told that none is wanted.
        let plain = Generate { think: false, ..thinking(Reply::Text) };
        let (reply, thought, _) = heard(&model, &plain).await;
        assert_eq!((reply.thought.as_str(), thought.as_str()), ("", ""), "{case}");
        assert!(reply.tokens.iter().all(|token| !token.thought), "{case}");
    }
}

#[tokio::test]
async fn json_begins_behind_the_thought() {
    let schema = json!({ "type": "object", "properties": { "sum": { "type": "integer", "minimum": 0, "maximum": 9 } },
                         "required": ["sum"], "additionalProperties": false });
    for (end, tags) in [(SHUTS, Tags::Text), (OPENS, Tags::Tokens), (OPENS, Tags::Special)] {
        let (_kept, folder) = folder(end, tags);
        let model = load(&folder, "cpu", CacheForm::Auto).await;
        let (reply, ..) = heard(&model, &thinking(Reply::Json(schema.clone()))).await;
        assert!(reply.text.starts_with("{\"sum\":"), "{tags:?}: {reply:?}");
        serde_json::from_str::<serde_json::Value>(&reply.text).unwrap();
        assert!(!reply.thought.is_empty(), "{tags:?}: {reply:?}");
    }
}

/// A template without a switch (the first DeepSeek-R1) opens a thought whatever it is told: one that nobody asked for is
/// ended at once.
#[tokio::test]
async fn a_thought_that_cant_be_declined_isnt_the_answer_either() {
    let (_kept, folder) = folder(ALWAYS, Tags::Tokens);
    let model = load(&folder, "cpu", CacheForm::Auto).await;
    for reply in [Reply::Text, Reply::Json(json!({ "type": "object", "additionalProperties": false }))] {
        let options = Generate { think: false, ..thinking(reply) };
        let (reply, thought, text) = heard(&model, &options).await;
        assert!(thought.is_empty() && !text.contains("think>"), "{reply:?}");
        assert!(options.reply == Reply::Text || reply.text == "{}", "{reply:?}");
    }
}

/// What a template opened is a call's thought too, and the call comes behind its end.
#[tokio::test]
async fn a_call_comes_behind_a_thought_that_the_template_opened() {
    for tags in [Tags::Text, Tags::Tokens, Tags::Special] {
        let (_kept, folder) = folder(ALWAYS, tags);
        let model = load(&folder, "cpu", CacheForm::Auto).await;
        for thought in [Thought::Free, Thought::None] {
            let reply = Reply::Call { thought, functions: vec![finish()] };
            let (reply, ..) = heard(&model, &Generate { think: false, ..thinking(reply) }).await;
            let call = reply.call.as_ref().unwrap().as_ref().unwrap();
            assert_eq!(call.function, "finish", "{tags:?}: {reply:?}");
            assert_eq!(!reply.thought.is_empty(), thought == Thought::Free, "{tags:?}: {reply:?}");
            assert!(!format!("{}{}", reply.thought, reply.text).contains("think>"), "{tags:?}: {reply:?}");
        }
    }
}

/// Every dialect, and what begins a call in it.
const DIALECTS: [(&str, &str); 7] = [
    ("json", "Action:"),
    ("qwen", "<tool_call>"),
    ("qwen-tags", "<tool_call>"),
    ("fara", "<tool_call>"),
    ("ui-tars", "Action:"),
    ("smol", "<code>"),
    ("holo", "{\"note\": null, \"thought\": "),
];

fn finish() -> Function {
    let schema = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    Function { name: "finish".into(), description: "Ends.".into(), schema }
}

/// The folder with a template that opens every thought, room for a long prompt, and this dialect.
fn opening(kind: &str) -> (TempDir, PathBuf) {
    let (kept, folder) = folder(ALWAYS, Tags::Tokens);
    fs::write(folder.join("percept.toml"), format!("[dialect]\nkind = '{kind}'")).unwrap();
    change_json(&folder.join("config.json"), |config| config["max_position_embeddings"] = json!(16_384));
    (kept, folder)
}

/// The prompt after this reply.
async fn shown_again(model: &LocalModel, reply: &Completion) -> String {
    let said = Content::Said { thought: reply.thought.clone(), text: reply.text.clone(), confirmed: false };
    let mut conversation = asked();
    conversation.push(Message { role: Role::Assistant, content: vec![said] });
    model.prompt(&conversation).await.unwrap().rendered
}

#[tokio::test]
async fn in_every_dialect_a_thought_that_the_template_opened_is_the_calls_and_is_shown_again_with_it() {
    for (kind, begins) in DIALECTS {
        let (_kept, folder) = opening(kind);
        let model = load(&folder, "cpu", CacheForm::Auto).await;
        let mut spaces = 0;
        for seed in 0..8 {
            let call = Reply::Call { thought: Thought::Free, functions: vec![finish()] };
            let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
            let options = Generate { think: false, sampling, max_tokens: 200, ..thinking(call) };
            let (reply, thought, text) = heard(&model, &options).await;
            let case = format!("{kind} {seed}: {reply:?}");
            assert!(matches!(reply.call, Some(Ok(_))), "{case}");
            assert_eq!((reply.thought.as_str(), &reply.text), (thought.trim(), &text), "{case}");
            assert!(!reply.thought.is_empty() && !text.starts_with(char::is_whitespace), "{case}");
            let prompt = shown_again(&model, &reply).await;
            assert_eq!(prompt.matches(begins).count(), 1, "{case}: {prompt}");
            let written: String = reply.tokens.iter().map(|token| token.text.as_str()).collect();
            let (_, behind) = written.split_once("</think>").unwrap();
            spaces += usize::from(behind.starts_with(char::is_whitespace));
        }
        assert!(spaces > 0, "{kind}: no white space came between the thought and a call");
    }
}

#[tokio::test]
async fn in_every_dialect_a_reply_that_was_cut_off_in_its_thought_is_shown_again_without_a_call() {
    for (kind, begins) in DIALECTS {
        let (_kept, folder) = opening(kind);
        let model = load(&folder, "cpu", CacheForm::Auto).await;
        let call = Reply::Call { thought: Thought::Free, functions: vec![finish()] };
        let options = Generate { think: false, max_tokens: 5, ..thinking(call) };
        let (reply, ..) = heard(&model, &options).await;
        assert!(matches!(reply.call, Some(Err(_))) && reply.text.is_empty(), "{kind}: {reply:?}");
        let prompt = shown_again(&model, &reply).await;
        assert!(prompt.contains(&format!("assistant\n{}<|im_end|>", reply.thought)), "{kind}: {prompt}");
        assert!(!prompt.contains(begins), "{kind}: {prompt}");
    }
}

#[tokio::test]
async fn a_thought_that_takes_all_the_room_leaves_no_answer() {
    let (_kept, folder) = folder(OPENS, Tags::Tokens);
    let model = load(&folder, "cpu", CacheForm::Auto).await;
    let options = Generate { max_tokens: 5, ..thinking(Reply::Text) };
    model.can_think(&options).unwrap();
    let (reply, ..) = heard(&model, &options).await;
    assert_eq!((reply.text.as_str(), reply.usage.output_tokens), ("", 5));
    assert!(!reply.thought.is_empty());
}

#[tokio::test]
async fn a_template_that_cant_think_is_an_error() {
    let (_kept, folder) = folder("", Tags::Text);
    let model = load(&folder, "cpu", CacheForm::Auto).await;
    let error = model.generate(&asked(), &thinking(Reply::Text)).await.err().unwrap();
    // It is known before anything is asked.
    for error in [error, model.can_think(&thinking(Reply::Text)).unwrap_err()] {
        assert!(matches!(error, ModelError::Request(_)), "{error}");
        for part in ["isn't known to think before it answers", "`enable_thinking`", "ask without a thought"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
