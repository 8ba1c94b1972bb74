//! A request to chat completions.

use serde_json::{Value, json};

use crate::remote::{
    turns::{Part, Turn},
    wire::{Asked, decimal},
};

/// The body of a request.
pub(crate) fn body(asked: &Asked<'_>) -> Value {
    let options = asked.options;
    let mut messages = Vec::new();
    if !asked.turns.system.is_empty() {
        messages.push(json!({ "role": "system", "content": asked.turns.system }));
    }
    messages.extend(asked.turns.turns.iter().map(message));
    let mut body = json!({
        "model": asked.model,
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    let most = if asked.is_vendor { "max_completion_tokens" } else { "max_tokens" };
    body[most] = json!(options.max_tokens);
    if let Some(temperature) = asked.temperature {
        body["temperature"] = decimal(temperature);
    }
    if let Some(top_p) = asked.top_p() {
        body["top_p"] = decimal(top_p);
    }
    if let Some(seed) = asked.seed() {
        body["seed"] = json!(seed);
    }
    let stops = asked.stops();
    if !stops.is_empty() {
        body["stop"] = json!(stops);
    }
    if options.log_probabilities && !asked.wants_call() {
        // Of a call's arguments it tells none.
        body["logprobs"] = json!(true);
    }
    if !asked.declared.is_empty() {
        let tools = asked.declared.iter().map(|function| {
            json!({ "type": "function", "function": {
                "name": function.name, "description": function.description, "parameters": function.parameters,
            } })
        });
        body["tools"] = tools.collect();
        body["tool_choice"] = json!("required");
        body["parallel_tool_calls"] = json!(false);
    }
    if asked.thinks() {
        // Not OpenAI's own: what vLLM, SGLang and llama.cpp hand to the model's template.
        body["chat_template_kwargs"] = json!({ "enable_thinking": true });
    }
    if let Some(schema) = asked.schema {
        let format = json!({ "name": "reply", "strict": is_strict(schema), "schema": schema });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": format });
    }
    body
}

fn message(turn: &Turn) -> Value {
    let role = if turn.is_model { "assistant" } else { "user" };
    // A server of a model without eyes takes text alone.
    if let Some(text) = turn.text() {
        return json!({ "role": role, "content": text });
    }
    let parts = turn.parts.iter().map(|part| match part {
        Part::Text(text) | Part::Result(text) => json!({ "type": "text", "text": text }),
        Part::Call(called) => json!({ "type": "text", "text": called.words() }),
        Part::Image(picture) => json!({ "type": "image_url", "image_url": {
            "url": picture.url(), "detail": "high",
        } }),
    });
    json!({ "role": role, "content": parts.collect::<Vec<_>>() })
}

/// Whether the schema keeps to what OpenAI enforces strictly: objects that say all of their members and demand each.
/// Another one would be refused as strict, and is a wish only.
pub(crate) fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(object) => {
            let is_object = object.get("type").is_some_and(|kind| kind == "object");
            let members = object.get("properties").and_then(Value::as_object);
            let required = object.get("required").and_then(Value::as_array);
            let all = members.is_some_and(|members| {
                members
                    .keys()
                    .all(|name| required.is_some_and(|required| required.iter().any(|known| known == name)))
            });
            let is_closed = object.get("additionalProperties").is_some_and(|more| *more == false);
            (!is_object || (all && is_closed)) && object.values().all(is_strict)
        }
        Value::Array(values) => values.iter().all(is_strict),
        _ => true,
    }
}
