//! The tools that come with Percept as functions, and the table that every dialect is held to.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{
    trained::{THOUGHT, feed},
    written::{Ground, tokenizer},
};
use crate::{Call, Dialect, Function, Thought};

/// Every built-in tool on a screenshot of this size, as their own snapshot has them.
pub(super) fn functions([width, height]: [u32; 2]) -> Vec<Function> {
    let snapshot =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/tests/snapshots/builtin__offered.snap");
    let text = fs::read_to_string(snapshot).unwrap();
    let tools: Vec<Value> = serde_json::from_str(text.splitn(3, "---").nth(2).unwrap()).unwrap();
    let function = |tool: &Value| {
        let mut schema = tool["schema"].clone();
        mark(&mut schema, [width, height]);
        Function {
            name: tool["name"].as_str().unwrap().into(),
            description: tool["description"].as_str().unwrap().into(),
            schema,
        }
    };
    tools.iter().map(function).collect()
}

fn mark(schema: &mut Value, [width, height]: [u32; 2]) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(mark)) = object.get_mut("x-percept") {
                mark.insert("width".into(), json!(width));
                mark.insert("height".into(), json!(height));
            }
            object.values_mut().for_each(|value| mark(value, [width, height]));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mark(value, [width, height])),
        _ => {}
    }
}

/// Some of them.
pub(super) fn only(size: [u32; 2], names: &[&str]) -> Vec<Function> {
    functions(size).into_iter().filter(|function| names.contains(&function.name.as_str())).collect()
}

/// A reply, and the function and arguments that it means or what is wrong with it.
pub(super) type Case<'a> = (&'a str, Result<(&'a str, Value), &'a str>);

/// Reads every reply; one that is a call gets through the grammar too.
pub(super) fn check(dialect: &dyn Dialect, functions: &[Function], cases: &[Case<'_>]) {
    let ground = Ground::of(tokenizer());
    let grammar = dialect.grammar(functions, Thought::Free, THOUGHT).unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(_, expected)| expected.is_ok())
        .filter_map(|(reply, _)| {
            let said = dialect.said("I see.", reply);
            let why = feed(&ground.tokenizer, &ground.vocabulary, &grammar, &said).err()?;
            Some(format!("{said:?}: {why}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{dialect:?}\n{}", wrong.join("\n"));
    check_read(dialect, functions, cases);
}

/// Reads every reply, also what a model writes only where no grammar binds it.
pub(super) fn check_read(dialect: &dyn Dialect, functions: &[Function], cases: &[Case<'_>]) {
    for (reply, expected) in cases {
        let expected = expected
            .clone()
            .map(|(function, arguments)| Call { function: function.into(), arguments })
            .map_err(str::to_owned);
        assert_eq!(dialect.read(reply, functions), expected, "{reply}");
    }
}

/// Writes every call with these functions on offer, and reads it back with the same.
pub(super) fn check_written(dialect: &dyn Dialect, functions: &[Function], cases: &[(&str, Value, &str)]) {
    for (name, arguments, expected) in cases {
        let call = Call { function: (*name).into(), arguments: arguments.clone() };
        let written = dialect.write(&call, functions).unwrap().unwrap();
        assert_eq!(written, *expected, "{name} {arguments}");
        assert_eq!(dialect.read(&written, functions), Ok(call), "{written}");
    }
}

/// What can't be said.
pub(super) fn check_unsaid(dialect: &dyn Dialect, functions: &[Function], cases: &[(&str, Value, &str)]) {
    for (name, arguments, expected) in cases {
        let call = Call { function: (*name).into(), arguments: arguments.clone() };
        assert_eq!(dialect.write(&call, functions).unwrap().unwrap_err(), *expected, "{name} {arguments}");
    }
}
