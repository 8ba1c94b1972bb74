//! What a model was trained to write gets through its grammar: every dialect's own text of a call, fed token by token.
//!
//! A walk by chance ([`super::written`]) shows that what a grammar lets through reads as a call; this shows the other
//! direction.

use percept_runtime::{Grammar, Vocabulary};
use serde_json::{Value, json};
use std::sync::Arc;
use tokenizers::{AddedToken, Tokenizer};

use super::{
    offered::functions,
    written::{Ground, SIZE, dialects, tokenizer},
};
use crate::{
    Call, Dialect, Function, Thought,
    dialect::{computer_use::ComputerUse, grid::Scale},
};

/// As many tokens as no thought here has.
pub(super) const THOUGHT: usize = 100;

/// A function of somebody else's, with arguments of every kind.
fn note() -> Function {
    let text = json!({ "type": "string" });
    let schema = json!({
        "type": "object",
        "properties": {
            "text": text,
            "title": { "type": "string", "minLength": 1, "maxLength": 40 },
            "order": { "enum": ["", "asc", "desc"] },
            "way": { "type": ["string", "null"], "enum": ["up", "down", null] },
            "nothing": { "enum": [null] },
            "count": { "type": "integer", "minimum": 0, "maximum": 20 },
            "ratio": { "type": "number" },
            "loud": { "type": "boolean" },
            "page": {
                "type": "object",
                "properties": { "name": text, "tags": { "type": "array", "items": text } },
                "required": ["name"],
                "additionalProperties": false
            },
            "last": { "type": ["string", "null"] }
        },
        "required": ["text"],
        "additionalProperties": false
    });
    Function { name: "note".into(), description: "Writes a note.".into(), schema }
}

/// Texts that are hard to end.
const TEXTS: [&str; 12] = [
    "hello",
    "hello\n",
    "\nhello\n\n",
    "",
    "\n",
    "a < b",
    "x <",
    "<b>hi</b>",
    "</p",
    "say \"it's\" \\ {1: [2]}, ('3')",
    "Grüße, 語 😀",
    "ctrl) finish()",
];

fn calls() -> Vec<(&'static str, Value)> {
    let mut calls: Vec<(&'static str, Value)> = vec![
        ("click", json!({ "point": [640, 360] })),
        ("double_click", json!({ "point": [0, 0] })),
        ("drag", json!({ "from": [10, 20], "to": [1270, 700] })),
        ("press_key", json!({ "key": "Control+Shift+t" })),
        ("press_key", json!({ "key": "Enter" })),
        ("wait", json!({ "seconds": 5 })),
        ("navigate", json!({ "url": "https://example.org/a?b=c&d=<e>#f" })),
        ("finish", json!({})),
        ("finish", json!({ "answer": "forty-two" })),
        ("answer", json!({ "text": "It is 42." })),
        ("note", json!({ "text": "a", "title": "of up to forty characters", "order": "", "count": 7 })),
        (
            "note",
            json!({ "text": "a", "title": "1234567890123456789012345678901234567890", "order": "desc" }),
        ),
        ("note", json!({ "text": "a", "way": "up", "ratio": 1.5, "loud": true, "last": "None" })),
        ("note", json!({ "text": "a", "page": { "name": "one", "tags": ["x, y", "z\n"] }, "last": "b" })),
    ];
    calls.extend(TEXTS.iter().flat_map(|text| {
        [
            ("type_text", json!({ "text": text })),
            ("note", json!({ "text": text, "title": "t", "last": text })),
        ]
    }));
    calls
}

/// Feeds a reply to its grammar, and says where it is refused.
pub(super) fn feed(
    tokenizer: &Tokenizer,
    vocabulary: &Arc<Vocabulary>,
    grammar: &Grammar,
    reply: &str,
) -> Result<(), String> {
    let mut constraint = grammar.compile(vocabulary).map_err(|error| error.to_string())?;
    let tokens = tokenizer.encode(reply, false).unwrap().get_ids().to_vec();
    for (place, token) in tokens.iter().enumerate() {
        let so_far = || tokenizer.decode(&tokens[..place], false).unwrap();
        if constraint.finished() {
            return Err(format!("it is complete after {:?}", so_far()));
        }
        if !constraint.mask().unwrap().allows(*token) {
            let token = tokenizer.decode(&[*token], false).unwrap();
            return Err(format!("it refuses {token:?} after {:?}", so_far()));
        }
        constraint.accept(*token).unwrap();
    }
    if constraint.finished() { Ok(()) } else { Err("it wants more".into()) }
}

/// The tokenizer with a token that goes from a text over into the end of its tag.
fn straddling() -> Tokenizer {
    let mut tokenizer = tokenizer();
    tokenizer.add_tokens(&[AddedToken::from("lo\n</para", false)]);
    tokenizer
}

/// A call but for its places, which a grid rounds.
fn without_places(mut call: Call) -> Call {
    let arguments = call.arguments.as_object_mut().unwrap();
    arguments.retain(|name, _| !["point", "from", "to"].contains(&name.as_str()));
    call
}

/// Every call that the dialect has words for, with and without a thought; gives the functions that were called.
fn check(ground: &Ground, dialect: &dyn Dialect, functions: &[Function]) -> Vec<&'static str> {
    let grammars = [Thought::Free, Thought::None]
        .map(|thought| (thought, dialect.grammar(functions, thought, THOUGHT).unwrap()));
    let mut called = Vec::new();
    let mut wrong = Vec::new();
    for (function, arguments) in calls() {
        let call = Call { function: function.into(), arguments };
        // Some functions are actions that have no word for all that they take.
        let Ok(text) = dialect.write(&call, functions).unwrap() else { continue };
        called.push(function);
        for (thought, grammar) in &grammars {
            let said = dialect.said(if *thought == Thought::Free { "I see." } else { "" }, &text);
            if let Err(why) = feed(&ground.tokenizer, &ground.vocabulary, grammar, &said) {
                wrong.push(format!("{said:?}: {why}"));
            }
        }
        let read = dialect.read(&text, functions).map(without_places);
        assert_eq!(read, Ok(without_places(call)), "{text}");
    }
    assert!(wrong.is_empty(), "{dialect:?}\n{}", wrong.join("\n"));
    called
}

#[test]
fn what_a_model_was_trained_to_write_gets_through_its_grammar() {
    let mut functions = functions(SIZE);
    functions.push(note());
    for tokenizer in [tokenizer(), straddling()] {
        let ground = Ground::of(tokenizer);
        let mut all = dialects();
        all.push(Box::new(ComputerUse::tagged(Scale::THOUSANDTHS, |_| false)));
        for dialect in all {
            let mut called = check(&ground, dialect.as_ref(), &functions);
            assert!(called.len() > 30, "{dialect:?} has words for {} calls", called.len());
            called.dedup();
            for function in ["click", "press_key", "type_text", "finish", "note"] {
                assert!(called.contains(&function), "{dialect:?} can't call {function}");
            }
        }
    }
}
