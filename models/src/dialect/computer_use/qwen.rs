//! The actions of Qwen's `computer_use`.
//!
//! `mouse_move`, `middle_click` and `triple_click` have no tool that comes with Percept; they are offered where a function
//! of such a name is. `left_click_drag` begins where the pointer is, which a call of its own doesn't know: so it is given
//! the beginning too, as `start_coordinate` (the name that Anthropic's `left_click_drag` has for it). `terminate` may
//! say `failure`, which is refused: there is no function that gives up.

use crate::dialect::{
    actions::{Action, Means, optional, written},
    keys::Names::PyAutoGui,
};

const COORDINATE: &str = "coordinate";

/// In the order of the cookbook.
pub(super) static ACTIONS: [Action; 15] = [
    Action {
        name: "key",
        function: "press_key",
        does: "Presses the keys in order, then releases them in reverse.",
        arguments: &[written("keys", Means::Keys("key", PyAutoGui))],
    },
    Action {
        name: "type",
        function: "type_text",
        does: "Types a text on the keyboard.",
        arguments: &[written("text", Means::Text("text"))],
    },
    Action {
        name: "mouse_move",
        function: "mouse_move",
        does: "Moves the pointer to the coordinate.",
        arguments: &[written(COORDINATE, Means::Point("point"))],
    },
    Action {
        name: "left_click",
        function: "click",
        does: "Clicks the left button at the coordinate.",
        arguments: &[written(COORDINATE, Means::Point("point"))],
    },
    Action {
        name: "left_click_drag",
        function: "drag",
        does: "Presses the left button at the start coordinate and drags to the coordinate.",
        arguments: &[
            written("start_coordinate", Means::Point("from")),
            written(COORDINATE, Means::Point("to")),
        ],
    },
    Action {
        name: "right_click",
        function: "right_click",
        does: "Clicks the right button at the coordinate.",
        arguments: &[written(COORDINATE, Means::Point("point"))],
    },
    Action {
        name: "middle_click",
        function: "middle_click",
        does: "Clicks the middle button at the coordinate.",
        arguments: &[written(COORDINATE, Means::Point("point"))],
    },
    Action {
        name: "double_click",
        function: "double_click",
        does: "Clicks the left button twice at the coordinate.",
        arguments: &[written(COORDINATE, Means::Point("point"))],
    },
    Action {
        name: "triple_click",
        function: "triple_click",
        does: "Clicks the left button three times at the coordinate.",
        arguments: &[written(COORDINATE, Means::Point("point"))],
    },
    Action {
        name: "scroll",
        function: "scroll",
        does: "Turns the wheel over the coordinate: positive pixels scroll up, negative ones down.",
        arguments: &[
            written(COORDINATE, Means::Point("point")),
            written(
                "pixels",
                Means::Wheel { direction: "direction", amount: "amount", ways: ["up", "down"] },
            ),
        ],
    },
    Action {
        name: "hscroll",
        function: "scroll",
        does: "Scrolls sideways over the coordinate: positive pixels to the right, negative ones to the left.",
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
        does: "Waits so many seconds for a change to happen.",
        arguments: &[written("time", Means::Seconds("seconds"))],
    },
    Action {
        name: "terminate",
        function: "finish",
        does: "Ends the task, once it is done.",
        arguments: &[written("status", Means::Status)],
    },
    Action {
        name: "answer",
        function: "answer",
        does: "Answers a question.",
        arguments: &[written("text", Means::Text("text")), optional("seen_at", Means::Own("seen_at"))],
    },
    Action {
        name: "answer",
        function: "finish",
        does: "Answers the task's question and ends the task.",
        arguments: &[written("text", Means::Text("answer"))],
    },
];
