//! Qwen3.5's form of calls, as its published template writes them.

use serde_json::json;

use super::offered::{check, check_read, check_unsaid, check_written, functions, only};
use crate::{
    Call, Dialect, Function, Thought,
    dialect::{computer_use::ComputerUse, grid::Scale},
};

const SIZE: [u32; 2] = [1280, 720];

fn tagged() -> ComputerUse {
    ComputerUse::tagged(Scale::THOUSANDTHS, |_| false)
}

/// A call, from the name on.
macro_rules! call {
    ($name:literal $(, $argument:literal = $value:literal)*) => {
        concat!(
            "\n<function=", $name, ">\n",
            $("<parameter=", $argument, ">\n", $value, "\n</parameter>\n",)*
            "</function>\n</tool_call>"
        )
    };
}

#[test]
fn qwen_3_5_has_a_tag_for_the_function_and_for_each_argument() {
    let form = "what is within <tool_call> isn't in the form\n<tool_call>\n<function=NAME>\n<parameter=ARGUMENT>\nvalue\n\
                </parameter>\n</function>\n</tool_call>";
    check(
        &tagged(),
        &functions(SIZE),
        &[
            (
                call!("computer_use", "action" = "left_click", "coordinate" = "[500, 500]"),
                Ok(("click", json!({ "point": [640, 360] }))),
            ),
            // A text is one, whatever it looks like, and keeps its own line breaks.
            (
                call!("computer_use", "action" = "type", "text" = "5"),
                Ok(("type_text", json!({ "text": "5" }))),
            ),
            (
                call!("computer_use", "action" = "type", "text" = "\n<b>True</b>\n"),
                Ok(("type_text", json!({ "text": "\n<b>True</b>\n" }))),
            ),
            (
                call!("computer_use", "action" = "key", "keys" = "[\"ctrl\", \"a\"]"),
                Ok(("press_key", json!({ "key": "Control+a" }))),
            ),
            (
                call!("computer_use", "action" = "scroll", "coordinate" = "[500, 500]", "pixels" = "-100"),
                Ok(("scroll", json!({ "point": [640, 360], "direction": "down", "amount": 72 }))),
            ),
            (call!("computer_use", "action" = "terminate", "status" = "success"), Ok(("finish", json!({})))),
            (call!("navigate", "url" = "a.html"), Ok(("navigate", json!({ "url": "a.html" })))),
            (
                call!("computer_use", "action" = "left_click", "coordinate" = "[1001, 0]"),
                Err("coordinate: x is 1001, the grid ends at 1000"),
            ),
            (
                call!("computer_use", "action" = "left_click", "where" = "[1, 0]", "coordinate" = "[1, 0]"),
                Err("`left_click` takes no `where` here, but coordinate"),
            ),
            (call!("computer_use"), Err("the call of `computer_use` doesn't name its `action`")),
            ("\n{\"name\": \"computer_use\"}\n</tool_call>", Err(form)),
            ("\n<function=computer_use>\n<parameter=action>\nwait", Err(form)),
            (
                "\n<function=navigate>\n</function>\n<function=navigate>\n</function>\n</tool_call>",
                Err("the reply goes on after its one call: make one at a time"),
            ),
        ],
    );
    // Without a grammar a model may write it all in a line.
    check_read(
        &tagged(),
        &functions(SIZE),
        &[(
            "<tool_call>\n<function=computer_use>\n<parameter=action>wait</parameter>\n<parameter=time>2</parameter>\n\
                 </function>\n</tool_call>",
            Ok(("wait", json!({ "seconds": 2 }))),
        )],
    );
}

#[test]
fn calls_are_written_as_the_template_would() {
    check_written(
        &tagged(),
        &functions(SIZE),
        &[
            (
                "click",
                json!({ "point": [640, 360] }),
                call!("computer_use", "action" = "left_click", "coordinate" = "[500, 501]"),
            ),
            (
                "type_text",
                json!({ "text": "a < b\n" }),
                call!("computer_use", "action" = "type", "text" = "a < b\n"),
            ),
            (
                "type_text",
                json!({ "text": "<b></parameter>\n</p" }),
                call!("computer_use", "action" = "type", "text" = "<b></parameter>\n</p"),
            ),
            ("navigate", json!({ "url": "a.html" }), call!("navigate", "url" = "a.html")),
        ],
    );
    check_unsaid(
        &tagged(),
        &functions(SIZE),
        &["\n</parameter>\n", "a\n</parameter>"].map(|text| {
            let why = "text: a text with the line `</parameter>` can't be written between these tags";
            ("type_text", json!({ "text": text }), why)
        }),
    );
}

#[test]
fn values_that_are_no_texts_are_as_python_writes_them() {
    let schema = json!({
        "type": "object",
        "properties": {
            "loud": { "type": "boolean" }, "note": { "type": ["string", "null"] }, "times": { "type": "number" },
            "way": { "enum": ["up", "down"] }
        },
        "required": ["loud"],
    });
    let functions = [Function { name: "ring".into(), description: "Rings.".into(), schema }];
    check(
        &tagged(),
        &functions,
        &[
            (
                call!("ring", "loud" = "True", "note" = "None", "times" = "1.5", "way" = "up"),
                Ok(("ring", json!({ "loud": true, "note": "None", "times": 1.5, "way": "up" }))),
            ),
            (call!("ring", "loud" = "False"), Ok(("ring", json!({ "loud": false })))),
        ],
    );
    let in_json = (call!("ring", "loud" = "false"), Ok(("ring", json!({ "loud": false }))));
    check_read(&tagged(), &functions, &[in_json]);
    let call = json!({ "loud": false, "times": 2, "way": "down" });
    let written = call!("ring", "loud" = "False", "times" = "2", "way" = "down");
    check_written(&tagged(), &functions, &[("ring", call, written)]);
    // What has no value isn't written: `None` would be read back as that text.
    let silent = json!({ "loud": false, "note": null, "times": 2, "way": "down" });
    let silent = Call { function: "ring".into(), arguments: silent };
    assert_eq!(tagged().write(&silent, &functions), Some(Ok(written.into())));
}

#[test]
fn the_form_is_the_templates_or_else_in_the_prompt() {
    let functions = only(SIZE, &["click", "finish"]);
    let declared = tagged().declaration(&functions, Thought::Free).unwrap().unwrap();
    assert_eq!(declared.form.lines().nth(1), Some("<function=example_function_name>"));
    assert_eq!(declared.tools.as_array().unwrap().len(), 1);
    let told = tagged().instructions(&functions, Thought::None).unwrap();
    assert!(told.contains(
        "in tags of their own within <tool_call></tool_call> tags, in the form\n<tool_call>\n<function=NAME>"
    ));
    assert_eq!(tagged().said("I see.", "\n<function=f>"), "I see.\n\n<tool_call>\n<function=f>");
}
