//! The tools on offer, as functions for a model: with the screenshot's size in every place that they name,
//! and the check that a call stays within it.

use percept_models::{Call, Function};
use percept_tools::{MARK, PixelPoint, PixelRegion, PixelSize, Toolbox};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Area, Target};

/// Every tool of the box as a function; points and regions are bounded by this screenshot. Without one no place can be
/// named: arguments that hold one are left out where they may be.
pub(crate) fn functions(toolbox: &Toolbox, size: Option<PixelSize>) -> Vec<Function> {
    toolbox
        .offered()
        .into_iter()
        .map(|tool| {
            let mut schema = tool.schema;
            match size {
                Some(size) => mark(&mut schema, size),
                None => leave_places_out(&mut schema),
            }
            Function { name: tool.card.name, description: tool.card.description, schema }
        })
        .collect()
}

/// Puts the size beside every mark in the schema.
fn mark(schema: &mut Value, size: PixelSize) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(marked)) = object.get_mut(MARK) {
                marked.insert("width".into(), json!(size.width));
                marked.insert("height".into(), json!(size.height));
            }
            object.values_mut().for_each(|value| mark(value, size));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mark(value, size)),
        _ => {}
    }
}

/// Takes away optional arguments that hold a place.
fn leave_places_out(schema: &mut Value) {
    let root = schema.clone();
    let required = root.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, property| is_required(name) || !holds_place(property, &root, 0));
    }
}

/// How many references are followed one inside another. Anything deeper refers to itself.
const DEEPEST: usize = 16;

fn holds_place(schema: &Value, root: &Value, depth: usize) -> bool {
    match schema {
        Value::Object(object) => {
            let target = object
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|reference| root.pointer(reference.strip_prefix('#')?).filter(|_| depth < DEEPEST));
            object.contains_key(MARK)
                || target.is_some_and(|target| holds_place(target, root, depth + 1))
                || object.values().any(|value| holds_place(value, root, depth))
        }
        Value::Array(values) => values.iter().any(|value| holds_place(value, root, depth)),
        _ => false,
    }
}

/// Every place that the call names, each on the screenshot. A local model can't write another; a remote one
/// can, and so can a script.
///
/// # Errors
///
/// What is wrong, in words for the model.
pub(crate) fn targets(call: &Call, functions: &[Function]) -> Result<Vec<Target>, String> {
    let Some(function) = functions.iter().find(|function| function.name == call.function) else {
        let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
        return Err(format!("no tool is named `{}`; there are: {}", call.function, names.join(", ")));
    };
    let mut found = Vec::new();
    gather("", &call.arguments, &function.schema, &mut found)?;
    Ok(found)
}

fn gather(argument: &str, value: &Value, schema: &Value, found: &mut Vec<Target>) -> Result<(), String> {
    // An optional argument that is left out; where it isn't optional, the tool says so.
    if value.is_null() {
        return Ok(());
    }
    if let Some(marked) = schema.get(MARK) {
        let area = area(value, marked).map_err(|problem| format!("{argument}: {problem}"))?;
        found.push(Target { argument: argument.to_owned(), area });
        return Ok(());
    }
    if let (Some(Value::Object(properties)), Value::Object(object)) = (schema.get("properties"), value) {
        for (name, property) in properties {
            if let Some(value) = object.get(name) {
                gather(name, value, property, found)?;
            }
        }
    }
    if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
        values.iter().try_for_each(|value| gather(argument, value, items, found))?;
    }
    // An optional place is written as one of several schemas; whichever is marked counts.
    let mut choices =
        ["anyOf", "oneOf"].iter().filter_map(|key| schema.get(*key).and_then(Value::as_array)).flatten();
    choices.try_for_each(|choice| gather(argument, value, choice, found))
}

