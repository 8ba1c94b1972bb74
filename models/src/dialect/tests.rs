//! The dialect tried on functions of every kind: words, grammars, replies read back.

mod computer_use;
mod holo;
mod offered;
mod published;
mod smol;
mod tags;
mod trained;
mod ui_tars;
mod vendors;
mod written;

use serde_json::json;

use super::*;
use crate::{folder::FolderSettings, processor::SmartSize};

fn functions() -> Vec<Function> {
    let point = json!({
        "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 2, "maxItems": 2,
        "description": "what to press", "x-percept": { "kind": "point", "width": 160, "height": 208 }
    });
    let region = json!({
        "type": "array", "items": { "type": "integer", "minimum": 0 }, "minItems": 4, "maxItems": 4,
        "x-percept": { "kind": "region", "width": 160, "height": 208 }
    });
    let function = |name: &str, description: &str, schema| Function {
        name: name.into(),
        description: description.into(),
        schema,
    };
    vec![
        function(
            "click",
            "Presses the left mouse button once.",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ClickArgs", "type": "object",
                "properties": { "point": point }, "required": ["point"]
            }),
        ),
        function(
            "scroll",
            "Turns the wheel",
            json!({
                "type": "object",
                "properties": {
                    "point": point.clone(),
                    "direction": { "$ref": "#/$defs/Direction", "description": "which way" },
                    "amount": { "type": ["integer", "null"], "format": "uint32", "minimum": 1, "maximum": 20 }
                },
                "required": ["point", "direction"],
                "$defs": { "Direction": { "oneOf": [
                    { "type": "string", "const": "up", "description": "towards the top" },
                    { "type": "string", "const": "down" }
                ] } }
            }),
        ),
        function(
            "zoom",
            "Looks closer.",
            json!({
                "type": "object", "properties": { "region": { "anyOf": [region, { "type": "null" }] } }
            }),
        ),
        function(
            "type_text",
            "Types into the focused field.",
            json!({
                "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"]
            }),
        ),
        function("finish", "Says that the task is done.", json!({ "type": "object" })),
    ]
}

fn glance() -> JsonDialect {
    let settings =
        FolderSettings { marker: "<act>".into(), grid: Some([40, 52]), ..FolderSettings::default() };
    JsonDialect::new(&settings, |text| text == "<act>")
}

fn usual() -> JsonDialect {
    JsonDialect::new(&FolderSettings::default(), |_| false)
}

