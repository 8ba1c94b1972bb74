//! The tiny models against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, Message, ModelFolder, Precision, Role, Usage,
};
use percept_runtime::CacheForm;
use support::{Golden, data, goldens, greatest_difference, load, variant};

async fn check(folder: &str, golden: &Golden, cache: CacheForm) {
    let case = format!("{folder} {} {cache:?}", golden.name);
    let (_kept, path) = variant(folder, golden);
    golden.check_pixels(&path, &case);
    let model = load(&path, "cpu", cache).await;
    golden.check_prompt(&model, &case).await;
    let usage = check_reply(&model, golden, &golden.greedy, &golden.text, &case).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (golden.input_ids.len(), 0), "{case}");
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{case}");
    // The same again: everything but the last token of the prompt is still in the cache.
    let usage = check_reply(&model, golden, &golden.greedy, &golden.text, &case).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, golden.input_ids.len() - 1), "{case}");
}

async fn check_reply(model: &LocalModel, golden: &Golden, greedy: &[u32], text: &str, case: &str) -> Usage {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let generation = model.generate(&golden.conversation(), &options).await.unwrap();
    let completion = generation.complete().await.unwrap();
    let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
    assert_eq!(tokens, greedy, "{case}");
    assert_eq!(completion.text, text, "{case}");
    assert_eq!(completion.usage.output_tokens, 24, "{case}");
    completion.usage
}

#[tokio::test]
async fn smolvlm_answers_as_transformers_does() {
    for golden in goldens("smolvlm-tiny") {
        check("smolvlm-tiny", &golden, CacheForm::Auto).await;
        check("smolvlm-tiny", &golden, CacheForm::Growing).await;
    }
}

#[tokio::test]
async fn llava_answers_as_transformers_does() {
    for golden in goldens("llava-tiny") {
        check("llava-tiny", &golden, CacheForm::Auto).await;
    }
}

#[tokio::test]
async fn qwen2_vl_answers_as_transformers_does() {
    for golden in goldens("qwen2_vl-tiny") {
        check("qwen2_vl-tiny", &golden, CacheForm::Auto).await;
    }
}

#[tokio::test]
async fn qwen2_5_vl_answers_as_transformers_does() {
    for golden in goldens("qwen2_5_vl-tiny") {
        check("qwen2_5_vl-tiny", &golden, CacheForm::Auto).await;
    }
}

#[tokio::test]
async fn a_tower_that_is_told_its_windows_sees_what_one_that_finds_them_sees() {
    let folder = data().join("qwen2_5_vl-tiny");
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("indexed").unwrap()),
        ..LoadOptions::default()
    };
    let model =
        LocalModel::load(&folder, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
    assert!(
        model.card().notes.join("\n").contains("vision_encoder is in indexed"),
        "{:?}",
        model.card().notes
    );
    for golden in goldens("qwen2_5_vl-tiny") {
        check_reply(&model, &golden, &golden.greedy, &golden.text, &golden.name).await;
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{}", golden.name);
    }
}

/// A reply of 24 tokens to a conversation, and what it cost.
async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.usage)
}

