//! The actions of UI-TARS.

use super::{END, START};
use crate::dialect::{
    actions::{Action, Means, optional, unwritten, written},
    keys::Names::PyAutoGui,
};

/// How long `wait()` waits, in seconds.
const WAIT: u32 = 5;

/// In the order of its prompt.
pub(super) static ACTIONS: [Action; 11] = [
    Action {
        name: "click",
        function: "click",
        does: "",
        arguments: &[written(START, Means::Point("point"))],
    },
    Action {
        name: "left_double",
        function: "double_click",
        does: "",
        arguments: &[written(START, Means::Point("point"))],
    },
    Action {
        name: "right_single",
        function: "right_click",
        does: "",
        arguments: &[written(START, Means::Point("point"))],
    },
    Action {
        name: "drag",
        function: "drag",
        does: "",
        arguments: &[written(START, Means::Point("from")), written(END, Means::Point("to"))],
    },
    Action {
        name: "hotkey",
        function: "press_key",
        does: "Keys in lower case, a space between them, three at most.",
        arguments: &[written("key", Means::Keys("key", PyAutoGui))],
    },
    Action {
        name: "type",
        function: "type_text",
        does: r"Write \', \n and \\ for a quote, a line break and a backslash; a line break at the end submits.",
        arguments: &[written("content", Means::Text("text"))],
    },
    Action {
        name: "scroll",
        function: "scroll",
        does: "Shows more on the side of the direction.",
        arguments: &[
            written(START, Means::Point("point")),
            written("direction", Means::Direction("direction")),
            unwritten(Means::Unsaid("amount")),
        ],
    },
    Action {
        name: "wait",
        function: "wait",
        does: "Waits 5 seconds, then looks again.",
        arguments: &[unwritten(Means::Usual("seconds", WAIT))],
    },
    Action {
        name: "finished",
        function: "finish",
        does: r"Ends the task, with its answer if it asks a question. Write \', \n and \\ as in type.",
        arguments: &[optional("content", Means::Text("answer"))],
    },
    Action {
        name: "finished",
        function: "answer",
        does: r"Ends the task with its answer. Write \', \n and \\ as in type.",
        arguments: &[written("content", Means::Text("text")), unwritten(Means::Unsaid("seen_at"))],
    },
    Action { name: "call_user", function: "call_user", does: "Asks the person for help.", arguments: &[] },
];
