//! A request to `streamGenerateContent`.

use serde_json::{Value, json};

use crate::{
    ModelError,
    remote::{
        turns::{Called, Part, Turn},
        wire::{Asked, decimal},
    },
};

/// Said where a call is asked for, since no setting says it.
const ONE_CALL: &str = "Call exactly one function at a time.";

/// The function whose arguments are a JSON reply, where there is a tool.
const REPLY: &str = "reply";

/// Where a function's response says that a person confirmed the call, and the word that Google's own sample says it with.
const ACKNOWLEDGED: (&str, &str) = ("safety_acknowledgement", "true");

/// The body of a request.
pub(crate) fn body(asked: &Asked<'_>) -> Result<Value, ModelError> {
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
    if options.log_probabilities && !asked.wants_call() {
        settings["responseLogprobs"] = json!(true);
    }
    // Beside a tool it takes no JSON reply: there the reply is what a function is called with.
    let as_function = asked.schema.filter(|_| asked.computer.is_some());
    if as_function.is_some_and(|schema| schema.get("type").is_none_or(|kind| kind != "object")) {
        return Err(ModelError::Request(
            "Google's API takes a JSON reply beside its tool for computer use as a function's arguments, whose schema has \
             `\"type\": \"object\"`: wrap it in one"
                .into(),
        ));
    }
    if let (Some(schema), None) = (asked.schema, as_function) {
        settings["responseMimeType"] = json!("application/json");
        settings["responseJsonSchema"] = schema.clone();
    }
    if asked.thinks() {
        settings["thinkingConfig"] =
            json!({ "includeThoughts": true, "thinkingBudget": options.max_thought_tokens });
    }
    let mut system = vec![asked.turns.system.as_str()];
    if asked.wants_call() {
        system.push(ONE_CALL);
    }
    system.retain(|text| !text.is_empty());
    let contents: Vec<Value> = asked
        .turns
        .answering()
        .map(|(turn, call)| {
            let is_declared = |call: &&Called| asked.declared.iter().any(|own| own.name == call.name);
            content(turn, call, call.is_some_and(|call| !is_declared(&call)))
        })
        .collect();
    let mut body = json!({ "contents": contents, "generationConfig": settings });
    if !system.is_empty() {
        body["systemInstruction"] = json!({ "parts": [{ "text": system.join("\n\n") }] });
    }
    if asked.wants_call() || asked.computer.is_some() {
        let declarations = asked.declared.iter().map(|function| {
            json!({
                "name": function.name,
                "description": function.description,
                "parametersJsonSchema": function.parameters,
            })
        });
        let tool = asked.computer.map(|(_, offering)| {
            json!({ "computerUse": {
                "environment": "ENVIRONMENT_BROWSER", "excludedPredefinedFunctions": offering.excluded,
            } })
        });
        let reply = as_function.map(|schema| {
            json!({ "name": REPLY, "description": "Takes the reply.", "parametersJsonSchema": schema })
        });
        let declarations: Vec<Value> = declarations.chain(reply).collect();
        let functions = (!declarations.is_empty()).then(|| json!({ "functionDeclarations": declarations }));
        body["tools"] = tool.into_iter().chain(functions).collect();
        let calling = match (as_function, asked.wants_call()) {
            (Some(_), _) => json!({ "mode": "ANY", "allowedFunctionNames": [REPLY] }),
            (None, true) if asked.speaks_first() => json!({ "mode": "AUTO" }),
            (None, true) => json!({ "mode": "ANY" }),
            (None, false) => json!({ "mode": "NONE" }),
        };
        body["toolConfig"] = json!({ "functionCallingConfig": calling });
    }
    Ok(body)
}

/// A turn; one that answers a function of the tool's has the page's address beside what came of it.
fn content(turn: &Turn, call: Option<&Called>, is_tools: bool) -> Value {
    let parts: Vec<Value> = match call {
        None => turn.parts.iter().map(part).collect(),
        Some(call) => {
            let (result, beside) = turn.answer();
            let texts: Vec<&str> = result.iter().filter_map(|part| text(part)).collect();
            let images: Vec<Value> = result
                .iter()
                .filter(|part| matches!(part, Part::Image(_)))
                .map(|image| part(image))
                .collect();
            let mut answer = json!({ "name": call.name, "response": { "output": texts.join("\n") } });
            if let Some(address) = turn.address.as_ref().filter(|_| is_tools) {
                answer["response"]["url"] = json!(address);
            }
            if call.confirmed {
                answer["response"][ACKNOWLEDGED.0] = json!(ACKNOWLEDGED.1);
            }
            if !images.is_empty() {
                answer["parts"] = json!(images);
            }
            let answer = json!({ "functionResponse": answer });
            std::iter::once(answer).chain(beside.into_iter().map(part)).collect()
        }
    };
    json!({ "role": if turn.is_model { "model" } else { "user" }, "parts": parts })
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) | Part::Result(text) => json!({ "text": text }),
        Part::Image(picture) => {
            json!({ "inlineData": { "mimeType": picture.media_type, "data": picture.base64 } })
        }
        Part::Call(call) => json!({ "functionCall": { "name": call.name, "args": call.arguments } }),
    }
}

fn text(part: &Part) -> Option<&str> {
    match part {
        Part::Text(text) | Part::Result(text) => Some(text),
        Part::Image(_) | Part::Call(_) => None,
    }
}
