//! Google's `computer_use` for browsers: functions that the API declares by itself, as its documentation for Gemini 2.5
//! Computer Use lists them (`ai.google.dev/gemini-api/docs/computer-use`, "Supported actions").
//!
//! Places are thousandths of the screenshot. What a run can't do is excluded by name. `type_text_at` clicks, empties the
//! field, types and presses Enter in one go; where the function that types takes no place, it is excluded, and that function
//! is declared beside the tool. `hover_at`, `go_back`, `go_forward`, `search` and `open_web_browser` have no tool that comes
//! with Percept, and are offered where a function of such a name is.

use serde_json::{Map, Value, json};

use super::{Brought, Check};
use crate::dialect::{
    actions::{Action, Argument, Means, optional, unwritten, written},
    keys::Names::W3c,
};

/// The argument that says whether a person is to be asked.
pub(super) const SAFETY: &str = "safety_decision";

/// Every function of the tool, in the documentation's order.
pub(super) const ALL: [&str; 13] = [
    "open_web_browser",
    "wait_5_seconds",
    "go_back",
    "go_forward",
    "search",
    "navigate",
    "click_at",
    "hover_at",
    "type_text_at",
    "key_combination",
    "scroll_document",
    "scroll_at",
    "drag_and_drop",
];

const POINT: &[Argument] = &[written("point", Means::Pair("point"))];

pub(super) static ACTIONS: [Action; 13] = [
    Action {
        name: "open_web_browser",
        function: "open_web_browser",
        does: "Opens a browser.",
        arguments: &[],
    },
    Action {
        name: "wait_5_seconds",
        function: "wait",
        does: "Waits five seconds.",
        arguments: &[unwritten(Means::Usual("seconds", 5))],
    },
    Action { name: "go_back", function: "go_back", does: "Goes back.", arguments: &[] },
    Action { name: "go_forward", function: "go_forward", does: "Goes forward.", arguments: &[] },
    Action { name: "search", function: "search", does: "Opens a search engine.", arguments: &[] },
    Action {
        name: "navigate",
        function: "navigate",
        does: "Opens an address.",
        arguments: &[written("url", Means::Text("url"))],
    },
    Action { name: "click_at", function: "click", does: "Clicks.", arguments: POINT },
    Action { name: "hover_at", function: "mouse_move", does: "Moves the pointer.", arguments: POINT },
    Action {
        name: "type_text_at",
        function: "type_text_at",
        does: "Clicks a field, empties it and types.",
        arguments: &[
            written("point", Means::Pair("point")),
            written("text", Means::Text("text")),
            optional("press_enter", Means::Own("press_enter")),
            optional("clear_before_typing", Means::Own("clear_before_typing")),
        ],
    },
    Action {
        name: "key_combination",
        function: "press_key",
        does: "Presses a key or a chord.",
        arguments: &[written("keys", Means::Keys("key", W3c))],
    },
    Action {
        name: "scroll_document",
        function: "scroll",
        does: "Scrolls the page.",
        arguments: &[unwritten(Means::Middle("point")), written("direction", Means::Direction("direction"))],
    },
    Action {
        name: "scroll_at",
        function: "scroll",
        does: "Scrolls at a place.",
        arguments: &[
            written("point", Means::Pair("point")),
            written("direction", Means::Direction("direction")),
            optional("percent", Means::Percent("amount")),
        ],
    },
    Action {
        name: "drag_and_drop",
        function: "drag",
        does: "Drags from one place to another.",
        arguments: &[written("from", Means::Pair("from")), written("destination", Means::Point("to"))],
    },
];

/// A call as the table has it.
pub(super) fn brought(name: &str, mut arguments: Map<String, Value>) -> Result<Brought, String> {
    match name {
        "scroll_at" => {
            // Thousandths of the screenshot, 800 if it isn't said.
            let magnitude = arguments.shift_remove("magnitude").filter(|value| !value.is_null());
            let magnitude = magnitude.unwrap_or(json!(800));
            let percent = magnitude.as_f64().filter(|length| *length > 0.0).map(|length| length / 10.0);
            let percent = percent.ok_or_else(|| format!("magnitude: {magnitude} is no length from 1 up"))?;
            arguments.insert("percent".into(), json!(percent));
        }
        "drag_and_drop" => {
            let mut side = |name: &str| arguments.shift_remove(name);
            if let (Some(x), Some(y)) = (side("destination_x"), side("destination_y")) {
                arguments.insert("destination".into(), json!([x, y]));
            }
        }
        _ => {}
    }
    Ok((name.into(), arguments))
}

/// What Google's safety system says; whatever isn't plainly allowed, or a question, counts as a refusal.
pub(super) fn check(arguments: &Map<String, Value>) -> Check {
    let Some(decision) = arguments.get(SAFETY).filter(|decision| !decision.is_null()) else {
        return Check::Passed;
    };
    let word = decision.get("decision").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let why = decision.get("explanation").and_then(Value::as_str).filter(|why| !why.is_empty());
    let why = why.unwrap_or("it gives no reason").trim_end_matches('.').to_owned();
    match word.as_str() {
        "regular" | "allowed" => Check::Passed,
        "require_confirmation" => Check::Confirm(why),
        _ => Check::Blocked(why),
    }
}
