//! Qwen's and Fara's `computer_use`, on replies as their cookbooks and repositories show them.

use serde_json::json;

use super::offered::{check, check_read, check_unsaid, check_written, functions, only};
use crate::{
    Dialect, Function, Thought,
    dialect::{computer_use::ComputerUse, grid::Scale},
    processor::SmartSize,
};

/// What Qwen2.5-VL's processor makes of a screenshot of 1280×720 has 1288×728 pixels.
const SIZE: [u32; 2] = [1280, 720];
const RESIZED: Scale = Scale::Resized(SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 12_800 });

fn second_and_a_half() -> ComputerUse {
    ComputerUse::qwen(RESIZED, |_| false)
}

fn third() -> ComputerUse {
    ComputerUse::qwen(Scale::THOUSANDTHS, |_| false)
}

fn fara() -> ComputerUse {
    ComputerUse::fara(RESIZED, |_| false)
}

/// A call of `computer_use` as these models write it.
macro_rules! call {
    ($arguments:literal) => {
        concat!("\n{\"name\": \"computer_use\", \"arguments\": ", $arguments, "}\n</tool_call>")
    };
}

#[test]
fn qwen_2_5_counts_pixels_of_the_resized_image() {
    check(
        &second_and_a_half(),
        &functions(SIZE),
        &[
            (
                call!(r#"{"action": "left_click", "coordinate": [644, 364]}"#),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
            (
                "<tool_call>\n{\"name\": \"computer_use\", \"arguments\": {\"action\": \"double_click\", \
                 \"coordinate\": [1287, 727]}}\n</tool_call>",
                Ok(("double_click", json!({ "point": [1279, 719] }))),
            ),
            (
                call!(r#"{"action": "left_click", "coordinate": [1288, 0]}"#),
                Err("coordinate: x is 1288, the grid ends at 1287"),
            ),
            (call!(r#"{"action": "left_click"}"#), Err("`left_click` lacks `coordinate`")),
            (
                call!(r#"{"action": "left_click", "coordinate": [1, 1], "text": "ctrl"}"#),
                Err("`left_click` takes no `text` here, but coordinate"),
            ),
        ],
    );
    // Without a grammar models write fractions, and boxes.
    check_read(
        &second_and_a_half(),
        &functions(SIZE),
        &[
            (
                call!(r#"{"action": "right_click", "coordinate": [643.6, 364.2]}"#),
                Ok(("right_click", json!({ "point": [640, 360] }))),
            ),
            (
                call!(r#"{"action": "left_click", "coordinate": [600, 350, 688, 378]}"#),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
        ],
    );
}

#[test]
fn qwen_3_counts_thousandths() {
    check(
        &third(),
        &functions(SIZE),
        &[
            (
                call!(r#"{"action": "left_click", "coordinate": [500, 500]}"#),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
            (
                call!(r#"{"action": "left_click", "coordinate": [1000, 0]}"#),
                Ok(("click", json!({ "point": [1279, 0] }))),
            ),
            (
                call!(r#"{"action": "key", "keys": ["ctrl", "a"]}"#),
                Ok(("press_key", json!({ "key": "Control+a" }))),
            ),
            (call!(r#"{"action": "key", "keys": ["enter"]}"#), Ok(("press_key", json!({ "key": "Enter" })))),
            (
                call!(r#"{"action": "type", "text": "5% off, \"now\"\n"}"#),
                Ok(("type_text", json!({ "text": "5% off, \"now\"\n" }))),
            ),
            // Half of the screen, downwards.
            (
                call!(r#"{"action": "scroll", "coordinate": [500, 500], "pixels": -500}"#),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "down", "amount": 360 }))),
            ),
            (
                call!(r#"{"action": "hscroll", "coordinate": [0, 0], "pixels": 1000}"#),
                Ok(("scroll", json!({ "point": [0, 0], "direction": "right", "amount": 719 }))),
            ),
            (
                call!(r#"{"action": "scroll", "coordinate": [0, 0], "pixels": 0}"#),
                Err("pixels: 0 isn't a number other than 0"),
            ),
            (
                call!(
                    r#"{"action": "left_click_drag", "start_coordinate": [0, 0], "coordinate": [500, 500]}"#
                ),
                Ok(("drag", json!({ "from": [0, 0], "to": [640, 360] }))),
            ),
            (
                call!(r#"{"action": "left_click_drag", "coordinate": [500, 500]}"#),
                Err("`left_click_drag` lacks `start_coordinate`"),
            ),
            (call!(r#"{"action": "wait", "time": 2}"#), Ok(("wait", json!({ "seconds": 2 })))),
            (call!(r#"{"action": "terminate", "status": "success"}"#), Ok(("finish", json!({})))),
            (
                call!(r#"{"action": "terminate", "status": "failure"}"#),
                Err("status: `failure` gives the task up, for which there is no function: try another way"),
            ),
            (
                call!(r#"{"action": "answer", "text": "42 euros"}"#),
                Ok(("answer", json!({ "text": "42 euros" }))),
            ),
            (
                call!(r#"{"action": "answer", "text": "42", "seen_at": [[0, 0, 499, 499]]}"#),
                Ok(("answer", json!({ "text": "42", "seen_at": [[0, 0, 640, 360]] }))),
            ),
            // Beside it functions are called by their own names.
            (
                "\n{\"name\": \"zoom\", \"arguments\": {\"region\": [0, 0, 499, 499]}}\n</tool_call>",
                Ok(("zoom", json!({ "region": [0, 0, 640, 360] }))),
            ),
            (
                "\n{\"name\": \"navigate\", \"arguments\": {\"url\": \"https://example.org\"}}\n</tool_call>",
                Ok(("navigate", json!({ "url": "https://example.org" }))),
            ),
            (
                call!(r#"{"action": "middle_click", "coordinate": [5, 5]}"#),
                Err(
                    "there is no action `middle_click`; there are key, type, left_click, left_click_drag, right_click, \
                     double_click, scroll, hscroll, wait, terminate, answer",
                ),
            ),
            (
                "{\"name\": \"fly\", \"arguments\": {}}",
                Err("there is no function `fly`; there are computer_use, navigate, zoom"),
            ),
            (
                "{\"name\": \"computer_use\", \"arguments\": {}}",
                Err("the call of `computer_use` doesn't name its `action`"),
            ),
            (
                "\n{\"name\": \"computer_use\", \"argu",
                Err(
                    "what is within <tool_call> isn't one JSON object: EOF while parsing a string at line 1 column 30",
                ),
            ),
        ],
    );
}

#[test]
fn a_grammar_has_whole_seconds_and_a_model_may_have_others() {
    let half = (call!(r#"{"action": "wait", "time": 2.5}"#), Ok(("wait", json!({ "seconds": 2.5 }))));
    check_read(&third(), &functions(SIZE), &[half]);
}

#[test]
fn an_action_without_its_tool_is_neither_offered_nor_read() {
    let few = only(SIZE, &["click", "finish"]);
    let words = third().instructions(&few, Thought::None).unwrap();
    assert!(
        words.contains("`left_click`") && !words.contains("`scroll`") && !words.contains("pixels"),
        "{words}"
    );
    check(
        &third(),
        &few,
        &[
            // Without the tool of that name an answer ends the task.
            (call!(r#"{"action": "answer", "text": "42"}"#), Ok(("finish", json!({ "answer": "42" })))),
            (
                call!(r#"{"action": "type", "text": "x"}"#),
                Err("there is no action `type`; there are left_click, terminate, answer"),
            ),
        ],
    );
    // A function of the same name that takes something else is called as it is.
    let mut odd = only(SIZE, &["click"]);
    odd[0].schema =
        json!({ "type": "object", "properties": { "id": { "type": "integer" } }, "required": ["id"] });
    let reply = "\n{\"name\": \"click\", \"arguments\": {\"id\": 7}}\n</tool_call>";
    check(&third(), &odd, &[(reply, Ok(("click", json!({ "id": 7 }))))]);
}

#[test]
fn calls_are_written_as_qwen_would() {
    check_written(
        &third(),
        &functions(SIZE),
        &[
            (
                "click",
                json!({ "point": [640, 360] }),
                call!(r#"{"action": "left_click", "coordinate": [500, 501]}"#),
            ),
            (
                "scroll",
                json!({ "point": [640, 360], "direction": "up", "amount": 360 }),
                call!(r#"{"action": "scroll", "coordinate": [500, 501], "pixels": 501}"#),
            ),
            (
                "scroll",
                json!({ "point": [640, 360], "direction": "left", "amount": 72 }),
                call!(r#"{"action": "hscroll", "coordinate": [500, 501], "pixels": -100}"#),
            ),
            (
                "press_key",
                json!({ "key": "Control+Shift+t" }),
                call!(r#"{"action": "key", "keys": ["ctrl", "shift", "t"]}"#),
            ),
            ("finish", json!({}), call!(r#"{"action": "terminate", "status": "success"}"#)),
            ("answer", json!({ "text": "42" }), call!(r#"{"action": "answer", "text": "42"}"#)),
            (
                "zoom",
                json!({ "region": [0, 0, 1280, 720] }),
                "\n{\"name\": \"zoom\", \"arguments\": {\"region\": [0, 0, 1000, 1000]}}\n</tool_call>",
            ),
        ],
    );
    check_unsaid(
        &third(),
        &functions(SIZE),
        &[
            (
                "click",
                json!({ "point": [1280, 0] }),
                "point: [1280,0] lies outside the screenshot's 1280×720",
            ),
            (
                "scroll",
                json!({ "point": [0, 0], "direction": "up" }),
                "`scroll` can't be said without `amount`",
            ),
            // The action `answer` is the function's of that name here.
            ("finish", json!({ "answer": "42" }), "`terminate` has no word for `answer`"),
        ],
    );
    let few = only(SIZE, &["click", "finish"]);
    let written = call!(r#"{"action": "answer", "text": "42"}"#);
    check_written(&third(), &few, &[("finish", json!({ "answer": "42" }), written)]);
    check_unsaid(&third(), &few, &[("answer", json!({ "text": "42" }), "`answer` isn't on offer")]);
}

#[test]
fn fara_has_a_browsers_actions() {
    let functions = functions(SIZE);
    check(
        &fara(),
        &functions,
        &[
            (
                call!(r#"{"action": "left_click", "coordinate": [644, 364]}"#),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
            (
                call!(r#"{"action": "visit_url", "url": "https://example.com"}"#),
                Ok(("navigate", json!({ "url": "https://example.com" }))),
            ),
            (
                call!(r#"{"action": "type", "text": "hello", "press_enter": true}"#),
                Ok(("type_text", json!({ "text": "hello\n" }))),
            ),
            (
                call!(r#"{"action": "type", "text": "hello", "press_enter": false}"#),
                Ok(("type_text", json!({ "text": "hello" }))),
            ),
            (
                call!(
                    r#"{"action": "type", "coordinate": [300, 400], "text": "hello", "press_enter": true}"#
                ),
                Err("`type` takes no `coordinate` here, but text, press_enter"),
            ),
            (
                call!(r#"{"action": "key", "keys": ["Alt", "ArrowLeft"]}"#),
                Ok(("press_key", json!({ "key": "Alt+ArrowLeft" }))),
            ),
            // 364 of the 728 rows that it sees, over the middle of the screen.
            (
                call!(r#"{"action": "scroll", "pixels": -364}"#),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "down", "amount": 360 }))),
            ),
            (call!(r#"{"action": "wait", "time": 3}"#), Ok(("wait", json!({ "seconds": 3 })))),
            (call!(r#"{"action": "terminate", "status": "success"}"#), Ok(("finish", json!({})))),
            (
                call!(r#"{"action": "pause_and_memorize_fact", "fact": "Price is $10"}"#),
                Err(
                    "there is no action `pause_and_memorize_fact`; there are key, type, left_click, scroll, visit_url, wait, \
                     terminate",
                ),
            ),
        ],
    );
    check_written(
        &fara(),
        &functions,
        &[
            (
                "type_text",
                json!({ "text": "a\nb\n" }),
                call!(r#"{"action": "type", "text": "a\nb", "press_enter": true}"#),
            ),
            (
                "navigate",
                json!({ "url": "https://x.org" }),
                call!(r#"{"action": "visit_url", "url": "https://x.org"}"#),
            ),
            ("press_key", json!({ "key": "Enter" }), call!(r#"{"action": "key", "keys": ["Enter"]}"#)),
        ],
    );
    // A tool of that name is all that it takes, and one that clicks by itself brings the coordinate back.
    let mut more = functions;
    more.push(Function {
        name: "history_back".into(),
        description: String::new(),
        schema: json!({ "type": "object" }),
    });
    let point =
        more.iter().find(|function| function.name == "click").unwrap().schema["properties"]["point"].clone();
    let typing = more.iter_mut().find(|function| function.name == "type_text").unwrap();
    typing.schema["properties"]["point"] = point;
    check(
        &fara(),
        &more,
        &[
            (call!(r#"{"action": "history_back"}"#), Ok(("history_back", json!({})))),
            (
                call!(
                    r#"{"action": "type", "coordinate": [644, 364], "text": "hello", "press_enter": true}"#
                ),
                Ok(("type_text", json!({ "point": [640, 360], "text": "hello\n" }))),
            ),
        ],
    );
}

#[test]
fn functions_are_declared_as_qwens_templates_do() {
    let few = only(SIZE, &["click", "scroll", "finish", "zoom"]);
    insta::assert_snapshot!("qwen_instructions", third().instructions(&few, Thought::Free).unwrap());
    let words = second_and_a_half().instructions(&few, Thought::Free).unwrap();
    assert!(words.contains("The screen's resolution is 1288x728."), "{words}");
    let again = third().said("I see it.", call!(r#"{"action": "wait", "time": 2}"#));
    assert!(again.starts_with("I see it.\n<tool_call>\n{\"name\""), "{again}");
}

#[test]
fn an_argument_of_several_types_keeps_them_but_null() {
    let kinds = |kinds: serde_json::Value| {
        let schema = json!({
            "type": "object", "properties": { "text": { "type": "string" }, "seen_at": { "type": kinds } },
            "required": ["text"]
        });
        let function = Function { name: "answer".into(), description: "Answers.".into(), schema };
        let told = third().instructions(&[function], Thought::None).unwrap();
        let start = told.find("\"seen_at\": {").unwrap();
        told[start..].split_once('}').unwrap().0.to_owned()
    };
    let cases = [
        (json!(["integer", "null"]), "\"type\": \"integer\""),
        (json!(["array", "null"]), "\"type\": \"array\""),
        (json!(["integer", "boolean", "null"]), "\"type\": [\"integer\", \"boolean\"]"),
    ];
    for (of, told) in cases {
        assert!(kinds(of.clone()).contains(told), "{of}: {}", kinds(of.clone()));
    }
}
