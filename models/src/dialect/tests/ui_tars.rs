//! UI-TARS, on replies as its paper, its parser's tests and its guide to coordinates show them.

use serde_json::json;

use super::offered::{check, check_read, check_unsaid, check_written, functions, only};
use crate::{
    Dialect, Thought,
    dialect::{grid::Scale, ui_tars::UiTars},
    processor::SmartSize,
};

const SIZE: [u32; 2] = [1920, 1080];

/// On Qwen2-VL: thousandths.
fn first() -> UiTars {
    UiTars::new(Scale::THOUSANDTHS, |_| true)
}

/// On Qwen2.5-VL: pixels of the resized image, 1932×1092 here.
fn first_and_a_half() -> UiTars {
    let size = SmartSize { factor: 28, least: 100 * 28 * 28, most: 16_384 * 28 * 28 };
    UiTars::new(Scale::Resized(size), |_| false)
}

#[test]
fn version_1_5_counts_pixels_of_the_resized_image() {
    check(
        &first_and_a_half(),
        &functions(SIZE),
        &[
            // The guide's own: [197, 525] in 1932×1092.
            (" click(start_box='(197,525)')", Ok(("click", json!({ "point": [196, 519] })))),
            ("Action: click(start_box='(1931,1091)')", Ok(("click", json!({ "point": [1919, 1079] })))),
            (" click(start_box='(1932,0)')", Err("start_box: x is 1932, the grid ends at 1931")),
        ],
    );
    // The forms of other prompts, and boxes.
    check_read(
        &first_and_a_half(),
        &functions(SIZE),
        &[
            (" click(point='<point>197 525</point>')", Ok(("click", json!({ "point": [196, 519] })))),
            (" click(start_box='[187, 515, 207, 535]')", Ok(("click", json!({ "point": [196, 519] })))),
            (
                " drag(start_point='<point>0 0</point>', end_point='<point>966 546</point>')",
                Ok(("drag", json!({ "from": [0, 0], "to": [960, 540] }))),
            ),
        ],
    );
}

#[test]
fn version_1_0_counts_thousandths() {
    check(
        &first(),
        &functions(SIZE),
        &[
            (
                " click(start_box='<|box_start|>(500,500)<|box_end|>')",
                Ok(("click", json!({ "point": [960, 540] }))),
            ),
            (" left_double(start_box='(1000,1000)')", Ok(("double_click", json!({ "point": [1919, 1079] })))),
            (" right_single(start_box='(0,0)')", Ok(("right_click", json!({ "point": [0, 0] })))),
            (
                " drag(start_box='<|box_start|>(0,0)<|box_end|>', end_box='<|box_start|>(500,500)<|box_end|>')",
                Ok(("drag", json!({ "from": [0, 0], "to": [960, 540] }))),
            ),
            (" hotkey(key='ctrl c')", Ok(("press_key", json!({ "key": "Control+c" })))),
            (" hotkey(key='enter')", Ok(("press_key", json!({ "key": "Enter" })))),
            (" type(content='hello world\\n')", Ok(("type_text", json!({ "text": "hello world\n" })))),
            (r" type(content='it\'s 5\\6')", Ok(("type_text", json!({ "text": "it's 5\\6" })))),
            (
                " scroll(start_box='(500,500)', direction='down')",
                Ok(("scroll", json!({ "point": [960, 540], "direction": "down" }))),
            ),
            (" wait()", Ok(("wait", json!({ "seconds": 5 })))),
            (" finished()", Ok(("finish", json!({})))),
            (" finished(content='42')", Ok(("finish", json!({ "answer": "42" })))),
            (" zoom(region=[0,0,499,499])", Ok(("zoom", json!({ "region": [0, 0, 960, 540] })))),
            (" click(start_box='here')", Err("`here` isn't a place like (x,y)")),
            (" click(start_box='')", Err("`click` lacks `start_box`")),
            (
                " call_user()",
                Err(
                    "there is no `call_user`; there are click, left_double, right_single, drag, hotkey, type, scroll, wait, \
                     finished, answer, navigate, zoom",
                ),
            ),
            (
                " wait()\n\nclick(start_box='(1,1)')",
                Err("one call at a time: `click(start_box='(1,1)')` comes after the first"),
            ),
        ],
    );
    // What only a model that no grammar binds writes.
    check_read(
        &first(),
        &functions(SIZE),
        &[
            (" right_single(start_box='(0, 0)')", Ok(("right_click", json!({ "point": [0, 0] })))),
            (" hotkey(hotkey='enter')", Ok(("press_key", json!({ "key": "Enter" })))),
            (" type(content='it's')", Ok(("type_text", json!({ "text": "it's" })))),
            (" zoom(region=[0, 0, 499, 499])", Ok(("zoom", json!({ "region": [0, 0, 960, 540] })))),
        ],
    );
}

