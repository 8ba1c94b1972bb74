//! What goes wrong in an answer's stream, on each API: before its first byte, before its first word, in its middle, at its end.

use std::{sync::Arc, time::Duration};

use percept_models::{ChatModel, Generate, GenerationEvent, ModelError, RemoteError};
use tokio::sync::Notify;

use crate::{
    conversation,
    faults::{SOON, check, complete},
    server::{Answer, Server, Steps, model, patient},
};

/// Each API, the one of OpenAI's tool for computer use too.
const APIS: [&str; 4] = ["openai", "responses", "gemini", "anthropic"];

/// What `text` replies on each of them, and where its second half begins.
const FORM: Result<&str, &str> = Ok("A login form.");
const HALF: &str = "form.";

fn text(api: &str) -> Answer {
    Answer::file(&format!("{api}/text"))
}

/// What an API says in the middle of a stream when it can't go on now, and when it won't.
fn complaints(api: &str) -> [&'static str; 2] {
    match api {
        "openai" => [
            "data: {\"error\":{\"message\":\"Busy\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
            "data: {\"error\":{\"message\":\"Odd\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}\n\n",
        ],
        "responses" => [
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"Busy\",\"param\":null}\n\n",
            "event: error\ndata: {\"type\":\"error\",\"code\":\"invalid_prompt\",\"message\":\"Odd\",\"param\":null}\n\n",
        ],
        "gemini" => [
            "data: {\"error\":{\"code\":503,\"message\":\"Busy\",\"status\":\"UNAVAILABLE\"}}\n\n",
            "data: {\"error\":{\"code\":400,\"message\":\"Odd\",\"status\":\"INVALID_ARGUMENT\"}}\n\n",
        ],
        _ => [
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}\n\n",
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Odd\"}}\n\n",
        ],
    }
}

#[tokio::test]
async fn before_the_first_word_an_answer_is_asked_for_again_on_each_api() {
    for api in APIS {
        let [busy, odd] = complaints(api);
        let slow = Answer::error(429, r#"{"error":{"message":"Slow."}}"#).header("retry-after", "7");
        let cases = [
            (Answer::none(), 250),
            (Answer::stream("").torn(), 250),
            (text(api).events_before("A login").torn(), 250),
            (text(api).cut("A login"), 250),
            // Ended as if nothing were missing.
            (Answer::stream(""), 250),
            (text(api).events_before("A login"), 250),
            (text(api).events_before("A login").and(busy), 250),
            (slow, 7000),
        ];
        for (fault, wait) in cases {
            check(api, vec![fault, text(api)], &[wait], FORM).await;
        }
        check(api, vec![Answer::none()], &[250, 500, 1000, 2000], Err("broke off")).await;
        let odd = text(api).events_before("A login").and(odd);
        check(api, vec![odd, text(api)], &[], Err("the server says: Odd")).await;

        let dead = Server::new(vec![text(api).hanging("A login"), text(api)]).await;
        let short = model(&dead.address(api), Arc::new(Steps::default()), Duration::from_millis(500));
        assert_eq!(complete(&short).await.unwrap(), "A login form.", "{api}");
        assert_eq!(dead.asked().len(), 2, "{api}");
    }
}

/// What becomes of a reply of which a word was told before the rest of this answer came.
async fn told(api: &str, answer: Answer, idle: Duration) -> ModelError {
    let told = Arc::new(Notify::new());
    let half = text(api).events_before(HALF).bytes();
    let server = Server::new(vec![answer.held(half, told.clone()), text(api)]).await;
    let model = model(&server.address(api), Arc::new(Steps::default()), idle);
    let mut generation = model.generate(&conversation(8, 8), &Generate::default()).await.unwrap();
    let first = generation.next().await.unwrap().unwrap();
    assert!(matches!(&first, GenerationEvent::Text(text) if text.starts_with("A login")), "{api}: {first:?}");
    told.notify_one();
    let error = generation.complete().await.unwrap_err();
    assert_eq!(server.asked().len(), 1, "{api}: what was told can't be taken back");
    error
}

#[tokio::test]
async fn after_a_word_was_told_nothing_is_asked_again_on_any_api() {
    for api in APIS {
        let half = || text(api).events_before(HALF);
        let [busy, odd] = complaints(api);
        let cases = [
            (half().torn(), "broke off"),
            (half(), "it ended before the reply did"),
            (half().and(busy), "the server says: Busy"),
            (half().and(odd), "the server says: Odd"),
            (half().and("data: {torn\n\n"), "answered in another form than its API's"),
        ];
        for (answer, part) in cases {
            let error = told(api, answer, SOON).await.to_string();
            assert!(error.contains(part), "{api}: `{part}` isn't in: {error}");
        }
        let error = told(api, text(api).hanging(HALF), Duration::from_millis(500)).await;
        assert!(matches!(&error, ModelError::Remote(RemoteError::Silent { .. })), "{api}: {error:?}");
    }
}

#[tokio::test]
async fn a_reply_that_is_whole_stays_one_on_each_api() {
    for api in APIS {
        check(api, vec![text(api).torn()], &[], FORM).await;
        let server = Server::new(vec![text(api).silent()]).await;
        assert_eq!(complete(&patient(&server.address(api))).await.unwrap(), "A login form.", "{api}");
    }
    // What says that it is over needn't come where it said why it stopped, and how many tokens it took.
    for (api, last) in [("openai", "data: [DONE]"), ("anthropic", "event: message_stop")] {
        check(api, vec![text(api).cut(last)], &[], FORM).await;
    }
    for (api, last) in [("responses", "event: response.completed"), ("anthropic", "event: message_delta")] {
        check(api, vec![text(api).cut(last)], &[], Err("broke off")).await;
    }
}
