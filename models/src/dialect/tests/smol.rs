//! `SmolVLM2`'s agentic form, on calls as its recipe converts them.

use serde_json::json;

use super::offered::{check, check_read, check_unsaid, check_written, functions, only};
use crate::{
    Dialect, Thought,
    dialect::{grid::Scale, smol::SmolOperator},
};

const SIZE: [u32; 2] = [1000, 500];

/// A call, from the marker on.
macro_rules! call {
    ($call:literal) => {
        concat!("\n", $call, "\n</code>")
    };
}

fn smol() -> SmolOperator {
    SmolOperator::new(Scale::Fractions, |_| false)
}

#[test]
fn places_are_fractions_of_the_screen() {
    check(
        &smol(),
        &functions(SIZE),
        &[
            (call!("click(x=0.5, y=0.3)"), Ok(("click", json!({ "point": [500, 150] })))),
            ("<code>\nclick(x=0.8102, y=0.9463)\n</code>", Ok(("click", json!({ "point": [810, 473] })))),
            (call!("double_click(x=1, y=1.0)"), Ok(("double_click", json!({ "point": [999, 499] })))),
            (call!("click(x=0, y=0)"), Ok(("click", json!({ "point": [0, 0] })))),
            (call!("click(x=1.2, y=0.3)"), Err("x: 1.2 isn't a fraction from 0 to 1")),
            (call!("click(x=0.5)"), Err("x: null isn't a fraction from 0 to 1")),
            (call!("click()"), Err("`click` lacks `x` and `y`")),
            (
                call!("drag(from_coord=[0.87, 0.423], to_coord=[0.8102, 0.9463])"),
                Ok(("drag", json!({ "from": [869, 211], "to": [810, 473] }))),
            ),
            (call!("type(text='bread buns')"), Ok(("type_text", json!({ "text": "bread buns" })))),
            (call!("press(keys=['ctrl', 'c'])"), Ok(("press_key", json!({ "key": "Control+c" })))),
            (call!("press(keys='enter')"), Ok(("press_key", json!({ "key": "Enter" })))),
            // A tenth of the screen.
            (
                call!("scroll(direction='up', amount=10)"),
                Ok(("scroll", json!({ "point": [500, 250], "direction": "up", "amount": 50 }))),
            ),
            (call!("wait(seconds=3)"), Ok(("wait", json!({ "seconds": 3 })))),
            (call!("final_answer('text')"), Ok(("finish", json!({ "answer": "text" })))),
            (call!("final_answer(answer='text')"), Ok(("finish", json!({ "answer": "text" })))),
            (
                "navigate_back()",
                Err(
                    "there is no `navigate_back`; there are final_answer, click, double_click, right_click, \
                                     type, press, drag, scroll, wait, answer, navigate, zoom",
                ),
            ),
            (
                "import os; os.system('x')",
                Err("the reply isn't one call like `name(argument=value)`, from \
                                               `import os; os.system('x')` on"),
            ),
        ],
    );
    // What only a model that no grammar binds writes.
    check_read(
        &smol(),
        &functions(SIZE),
        &[
            ("click(0.04, 0.405)", Ok(("click", json!({ "point": [40, 202] })))),
            ("press(keys=['ctrl','c'])", Ok(("press_key", json!({ "key": "Control+c" })))),
            ("zoom(region=[0, 0, 0.5, 1])", Ok(("zoom", json!({ "region": [0, 0, 501, 500] })))),
        ],
    );
}

#[test]
fn calls_are_written_as_smolvlm_would() {
    let functions = functions(SIZE);
    check_written(
        &smol(),
        &functions,
        &[
            ("click", json!({ "point": [500, 150] }), "\nclick(x=0.5005, y=0.301)\n</code>"),
            ("type_text", json!({ "text": "it's" }), "\ntype(text='it\\'s')\n</code>"),
            ("press_key", json!({ "key": "Control+c" }), "\npress(keys=['ctrl', 'c'])\n</code>"),
            ("press_key", json!({ "key": "Enter" }), "\npress(keys='enter')\n</code>"),
            ("finish", json!({ "answer": "42" }), "\nfinal_answer('42')\n</code>"),
            (
                "scroll",
                json!({ "point": [500, 250], "direction": "down", "amount": 50 }),
                "\nscroll(direction='down', amount=10)\n</code>",
            ),
        ],
    );
    let problem = "`scroll` can't be said without `amount`";
    let elsewhere = "`scroll` has no word for `point`, which is [0,0]";
    check_unsaid(
        &smol(),
        &functions,
        &[
            ("scroll", json!({ "point": [0, 0], "direction": "up" }), problem),
            ("scroll", json!({ "point": [0, 0], "direction": "up", "amount": 50 }), elsewhere),
        ],
    );
}

#[test]
fn a_thought_stands_between_its_tags() {
    assert_eq!(smol().thought("<think>\nThe field is empty.\n</think>\n", ""), "The field is empty.");
    let said = smol().said("The field is empty.", "\nwait(seconds=2)\n</code>");
    assert_eq!(said, "<think>\nThe field is empty.\n</think>\n<code>\nwait(seconds=2)\n</code>");
    let few = only(SIZE, &["click", "scroll", "press_key", "answer", "zoom"]);
    insta::assert_snapshot!("smol_instructions", smol().instructions(&few, Thought::Free).unwrap());
}