fn area(value: &Value, marked: &Value) -> Result<Area, String> {
    let bound = |side: &str| {
        marked.get(side).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX)
    };
    let (width, height) = (bound("width"), bound("height"));
    let check = |name: &str, number: u32, most: u32, side: &str, of: u32| {
        if number > most {
            return Err(format!("{name} is {number}, the screen is {of} {side}"));
        }
        Ok(())
    };
    if marked.get("kind").is_some_and(|kind| kind == "region") {
        let Ok([left, top, right, bottom]) = <[u32; 4]>::deserialize(value) else {
            return Err("not a region: write [left, top, right, bottom] in pixels of the screenshot".into());
        };
        if left >= right || top >= bottom {
            return Err("the region is empty: left must be less than right, top less than bottom".into());
        }
        check("right", right, width, "wide", width)?;
        check("bottom", bottom, height, "high", height)?;
        return Ok(Area::Region(PixelRegion { left, top, right, bottom }));
    }
    let Ok([x, y]) = <[u32; 2]>::deserialize(value) else {
        return Err("not a point: write [x, y] in pixels of the screenshot".into());
    };
    check("x", x, width.saturating_sub(1), "wide", width)?;
    check("y", y, height.saturating_sub(1), "high", height)?;
    Ok(Area::Point(PixelPoint { x, y }))
}

#[cfg(test)]
mod tests {
    use percept_models::Call;
    use percept_tools::{JsonSchema, async_trait};
    use percept_tools::{
        Observation, PixelSize, Point, Region, Tool, ToolCard, ToolContext, ToolError, Toolbox,
        builtin::Answer,
    };
    use serde_json::{Value, json};

    use super::{functions, targets};

    struct Look;

    #[derive(serde::Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct LookArgs {
        point: Point,
        region: Option<Region>,
        corners: Option<Vec<Point>>,
    }

    #[async_trait]
    impl Tool for Look {
        type Args = LookArgs;

        fn card(&self) -> ToolCard {
            ToolCard::reads("look", "Looks.")
        }

        async fn call(&self, _: LookArgs, _: &ToolContext) -> Result<Observation, ToolError> {
            Ok(Observation::default())
        }
    }

    fn check(function: &str, arguments: Value) -> Result<(), String> {
        let mut toolbox = Toolbox::new();
        toolbox.add(Look).unwrap();
        let offered = functions(&toolbox, Some(PixelSize { width: 1280, height: 800 }));
        targets(&Call { function: function.into(), arguments }, &offered).map(drop)
    }

    #[test]
    fn a_place_outside_the_screenshot_is_refused_wherever_it_stands_in_the_call() {
        let cases = [
            (json!({"point": [0, 0]}), None),
            (json!({"point": [1279, 799]}), None),
            (json!({"point": [1280, 20]}), Some("point: x is 1280, the screen is 1280 wide")),
            (json!({"point": [3, 800]}), Some("point: y is 800, the screen is 800 high")),
            (json!({"point": [-3, 8]}), Some("point: not a point: write [x, y] in pixels of the screenshot")),
            (json!({"point": "3,8"}), Some("point: not a point: write [x, y] in pixels of the screenshot")),
            (json!({"point": [0, 0], "region": null}), None),
            (json!({"point": [0, 0], "region": [0, 0, 1280, 800]}), None),
            (
                json!({"point": [0, 0], "region": [0, 0, 1281, 800]}),
                Some("region: right is 1281, the screen is 1280 wide"),
            ),
            (
                json!({"point": [0, 0], "region": [9, 0, 9, 800]}),
                Some("region: the region is empty: left must be less than right, top less than bottom"),
            ),
            (
                json!({"point": [0, 0], "corners": [[1, 1], [1, 900]]}),
                Some("corners: y is 900, the screen is 800 high"),
            ),
        ];
        for (arguments, problem) in cases {
            assert_eq!(check("look", arguments.clone()).err().as_deref(), problem, "{arguments}");
        }
    }

    #[test]
    fn without_a_screenshot_no_place_is_asked_for_that_can_be_left_out() {
        let mut toolbox = Toolbox::new();
        toolbox.add(Look).unwrap();
        toolbox.add(Answer).unwrap();
        let names = |size| -> Vec<Vec<String>> {
            let functions = functions(&toolbox, size);
            let properties =
                functions.iter().map(|function| function.schema["properties"].as_object().unwrap());
            properties.map(|properties| properties.keys().cloned().collect()).collect()
        };
        assert_eq!(names(None), [vec!["text"], vec!["point"]]);
        let size = Some(PixelSize { width: 1280, height: 800 });
        assert_eq!(names(size), [vec!["text", "seen_at"], vec!["point", "region", "corners"]]);
    }

    #[test]
    fn a_tool_that_is_not_on_offer_is_named_with_those_that_are() {
        assert_eq!(check("smash", json!({})).unwrap_err(), "no tool is named `smash`; there are: look");
    }
}
