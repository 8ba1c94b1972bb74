//! A thought before an answer in words: asked for in each API's way, and never part of the answer.

use percept_models::{ChatModel, Generate, GenerationEvent, Reply, Sampling};
use serde_json::{Value, json};

use crate::{
    conversation,
    server::{Answer, Server, patient},
};

/// A stream of these events.
fn events(events: &[Value]) -> Answer {
    let lines: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Answer::stream(lines.concat())
}

/// A chat completion of these deltas.
fn chat(deltas: &[Value]) -> Answer {
    let chunk = |delta: &Value| json!({ "choices": [{ "delta": delta, "logprobs": { "content": [{ "logprob": -0.5 }] } }] });
    let mut all: Vec<Value> = deltas.iter().map(chunk).collect();
    all.push(json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }],
                     "usage": { "prompt_tokens": 9, "completion_tokens": 7 } }));
    events(&all)
}

fn thinking(reply: Reply) -> Generate {
    let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
    Generate {
        reply,
        sampling,
        think: true,
        max_tokens: 3000,
        max_thought_tokens: 2000,
        ..Generate::default()
    }
}

#[tokio::test]
async fn a_thought_is_never_part_of_the_answer() {
    let block = |delta: Value| json!({ "type": "content_block_delta", "index": 0, "delta": delta });
    let cases = [
        ("openai", chat(&[json!({ "reasoning_content": "2+2" }), json!({ "content": "Four." })])),
        ("openai", chat(&[json!({ "reasoning": "2+2" }), json!({ "content": "Four." })])),
        // A server that leaves the tags in the text, cut anywhere.
        (
            "openai",
            chat(&["<thi", "nk>\n2+", "2\n</", "think>\n\nFo", "ur."].map(|text| json!({ "content": text }))),
        ),
        (
            "gemini",
            events(&[
                json!({ "candidates": [{ "content": { "parts": [{ "text": "2+2", "thought": true }] } }] }),
                json!({ "candidates": [{ "content": { "parts": [{ "text": "Four." }] }, "finishReason": "STOP" }],
                        "usageMetadata": { "promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 4 } }),
            ]),
        ),
        (
            "anthropic",
            events(&[
                json!({ "type": "message_start", "message": { "usage": { "input_tokens": 9, "output_tokens": 1 } } }),
                json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "thinking", "thinking": "" } }),
                block(json!({ "type": "thinking_delta", "thinking": "2+2" })),
                block(json!({ "type": "signature_delta", "signature": "c2ln" })),
                json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "redacted_thinking", "data": "eA==" } }),
                block(json!({ "type": "text_delta", "text": "Four." })),
                json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 7 } }),
                json!({ "type": "message_stop" }),
            ]),
        ),
    ];
    for (api, answer) in cases {
        let server = Server::new(vec![answer]).await;
        let model = patient(&server.address(api));
        let mut generation = model.generate(&conversation(8, 8), &thinking(Reply::Text)).await.unwrap();
        let (mut thought, mut text) = (String::new(), String::new());
        let done = loop {
            match generation.next().await.unwrap().unwrap() {
                GenerationEvent::Thought(piece) => thought += &piece,
                GenerationEvent::Text(piece) => text += &piece,
                GenerationEvent::Done(done) => break done,
                _ => {}
            }
        };
        assert_eq!((thought.trim(), text.as_str()), ("2+2", "Four."), "{api}");
        assert_eq!((done.thought.as_str(), done.text.as_str()), ("2+2", "Four."), "{api}");
        assert_eq!((done.usage.output_tokens, done.call), (7, None), "{api}");
        let body = &server.asked()[0].body;
        let asked = match api {
            "openai" => body["chat_template_kwargs"] == json!({ "enable_thinking": true }),
            "gemini" => {
                body["generationConfig"]["thinkingConfig"]
                    == json!({ "includeThoughts": true, "thinkingBudget": 2000 })
            }
            _ => body["thinking"] == json!({ "type": "enabled", "budget_tokens": 2000 }),
        };
        assert!(asked, "{api}: {body}");
    }
}