#[test]
fn a_model_that_points_at_the_pixels_it_saw_is_understood_unless_its_folder_has_a_grid() {
    let size = SmartSize { factor: 28, least: 56 * 56, most: 28 * 28 * 1280 };
    let grid = FolderSettings { grid: Some([40, 52]), ..FolderSettings::default() };
    // The screenshot has 160×208 pixels, which become 168×196.
    let cases = [(FolderSettings::default(), [84, 98], [80, 104]), (grid, [12, 34], [50, 138])];
    for (settings, written, pixel) in cases {
        let dialect = JsonDialect::new(&settings, |_| false).with_places_in(Some(size), &settings);
        let reply = json!({ "tool": "click", "point": written }).to_string();
        let call = dialect.read(&reply, &functions()).unwrap();
        assert_eq!(call.arguments["point"], json!(pixel));
    }
    let dialect = JsonDialect::new(&FolderSettings::default(), |_| false)
        .with_places_in(Some(size), &FolderSettings::default());
    let words = dialect.instructions(&functions(), Thought::None).unwrap();
    assert!(words.contains("to 167 at its right") && words.contains("to 195 at its bottom"), "{words}");
    let outside = dialect.read(r#"{"tool":"click","point":[168,0]}"#, &functions()).unwrap_err();
    assert_eq!(outside, "point: x is 168, the grid ends at 167");
}

#[test]
fn functions_are_written_in_plain_words() {
    insta::assert_snapshot!("with_a_thought", usual().instructions(&functions(), Thought::Free).unwrap());
    insta::assert_snapshot!(
        "without_a_thought",
        usual().instructions(&functions()[3..], Thought::None).unwrap()
    );
}

#[test]
fn a_grammar_bounds_every_place_by_the_grid() {
    insta::assert_json_snapshot!(
        "grammar_of_glance",
        glance().grammar(&functions(), Thought::Free, 40).unwrap()
    );
    insta::assert_json_snapshot!(
        "grammar_of_one",
        usual().grammar(&functions()[..1], Thought::None, 0).unwrap()
    );
}

#[test]
fn a_reply_is_read_back_in_pixels() {
    let cases = [
        (r#"{"tool":"click","point":[12,34]}"#, Ok(("click", json!({ "point": [50, 138] })))),
        (
            r#"{"tool":"scroll","point":[0,0],"direction":"up","amount":3}"#,
            Ok(("scroll", json!({ "point": [2, 2], "direction": "up", "amount": 3 }))),
        ),
        (r#"{"tool":"zoom","region":[0,0,9,9]}"#, Ok(("zoom", json!({ "region": [0, 0, 40, 40] })))),
        (r#"{"tool":"zoom","region":null}"#, Ok(("zoom", json!({ "region": null })))),
        (r#" {"tool":"finish"} "#, Ok(("finish", json!({})))),
        (r#"{"tool":"type_text","text":"[1,2] \"x\""}"#, Ok(("type_text", json!({ "text": "[1,2] \"x\"" })))),
        (r#"{"tool":"click","point":[40,34]}"#, Err("point: x is 40, the grid ends at 39")),
        (
            r#"{"tool":"fly"}"#,
            Err("there is no function `fly`; there are click, scroll, zoom, type_text, finish"),
        ),
        (r#"{"point":[1,2]}"#, Err("the reply doesn't name its `tool`")),
        (
            r#"{"tool":"cli"#,
            Err("the reply isn't one JSON object: EOF while parsing a string at line 1 column 12"),
        ),
    ];
    for (reply, expected) in cases {
        let expected = expected
            .map(|(function, arguments)| Call { function: function.into(), arguments })
            .map_err(str::to_owned);
        assert_eq!(glance().read(reply, &functions()), expected, "{reply}");
    }
}

#[test]
fn a_schema_that_no_grammar_can_be_made_of_is_refused_by_name() {
    let cases = [
        (
            json!({ "type": "object", "properties": { "tool": { "type": "string" } } }),
            "can't be called `tool`",
        ),
        (json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/Gone" } } }), "isn't there"),
        (
            json!({ "type": "object", "properties": { "x": { "$ref": "#/$defs/X" } },
                    "$defs": { "X": { "type": "array", "items": { "$ref": "#/$defs/X" } } } }),
            "refers to itself",
        ),
        (
            json!({ "type": "object", "properties": { "at": { "x-percept": { "kind": "point" } } } }),
            "lacks the screenshot's width and height",
        ),
        (
            json!({ "type": "object", "properties": { "pair": { "type": "array", "prefixItems": [
                { "x-percept": { "kind": "point", "width": 160, "height": 208 } }
            ] } } }),
            "pair: a place can stand in a struct",
        ),
    ];
    for (schema, expected) in cases {
        let function = Function { name: "odd".into(), description: String::new(), schema };
        let error = glance().grammar(&[function], Thought::None, 0).unwrap_err().to_string();
        assert!(error.starts_with("function `odd`:") && error.contains(expected), "{error}");
    }
    assert!(glance().grammar(&[], Thought::None, 0).is_err());
}

#[test]
fn a_schema_may_be_deep_without_referring_to_itself() {
    let mut schema = json!({ "type": "string" });
    for _ in 0..12 {
        schema = json!({ "type": "object", "properties": { "inner": schema } });
    }
    let function = Function { name: "deep".into(), description: String::new(), schema };
    assert!(glance().grammar(&[function], Thought::None, 0).is_ok());
}

#[test]
fn a_call_is_written_as_the_model_would_and_read_back() {
    let dialect =
        JsonDialect::new(&FolderSettings { grid: Some([40, 52]), ..FolderSettings::default() }, |_| false);
    let functions = functions();
    let cases = [
        ("click", json!({ "point": [50, 138] }), r#"{"tool":"click","point":[12,34]}"#),
        (
            "scroll",
            json!({ "amount": 3, "direction": "down", "point": [2, 2] }),
            r#"{"tool":"scroll","point":[0,0],"direction":"down","amount":3}"#,
        ),
        ("zoom", json!({ "region": [4, 8, 8, 12] }), r#"{"tool":"zoom","region":[1,2,1,2]}"#),
        ("zoom", json!({ "region": null }), r#"{"tool":"zoom","region":null}"#),
        ("type_text", json!({ "text": "[50, 138]" }), r#"{"tool":"type_text","text":"[50, 138]"}"#),
    ];
    for (name, arguments, expected) in cases {
        let call = Call { function: name.into(), arguments };
        assert_eq!(dialect.write(&call, &functions).unwrap().unwrap(), expected);
        assert_eq!(dialect.read(expected, &functions).unwrap(), call);
    }
    let outside = Call { function: "click".into(), arguments: json!({ "point": [160, 0] }) };
    let problem = dialect.write(&outside, &functions).unwrap().unwrap_err();
    assert_eq!(problem, "point: [160,0] lies outside the screenshot's 160×208");
}
