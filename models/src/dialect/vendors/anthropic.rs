//! Anthropic's `computer`, versions `computer_20250124` and `computer_20251124`.
//!
//! Its actions are those that the computer-use page of Anthropic's documentation lists; their arguments are as the typed
//! inputs of the vendor's Python package have them (`anthropic` 2.14, `types/beta/beta_computer_*_input.py`). Places are
//! pixels of the screenshot as it is sent, whose size the tool is declared with.
//!
//! `screenshot` waits, because a screenshot follows every action by itself. Held keys (`text` beside a click), `hold_key`,
//! `cursor_position`, `left_mouse_down` and `left_mouse_up` have no tool that comes with Percept; `zoom` isn't switched on,
//! since the tool `zoom` is offered as a function. `mouse_move`, `middle_click` and `triple_click` are offered where a
//! function of such a name is.

use serde_json::{Map, Value};

use super::{Brought, SIDEWAYS, wheel};
use crate::dialect::{
    actions::{Action, Means, unwritten, written},
    keys::Names::PyAutoGui,
};

const COORDINATE: &str = "coordinate";

/// Pixels of the sent screenshot that one click of the wheel scrolls: what a wheel's click is in browsers. The
/// documentation gives no length.
const CLICK_OF_WHEEL: f64 = 100.0;

/// A click of one kind.
const fn click(name: &'static str, function: &'static str, does: &'static str) -> Action {
    const AT: &[crate::dialect::actions::Argument] = &[written(COORDINATE, Means::Point("point"))];
    Action { name, function, does, arguments: AT }
}

pub(super) static ACTIONS: [Action; 13] = [
    Action {
        name: "key",
        function: "press_key",
        does: "Presses a key or a chord.",
        arguments: &[written("text", Means::Keys("key", PyAutoGui))],
    },
    Action {
        name: "type",
        function: "type_text",
        does: "Types a text.",
        arguments: &[written("text", Means::Text("text"))],
    },
    click("mouse_move", "mouse_move", "Moves the pointer."),
    click("left_click", "click", "Clicks."),
    click("right_click", "right_click", "Clicks the right button."),
    click("middle_click", "middle_click", "Clicks the middle button."),
    click("double_click", "double_click", "Clicks twice."),
    click("triple_click", "triple_click", "Clicks three times."),
    Action {
        name: "left_click_drag",
        function: "drag",
        does: "Drags from one place to another.",
        arguments: &[
            written("start_coordinate", Means::Point("from")),
            written(COORDINATE, Means::Point("to")),
        ],
    },
    Action {
        name: "scroll",
        function: "scroll",
        does: "Scrolls up or down.",
        arguments: &[
            written(COORDINATE, Means::Point("point")),
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
            written(COORDINATE, Means::Point("point")),
            written(
                "pixels",
                Means::Wheel { direction: "direction", amount: "amount", ways: ["right", "left"] },
            ),
        ],
    },
    Action {
        name: "wait",
        function: "wait",
        does: "Waits so many seconds.",
        arguments: &[written("duration", Means::Seconds("seconds"))],
    },
    Action {
        name: "screenshot",
        function: "wait",
        does: "Looks again.",
        arguments: &[unwritten(Means::Usual("seconds", 1))],
    },
];

/// The input of a call as the table has it.
pub(super) fn brought(mut input: Map<String, Value>) -> Result<Brought, String> {
    let Some(Value::String(action)) = input.shift_remove("action") else {
        return Err("the call of `computer` doesn't name its `action`".into());
    };
    if action != "scroll" {
        return Ok((action, input));
    }
    let direction = input.shift_remove("scroll_direction");
    let (across, sign) = match direction.as_ref().and_then(Value::as_str) {
        Some("up") => (false, -1.0),
        Some("down") => (false, 1.0),
        Some("left") => (true, -1.0),
        Some("right") => (true, 1.0),
        _ => return Err("scroll_direction: it is `up`, `down`, `left` or `right`".into()),
    };
    let amount = input.shift_remove("scroll_amount").as_ref().and_then(Value::as_f64);
    let Some(amount) = amount.filter(|amount| *amount > 0.0) else {
        return Err("scroll_amount: it is a number of clicks of the wheel, 1 or more".into());
    };
    Ok(wheel(input, across, sign * amount * CLICK_OF_WHEEL))
}
