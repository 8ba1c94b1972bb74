//! A request to `streamGenerateContent`.

use serde_json::{Value, json};

use crate::remote::{
    turns::{Part, Turn},
    wire::{Asked, decimal},
};

/// Said where a call is asked for, since no setting says it.
const ONE_CALL: &str = "Call exactly one function at a time.";

/// The body of a request.
pub(crate) fn body(asked: &Asked<'_>) -> Value {
    let options = asked.options;
    let mut settings = json!({ "maxOutputTokens": options.max_tokens });
    if let Some(temperature) = asked.temperature {
        settings["temperature"] = decimal(temperature);
    }
    if let Some(top_p) = asked.top_p() {
        settings["topP"] = decimal(top_p);
    }
    if let Some(seed) = asked.seed() {
        settings["seed"] = json!(seed);
    }
    let stops = asked.stops();
    if !stops.is_empty() {
        settings["stopSequences"] = json!(stops);
    }
    if options.log_probabilities && asked.declared.is_empty() {
        settings["responseLogprobs"] = json!(true);
    }
    if let Some(schema) = asked.schema {
        settings["responseMimeType"] = json!("application/json");
        settings["responseJsonSchema"] = schema.clone();
    }
    let mut system = vec![asked.turns.system.as_str()];
    if !asked.declared.is_empty() {
        system.push(ONE_CALL);
    }
    system.retain(|text| !text.is_empty());
    let contents: Vec<Value> = asked.turns.turns.iter().map(content).collect();
    let mut body = json!({ "contents": contents, "generationConfig": settings });
    if !system.is_empty() {
        body["systemInstruction"] = json!({ "parts": [{ "text": system.join("\n\n") }] });
    }
    if !asked.declared.is_empty() {
        let declarations = asked.declared.iter().map(|function| {
            json!({
                "name": function.name,
                "description": function.description,
                "parametersJsonSchema": function.parameters,
            })
        });
        body["tools"] = json!([{ "functionDeclarations": declarations.collect::<Vec<_>>() }]);
        body["toolConfig"] = json!({ "functionCallingConfig": { "mode": "ANY" } });
    }
    body
}

fn content(turn: &Turn) -> Value {
    let parts = turn.parts.iter().map(|part| match part {
        Part::Text(text) => json!({ "text": text }),
        Part::Image(picture) => {
            json!({ "inlineData": { "mimeType": picture.media_type, "data": picture.base64 } })
        }
    });
    json!({ "role": if turn.is_model { "model" } else { "user" }, "parts": parts.collect::<Vec<_>>() })
}
