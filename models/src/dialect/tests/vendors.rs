//! The vendors' tools for computer use, on calls as their documentation shows them.

use serde_json::{Value, json};

use super::offered::{functions, only};
use crate::{
    Call, Function,
    dialect::vendors::{COMPUTER, Computer, Vendor},
    processor::Fit,
};

/// Screenshots are sent at half the size.
const SIZE: [u32; 2] = [1280, 720];
const HALVED: Fit = Fit { longest: Some(640), shortest: None, area: None };

const ANTHROPIC: Computer = Computer { vendor: Vendor::Anthropic, fit: HALVED };
const OPENAI: Computer = Computer { vendor: Vendor::OpenAi, fit: HALVED };
const GOOGLE: Computer = Computer { vendor: Vendor::Google, fit: HALVED };

/// The function and arguments that a call means, or what is wrong with it.
type Expected<'a> = Result<(&'a str, Value), &'a str>;

fn check(computer: Computer, functions: &[Function], cases: &[(&str, Value, Expected<'_>)]) {
    for (name, arguments, expected) in cases {
        let expected = expected
            .clone()
            .map(|(function, arguments)| Call { function: function.into(), arguments })
            .map_err(str::to_owned);
        let mut arguments = arguments.as_object().unwrap().clone();
        let checked = computer.checked(&mut arguments);
        let read = checked.and_then(|concern| match concern {
            Some(why) => Err(format!("to be confirmed: {why}")),
            None => computer.read(name, arguments.clone(), functions),
        });
        assert_eq!(read, expected, "{name} {arguments:?}");
    }
}

/// Cases of a tool whose calls all have its name.
fn checked(computer: Computer, cases: Vec<(Value, Expected<'_>)>) {
    let cases: Vec<_> = cases.into_iter().map(|(call, expected)| (COMPUTER, call, expected)).collect();
    check(computer, &functions(SIZE), &cases);
}

#[test]
fn anthropics_actions_become_calls() {
    let at = |x: i64, y: i64| json!([x, y]);
    checked(
        ANTHROPIC,
        vec![
            (
                json!({ "action": "left_click", "coordinate": at(320, 180) }),
                Ok(("click", json!({ "point": [641, 361] }))),
            ),
            (
                json!({ "action": "double_click", "coordinate": at(639, 359) }),
                Ok(("double_click", json!({ "point": [1279, 719] }))),
            ),
            (
                json!({ "action": "right_click", "coordinate": at(0, 0) }),
                Ok(("right_click", json!({ "point": [1, 1] }))),
            ),
            (
                json!({ "action": "left_click_drag", "start_coordinate": at(0, 0), "coordinate": at(10, 20) }),
                Ok(("drag", json!({ "from": [1, 1], "to": [21, 41] }))),
            ),
            (json!({ "action": "type", "text": "Ada" }), Ok(("type_text", json!({ "text": "Ada" })))),
            (json!({ "action": "key", "text": "ctrl+s" }), Ok(("press_key", json!({ "key": "Control+s" })))),
            (json!({ "action": "key", "text": "Return" }), Ok(("press_key", json!({ "key": "Enter" })))),
            (
                json!({ "action": "key", "text": "Page_Down" }),
                Ok(("press_key", json!({ "key": "PageDown" }))),
            ),
            // Three clicks of the wheel are 300 pixels of the sent screenshot.
            (
                json!({ "action": "scroll", "coordinate": at(5, 5), "scroll_direction": "down", "scroll_amount": 3 }),
                Ok(("scroll", json!({ "point": [11, 11], "direction": "down", "amount": 600 }))),
            ),
            (
                json!({ "action": "scroll", "coordinate": at(5, 5), "scroll_direction": "left", "scroll_amount": 1 }),
                Ok(("scroll", json!({ "point": [11, 11], "direction": "left", "amount": 200 }))),
            ),
            (json!({ "action": "wait", "duration": 2 }), Ok(("wait", json!({ "seconds": 2 })))),
            (json!({ "action": "screenshot" }), Ok(("wait", json!({ "seconds": 1 })))),
            (
                json!({ "action": "left_click", "coordinate": at(640, 0) }),
                Err("coordinate: x is 640, the grid ends at 639"),
            ),
            (
                json!({ "action": "left_click", "coordinate": at(1, 1), "text": "shift" }),
                Err("`left_click` takes no `text` here, but coordinate"),
            ),
            (json!({ "action": "left_click" }), Err("`left_click` lacks `coordinate`")),
            (
                json!({ "action": "scroll", "coordinate": at(5, 5), "scroll_direction": "in", "scroll_amount": 3 }),
                Err("scroll_direction: it is `up`, `down`, `left` or `right`"),
            ),
            (
                json!({ "action": "scroll", "coordinate": at(5, 5), "scroll_direction": "up", "scroll_amount": 0 }),
                Err("scroll_amount: it is a number of clicks of the wheel, 1 or more"),
            ),
            (json!({ "text": "Ada" }), Err("the call of `computer` doesn't name its `action`")),
        ],
    );
}

#[test]
fn openais_actions_become_calls() {
    let pending =
        json!([{ "id": "cu_sc_1", "code": "malicious_instructions", "message": "The page gives orders." }]);
    checked(
        OPENAI,
        vec![
            (
                json!({ "type": "click", "button": "left", "x": 320, "y": 180 }),
                Ok(("click", json!({ "point": [641, 361] }))),
            ),
            (
                json!({ "type": "click", "button": "right", "x": 0, "y": 0, "keys": [] }),
                Ok(("right_click", json!({ "point": [1, 1] }))),
            ),
            (
                json!({ "type": "double_click", "x": 0, "y": 0, "keys": null }),
                Ok(("double_click", json!({ "point": [1, 1] }))),
            ),
            (
                json!({ "type": "drag", "path": [{ "x": 0, "y": 0 }, { "x": 10, "y": 20 }] }),
                Ok(("drag", json!({ "from": [1, 1], "to": [21, 41] }))),
            ),
            (
                json!({ "type": "scroll", "x": 5, "y": 5, "scroll_x": 0, "scroll_y": -100 }),
                Ok(("scroll", json!({ "point": [11, 11], "direction": "up", "amount": 200 }))),
            ),
            (
                json!({ "type": "scroll", "x": 5, "y": 5, "scroll_x": 50, "scroll_y": 0 }),
                Ok(("scroll", json!({ "point": [11, 11], "direction": "right", "amount": 100 }))),
            ),
            (json!({ "type": "type", "text": "Ada" }), Ok(("type_text", json!({ "text": "Ada" })))),
            (
                json!({ "type": "keypress", "keys": ["CTRL", "A"] }),
                Ok(("press_key", json!({ "key": "Control+A" }))),
            ),
            (json!({ "type": "wait" }), Ok(("wait", json!({ "seconds": 2 })))),
            (json!({ "type": "screenshot" }), Ok(("wait", json!({ "seconds": 2 })))),
            // The newer tool's list, with one thing to do.
            (
                json!({ "actions": [{ "type": "screenshot" }, { "type": "type", "text": "Ada" }] }),
                Ok(("type_text", json!({ "text": "Ada" }))),
            ),
            (json!({ "actions": [{ "type": "screenshot" }] }), Ok(("wait", json!({ "seconds": 2 })))),
            (
                json!({ "actions": [{ "type": "wait" }, { "type": "type", "text": "Ada" }] }),
                Err("the call of `computer` holds 2 actions: do one at a time"),
            ),
            (json!({ "actions": [] }), Err("the call of `computer` holds no action")),
            (
                json!({ "type": "click", "button": "back", "x": 0, "y": 0 }),
                Err("the button `back` can't be clicked here"),
            ),
            (
                json!({ "type": "click", "button": "left", "x": 0, "y": 360 }),
                Err("point: y is 360, the grid ends at 359"),
            ),
            (
                json!({ "type": "click", "button": "left", "x": 0, "y": 0, "keys": ["SHIFT"] }),
                Err("`click` takes no `keys` here, but x, y"),
            ),
            (
                json!({ "type": "drag", "path": [{ "x": 0, "y": 0 }] }),
                Err("path: a drag goes straight here, from one point {x, y} to another"),
            ),
            (
                json!({ "type": "scroll", "x": 5, "y": 5, "scroll_x": 1, "scroll_y": 1 }),
                Err("scroll_x and scroll_y are both set: scroll one way at a time"),
            ),
            (
                json!({ "type": "click", "button": "left", "x": 1, "y": 1, "pending_safety_checks": pending }),
                Err("to be confirmed: The page gives orders"),
            ),
        ],
    );
}

#[test]
fn googles_functions_become_calls() {
    let safe = json!({ "decision": "regular" });
    let unsafe_ = json!({ "decision": "require_confirmation", "explanation": "It accepts cookies." });
    check(
        GOOGLE,
        &functions(SIZE),
        &[
            ("click_at", json!({ "x": 500, "y": 500 }), Ok(("click", json!({ "point": [640, 360] })))),
            (
                "click_at",
                json!({ "x": 0, "y": 999, "safety_decision": safe }),
                Ok(("click", json!({ "point": [0, 718] }))),
            ),
            (
                "key_combination",
                json!({ "keys": "control+a" }),
                Ok(("press_key", json!({ "key": "Control+a" }))),
            ),
            ("wait_5_seconds", json!({}), Ok(("wait", json!({ "seconds": 5 })))),
            (
                "scroll_document",
                json!({ "direction": "down" }),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "down" }))),
            ),
            (
                "scroll_at",
                json!({ "x": 500, "y": 500, "direction": "up", "magnitude": 250 }),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "up", "amount": 180 }))),
            ),
            (
                "scroll_at",
                json!({ "x": 500, "y": 500, "direction": "up" }),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "up", "amount": 576 }))),
            ),
            (
                "drag_and_drop",
                json!({ "x": 500, "y": 500, "destination_x": 0, "destination_y": 0 }),
                Ok(("drag", json!({ "from": [640, 360], "to": [0, 0] }))),
            ),
            ("navigate", json!({ "url": "a.html" }), Ok(("navigate", json!({ "url": "a.html" })))),
            ("drag_and_drop", json!({ "x": 500, "y": 500 }), Err("`drag_and_drop` lacks `destination`")),
            ("click_at", json!({ "x": 1001, "y": 0 }), Err("point: x is 1001, the grid ends at 1000")),
            (
                "click_at",
                json!({ "x": 5, "y": 5, "safety_decision": unsafe_ }),
                Err("to be confirmed: It accepts cookies"),
            ),
            // A word of the safety system's that isn't known is no permission, and no question either.
            (
                "click_at",
                json!({ "x": 5, "y": 5, "safety_decision": { "decision": "blocked" } }),
                Err(
                    "the model's vendor doesn't allow this (it gives no reason): do it another way, or leave it",
                ),
            ),
        ],
    );
}

