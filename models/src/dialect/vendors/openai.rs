//! OpenAI's `computer` and, before it, `computer_use_preview`: items `computer_call` of the Responses API.
//!
//! Actions and their arguments are as the vendor's Python package has them, which is made from the API's own description
//! (`openai` 3.57, `types/responses/computer_action.py` and `response_computer_tool_call.py`). Places are pixels of the
//! screenshot as it is sent. The newer tool may write several actions in one call; of these only one at a time is done
//! here, `screenshot` aside, because a screenshot follows every action by itself.
//!
//! Held keys (`keys` beside a click) and the buttons `back` and `forward` have no tool that comes with Percept; `move` and a
//! click with the wheel are offered where there are functions `mouse_move` and `middle_click`.

use serde_json::{Map, Value, json};

use super::{Brought, Check, SIDEWAYS, wheel};
use crate::dialect::{
    actions::{Action, Argument, Means, unwritten, written},
    keys::Names::PyAutoGui,
};

/// The key under which the reader of the API puts what a person is to be asked.
pub(crate) const PENDING: &str = "pending_safety_checks";

/// The names in the table of clicks with other buttons, which on the wire are `click` too.
pub(super) const RIGHT: &str = "right click";
/// With the wheel.
pub(super) const MIDDLE: &str = "middle click";

const POINT: &[Argument] = &[written("point", Means::Pair("point"))];

/// How long `wait` waits, which has no argument.
const WAIT: u32 = 2;

pub(super) static ACTIONS: [Action; 11] = [
    Action { name: "click", function: "click", does: "Clicks.", arguments: POINT },
    Action { name: RIGHT, function: "right_click", does: "Clicks the right button.", arguments: POINT },
    Action { name: MIDDLE, function: "middle_click", does: "Clicks the wheel.", arguments: POINT },
    Action { name: "double_click", function: "double_click", does: "Clicks twice.", arguments: POINT },
    Action { name: "move", function: "mouse_move", does: "Moves the pointer.", arguments: POINT },
    Action {
        name: "drag",
        function: "drag",
        does: "Drags from one place to another.",
        arguments: &[written("start", Means::Point("from")), written("end", Means::Point("to"))],
    },
    Action {
        name: "scroll",
        function: "scroll",
        does: "Scrolls up or down.",
        arguments: &[
            written("point", Means::Pair("point")),
            written(
                "pixels",
                Means::Wheel { direction: "direction", amount: "amount", ways: ["down", "up"] },
            ),
        ],
    },
    Action {
        name: SIDEWAYS,
        function: "scroll",
        does: "Scrolls left or right.",
        arguments: &[
            written("point", Means::Pair("point")),
            written(
                "pixels",
                Means::Wheel { direction: "direction", amount: "amount", ways: ["right", "left"] },
            ),
        ],
    },
    Action {
        name: "type",
        function: "type_text",
        does: "Types a text.",
        arguments: &[written("text", Means::Text("text"))],
    },
    Action {
        name: "keypress",
        function: "press_key",
        does: "Presses a key or a chord.",
        arguments: &[written("keys", Means::Keys("key", PyAutoGui))],
    },
    Action {
        name: "wait",
        function: "wait",
        does: "Waits a moment.",
        arguments: &[unwritten(Means::Usual("seconds", WAIT))],
    },
];

/// What a call holds, its one action as the table has it.
pub(super) fn brought(mut call: Map<String, Value>) -> Result<Brought, String> {
    let Some(Value::Array(mut actions)) = call.shift_remove("actions") else { return one(call) };
    // Looking is nothing to be done, unless nothing else is.
    if actions.len() > 1 {
        let looks = |action: &Value| action.get("type").is_some_and(|kind| kind == "screenshot");
        let is_all = actions.iter().all(looks);
        actions.retain(|action| is_all || !looks(action));
        actions.truncate(if is_all { 1 } else { usize::MAX });
    }
    match actions.as_slice() {
        [Value::Object(action)] => one(action.clone()),
        [] => Err("the call of `computer` holds no action".into()),
        [_] => Err("the call of `computer` holds an action that is no object".into()),
        several => Err(format!("the call of `computer` holds {} actions: do one at a time", several.len())),
    }
}

fn one(mut action: Map<String, Value>) -> Result<Brought, String> {
    let Some(Value::String(kind)) = action.shift_remove("type") else {
        return Err("an action of `computer` doesn't say its `type`".into());
    };
    if kind != "keypress" && action.get("keys").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        action.shift_remove("keys");
    }
    let name = match kind.as_str() {
        "click" => match action.shift_remove("button").as_ref().and_then(Value::as_str) {
            None | Some("left") => "click",
            Some("right") => RIGHT,
            Some("wheel") => MIDDLE,
            Some(other) => return Err(format!("the button `{other}` can't be clicked here")),
        },
        "drag" => {
            let path = action.shift_remove("path");
            let path: Option<Vec<Value>> = path
                .as_ref()
                .and_then(Value::as_array)
                .and_then(|path| path.iter().map(|at| Some(json!([at.get("x")?, at.get("y")?]))).collect());
            let [Some(start), Some(end)] = (match path.as_deref() {
                Some([start, end]) => [Some(start.clone()), Some(end.clone())],
                _ => [None, None],
            }) else {
                return Err("path: a drag goes straight here, from one point {x, y} to another".into());
            };
            action.insert("start".into(), start);
            action.insert("end".into(), end);
            "drag"
        }
        "scroll" => {
            let mut turn =
                |name: &str| action.shift_remove(name).as_ref().and_then(Value::as_f64).unwrap_or(0.0);
            let (across, down) = (turn("scroll_x"), turn("scroll_y"));
            return match (across == 0.0, down == 0.0) {
                (true, false) => Ok(wheel(action, false, down)),
                (false, true) => Ok(wheel(action, true, across)),
                (true, true) => Err("scroll_x and scroll_y are both 0, which scrolls nothing".into()),
                (false, false) => Err("scroll_x and scroll_y are both set: scroll one way at a time".into()),
            };
        }
        // What it shows comes by itself.
        "screenshot" => "wait",
        other => other,
    };
    Ok((name.into(), action))
}

/// What the pending safety checks of a call say: each is a question to a person.
pub(super) fn check(call: &Map<String, Value>) -> Check {
    let checks = call.get(PENDING).and_then(Value::as_array).filter(|checks| !checks.is_empty());
    let Some(checks) = checks else { return Check::Passed };
    let told: Vec<&str> = checks
        .iter()
        .map(|check| {
            let told = ["message", "code", "id"].iter().find_map(|key| check.get(key)?.as_str());
            told.unwrap_or("a safety check").trim_end_matches('.')
        })
        .collect();
    Check::Confirm(told.join("; "))
}
