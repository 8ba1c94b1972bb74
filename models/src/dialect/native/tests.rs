//! Functions declared in each API's way, and calls read back into screenshot pixels.

use serde_json::{Value, json};

use super::{NativeDialect, Places};
use crate::{Function, Thought, processor::Fit};

fn functions() -> Vec<Function> {
    let mark = |kind: &str| json!({ "kind": kind, "width": 1920, "height": 1080 });
    let look = json!({
        "type": "object",
        "title": "LookArgs",
        "$defs": { "Way": { "oneOf": [{ "const": "up", "description": "Up." }, { "const": "down" }] } },
        "properties": {
            "point": { "type": "array", "description": "Where.", "x-percept": mark("point") },
            "region": { "anyOf": [{ "x-percept": mark("region") }, { "type": "null" }], "default": null },
            "corners": { "type": "array", "items": { "x-percept": mark("point") } },
            "way": { "$ref": "#/$defs/Way" },
            "amount": { "type": "integer", "format": "uint32", "minimum": 0 },
        },
        "required": ["point"],
        "additionalProperties": false,
    });
    let wait = json!({ "type": "object" });
    [("look", look), ("wait", wait)]
        .map(|(name, schema)| Function { name: name.into(), description: format!("To {name}."), schema })
        .into()
}

fn halves() -> NativeDialect {
    NativeDialect { places: Places::Pixels(Fit { longest: Some(960), ..Fit::default() }), computer: None }
}

const PIXELS: NativeDialect = NativeDialect {
    places: Places::Pixels(Fit { longest: None, shortest: None, area: None }),
    computer: None,
};
const THOUSANDTHS: NativeDialect = NativeDialect { places: Places::Thousandths, computer: None };

fn check(dialect: NativeDialect, arguments: &Value, expected: Result<Value, &str>) {
    let read = dialect.read("look", &arguments.to_string(), Thought::Free, &functions());
    assert_eq!(read.map(|read| read.call.arguments), expected.map_err(str::to_owned), "{arguments}");
}

#[test]
fn functions_are_declared_without_marks_and_with_bounds() {
    for (name, dialect) in [("pixels", halves()), ("thousandths", THOUSANDTHS)] {
        let declared = dialect.declare(&functions(), Thought::Free).unwrap();
        assert_eq!(declared[1].parameters["required"], json!(["thought"]));
        assert!(!declared[0].parameters.to_string().contains("x-percept"));
        insta::assert_json_snapshot!(format!("declared_{name}"), declared[0].parameters);
    }
    let plain = PIXELS.declare(&functions(), Thought::None).unwrap();
    assert_eq!(plain[1].parameters, json!({ "type": "object", "properties": {}, "required": [] }));
}

#[test]
fn a_place_comes_back_in_pixels_of_the_screenshot() {
    let point = |x: Value, y: Value| json!({ "point": { "x": x, "y": y } });
    let at = |x: u32, y: u32| Ok(json!({ "point": [x, y] }));
    check(PIXELS, &point(json!(0), json!(0)), at(0, 0));
    check(PIXELS, &point(json!(1919), json!(1079)), at(1919, 1079));
    check(PIXELS, &point(json!(12.0), json!(34)), at(12, 34));
    check(halves(), &point(json!(0), json!(0)), at(1, 1));
    check(halves(), &point(json!(959), json!(539)), at(1919, 1079));
    let sides = |sides: [u32; 4]| {
        let [left, top, right, bottom] = sides;
        json!({ "region": { "left": left, "top": top, "right": right, "bottom": bottom } })
    };
    check(PIXELS, &sides([0, 0, 1920, 1080]), Ok(json!({ "region": [0, 0, 1920, 1080] })));
    check(halves(), &sides([1, 2, 3, 4]), Ok(json!({ "region": [2, 4, 6, 8] })));
    check(halves(), &json!({ "region": null, "amount": 3 }), Ok(json!({ "region": null, "amount": 3 })));
    check(PIXELS, &json!({ "corners": [{ "x": 1, "y": 2 }] }), Ok(json!({ "corners": [[1, 2]] })));
    check(THOUSANDTHS, &json!({ "point": [0, 0] }), at(0, 0));
    check(THOUSANDTHS, &json!({ "point": [250, 500] }), at(960, 270));
    check(THOUSANDTHS, &json!({ "point": [1000, 1000] }), at(1919, 1079));
    check(THOUSANDTHS, &json!({ "region": [0, 500, 1, 1000] }), Ok(json!({ "region": [960, 0, 1920, 2] })));
}

