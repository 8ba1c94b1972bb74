//! A decoder with random weights, held to a grammar: whatever it would like to say, it says something valid.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/model.rs"]
mod model;
#[path = "support/tokenizer.rs"]
mod tokenizer;

use std::sync::Arc;

use model::{device, graphs, ids, load};
use percept_runtime::{
    CacheForm, DecodeOptions, DecodeStop, Decoded, Engine, EngineOptions, Form, Grammar, Marker, Prelude,
    Sampling, Vocabulary,
};
use serde_json::{Value, json};
use tokenizer::{ACT, END, merging};

const WORDS: [&str; 8] = ["{\"", "\":\"", "\",\"", "\"}", "]}", "tool", "click", "wait"];

fn grammar(max_tokens: usize) -> Grammar {
    let bounded = |most: u32| json!({ "type": "integer", "minimum": 0, "maximum": most });
    let schema = json!({ "type": "object", "additionalProperties": false, "required": ["tool", "x", "y"],
        "properties": { "tool": { "enum": ["click", "wait"] }, "x": bounded(331), "y": bounded(213) } });
    Grammar {
        prelude: Prelude::FreeText { marker: Marker::Special("<act>".to_owned()), max_tokens },
        form: Form::Json(schema),
    }
}

#[tokio::test]
async fn a_reply_is_a_thought_and_then_a_valid_call_whatever_the_weights_say() {
    let tokenizer = merging(&WORDS);
    assert!(tokenizer.get_vocab_size(true) <= 288);
    let vocabulary = Arc::new(Vocabulary::from_tokenizer(&tokenizer, &[END], 288).unwrap());
    for (decoder, cache) in [("grouped.onnx", CacheForm::Auto), ("plain.onnx", CacheForm::Auto)] {
        let engine = load(decoder, "cpu", cache).await.unwrap();
        for seed in 0..6 {
            let mut sequence = engine.sequence().await.unwrap();
            sequence.append_tokens(&[5, 7, 9]).await.unwrap();
            let sampling = Sampling { temperature: 1.5, seed, ..Sampling::default() };
            let options = DecodeOptions {
                sampling,
                max_tokens: 120,
                end_tokens: vec![END],
                log_probabilities: true,
                ..DecodeOptions::default()
            };
            let constraint = grammar(10).compile(&vocabulary).unwrap();
            let mut decoding = sequence.decode(options, Some(constraint));
            while let Some(token) = decoding.next().await {
                let token = token.unwrap();
                assert_eq!(token.forced, token.log_probability.is_none());
            }
            let decoded = decoding.finish();
            assert_eq!(decoded.stop, DecodeStop::End);
            let tokens = ids(&decoded);
            let act = tokens.iter().position(|&token| token == ACT).unwrap();
            // Some of its tokens are bytes of longer characters: up to three more complete the last one.
            assert!(act <= 13);
            let call = tokenizer.decode(&tokens[act + 1..], false).unwrap();
            let value: Value = serde_json::from_str(&call).unwrap();
            assert!(value["x"].as_u64().unwrap() <= 331 && value["y"].as_u64().unwrap() <= 213, "{call}");
            assert_eq!(call, value.to_string(), "it is compact, and its keys are in order");
            // `{"`, `tool`, `":"`, and what stands between the values.
            assert!(decoded.forced >= 8, "{} of {}", decoded.forced, tokens.len());
            assert!(
                decoded.milliseconds.runs <= tokens.len() - decoded.forced,
                "forced tokens take no run of their own"
            );
            assert_eq!(sequence.position(), 3 + tokens.len());
        }
    }
}

