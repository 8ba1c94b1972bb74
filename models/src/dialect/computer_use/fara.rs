//! The actions of Fara-7B's `computer_use`, which has a browser's beside mouse and keyboard.
//!
//! Where the tool that types takes no place, `type` has no `coordinate`: the field is clicked first. `web_search`,
//! `history_back`, `refresh` and `pause_and_memorize_fact` have no tool that comes with Percept; they are offered where
//! a function of that name is. `terminate` may say `failure`, which is refused: there is no function that
//! gives up.

use crate::dialect::{
    actions::{Action, Means, optional, unwritten, written},
    keys::Names::W3c,
};

const COORDINATE: &str = "coordinate";

/// In the order of its own prompt.
pub(super) static ACTIONS: [Action; 13] = [
    Action {
        name: "key",
        function: "press_key",
        does: "Presses the keys in order, then releases them in reverse.",
        arguments: &[written("keys", Means::Keys("key", W3c))],
    },
    Action {
        name: "type",
        function: "type_text",
        does: "Types a text into the field that has the focus, and presses Enter after it if press_enter is true.",
        arguments: &[
            optional(COORDINATE, Means::Point("point")),
            written("text", Means::Text("text")),
            written("press_enter", Means::Enter("text")),
        ],
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
        name: "scroll",
        function: "scroll",
        does: "Turns the wheel: positive pixels scroll up, negative ones down.",
        arguments: &[
            unwritten(Means::Middle("point")),
            written(
                "pixels",
                Means::Wheel { direction: "direction", amount: "amount", ways: ["up", "down"] },
            ),
        ],
    },
    Action {
        name: "visit_url",
        function: "navigate",
        does: "Opens the address.",
        arguments: &[written("url", Means::Text("url"))],
    },
    Action {
        name: "web_search",
        function: "web_search",
        does: "Searches the web.",
        arguments: &[written("query", Means::Text("query"))],
    },
    Action {
        name: "history_back",
        function: "history_back",
        does: "Goes back to the page before.",
        arguments: &[],
    },
    Action {
        name: "pause_and_memorize_fact",
        function: "pause_and_memorize_fact",
        does: "Notes a fact for later.",
        arguments: &[written("fact", Means::Text("fact"))],
    },
    Action {
        name: "wait",
        function: "wait",
        does: "Waits so many seconds for a change to happen.",
        arguments: &[written("time", Means::Seconds("seconds"))],
    },
    Action { name: "refresh", function: "refresh", does: "Loads the page again.", arguments: &[] },
    Action {
        name: "terminate",
        function: "finish",
        does: "Ends the task, once it is done.",
        arguments: &[written("status", Means::Status), optional("answer", Means::Text("answer"))],
    },
    Action {
        name: "terminate",
        function: "answer",
        does: "Answers the task's question and ends the task.",
        arguments: &[
            written("status", Means::Status),
            written("answer", Means::Text("text")),
            optional("seen_at", Means::Own("seen_at")),
        ],
    },
];