#[test]
fn a_place_outside_the_screenshot_is_refused_in_words() {
    let point = |x: Value, y: Value| json!({ "point": { "x": x, "y": y } });
    check(PIXELS, &point(json!(1920), json!(0)), Err("point: x is 1920, the screenshot is 1920 wide"));
    check(halves(), &point(json!(3), json!(540)), Err("point: y is 540, the screenshot is 540 high"));
    check(PIXELS, &point(json!(-1), json!(0)), Err("point: x is -1, and not a whole number from 0 up"));
    check(PIXELS, &point(json!(1.5), json!(0)), Err("point: x is 1.5, and not a whole number from 0 up"));
    check(
        PIXELS,
        &json!({ "point": [3, 4] }),
        Err("point: [3,4] isn't a point as the function describes it"),
    );
    let empty = json!({ "region": { "left": 3, "top": 0, "right": 3, "bottom": 9 } });
    let words = "is empty, or has its end before its beginning";
    check(PIXELS, &empty, Err(&format!("region: {} {words}", empty["region"])));
    let far = "point: y is 1001, the screenshot ends at 1000";
    check(THOUSANDTHS, &json!({ "point": [1001, 0] }), Err(far));
    check(
        THOUSANDTHS,
        &json!({ "point": [1] }),
        Err("point: [1] isn't a point as the function describes it"),
    );
}

#[test]
fn a_thought_in_the_arguments_is_no_argument() {
    let read = |arguments, thought| PIXELS.read("wait", arguments, thought, &functions());
    let found = read(r#"{"thought": "It loads."}"#, Thought::Free).unwrap();
    assert_eq!((found.thought.as_str(), found.call.arguments), ("It loads.", json!({})));
    assert_eq!(read("", Thought::None).unwrap().call.arguments, json!({}));
    let kept = read(r#"{"thought": "mine"}"#, Thought::None).unwrap().call;
    assert_eq!(kept.arguments, json!({ "thought": "mine" }));
    let error = PIXELS.read("fly", "{}", Thought::None, &functions()).unwrap_err();
    assert_eq!(error, "there is no function `fly`; there are look, wait");
    assert!(
        read("{", Thought::None).unwrap_err().starts_with("the arguments of `wait` aren't one JSON object")
    );
}

#[test]
fn what_cant_be_declared_is_an_error_that_names_the_function() {
    let one = |schema| [Function { name: "odd".into(), description: String::new(), schema }];
    let mark = json!({ "x-percept": { "kind": "point", "width": 9, "height": 9 } });
    let cases = [
        (
            json!({ "properties": { "thought": { "type": "string" } } }),
            "an argument can't be called `thought`",
        ),
        (json!({ "properties": { "at": { "x-percept": { "kind": "point" } } } }), "at: the mark"),
        (
            json!({ "properties": { "pair": { "prefixItems": [mark] } } }),
            "pair: a place can stand in a struct",
        ),
    ];
    for (schema, problem) in cases {
        let error = PIXELS.declare(&one(schema), Thought::Free).unwrap_err().to_string();
        assert!(error.starts_with(&format!("function `odd`: {problem}")), "{error}");
    }
    assert!(PIXELS.declare(&[], Thought::None).is_err());
}