#[tokio::test]
async fn forced_tokens_are_read_as_if_they_had_been_chosen() {
    let tokenizer = merging(&WORDS);
    let vocabulary = Arc::new(Vocabulary::from_tokenizer(&tokenizer, &[END], 288).unwrap());
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut constrained = engine.sequence().await.unwrap();
    constrained.append_tokens(&[5, 7, 9]).await.unwrap();
    let mut decoding =
        constrained.decode(DecodeOptions::default(), Some(grammar(3).compile(&vocabulary).unwrap()));
    while let Some(token) = decoding.next().await {
        token.unwrap();
    }
    let tokens = ids(&decoding.finish());
    let mut read = engine.sequence().await.unwrap();
    read.append_tokens(&[5, 7, 9]).await.unwrap();
    for token in &tokens {
        read.append_tokens(&[*token]).await.unwrap();
    }
    let (written, read) = (constrained.last_logits().await.unwrap(), read.last_logits().await.unwrap());
    for (written, read) in written.iter().zip(&read) {
        assert!((written - read).abs() < 1e-4);
    }
}

#[tokio::test]
async fn a_reply_that_runs_out_of_tokens_says_so() {
    let tokenizer = merging(&WORDS);
    let vocabulary = Arc::new(Vocabulary::from_tokenizer(&tokenizer, &[END], 288).unwrap());
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    for max_tokens in 1..12 {
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(&[5, 7, 9]).await.unwrap();
        let options = DecodeOptions { max_tokens, ..DecodeOptions::default() };
        let mut decoding = sequence.decode(options, Some(grammar(2).compile(&vocabulary).unwrap()));
        while let Some(token) = decoding.next().await {
            token.unwrap();
        }
        let decoded = decoding.finish();
        assert_eq!((decoded.stop, decoded.tokens.len()), (DecodeStop::MaxTokens, max_tokens));
        assert_eq!(sequence.position(), 3 + max_tokens, "a forced token that wasn't given out isn't kept");
    }
}

#[tokio::test]
async fn a_reply_that_is_complete_with_its_last_token_has_ended() {
    let tokenizer = merging(&WORDS);
    let vocabulary = Arc::new(Vocabulary::from_tokenizer(&tokenizer, &[END], 288).unwrap());
    // The last token of one is chosen, that of the other is forced.
    let chosen = Grammar::of(Form::Regex("[ab]{4}".to_owned()));
    let forced = Grammar::of(Form::Sequence(vec![Form::Regex("[ab]".to_owned()), Form::Text("tool".into())]));
    for grammar in [chosen, forced] {
        let long = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
        let whole = written(&long, &grammar, &vocabulary, 50).await;
        assert_eq!(whole.stop, DecodeStop::End);
        let length = whole.tokens.len();
        for (max_tokens, stop) in [(length, DecodeStop::End), (length - 1, DecodeStop::MaxTokens)] {
            let decoded = written(&long, &grammar, &vocabulary, max_tokens).await;
            assert_eq!((decoded.stop, decoded.tokens.len()), (stop, max_tokens), "{grammar:?}");
        }
        for (room, stop) in [(length, DecodeStop::End), (length - 1, DecodeStop::Context)] {
            let (runtime, choice) = device("cpu");
            let options = EngineOptions { context: 3 + room, ..EngineOptions::new(choice) };
            let short = Engine::load(&runtime, graphs("grouped.onnx"), options).await.unwrap();
            let decoded = written(&short, &grammar, &vocabulary, 50).await;
            assert_eq!((decoded.stop, decoded.tokens.len()), (stop, room), "{grammar:?}");
        }
    }
}

/// What a decoder writes under a grammar after a prompt of three tokens.
async fn written(
    engine: &Engine,
    grammar: &Grammar,
    vocabulary: &Arc<Vocabulary>,
    max_tokens: usize,
) -> Decoded {
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&[5, 7, 9]).await.unwrap();
    let options = DecodeOptions { max_tokens, ..DecodeOptions::default() };
    let mut decoding = sequence.decode(options, Some(grammar.compile(vocabulary).unwrap()));
    while let Some(token) = decoding.next().await {
        token.unwrap();
    }
    decoding.finish()
}