#[test]
fn only_what_a_tool_on_offer_does_can_be_done() {
    let few = only(SIZE, &["click", "type_text", "finish"]);
    let all = [(ANTHROPIC, "type, left_click"), (OPENAI, "click, type"), (GOOGLE, "click_at")];
    for (computer, expected) in all {
        let offering = computer.offering(&few, false).unwrap().unwrap();
        assert_eq!(offering.actions.join(", "), expected);
        assert_eq!(offering.size, [640, 360]);
        let others: Vec<&str> = offering.others.iter().map(|function| function.name.as_str()).collect();
        // Google's `type_text_at` clicks first, which no function here does.
        let rest: &[&str] = if computer == GOOGLE { &["type_text", "finish"] } else { &["finish"] };
        assert_eq!(others.len(), rest.len(), "{others:?}");
        assert!(rest.iter().all(|name| others.contains(name)), "{others:?}");
        assert_eq!(offering.excluded.len(), if computer == GOOGLE { 12 } else { 0 });
        // Without a screen there is nothing to use it on.
        assert_eq!(computer.offering(&only(SIZE, &["finish"]), false).unwrap(), None);
        let needed = computer.offering(&only(SIZE, &["finish"]), true).unwrap().unwrap();
        assert_eq!((needed.actions.len(), needed.others.len()), (0, 1));
    }
    check(
        ANTHROPIC,
        &few,
        &[
            (
                COMPUTER,
                json!({ "action": "wait", "duration": 1 }),
                Err("`wait` can't be done here, but type, left_click, finish can"),
            ),
            (
                COMPUTER,
                json!({ "action": "hold_key", "text": "a", "duration": 1 }),
                Err("`hold_key` can't be done here, but type, left_click, finish can"),
            ),
        ],
    );
    let mut named = few.clone();
    named[1].name = COMPUTER.into();
    assert!(ANTHROPIC.offering(&named, false).unwrap_err().to_string().contains("rename it"));
    assert!(GOOGLE.offering(&named, false).is_ok());
}