/// A template that opens the thought itself leaves a server that doesn't tell it apart with the tag that ends it alone.
#[tokio::test]
async fn a_thought_that_the_template_opened_is_no_answer_either() {
    let document = || Reply::Json(json!({ "type": "object" }));
    let cases: [(Reply, &[&str], &str, &str); 6] = [
        (Reply::Text, &["2+", "2\n</th", "ink>\n\nFo", "ur."], "2+2", "Four."),
        (Reply::Text, &["Four."], "", "Four."),
        (Reply::Text, &["HTML has ", "<think>", "</think>."], "", "HTML has <think></think>."),
        (document(), &["a key</think>", "{\"a\":1}"], "a key", "{\"a\":1}"),
        (document(), &["{\"a\":\"</think>\"}"], "", "{\"a\":\"</think>\"}"),
        (Reply::Text, &["cut off"], "", "cut off"),
    ];
    for (reply, pieces, thought, text) in cases {
        for think in [true, false] {
            let deltas: Vec<Value> = pieces.iter().map(|text| json!({ "content": text })).collect();
            let server = Server::new(vec![chat(&deltas)]).await;
            let model = patient(&server.address("openai"));
            let options = Generate { think, ..thinking(reply.clone()) };
            let mut generation = model.generate(&conversation(8, 8), &options).await.unwrap();
            let mut told = [String::new(), String::new()];
            let done = loop {
                match generation.next().await.unwrap().unwrap() {
                    GenerationEvent::Thought(piece) => told[0] += &piece,
                    GenerationEvent::Text(piece) => told[1] += &piece,
                    GenerationEvent::Done(done) => break done,
                    _ => {}
                }
            };
            // Unasked it is told as it comes, and only the whole reply has the thought apart.
            let heard = if think { (thought, text) } else { ("", &*pieces.concat()) };
            assert_eq!((told[0].trim(), told[1].as_str()), heard, "{pieces:?}");
            assert_eq!((done.thought.as_str(), done.text.as_str()), (thought, text), "{pieces:?}");
        }
    }
}

/// The probabilities of a thought in the text can't be told from the answer's.
#[tokio::test]
async fn a_thought_in_the_text_leaves_no_likelihood() {
    let pieces: [(&[&str], usize); 2] = [(&["<think>a</think>", "b"], 0), (&["a", "b"], 2)];
    for (pieces, told) in pieces {
        let deltas: Vec<Value> = pieces.iter().map(|text| json!({ "content": text })).collect();
        let server = Server::new(vec![chat(&deltas)]).await;
        let model = patient(&(server.address("openai") + "?probabilities=yes"));
        let options = Generate { log_probabilities: true, ..Generate::default() };
        let done = model.generate(&conversation(8, 8), &options).await.unwrap().complete().await.unwrap();
        assert_eq!(done.log_probabilities.len(), told, "{done:?}");
    }
}

#[tokio::test]
async fn a_thought_that_an_api_cant_be_asked_for_is_refused() {
    let thought = thinking(Reply::Text);
    let cold = Generate { sampling: Sampling::default(), ..thought.clone() };
    let short = Generate { max_thought_tokens: 100, ..thought.clone() };
    let tight = Generate { max_tokens: 2000, ..thought.clone() };
    let json = thinking(Reply::Json(json!({ "type": "object" })));
    let server = Server::new(vec![Answer::file("anthropic/text")]).await;
    let claude = server.address("anthropic");
    let cases = [
        (claude.clone(), &cold, "a temperature of 1 alone, not of 0"),
        (claude.clone(), &short, "at least 1024 tokens within a reply of more: 100 of 3000"),
        (claude.clone(), &tight, "2000 of 2000 are given"),
        (claude.clone(), &json, "no JSON after a thought"),
    ];
    for (address, options, problem) in cases {
        let error = patient(&address).generate(&conversation(8, 8), options).await.err().unwrap().to_string();
        assert!(error.contains(problem), "{error}");
    }
    for (address, options, problem) in [
        (claude.clone(), &cold, "a temperature of 1 alone"),
        ("openai:gpt-5.2".into(), &thought, "its API tells no thoughts"),
    ] {
        let error = patient(&address).can_think(options).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    for address in [claude.clone(), server.address("openai"), server.address("gemini")] {
        patient(&address).can_think(&thought).unwrap();
    }
    assert_eq!(server.asked().len(), 0, "nothing was sent");
    // The vendor's own server, to which nothing is sent either.
    let vendor = patient("openai:gpt-5.2");
    let error = vendor.generate(&conversation(8, 8), &thought).await.err().unwrap().to_string();
    assert!(error.contains("its API tells no thoughts"), "{error}");
}
