//! What goes wrong on the way, what is tried again, and what a person is told.

use std::{sync::Arc, time::Duration};

use percept_models::{
    ChatModel, Generate, GenerationEvent, ModelError, RemoteError, RemoteModel, StopReason, Thought,
};
use tokio::net::TcpListener;

use crate::{
    APIS, call, conversation,
    server::{Answer, SECRET, Server, Steps, model, patient},
};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What the last chunk of `openai/text`, the one with the counts, begins with.
const UNCOUNTED: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1764000000,"model":"gpt","choices":[],"#;

pub(crate) async fn complete(model: &RemoteModel) -> Result<String, ModelError> {
    let generation = model.generate(&conversation(8, 8), &Generate::default()).await?;
    generation.complete().await.map(|done| done.text)
}

/// How often the server was asked, how long was waited between, and what came of it: the text, or a part of the error.
pub(crate) async fn check(api: &str, answers: Vec<Answer>, waits: &[u128], expected: Result<&str, &str>) {
    let server = Server::new(answers.clone()).await;
    let pace = Arc::new(Steps::default());
    let found = complete(&model(&server.address(api), pace.clone(), SOON)).await;
    let waited = pace.waits.lock().unwrap().clone();
    match (found, expected) {
        (Ok(text), Ok(expected)) => assert_eq!(text, expected),
        (Err(error), Err(part)) => {
            let error = error.to_string();
            assert!(error.contains(part), "{answers:?}: {error}");
            assert!(!error.contains(SECRET), "{error}");
        }
        (found, _) => panic!("{answers:?}: {found:?}"),
    }
    assert_eq!((waited.as_slice(), server.asked().len()), (waits, waits.len() + 1), "{answers:?}");
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_nothing_else() {
    let form = Ok("A login form.");
    for api in APIS {
        let good = || Answer::file(&format!("{api}/text"));
        let bad = |status| Answer::error(status, r#"{"error":{"message":"No."}}"#);
        for status in [408, 429, 500, 502, 503, 504, 529] {
            check(api, vec![bad(status), good()], &[250], form).await;
        }
        check(api, vec![bad(500), bad(503), bad(429), bad(529), good()], &[250, 500, 1000, 2000], form).await;
        let five = "can't answer now (503): No. It was asked 5 time(s)";
        check(api, vec![bad(503)], &[250, 500, 1000, 2000], Err(five)).await;
        for status in [400, 401, 403, 404, 405, 422, 501] {
            check(api, vec![bad(status), good()], &[], Err(&format!("({status}): No."))).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_says_how_long_is_waited_for_exactly() {
    let busy =
        |after: &str| Answer::error(429, r#"{"error":{"message":"Slow."}}"#).header("retry-after", after);
    let good = || Answer::file("openai/text");
    let form = Ok("A login form.");
    check("openai", vec![busy("7"), good()], &[7000], form).await;
    check("openai", vec![busy("Sun, 06 Nov 1994 08:49:57 GMT"), good()], &[20_000], form).await;
    check("openai", vec![busy("whenever"), good()], &[250], form).await;
    check("openai", vec![busy("3600"), good()], &[], Err("it wants to be left alone for 3600 s; Slow."))
        .await;
    let quota = r#"{"error":{"code":429,"message":"Q","details":[{"retryDelay":"9s"}]}}"#;
    check("gemini", vec![Answer::error(429, quota), Answer::file("gemini/text")], &[9000], form).await;
    let spent = r#"{"error":{"code":"insufficient_quota","message":"Nothing left."}}"#;
    check("openai", vec![Answer::error(429, spent), good()], &[], Err("(429): Nothing left.")).await;
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let cases = [
        ("openai", 401, r#"{"error":{"message":"Bad key."}}"#, "Check the key in OPENAI_API_KEY"),
        ("anthropic", 403, r#"{"error":{"message":"No."}}"#, "Check the key in ANTHROPIC_API_KEY"),
        (
            "gemini",
            400,
            r#"{"error":{"code":400,"message":"API key not valid.","details":[{"reason":"API_KEY_INVALID"}]}}"#,
            "Check the key in GEMINI_API_KEY",
        ),
        ("openai", 404, r#"{"error":{"message":"No such model."}}"#, "Check the model's name, `model`"),
        ("openai", 400, r#"{"error":{"message":"Unsupported value: 'temperature'"}}"#, "add `?sampling=own`"),
        ("openai", 400, "nonsense", "(400): nonsense. Asking the same again won't help"),
    ];
    for (api, status, body, remedy) in cases {
        check(api, vec![Answer::error(status, body)], &[], Err(remedy)).await;
    }
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_the_conversations_fault() {
    let cases = [
        ("openai", 400, r#"{"error":{"code":"context_length_exceeded","message":"Too long."}}"#),
        (
            "gemini",
            400,
            r#"{"error":{"message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#,
        ),
        (
            "anthropic",
            400,
            r#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#,
        ),
        ("anthropic", 413, r#"{"error":{"type":"request_too_large","message":"Too large."}}"#),
    ];
    for (api, status, body) in cases {
        let server = Server::new(vec![Answer::error(status, body)]).await;
        let error = complete(&patient(&server.address(api))).await.unwrap_err();
        assert!(matches!(error, ModelError::Conversation(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_asked_again_only_if_nothing_was_told() {
    for api in APIS {
        let good = || Answer::file(&format!("{api}/text"));
        check(api, vec![good().cut("A login"), good()], &[250], Ok("A login form.")).await;
        check(api, vec![good().cut("form."), good()], &[], Err("broke off")).await;
    }
    check("openai", vec![Answer::none(), Answer::file("openai/text")], &[250], Ok("A login form.")).await;
    check("openai", vec![Answer::none()], &[250, 500, 1000, 2000], Err("broke off")).await;
    // Ended as if nothing were missing.
    let half = Answer::stream("data: {\"choices\":[{\"delta\":{\"content\":\"A\"}}]}\n\n");
    check("openai", vec![half], &[], Err("it ended before the reply did")).await;
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Busy\"}}\n\n";
    let good = || Answer::file("anthropic/text");
    check("anthropic", vec![Answer::stream(overloaded), good()], &[250], Ok("A login form.")).await;
    let patience = "data: {\"error\":{\"status\":\"UNAVAILABLE\",\"message\":\"Full\",\"details\":[{\"retryDelay\":\"900s\"}]}}\n\n";
    check("gemini", vec![Answer::stream(patience)], &[], Err("the server says: Full")).await;
    let wrong = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Odd\"}}\n\n";
    check("anthropic", vec![Answer::stream(wrong), good()], &[], Err("the server says: Odd")).await;
    let google = "data: {\"error\":{\"code\":503,\"message\":\"Full\",\"status\":\"UNAVAILABLE\"}}\n\n";
    check("gemini", vec![Answer::stream(google), Answer::file("gemini/text")], &[250], Ok("A login form."))
        .await;
}

#[tokio::test]
async fn a_reply_that_is_whole_and_counted_stays_one_however_its_connection_ends() {
    let whole = || Answer::file("openai/text");
    let form = Ok("A login form.");
    check("openai", vec![whole().cut("data: [DONE]")], &[], form).await;
    check("gemini", vec![Answer::file("gemini/text").torn()], &[], form).await;
    // Without its counts it isn't whole.
    check("openai", vec![whole().cut(UNCOUNTED)], &[], Err("broke off")).await;

    // An end that needn't come isn't waited for as long as one that must: `check` has thirty seconds of patience.
    let begun = std::time::Instant::now();
    check("openai", vec![whole().hanging("data: [DONE]")], &[], form).await;
    assert!(begun.elapsed() < SOON / 2, "{:?}", begun.elapsed());
    let uncounted = Server::new(vec![whole().hanging(UNCOUNTED)]).await;
    let short = model(&uncounted.address("openai"), Arc::new(Steps::default()), Duration::from_millis(200));
    let error = complete(&short).await.unwrap_err();
    assert!(matches!(&error, ModelError::Remote(RemoteError::Silent { .. })), "{error:?}");
}

#[tokio::test]
async fn an_answer_in_another_form_is_no_answer() {
    let other = "answered in another form than its API's";
    check("openai", vec![Answer::new(200, "text/html", "<html>")], &[], Err("no stream of events")).await;
    check("openai", vec![Answer::stream("data: {torn\n\n")], &[], Err(other)).await;
    check("openai", vec![Answer::stream(b"data: \xff\n\n".to_vec())], &[], Err("isn't UTF-8")).await;
    let odd = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"whim\"}]}\n\n";
    check("openai", vec![Answer::stream(odd)], &[], Err("a reason that isn't known, `whim`")).await;
    check("gemini", vec![Answer::stream("data: []\n\n")], &[], Err(other)).await;
    check("anthropic", vec![Answer::stream("data: {\"type\":\"message_start\"}\n\n")], &[], Err(other)).await;
    let flood = [b": ".to_vec(), vec![b'x'; 65 << 20], b"\n\n".to_vec()].concat();
    let server = Server::new(vec![Answer::stream(flood)]).await;
    let error = complete(&patient(&server.address("openai"))).await.unwrap_err().to_string();
    assert!(error.contains("it is longer than"), "{error}");
}

#[tokio::test]
async fn a_redirect_isnt_followed() {
    let elsewhere = Server::new(vec![Answer::file("openai/text")]).await;
    let to = format!("http://127.0.0.1:{}/v1/chat/completions", elsewhere.port);
    for status in [301, 302, 307, 308] {
        let answer = Answer::new(status, "text/html", "").header("location", &to);
        check("openai", vec![answer], &[], Err(&format!("({status}): it redirects to {to}"))).await;
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn a_server_that_isnt_there_is_told_apart_from_one_that_is_silent() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = complete(&patient(&format!("openai:http://127.0.0.1:{port}/v1#x"))).await.unwrap_err();
    assert!(matches!(&error, ModelError::Remote(RemoteError::Unreachable { .. })), "{error:?}");
    assert!(error.to_string().contains("Start the server"), "{error}");

    let plain = Server::new(vec![Answer::file("openai/text")]).await;
    let error =
        complete(&patient(&format!("openai:https://127.0.0.1:{}/v1#x", plain.port))).await.unwrap_err();
    assert!(matches!(&error, ModelError::Remote(RemoteError::Unreachable { .. })), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");

    let silent = Server::new(vec![Answer::file("openai/text").hanging("form.")]).await;
    let short = model(&silent.address("openai"), Arc::new(Steps::default()), Duration::from_millis(200));
    let error = complete(&short).await.unwrap_err();
    assert!(matches!(&error, ModelError::Remote(RemoteError::Silent { .. })), "{error:?}");
    assert_eq!(silent.asked().len(), 1, "what was told can't be taken back");

    let dead =
        Server::new(vec![Answer::file("openai/text").hanging("data"), Answer::file("openai/text")]).await;
    let short = model(&dead.address("openai"), Arc::new(Steps::default()), Duration::from_millis(200));
    assert_eq!(complete(&short).await.unwrap(), "A login form.");
}

#[tokio::test]
async fn a_reply_is_cancelled_at_once_and_keeps_what_it_has() {
    let mut server = Server::new(vec![Answer::file("openai/text").hanging("form.")]).await;
    let options = call(8, 8, Thought::Free);
    let mut generation =
        patient(&server.address("openai")).generate(&conversation(8, 8), &options).await.unwrap();
    let first = generation.next().await.unwrap().unwrap();
    assert_eq!(first, GenerationEvent::Thought("A login ".into()));
    options.cancel.cancel();
    let done = generation.complete().await.unwrap();
    assert_eq!((done.stop, done.thought.as_str()), (StopReason::Cancelled, "A login"));
    assert_eq!(done.call, Some(Err("the reply was broken off".into())));
    server.gone.recv().await.unwrap();

    let before = Generate::default();
    before.cancel.cancel();
    let generation = patient(&server.address("openai")).generate(&conversation(8, 8), &before).await.unwrap();
    assert_eq!(generation.complete().await.unwrap().stop, StopReason::Cancelled);
    assert_eq!(server.asked().len(), 1, "nothing more was sent");
}

#[tokio::test]
async fn a_reply_that_is_dropped_ends_its_request() {
    let mut server = Server::new(vec![Answer::file("anthropic/text").hanging("form.")]).await;
    let model = patient(&server.address("anthropic"));
    let mut generation = model.generate(&conversation(8, 8), &Generate::default()).await.unwrap();
    let _ = generation.next().await.unwrap().unwrap();
    drop(generation);
    server.gone.recv().await.unwrap();
}