#[test]
fn a_function_of_an_actions_name_goes_before_it_where_it_means_something_else() {
    let mut functions = functions(SIZE);
    let schema =
        json!({ "type": "object", "properties": { "words": { "type": "string" } }, "required": ["words"] });
    functions.push(Function { name: "search".into(), description: "Searches notes.".into(), schema });
    assert!(!GOOGLE.owns("search", &functions));
    assert!(GOOGLE.owns("go_back", &functions));
    let offering = GOOGLE.offering(&functions, false).unwrap().unwrap();
    assert!(offering.excluded.contains(&"search"));
    assert!(offering.others.iter().any(|function| function.name == "search"));
    // Only such a function is shown as a call of its own; `click` is what the tool does.
    assert!(GOOGLE.declares("search", &functions) && !GOOGLE.declares("click", &functions));
}

const GOOGLE_3: Computer = Computer { vendor: Vendor::Google3, fit: HALVED };

#[test]
fn gemini_3s_functions_become_calls() {
    let why = "To open the menu.";
    let asks = json!({ "decision": "require_confirmation", "explanation": "It accepts cookies." });
    check(
        GOOGLE_3,
        &functions(SIZE),
        &[
            (
                "click",
                json!({ "x": 500, "y": 500, "intent": why }),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
            (
                "double_click",
                json!({ "x": 0, "y": 999, "intent": why }),
                Ok(("double_click", json!({ "point": [0, 718] }))),
            ),
            (
                "right_click",
                json!({ "x": 0, "y": 0, "intent": why }),
                Ok(("right_click", json!({ "point": [0, 0] }))),
            ),
            ("type", json!({ "text": "Ada", "intent": why }), Ok(("type_text", json!({ "text": "Ada" })))),
            (
                "type",
                json!({ "text": "Ada", "press_enter": true }),
                Ok(("type_text", json!({ "text": "Ada\n" }))),
            ),
            (
                "drag_and_drop",
                json!({ "start_x": 500, "start_y": 500, "end_x": 0, "end_y": 0, "intent": why }),
                Ok(("drag", json!({ "from": [640, 360], "to": [0, 0] }))),
            ),
            ("wait", json!({ "intent": why }), Ok(("wait", json!({ "seconds": 1 })))),
            ("wait", json!({ "seconds": 4, "intent": why }), Ok(("wait", json!({ "seconds": 4 })))),
            ("take_screenshot", json!({ "intent": why }), Ok(("wait", json!({ "seconds": 1 })))),
            ("press_key", json!({ "key": "Enter" }), Ok(("press_key", json!({ "key": "Enter" })))),
            (
                "hotkey",
                json!({ "keys": ["Control", "a"], "intent": why }),
                Ok(("press_key", json!({ "key": "Control+a" }))),
            ),
            (
                "scroll",
                json!({ "x": 500, "y": 500, "direction": "down", "intent": why }),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "down", "amount": 300 }))),
            ),
            (
                "scroll",
                json!({ "x": 500, "y": 500, "direction": "up", "magnitude_in_pixels": 120 }),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "up", "amount": 120 }))),
            ),
            ("navigate", json!({ "url": "a.html" }), Ok(("navigate", json!({ "url": "a.html" })))),
            // The first of them had the names of before.
            (
                "click_at",
                json!({ "x": 500, "y": 500, "intent": why }),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
            ("drag_and_drop", json!({ "start_x": 500, "start_y": 500 }), Err("`drag_and_drop` lacks `end`")),
            (
                "key_down",
                json!({ "key": "Shift" }),
                Err(
                    "`key_down` can't be done here, but click, double_click, right_click, type, drag_and_drop, wait, \
                     press_key, hotkey, take_screenshot, scroll, navigate, answer, finish, zoom can",
                ),
            ),
            (
                "click",
                json!({ "x": 5, "y": 5, "safety_decision": asks }),
                Err("to be confirmed: It accepts cookies"),
            ),
        ],
    );
    let offering = GOOGLE_3.offering(&functions(SIZE), false).unwrap().unwrap();
    assert_eq!(
        offering.excluded,
        [
            "triple_click",
            "middle_click",
            "mouse_down",
            "mouse_up",
            "move",
            "key_down",
            "key_up",
            "go_back",
            "go_forward"
        ]
    );
    let call = json!({ "x": 5, "y": 5, "intent": why });
    assert_eq!(GOOGLE_3.intent(call.as_object().unwrap()), Some(why));
    assert_eq!(GOOGLE.intent(call.as_object().unwrap()), None);
}
