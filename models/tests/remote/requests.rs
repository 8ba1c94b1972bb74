//! What each API is asked, to the byte: a change of the wire shows in review.

use percept_models::{ChatModel, Generate, Reply, Sampling, Thought};
use serde_json::{Value, json};

use crate::{
    APIS, call, conversation,
    server::{Answer, Asked, Server, patient},
};

/// The body with its images shortened to their size.
pub(crate) fn shortened(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > 60 && text.contains("iVBOR") => {
            let (before, data) = text.split_at(text.find("iVBOR").unwrap());
            let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, data).unwrap();
            let image = image::load_from_memory(&bytes).unwrap();
            *text = format!("{before}(PNG of {}×{})", image.width(), image.height());
        }
        Value::Array(values) => values.iter_mut().for_each(shortened),
        Value::Object(entries) => entries.values_mut().for_each(shortened),
        _ => {}
    }
}

async fn asked(api: &str, settings: &str, size: [u32; 2], options: Generate) -> Asked {
    let server = Server::new(vec![Answer::file(&format!("{api}/text"))]).await;
    let model = patient(&(server.address(api) + settings));
    let generation = model.generate(&conversation(size[0], size[1]), &options).await.unwrap();
    let _ = generation.complete().await.unwrap();
    let mut asked = server.asked().remove(0);
    shortened(&mut asked.body);
    asked
}

#[tokio::test]
async fn a_call_is_forced_with_its_places_in_the_apis_own_way() {
    for api in APIS {
        let asked = asked(api, "", [64, 48], call(64, 48, Thought::Free)).await;
        insta::assert_json_snapshot!(format!("call_{api}"), asked.body);
        assert!(!asked.body.to_string().contains("x-percept"));
    }
}

#[tokio::test]
async fn a_text_is_asked_for_with_every_setting_that_the_api_has() {
    let sampling = Sampling { temperature: 0.7, top_p: 0.9, seed: u64::MAX - 6, ..Sampling::default() };
    let stop = vec!["END".into()];
    let options = Generate { sampling, stop, max_tokens: 99, ..Generate::default() };
    for api in APIS {
        let mut options = options.clone();
        if api == "anthropic" {
            // One or the other (below); 1 is the API's own temperature.
            options.sampling.temperature = 1.0;
        }
        insta::assert_json_snapshot!(
            format!("text_{api}"),
            asked(api, "", [8, 8], options.clone()).await.body
        );
        let own = asked(api, "?sampling=own", [8, 8], options.clone()).await.body.to_string();
        for setting in ["temperature", "top_p", "topP", "seed"] {
            assert!(!own.contains(setting), "{api}: {own}");
        }
    }
}

#[tokio::test]
async fn claude_is_sent_a_temperature_or_a_top_p_and_never_both() {
    let cases = [
        ([0.0, 1.0], json!([0.0, null])),
        ([0.7, 1.0], json!([0.7, null])),
        // The likeliest token is the same among all and among the likeliest.
        ([0.0, 0.9], json!([0.0, null])),
        ([1.0, 1.0], json!([1.0, null])),
        ([1.0, 0.9], json!([null, 0.9])),
        ([1.5, 0.9], json!([null, 0.9])),
    ];
    for ([temperature, top_p], expected) in cases {
        let sampling = Sampling { temperature, top_p, ..Sampling::default() };
        let body = asked("anthropic", "", [8, 8], Generate { sampling, ..Generate::default() }).await.body;
        assert_eq!(json!([body["temperature"], body["top_p"]]), expected, "{temperature} {top_p}");
    }
}

#[tokio::test]
async fn a_json_reply_has_its_schema_enforced() {
    let schema = json!({
        "type": "object",
        "properties": { "holds": { "type": "boolean" }, "kind": { "const": "verdict" } },
        "required": ["holds", "kind"],
        "additionalProperties": false,
    });
    let options = Generate { reply: Reply::Json(schema), ..Generate::default() };
    for api in APIS {
        let body = asked(api, "", [8, 8], options.clone()).await.body;
        let part = match api {
            "openai" => body["response_format"].clone(),
            "gemini" => body["generationConfig"].clone(),
            _ => json!([body["tools"], body["tool_choice"]]),
        };
        insta::assert_json_snapshot!(format!("json_{api}"), part);
    }
    let loose = Generate { reply: Reply::Json(json!({ "type": "object" })), ..Generate::default() };
    let body = asked("openai", "", [8, 8], loose).await.body;
    assert_eq!(body["response_format"]["json_schema"]["strict"], json!(false));
}