#[test]
fn calls_are_written_as_ui_tars_would() {
    let functions = functions(SIZE);
    check_written(
        &first(),
        &functions,
        &[
            ("click", json!({ "point": [960, 540] }), " click(start_box='(500,500)')"),
            (
                "drag",
                json!({ "from": [0, 0], "to": [960, 540] }),
                " drag(start_box='(0,0)', end_box='(500,500)')",
            ),
            ("type_text", json!({ "text": "it's\n" }), r" type(content='it\'s\n')"),
            ("press_key", json!({ "key": "Control+a" }), " hotkey(key='ctrl a')"),
            ("finish", json!({}), " finished()"),
            ("wait", json!({ "seconds": 5 }), " wait()"),
            ("finish", json!({ "answer": "42" }), " finished(content='42')"),
            // `finished` is the other's word here, so this one goes by its name.
            ("answer", json!({ "text": "42" }), " answer(text=\"42\")"),
            (
                "scroll",
                json!({ "point": [960, 540], "direction": "down" }),
                " scroll(start_box='(500,500)', direction='down')",
            ),
            ("navigate", json!({ "url": "https://x.org" }), " navigate(url=\"https://x.org\")"),
        ],
    );
    check_unsaid(
        &first(),
        &functions,
        &[
            (
                "click",
                json!({ "point": [0, 1080] }),
                "point: [0,1080] lies outside the screenshot's 1920×1080",
            ),
            ("wait", json!({ "seconds": 2 }), "`wait` has no word for `seconds`, which is 2"),
            (
                "scroll",
                json!({ "point": [960, 540], "direction": "down", "amount": 200 }),
                "`scroll` has no word for `amount`, which is 200",
            ),
        ],
    );
    let few = only(SIZE, &["click", "answer"]);
    check_written(&first(), &few, &[("answer", json!({ "text": "42" }), " finished(content='42')")]);
    check_unsaid(
        &first(),
        &few,
        &[
            (
                "answer",
                json!({ "text": "42", "seen_at": [[0, 0, 9, 9]] }),
                "`finished` has no word for `seen_at`, which is [[0,0,9,9]]",
            ),
            ("finish", json!({}), "`finish` isn't on offer"),
        ],
    );
}

#[test]
fn a_reply_is_shown_again_with_the_tokens_around_its_boxes() {
    let drag = " drag(start_box='(0,0)', end_box='(5,5)')";
    let cases = [
        (
            first(),
            "Look.",
            drag,
            "Thought: Look.\nAction: drag(start_box='<|box_start|>(0,0)<|box_end|>', end_box='<|box_start|>(5,5)<|box_end|>')",
        ),
        (
            first_and_a_half(),
            "Look.",
            drag,
            "Thought: Look.\nAction: drag(start_box='(0,0)', end_box='(5,5)')",
        ),
        (first(), "", "Action: wait()", "Action: wait()"),
    ];
    for (dialect, thought, text, expected) in cases {
        assert_eq!(dialect.said(thought, text), expected);
    }
    assert_eq!(first().thought("Thought: Look there.\n", ""), "Look there.");
}

#[test]
fn actions_are_written_as_its_prompt_has_them() {
    let few = only(SIZE, &["click", "drag", "press_key", "type_text", "scroll", "wait", "finish", "zoom"]);
    insta::assert_snapshot!("ui_tars_instructions", first().instructions(&few, Thought::Free).unwrap());
}
