//! A request for a message.

use serde_json::{Value, json};

use crate::{
    Generate, ModelError, Reply,
    dialect::COMPUTER,
    remote::{
        turns::{Called, Part, Turn},
        wire::{Asked, decimal},
    },
};

/// The tool whose input is a JSON reply.
const REPLY: &str = "reply";

/// The fewest tokens that a thought may be given (extended thinking).
const LEAST_THOUGHT: usize = 1024;

/// Refuses a thought before words that the API doesn't take (extended thinking, its rules about other settings).
pub(crate) fn check_thought(options: &Generate, own_sampling: bool) -> Result<(), String> {
    let Generate { reply, sampling, max_tokens, max_thought_tokens, .. } = options;
    if matches!(reply, Reply::Json(_)) {
        return Err("its API forces no JSON after a thought: ask for words, or without a thought".into());
    }
    if !own_sampling && (sampling.temperature - 1.0).abs() > f32::EPSILON {
        return Err(format!(
            "its API thinks at a temperature of 1 alone, not of {}: set it to 1, or put `?sampling=own` behind the address",
            sampling.temperature
        ));
    }
    if *max_thought_tokens < LEAST_THOUGHT || max_tokens <= max_thought_tokens {
        return Err(format!(
            "its API takes a thought of at least {LEAST_THOUGHT} tokens within a reply of more: {max_thought_tokens} of \
             {max_tokens} are given"
        ));
    }
    Ok(())
}

/// The body of a request.
pub(crate) fn body(asked: &Asked<'_>) -> Result<Value, ModelError> {
    let options = asked.options;
    let mut messages: Vec<Value> = asked.turns.answering().map(|(turn, call)| message(turn, call)).collect();
    if let Some(block) = messages.last_mut().and_then(|last| last["content"].as_array_mut()?.last_mut()) {
        block["cache_control"] = json!({ "type": "ephemeral" });
    }
    let mut body = json!({
        "model": asked.model,
        "max_tokens": options.max_tokens,
        "messages": messages,
        "stream": true,
    });
    if !asked.turns.system.is_empty() {
        body["system"] = json!(asked.turns.system);
    }
    // Claude from Opus 4.1 on answers 400 to a request that has both.
    match (asked.temperature, asked.top_p()) {
        // Of all tokens or of the likeliest, the likeliest is the same one.
        (Some(temperature), None) | (Some(temperature @ 0.0), _) => {
            body["temperature"] = decimal(temperature);
        }
        (Some(1.0), Some(top_p)) => body["top_p"] = decimal(top_p),
        (Some(temperature), Some(top_p)) => {
            return Err(ModelError::Request(format!(
                "Anthropic's API takes a temperature or a top-p, not both ({temperature} and {top_p} are set): choose \
                 one, and leave the other at 1"
            )));
        }
        (None, _) => {}
    }
    if asked.thinks() {
        body["thinking"] = json!({ "type": "enabled", "budget_tokens": options.max_thought_tokens });
    }
    let stops = asked.stops();
    if !stops.is_empty() {
        body["stop_sequences"] = json!(stops);
    }
    if asked.wants_call() {
        let tool = asked.computer.map(|(tool, offering)| {
            let [width, height] = offering.size;
            json!({
                "type": tool.name(), "name": COMPUTER, "display_width_px": width, "display_height_px": height,
            })
        });
        let tools = asked.declared.iter().map(|function| {
            json!({
                "name": function.name,
                "description": function.description,
                "input_schema": function.parameters,
            })
        });
        body["tools"] = tool.into_iter().chain(tools).collect();
        // Where a call is forced no word comes before it.
        let choice = if asked.speaks_first() { "auto" } else { "any" };
        body["tool_choice"] = json!({ "type": choice, "disable_parallel_tool_use": true });
    }
    if let Some(schema) = asked.schema {
        if schema.get("type").is_none_or(|kind| kind != "object") {
            return Err(ModelError::Request(
                "Anthropic's API takes a JSON reply as a tool's input, whose schema has `\"type\": \"object\"`: wrap it in one"
                    .into(),
            ));
        }
        body["tools"] = json!([{ "name": REPLY, "description": "Takes the reply.", "input_schema": schema }]);
        body["tool_choice"] = json!({ "type": "tool", "name": REPLY, "disable_parallel_tool_use": true });
    }
    Ok(body)
}

fn message(turn: &Turn, call: Option<&Called>) -> Value {
    let Some(call) = call else {
        let blocks: Vec<Value> = turn.parts.iter().map(block).collect();
        return json!({ "role": if turn.is_model { "assistant" } else { "user" }, "content": blocks });
    };
    let (result, beside) = turn.answer();
    let result: Vec<Value> = result.into_iter().map(block).collect();
    let answer = json!({ "type": "tool_result", "tool_use_id": id(call), "content": result });
    let blocks: Vec<Value> = std::iter::once(answer).chain(beside.into_iter().map(block)).collect();
    json!({ "role": "user", "content": blocks })
}

fn block(part: &Part) -> Value {
    match part {
        Part::Text(text) | Part::Result(text) => json!({ "type": "text", "text": text }),
        Part::Image(picture) => json!({ "type": "image", "source": {
            "type": "base64", "media_type": picture.media_type, "data": picture.base64,
        } }),
        Part::Call(call) => {
            json!({ "type": "tool_use", "id": id(call), "name": call.name, "input": call.arguments })
        }
    }
}

fn id(call: &Called) -> String {
    format!("toolu_{:04}", call.number)
}
