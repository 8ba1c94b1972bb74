//! What each API's documented answers become.

use percept_models::{ChatModel, Generate, GenerationEvent, Reply, Thought};
use serde_json::json;

use crate::{
    call, conversation,
    server::{Answer, Server, patient},
};

/// A reply on a few lines: its events, then what it comes to.
async fn told(file: &str, options: &Generate) -> String {
    let server = Server::new(vec![Answer::file(file)]).await;
    let api = file.split('/').next().unwrap();
    let mut generation =
        patient(&server.address(api)).generate(&conversation(64, 48), options).await.unwrap();
    let mut lines = Vec::new();
    while let Some(event) = generation.next().await {
        lines.push(match event {
            Ok(GenerationEvent::Thought(text)) => format!("thought {text:?}"),
            Ok(GenerationEvent::Text(text)) => format!("text {text:?}"),
            Ok(GenerationEvent::Done(done)) => {
                let call = done.call.map(|call| match call {
                    Ok(call) => format!("{} {}", call.function, call.arguments),
                    Err(problem) => format!("no call: {problem}"),
                });
                let usage = done.usage;
                format!(
                    "{:?} after {}+{} tokens, {} written\n  thought {:?}\n  text {:?}\n  {}",
                    done.stop,
                    usage.fresh_tokens,
                    usage.cached_tokens,
                    usage.output_tokens,
                    done.thought,
                    done.text,
                    call.unwrap_or_else(|| "no call asked for".into()),
                )
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error: {}", error.to_string().replace(&server.port.to_string(), "PORT")),
        });
    }
    lines.join("\n")
}

#[tokio::test]
async fn a_documented_answer_becomes_a_reply() {
    let text = Generate { stop: vec!["END".into()], ..Generate::default() };
    let json = Generate { reply: Reply::Json(json!({ "type": "object" })), ..Generate::default() };
    let (free, none) = (call(64, 48, Thought::Free), call(64, 48, Thought::None));
    let cases = [
        ("openai/text", &text),
        ("openai/text", &json),
        ("openai/call", &free),
        ("openai/compatible", &none),
        ("openai/two_calls", &none),
        ("openai/outside", &free),
        ("openai/cut_off", &free),
        ("openai/text", &free),
        ("openai/refusal", &free),
        ("openai/filtered", &text),
        ("openai/uncounted", &text),
        ("openai/empty", &text),
        ("gemini/text", &text),
        ("gemini/text", &none),
        ("gemini/call", &free),
        ("gemini/two_calls", &none),
        ("gemini/outside", &free),
        ("gemini/malformed_call", &free),
        ("gemini/cut_off", &free),
        ("gemini/blocked", &free),
        ("gemini/safety", &text),
        ("anthropic/text", &text),
        ("anthropic/json", &json),
        ("anthropic/call", &free),
        ("anthropic/two_calls", &none),
        ("anthropic/no_call", &free),
        ("anthropic/refusal", &text),
        ("anthropic/context", &free),
    ];
    let mut all = Vec::new();
    for (file, options) in cases {
        let kind = match &options.reply {
            Reply::Call { thought, .. } => format!("call, thought {thought:?}"),
            Reply::Json(_) => "json".into(),
            _ => "text".into(),
        };
        all.push(format!("## {file} ({kind})\n{}", told(file, options).await));
    }
    insta::assert_snapshot!("replies", all.join("\n\n"));
}

#[tokio::test]
async fn counts_that_no_reply_has_are_counted_as_the_most_there_is() {
    let most = u64::MAX;
    let gemini = format!(
        "data: {{\"candidates\":[{{\"finishReason\":\"STOP\"}}],\"usageMetadata\":{{\"candidatesTokenCount\":{most},\"thoughtsTokenCount\":1}}}}\n\n"
    );
    let anthropic = format!(
        "data: {{\"type\":\"message_start\",\"message\":{{\"usage\":{{\"input_tokens\":{most},\"cache_creation_input_tokens\":1,\"output_tokens\":{most}}}}}}}\n\n\
         data: {{\"type\":\"message_stop\"}}\n\n"
    );
    for (api, answer) in [("gemini", gemini), ("anthropic", anthropic)] {
        let server = Server::new(vec![Answer::stream(answer)]).await;
        let model = patient(&server.address(api));
        let generation = model.generate(&conversation(8, 8), &Generate::default()).await.unwrap();
        let usage = generation.complete().await.unwrap().usage;
        assert_eq!(usage.output_tokens, usize::MAX, "{api}");
        assert_eq!(usage.fresh_tokens, if api == "gemini" { 0 } else { usize::MAX }, "{api}");
    }
}

#[tokio::test]
async fn a_point_on_a_scaled_screenshot_comes_back_where_it_was() {
    let server = Server::new(vec![Answer::file("anthropic/call")]).await;
    let model = patient(&server.address("anthropic"));
    let options = call(3136, 300, Thought::Free);
    let done = model.generate(&conversation(3136, 300), &options).await.unwrap().complete().await.unwrap();
    // 12, 34 on the halved image is the pixel under its middle.
    assert_eq!(done.call.unwrap().unwrap().arguments, json!({ "point": [25, 69] }));
}

#[tokio::test]
async fn the_likelihood_of_words_is_what_an_api_tells_of_their_tokens() {
    let options = Generate { log_probabilities: true, ..Generate::default() };
    for (api, file) in [("openai", "openai/probabilities"), ("gemini", "gemini/probabilities")] {
        let server = Server::new(vec![Answer::file(file)]).await;
        let model = patient(&(server.address(api) + "?probabilities=yes"));
        assert!(model.card().tells_probabilities);
        let reply = model.generate(&conversation(8, 8), &options).await.unwrap().complete().await.unwrap();
        assert_eq!(
            (reply.text.as_str(), &reply.log_probabilities),
            ("A login form.", &vec![-0.5, -0.25, 0.0])
        );
        assert!((reply.likelihood().unwrap() - (-0.25f64).exp()).abs() < 1e-9, "{reply:?}");
        assert!(reply.tokens.is_empty(), "no API numbers its tokens");
        let body = &server.asked()[0].body;
        let asked = match api {
            "openai" => &body["logprobs"],
            _ => &body["generationConfig"]["responseLogprobs"],
        };
        assert_eq!(asked, &json!(true), "{body}");
    }
    // What isn't asked for isn't sent, and of a call's arguments no API tells.
    for (api, reply) in [("openai", Reply::Text), ("gemini", call(8, 8, Thought::None).reply)] {
        let server = Server::new(vec![Answer::file(&format!("{api}/text"))]).await;
        let model = patient(&(server.address(api) + "?probabilities=yes"));
        let log_probabilities = reply != Reply::Text;
        let options = Generate { reply, log_probabilities, ..Generate::default() };
        let reply = model.generate(&conversation(8, 8), &options).await.unwrap().complete().await.unwrap();
        assert_eq!(reply.likelihood(), None);
        let body = server.asked()[0].body.to_string();
        assert!(!body.to_lowercase().contains("logprobs"), "{body}");
    }
}

#[test]
fn only_an_api_that_tells_probabilities_is_asked_for_them() {
    let error = "anthropic:claude?probabilities=yes".parse::<percept_models::ModelAddress>().unwrap_err();
    assert!(error.to_string().contains("Anthropic's API tells no probabilities"), "{error}");
    assert!("openai:gpt?probabilities=no".parse::<percept_models::ModelAddress>().is_err());
}