/// Where tokens stand is no matter of how much of them is still in the cache: conversations that share a beginning,
/// each asked after the one before, as if each had been the first.
#[tokio::test]
async fn positions_go_on_from_whatever_the_cache_still_holds() {
    for folder in ["qwen2_vl-tiny", "qwen2_5_vl-tiny"] {
        let goldens = goldens(folder);
        let named = |name: &str| goldens.iter().find(|golden| golden.name == name).unwrap();
        let (whole, text) = (named("later_turn"), named("text_only"));
        let turns = whole.conversation();
        let image_length = 10 * 4 / 4;
        let first: Conversation = turns.messages()[..1].iter().cloned().collect();
        let mut more = turns.clone();
        more.push(Message::text(Role::Assistant, "A square."));
        more.push(Message::text(Role::User, "Where is the link?"));
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let mut cached = Vec::new();
        // To the first image and beyond, over a second one, on, back before the second, to text alone, and on.
        for conversation in [&first, &turns, &more, &first, &turns, &text.conversation(), &more] {
            let (tokens, usage) = reply(&model, conversation).await;
            let alone = load(&data().join(folder), "cpu", CacheForm::Auto).await;
            assert_eq!(tokens, reply(&alone, conversation).await.0, "{folder} after {cached:?}");
            if conversation.messages().len() == 3 {
                assert_eq!(tokens, whole.greedy, "{folder} after {cached:?}");
                let logits = model.first_logits(conversation).await.unwrap();
                assert!(greatest_difference(&logits, &whole.first_logits) < 1e-4, "{folder} {cached:?}");
            }
            cached.push(usage.cached_tokens);
        }
        let beginning = model.prompt(&first).await.unwrap().tokens.len();
        assert!(cached[1] > image_length && cached[4] > image_length, "an image is in the cache: {cached:?}");
        assert_eq!((cached[2], cached[3]), (whole.input_ids.len(), beginning - 1), "{cached:?}");
        assert!(cached[5] < beginning && cached[6] < beginning, "{cached:?}");
    }
}

#[tokio::test]
async fn another_precision_is_found_by_its_suffix_and_said() {
    for golden in goldens("smolvlm-tiny").iter().take(3) {
        let (_kept, path) = variant("smolvlm-tiny", golden);
        let options = LoadOptions {
            device: "cpu".parse().unwrap(),
            precision: Some(Precision::named("q4").unwrap()),
            ..LoadOptions::default()
        };
        let model =
            LocalModel::load(&path, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
        let expected = golden.q4.as_ref().unwrap();
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &expected.first_logits) < 1e-4, "{}", golden.name);
        check_reply(&model, golden, &expected.greedy, &expected.text, &golden.name).await;
        let notes = model.card().notes.join("\n");
        for note in ["decoder_model_merged is in q4", "vision_encoder is in fp32: the folder has no q4 of it"]
        {
            assert!(notes.contains(note), "{notes}");
        }
    }
}

#[tokio::test]
async fn a_decoder_of_plain_operators_gives_the_same_tokens() {
    let golden = &goldens("llava-tiny")[0];
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("plain").unwrap()),
        ..LoadOptions::default()
    };
    let folder = data().join("llava-tiny");
    let model =
        LocalModel::load(&folder, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
    check_reply(&model, golden, &golden.greedy, &golden.text, "plain").await;
}

/// Everything that a tokenizer of a tiny model makes of texts that tokenizers get wrong.
#[derive(serde::Deserialize)]
struct Tokenized {
    text: String,
    ids: Vec<u32>,
    ids_without_special: Vec<u32>,
    decoded: String,
    decoded_without_special: String,
}

#[test]
fn texts_become_the_tokens_that_transformers_makes_of_them() {
    for folder in ["smolvlm-tiny", "llava-tiny", "qwen2_vl-tiny", "qwen2_5_vl-tiny"] {
        let path = data().join(folder).join("tokenizer_golden.json");
        let rows: Vec<Tokenized> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(rows.len() > 10, "{folder}");
        let tokenizer = ModelFolder::open(&data().join(folder), None).unwrap().tokenizer;
        for row in rows {
            let ids = |special| tokenizer.encode_fast(row.text.as_str(), special).unwrap().get_ids().to_vec();
            assert_eq!(ids(true), row.ids, "{folder} {:?}", row.text);
            assert_eq!(ids(false), row.ids_without_special, "{folder} {:?}", row.text);
            let text = |skip| tokenizer.decode(&row.ids, skip).unwrap();
            assert_eq!(text(false), row.decoded, "{folder} {:?}", row.text);
            assert_eq!(text(true), row.decoded_without_special, "{folder} {:?}", row.text);
        }
    }
}
