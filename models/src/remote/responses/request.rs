//! A request for a response.

use serde_json::{Map, Value, json};

use crate::{
    dialect::{COMPUTER, PENDING},
    remote::{
        computer::ComputerTool,
        openai::is_strict,
        picture::Picture,
        turns::{CONFIRMED, Called, Part, RESULT, Turn},
        wire::{Asked, decimal},
    },
};

/// The body of a request.
pub(crate) fn body(asked: &Asked<'_>) -> Value {
    let options = asked.options;
    let mut body = json!({
        "model": asked.model,
        "input": input(asked),
        "max_output_tokens": options.max_tokens,
        "stream": true,
        // Unasked it keeps what the run saw and said.
        "store": false,
    });
    if !asked.turns.system.is_empty() {
        body["instructions"] = json!(asked.turns.system);
    }
    if let Some(temperature) = asked.temperature {
        body["temperature"] = decimal(temperature);
    }
    if let Some(top_p) = asked.top_p() {
        body["top_p"] = decimal(top_p);
    }
    if asked.wants_call() || asked.computer.is_some() {
        let tool = asked.computer.map(|(tool, offering)| match tool {
            ComputerTool::Preview => {
                let [width, height] = offering.size;
                json!({
                    "type": tool.name(), "display_width": width, "display_height": height,
                    "environment": "browser",
                })
            }
            _ => json!({ "type": tool.name() }),
        });
        let functions = asked.declared.iter().map(|function| {
            json!({
                "type": "function", "name": function.name, "description": function.description,
                "parameters": function.parameters, "strict": false,
            })
        });
        body["tools"] = tool.into_iter().chain(functions).collect();
        body["tool_choice"] = json!(match (asked.wants_call(), asked.speaks_first()) {
            (true, true) => "auto",
            (true, false) => "required",
            (false, _) => "none",
        });
        body["parallel_tool_calls"] = json!(false);
    }
    // The documentation asks for it with this tool.
    if asked.computer.is_some_and(|(tool, _)| tool == ComputerTool::Preview) {
        body["truncation"] = json!("auto");
    }
    if let Some(schema) = asked.schema {
        body["text"] = json!({ "format": {
            "type": "json_schema", "name": "reply", "strict": is_strict(schema), "schema": schema,
        } });
    }
    body
}

fn input(asked: &Asked<'_>) -> Vec<Value> {
    let mut items = Vec::new();
    let all: Vec<(&Turn, Option<&Called>)> = asked.turns.answering().collect();
    for (at, (turn, answers)) in all.iter().enumerate() {
        if turn.is_model {
            let next = all.get(at + 1).map(|(next, _)| *next);
            for part in &turn.parts {
                items.push(match part {
                    Part::Call(call) if !in_words(call, next) => item(call),
                    Part::Call(call) => message("assistant", &call.words()),
                    Part::Text(text) | Part::Result(text) => message("assistant", text),
                    Part::Image(_) => continue,
                });
            }
            continue;
        }
        match answers {
            Some(call) if !in_words(call, Some(turn)) => {
                let (output, beside) = answer(call, turn);
                items.push(output);
                items.extend((!beside.is_empty()).then(|| json!({ "role": "user", "content": beside })));
            }
            _ => {
                let confirmed = answers.filter(|call| call.confirmed);
                let confirmed = confirmed.map(|_| json!({ "type": "input_text", "text": CONFIRMED }));
                let content: Vec<Value> =
                    confirmed.into_iter().chain(turn.parts.iter().filter_map(content)).collect();
                items.push(json!({ "role": "user", "content": content }));
            }
        }
    }
    items
}

/// Whether a call is told in words: one of the tool is answered by a screenshot, and there is none.
fn in_words(call: &Called, next: Option<&Turn>) -> bool {
    call.name == COMPUTER && next.is_none_or(|next| screenshot(next).is_none())
}

/// The newest image of a turn.
fn screenshot(turn: &Turn) -> Option<&Picture> {
    turn.parts.iter().rev().find_map(|part| match part {
        Part::Image(picture) => Some(picture.as_ref()),
        _ => None,
    })
}

fn item(call: &Called) -> Value {
    if call.name != COMPUTER {
        return json!({
            "type": "function_call", "call_id": id(call), "name": call.name,
            "arguments": Value::Object(call.arguments.clone()).to_string(),
        });
    }
    // What is kept is the one action, or a list of them, and what a person was asked beside it.
    let mut action = call.arguments.clone();
    let pending = action.shift_remove(PENDING).unwrap_or_else(|| json!([]));
    let mut item = Map::from_iter([
        ("type".to_owned(), json!("computer_call")),
        ("id".to_owned(), json!(format!("cu_{:04}", call.number))),
        ("call_id".to_owned(), json!(id(call))),
        ("status".to_owned(), json!("completed")),
        (PENDING.to_owned(), pending),
    ]);
    match action.shift_remove("actions") {
        Some(actions) => item.insert("actions".into(), actions),
        None => item.insert("action".into(), Value::Object(action)),
    };
    Value::Object(item)
}

/// What came of a call, and what is said beside.
fn answer(call: &Called, turn: &Turn) -> (Value, Vec<Value>) {
    let (result, beside) = turn.answer();
    match screenshot(turn) {
        Some(picture) if call.name == COMPUTER => {
            let output = json!({ "type": "computer_screenshot", "image_url": picture.url() });
            let newest = result.iter().rposition(|part| matches!(part, Part::Image(_)));
            let rest = result.iter().enumerate().filter(|(at, _)| Some(*at) != newest).map(|(_, part)| *part);
            let beside = rest.chain(beside).filter_map(content).collect();
            let mut output = json!({ "type": "computer_call_output", "call_id": id(call), "output": output });
            if let Some(checks) = call.arguments.get(PENDING).filter(|_| call.confirmed) {
                output["acknowledged_safety_checks"] = checks.clone();
            }
            (output, beside)
        }
        _ => {
            let output: Vec<Value> = result.into_iter().filter_map(content).collect();
            let output = json!({ "type": "function_call_output", "call_id": id(call), "output": output });
            (output, beside.into_iter().filter_map(content).collect())
        }
    }
}

fn content(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) => json!({ "type": "input_text", "text": text }),
        Part::Result(text) => json!({ "type": "input_text", "text": format!("{RESULT}\n{text}") }),
        Part::Image(picture) => {
            json!({ "type": "input_image", "image_url": picture.url(), "detail": "high" })
        }
        Part::Call(_) => return None,
    })
}

fn message(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

fn id(call: &Called) -> String {
    format!("call_{:04}", call.number)
}
