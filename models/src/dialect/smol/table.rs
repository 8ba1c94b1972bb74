//! The actions of `SmolVLM2`'s agentic form.

use crate::dialect::{
    actions::{Action, Means, optional, unwritten, written},
    keys::Names::PyAutoGui,
};

/// In the order of its prompt.
pub(super) static ACTIONS: [Action; 12] = [
    Action {
        name: "final_answer",
        function: "finish",
        does: "Ends the task, with its answer if it asks a question.",
        arguments: &[optional("answer", Means::Text("answer"))],
    },
    Action {
        name: "final_answer",
        function: "answer",
        does: "Ends the task with its answer.",
        arguments: &[written("answer", Means::Text("text")), optional("seen_at", Means::Own("seen_at"))],
    },
    Action {
        name: "move_mouse",
        function: "mouse_move",
        does: "Moves the pointer.",
        arguments: &[written("x", Means::Pair("point"))],
    },
    Action {
        name: "click",
        function: "click",
        does: "Clicks the left button.",
        arguments: &[written("x", Means::Pair("point"))],
    },
    Action {
        name: "double_click",
        function: "double_click",
        does: "Clicks the left button twice.",
        arguments: &[written("x", Means::Pair("point"))],
    },
    Action {
        name: "right_click",
        function: "right_click",
        does: "Clicks the right button.",
        arguments: &[written("x", Means::Pair("point"))],
    },
    Action {
        name: "type",
        function: "type_text",
        does: "Types a text where the focus is.",
        arguments: &[written("text", Means::Text("text"))],
    },
    Action {
        name: "press",
        function: "press_key",
        does: "Presses a key or several together, like ['ctrl', 'c'].",
        arguments: &[written("keys", Means::Keys("key", PyAutoGui))],
    },
    Action {
        name: "navigate_back",
        function: "history_back",
        does: "Goes back to the page before.",
        arguments: &[],
    },
    Action {
        name: "drag",
        function: "drag",
        does: "Drags from one place to another.",
        arguments: &[written("from_coord", Means::Point("from")), written("to_coord", Means::Point("to"))],
    },
    Action {
        name: "scroll",
        function: "scroll",
        does: "Scrolls by so many hundredths of the screen.",
        arguments: &[
            unwritten(Means::Middle("point")),
            written("direction", Means::Direction("direction")),
            written("amount", Means::Percent("amount")),
        ],
    },
    Action {
        name: "wait",
        function: "wait",
        does: "Waits so many seconds.",
        arguments: &[written("seconds", Means::Seconds("seconds"))],
    },
];
