//! What a grammar costs a step, on a vocabulary of 49,152 tokens (SmolVLM's size).
//!
//! `cargo bench -p percept-runtime --bench mask`. A SmolVLM-256M decoder takes 8 ms (int4) to 20 ms (fp32) a token
//! on two cores: 5% of the faster one are 400 µs. The mask is worked out while the decoder runs, so what is felt is less.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may fail, and its functions are its documentation"
)]

#[path = "../tests/support/tokenizer.rs"]
mod tokenizer;

use std::sync::{Arc, LazyLock};

use divan::{Bencher, black_box, counter::ItemsCount};
use percept_runtime::{Constraint, Form, Grammar, Marker, Prelude, Vocabulary};
use serde_json::{Value, json};
use tokenizer::{END, encode, large};
use tokenizers::Tokenizer;

const SIZE: usize = 49_152;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| large(SIZE));
static VOCABULARY: LazyLock<Arc<Vocabulary>> =
    LazyLock::new(|| Arc::new(Vocabulary::from_tokenizer(&TOKENIZER, &[END], SIZE).unwrap()));

fn main() {
    divan::main();
}

/// The calls of eleven tools, as an agent offers them.
fn calls() -> Value {
    let bounded = |most: u32| json!({ "type": "integer", "minimum": 0, "maximum": most });
    let point = json!({ "type": "array", "prefixItems": [bounded(1279), bounded(799)], "minItems": 2, "maxItems": 2 });
    let call = |tool: &str, arguments: &[(&str, Value)]| {
        let mut properties = json!({ "tool": { "const": tool } });
        let mut required = vec!["tool"];
        for (name, schema) in arguments {
            properties[*name] = schema.clone();
            required.push(name);
        }
        json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
    };
    let text = json!({ "type": "string", "maxLength": 200 });
    let calls: Vec<Value> = vec![
        call("click", &[("point", point.clone())]),
        call("double_click", &[("point", point.clone())]),
        call("right_click", &[("point", point.clone())]),
        call("drag", &[("from", point.clone()), ("to", point.clone())]),
        call("scroll", &[("point", point.clone()), ("by", bounded(2000))]),
        call("type_text", &[("text", text.clone())]),
        call("press_key", &[("key", json!({ "enum": ["Enter", "Tab", "Escape", "Backspace"] }))]),
        call("wait", &[("milliseconds", bounded(10_000))]),
        call("navigate", &[("url", text.clone())]),
        call(
            "zoom",
            &[("region", json!({ "type": "array", "items": bounded(1279), "minItems": 4, "maxItems": 4 }))],
        ),
        call("finish", &[("answer", text)]),
    ];
    json!({ "anyOf": calls })
}

fn grammar(marker: Marker) -> Grammar {
    Grammar { prelude: Prelude::FreeText { marker, max_tokens: 160 }, form: Form::Json(calls()) }
}

fn special() -> Grammar {
    grammar(Marker::Special("<act>".to_owned()))
}

/// A constraint that has seen this much of a reply.
fn after(grammar: &Grammar, written: &str) -> Constraint {
    let mut constraint = grammar.compile(&VOCABULARY).unwrap();
    let tokens = encode(&TOKENIZER, written);
    let mut place = 0;
    while place < tokens.len() {
        let forced = constraint.forced().unwrap();
        place += forced.len();
        if let Some(&token) = tokens.get(place) {
            assert!(constraint.mask().unwrap().allows(token));
            constraint.accept(token).unwrap();
            place += 1;
        }
    }
    constraint
}

/// One step at a place in the reply: its mask, as a decode asks for it.
fn step(bencher: Bencher, grammar: &Grammar, written: &str) {
    bencher.with_inputs(|| after(grammar, written)).bench_local_refs(|constraint| {
        black_box(constraint.forced().unwrap());
        black_box(constraint.mask().unwrap());
    });
}

#[divan::bench]
fn step_in_a_thought(bencher: Bencher) {
    step(bencher, &special(), "The button is");
}

#[divan::bench]
fn step_in_a_thought_that_words_end(bencher: Bencher) {
    step(bencher, &grammar(Marker::Text("\nAction: ".to_owned())), "The button is");
}

#[divan::bench]
fn step_at_the_tools_name(bencher: Bencher) {
    step(bencher, &special(), "<act>");
}

#[divan::bench]
fn step_in_a_number(bencher: Bencher) {
    step(bencher, &special(), "<act>{\"tool\":\"click\",\"point\":[1");
}

#[divan::bench]
fn step_in_a_string(bencher: Bencher) {
    step(bencher, &special(), "<act>{\"tool\":\"type_text\",\"text\":\"The button");
}

/// A whole reply, thought and all: the time over its tokens is what a step costs.
fn whole_reply(bencher: Bencher, marker: Marker, words: &str) {
    let reply = format!(
        "The button is blue and the text is in the box so the button comes next\
         {words}{{\"tool\":\"type_text\",\"text\":\"The text in the box\"}}"
    );
    let tokens = encode(&TOKENIZER, &reply);
    let grammar = grammar(marker);
    bencher
        .counter(ItemsCount::new(tokens.len()))
        .with_inputs(|| grammar.compile(&VOCABULARY).unwrap())
        .bench_local_refs(|constraint| {
            let mut place = 0;
            while place < tokens.len() {
                place += constraint.forced().unwrap().len();
                if constraint.finished() {
                    break;
                }
                assert!(constraint.mask().unwrap().allows(tokens[place]));
                constraint.accept(tokens[place]).unwrap();
                place += 1;
            }
        });
}

#[divan::bench]
fn whole_reply_per_token(bencher: Bencher) {
    whole_reply(bencher, Marker::Special("<act>".to_owned()), "<act>");
}

#[divan::bench]
fn whole_reply_that_words_divide_per_token(bencher: Bencher) {
    whole_reply(bencher, Marker::Text("\nAction: ".to_owned()), "\nAction: ");
}

#[divan::bench]
fn compile_the_grammar(bencher: Bencher) {
    let grammar = special();
    bencher.bench_local(|| grammar.compile(&VOCABULARY).unwrap());
}

#[divan::bench(sample_count = 5)]
fn lay_out_the_vocabulary(bencher: Bencher) {
    bencher.bench_local(|| Vocabulary::from_tokenizer(&TOKENIZER, &[END], SIZE).unwrap());
}