#[tokio::test]
async fn each_api_is_asked_at_its_path_with_its_headers() {
    for (api, line, key) in [
        ("openai", "POST /v1/chat/completions HTTP/1.1", "authorization"),
        ("gemini", "POST /v1beta/models/model:streamGenerateContent?alt=sse HTTP/1.1", "x-goog-api-key"),
        ("anthropic", "POST /v1/messages HTTP/1.1", "x-api-key"),
    ] {
        let asked = asked(api, "", [8, 8], Generate::default()).await;
        assert_eq!(asked.line, line);
        assert!(asked.header(key).unwrap().ends_with(crate::server::SECRET), "{api}");
        assert_eq!(asked.header("accept"), Some("text/event-stream"));
        assert_eq!(asked.header("anthropic-version"), (api == "anthropic").then_some("2023-06-01"));
    }
}

#[tokio::test]
async fn what_an_api_would_scale_down_is_scaled_before() {
    let sizes = [("openai", "2000×1000"), ("gemini", "2000×1000"), ("anthropic", "1516×758")];
    for (api, size) in sizes {
        let body = asked(api, "", [2000, 1000], call(2000, 1000, Thought::None)).await.body.to_string();
        assert!(body.contains(&format!("(PNG of {size})")), "{api}: {body}");
    }
    let body = asked("anthropic", "", [2000, 1000], call(2000, 1000, Thought::None)).await.body;
    let point = &body["tools"][0]["input_schema"]["properties"]["point"];
    assert_eq!(point["properties"]["x"]["maximum"], json!(1515));
}

#[tokio::test]
async fn what_an_api_lacks_is_refused_or_noted() {
    let plain = Generate::default;
    let sampling = |min_p, repetition_penalty| Generate {
        sampling: Sampling { min_p, repetition_penalty, ..Sampling::default() },
        ..Generate::default()
    };
    let cases = [
        ("openai", sampling(0.1, 1.0), "neither min-p nor a repetition penalty"),
        ("gemini", sampling(0.0, 1.1), "neither min-p nor a repetition penalty"),
        ("openai", Generate { log_probabilities: true, ..plain() }, "ask without log-probabilities"),
        ("anthropic", Generate { log_probabilities: true, ..plain() }, "ask without log-probabilities"),
        ("openai", Generate { stop_at_end: false, ..plain() }, "always stops at its end"),
        ("openai", Generate { max_tokens: 0, ..plain() }, "a reply of no tokens"),
        ("openai", Generate { stop: vec!["x".into(); 5], ..plain() }, "takes 4 stop texts, 5 are given"),
        (
            "anthropic",
            Generate { reply: Reply::Json(json!({ "type": "integer" })), ..plain() },
            "wrap it in one",
        ),
        (
            "anthropic",
            Generate {
                sampling: Sampling { temperature: 0.7, top_p: 0.9, ..Sampling::default() },
                ..plain()
            },
            "choose one",
        ),
        (
            "gemini",
            Generate { reply: Reply::Call { thought: Thought::Free, functions: vec![] }, ..plain() },
            "no function",
        ),
    ];
    let server = Server::new(vec![Answer::file("openai/text")]).await;
    for (api, options, problem) in cases {
        let model = patient(&server.address(api));
        let error = model.generate(&conversation(8, 8), &options).await.err().unwrap().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let narrow = patient(&(server.address("openai") + "?images=1"));
    let mut two = conversation(8, 8);
    two.push(conversation(9, 9).messages()[4].clone());
    let error = narrow.generate(&two, &plain()).await.err().unwrap();
    assert!(matches!(error, percept_models::ModelError::Conversation(_)), "{error}");
    assert_eq!(server.asked().len(), 0, "nothing was sent");
    for api in APIS {
        insta::assert_json_snapshot!(format!("card_{api}"), patient(&format!("{api}:model")).card());
    }
}
