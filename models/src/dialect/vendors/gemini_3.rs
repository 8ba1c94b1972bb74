//! Google's `computer_use` for browsers as Gemini 3 has it: the functions that the documentation of its API lists for that
//! environment ("Supported environments", `ENVIRONMENT_BROWSER`). The names before them are a file beside this one.
//!
//! Every function has an argument `intent`, in which the model says why: that is the call's thought. Places are thousandths of
//! the screenshot, and the wheel turns by pixels. `type` types where the focus is. `take_screenshot` waits, because a screenshot
//! follows every action by itself. Held keys and buttons (`key_down`, `mouse_down`) have no tool that comes with Percept; these,
//! `move`, `middle_click`, `triple_click`, `go_back` and `go_forward` are offered where a function of such a name is.

use serde_json::{Map, Value, json};

use super::Brought;
use crate::dialect::{
    actions::{Action, Argument, Means, optional, unwritten, written},
    keys::Names::W3c,
};

/// The argument in which the model says why.
pub(super) const INTENT: &str = "intent";

/// Every function of the tool, in the documentation's order.
pub(super) const ALL: [&str; 20] = [
    "click",
    "double_click",
    "triple_click",
    "middle_click",
    "right_click",
    "mouse_down",
    "mouse_up",
    "move",
    "type",
    "drag_and_drop",
    "wait",
    "press_key",
    "key_down",
    "key_up",
    "hotkey",
    "take_screenshot",
    "scroll",
    "go_back",
    "navigate",
    "go_forward",
];

/// Something at a place.
const fn at(name: &'static str, function: &'static str, does: &'static str) -> Action {
    const AT: &[Argument] = &[written("point", Means::Pair("point"))];
    Action { name, function, does, arguments: AT }
}

/// Something with a key.
const fn with_key(name: &'static str, does: &'static str) -> Action {
    const KEY: &[Argument] = &[written("key", Means::Keys("key", W3c))];
    Action { name, function: name, does, arguments: KEY }
}

pub(super) static ACTIONS: [Action; 20] = [
    at("click", "click", "Clicks."),
    at("double_click", "double_click", "Clicks twice."),
    at("triple_click", "triple_click", "Clicks three times."),
    at("middle_click", "middle_click", "Clicks the middle button."),
    at("right_click", "right_click", "Clicks the right button."),
    at("mouse_down", "mouse_down", "Presses the button and holds it."),
    at("mouse_up", "mouse_up", "Lets the button go."),
    at("move", "mouse_move", "Moves the pointer."),
    Action {
        name: "type",
        function: "type_text",
        does: "Types a text.",
        arguments: &[written("text", Means::Text("text")), optional("press_enter", Means::Enter("text"))],
    },
    Action {
        name: "drag_and_drop",
        function: "drag",
        does: "Drags from one place to another.",
        arguments: &[written("start", Means::Point("from")), written("end", Means::Point("to"))],
    },
    Action {
        name: "wait",
        function: "wait",
        does: "Waits so many seconds.",
        arguments: &[written("seconds", Means::Seconds("seconds"))],
    },
    with_key("press_key", "Presses a key."),
    with_key("key_down", "Presses a key and holds it."),
    with_key("key_up", "Lets a key go."),
    Action {
        name: "hotkey",
        function: "press_key",
        does: "Presses a chord.",
        arguments: &[written("keys", Means::Keys("key", W3c))],
    },
    Action {
        name: "take_screenshot",
        function: "wait",
        does: "Looks again.",
        arguments: &[unwritten(Means::Usual("seconds", 1))],
    },
    Action {
        name: "scroll",
        function: "scroll",
        does: "Scrolls at a place.",
        arguments: &[
            written("point", Means::Pair("point")),
            written("direction", Means::Direction("direction")),
            optional("magnitude_in_pixels", Means::Own("amount")),
        ],
    },
    Action { name: "go_back", function: "go_back", does: "Goes back.", arguments: &[] },
    Action {
        name: "navigate",
        function: "navigate",
        does: "Opens an address.",
        arguments: &[written("url", Means::Text("url"))],
    },
    Action { name: "go_forward", function: "go_forward", does: "Goes forward.", arguments: &[] },
];

/// A call as the table has it.
pub(super) fn brought(name: &str, mut arguments: Map<String, Value>) -> Brought {
    arguments.shift_remove(INTENT);
    // What may be left out is what the documentation says it is then.
    let usual = match name {
        "wait" => Some(("seconds", 1)),
        "scroll" => Some(("magnitude_in_pixels", 300)),
        _ => None,
    };
    if let Some((name, usual)) = usual
        && arguments.get(name).is_none_or(Value::is_null)
    {
        arguments.insert(name.into(), json!(usual));
    }
    if name == "drag_and_drop" {
        for side in ["start", "end"] {
            let mut along = |axis: &str| arguments.shift_remove(&format!("{side}_{axis}"));
            if let (Some(x), Some(y)) = (along("x"), along("y")) {
                arguments.insert(side.into(), json!([x, y]));
            }
        }
    }
    (name.into(), arguments)
}
