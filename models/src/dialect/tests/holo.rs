//! Holo, on the reply that its documentation shows and others of that shape.

use serde_json::json;

use super::{
    offered::{check, check_read, check_written, functions, only},
    trained::feed,
    written::{Ground, tokenizer},
};
use crate::{
    Dialect, Thought,
    dialect::{grid::Scale, holo::Holo},
};

const SIZE: [u32; 2] = [1280, 720];

fn holo() -> Holo {
    Holo::new(Scale::THOUSANDTHS)
}

#[test]
fn a_call_is_flat_and_its_point_two_numbers() {
    let documented = r#"{
      "note": "Submit succeeded; receipt URL is /orders/8421.",
      "thought": "Recording the receipt URL before navigating away.",
      "tool_call": { "tool_name": "click", "element": "Continue button at the bottom right", "x": 932, "y": 880 }
    }"#;
    // Laid out for people, and its function takes more than this one.
    check_read(&holo(), &functions(SIZE), &[(documented, Ok(("click", json!({ "point": [1192, 633] }))))]);
    check(
        &holo(),
        &functions(SIZE),
        &[
            (
                r#"{"note": null, "thought": "Drag.", "tool_call": {"tool_name": "drag", "from_x": 0, "from_y": 0, "to_x": 1000, "to_y": 500}}"#,
                Ok(("drag", json!({ "from": [0, 0], "to": [1279, 360] }))),
            ),
            (
                r#"{"note": null, "thought": "", "tool_call": {"tool_name": "type_text", "text": "hi"}}"#,
                Ok(("type_text", json!({ "text": "hi" }))),
            ),
            (r#"{"tool_call": {"tool_name": "finish"}}"#, Ok(("finish", json!({})))),
            (
                r#"{"tool_call": {"tool_name": "click", "x": 1001, "y": 0}}"#,
                Err("point: x is 1001, the grid ends at 1000"),
            ),
            (r#"{"tool_call": {"tool_name": "click", "x": 1}}"#, Err("a place needs both `x` and `y`")),
            (
                r#"{"tool_call": {"x": 1, "y": 1}}"#,
                Err("`tool_call` doesn't name its function in `tool_name`"),
            ),
            (r#"{"thought": "Hm."}"#, Err("the reply has no `tool_call`")),
        ],
    );
    let thought =
        "Recording the receipt URL before navigating away.\nSubmit succeeded; receipt URL is /orders/8421.";
    assert_eq!(holo().thought("", documented), thought);
    assert_eq!(holo().said(thought, documented), documented);
}

#[test]
fn calls_are_written_as_holo_would() {
    let click = r#"{"tool_call": {"tool_name": "click", "x": 500, "y": 501}}"#;
    check_written(
        &holo(),
        &functions(SIZE),
        &[
            ("click", json!({ "point": [640, 360] }), click),
            (
                "scroll",
                json!({ "point": [640, 360], "direction": "up", "amount": 3 }),
                r#"{"tool_call": {"tool_name": "scroll", "x": 500, "y": 501, "direction": "up", "amount": 3}}"#,
            ),
        ],
    );
    let said = r#"{"note": null, "thought": "Go.", "tool_call": {"tool_name": "click", "x": 500, "y": 501}}"#;
    assert_eq!(holo().said("Go.", click), said);
}

/// A language that has a token for each character has as many of them as one with a token for each four.
#[test]
fn note_and_thought_together_have_about_as_many_tokens_as_they_may() {
    let ground = Ground::of(tokenizer());
    let functions = only(SIZE, &["finish"]);
    let cases = [
        (12, 4, 8, "語", true),
        (12, 5, 8, "語", false),
        (12, 4, 9, "語", false),
        (12, 4, 8, "abcd", true),
        (12, 5, 8, "abcd", false),
        (12, 4, 9, "abcd", false),
        (12, 4, 8, "a é", true),
        (12, 4, 9, "a é", false),
        (0, 0, 0, "", true),
        (0, 0, 1, "a", false),
        (usize::MAX, 90, 90, "語", true),
    ];
    for (tokens, note, thought, unit, allowed) in cases {
        let grammar = holo().grammar(&functions, Thought::Free, tokens).unwrap();
        let (note, thought) = (unit.repeat(note), unit.repeat(thought));
        let reply = format!(
            r#"{{"note": "{note}", "thought": "{thought}", "tool_call": {{"tool_name": "finish"}}}}"#
        );
        let fed = feed(&ground.tokenizer, &ground.vocabulary, &grammar, &reply);
        assert_eq!(fed.is_ok(), allowed, "{tokens}: {reply}: {fed:?}");
    }
}

#[test]
fn a_thought_that_came_before_the_object_is_the_calls() {
    let call = r#"{"tool_call": {"tool_name": "finish"}}"#;
    let cases = [
        ("", call, ""),
        (" It is done.\n", call, "It is done."),
        ("It is done.", r#"{"note": "42", "thought": " ", "tool_call": {}}"#, "It is done.\n42"),
    ];
    for (before, text, expected) in cases {
        assert_eq!(holo().thought(before, text), expected, "{before} {text}");
    }
}

#[test]
fn the_schema_of_a_reply_is_in_the_prompt_too() {
    let few = only(SIZE, &["click", "type_text", "finish"]);
    insta::assert_snapshot!("holo_instructions", holo().instructions(&few, Thought::Free).unwrap());
}
