//! A key shows nowhere, whatever a server does with it.

use std::{
    fmt::Write as _,
    io::Write,
    sync::{Arc, Mutex},
};

use percept_models::{ChatModel, ModelAddress, RemoteError, RemoteModel, RemoteOptions, Thought};

use crate::{
    APIS, call, conversation,
    server::{Answer, SECRET, Server, patient},
};

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that one question leaves behind: events, result or error in both forms, the model itself.
async fn left_behind(api: &str, answers: Vec<Answer>) -> String {
    let server = Server::new(answers).await;
    let model = patient(&server.address(api));
    let mut left = format!("{model:?} {:?}", model.card());
    let options = call(64, 48, Thought::Free);
    let mut generation = model.generate(&conversation(64, 48), &options).await.unwrap();
    while let Some(event) = generation.next().await {
        match event {
            Ok(event) => write!(left, "{event:?}").unwrap(),
            Err(error) => write!(left, "{error} {error:?}").unwrap(),
        }
    }
    // The server had it, or this would show nothing.
    assert!(server.asked()[0].headers.iter().any(|(_, value)| value.contains(SECRET)));
    left
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_that_echoes_the_key_doesnt_spread_it() {
    let log = Kept::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let mut left = String::new();
    for api in APIS {
        // Where a message is shortened, no half of a key may stay.
        for before in 150..200 {
            let torn = format!("data: {{{}{SECRET}", "x".repeat(before));
            left += &left_behind(api, vec![Answer::stream(format!("{torn}\n\n"))]).await;
        }
        let told = format!("Incorrect API key provided: {SECRET}.");
        let error = serde_json::json!({ "error": { "message": told, "type": "x" } }).to_string();
        for status in [400, 401, 404, 500] {
            left += &left_behind(api, vec![Answer::error(status, &error)]).await;
        }
        left += &left_behind(api, vec![Answer::error(403, &told)]).await;
        left += &left_behind(api, vec![Answer::new(302, "text/html", "").header("location", &told)]).await;
        left += &left_behind(api, vec![Answer::new(200, &told, "")]).await;
        left += &left_behind(api, vec![Answer::stream(format!("data: {told}\n\n"))]).await;
        left += &left_behind(api, vec![Answer::stream(format!("data: {error}\n\n"))]).await;
    }
    // In the reply itself: in two pieces as thought, spelled otherwise as argument, as name, as refusal.
    let mut spelled = String::new();
    for byte in SECRET.bytes() {
        write!(spelled, "\\\\u{byte:04x}").unwrap();
    }
    let (first, second) = SECRET.split_at(9);
    assert!(!left.contains(first), "half a key is left");
    let pieces = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"see {first}\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"delta\":{{\"content\":\"{second}!\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"name\":\"finish\",\"arguments\":\"{{\\\"answer\\\":\\\"{spelled}\\\"}}\"}}}}]}},\"finish_reason\":\"tool_calls\"}}],\"usage\":{{\"prompt_tokens\":1}}}}\n\n"
    );
    let reply = left_behind("openai", vec![Answer::stream(pieces)]).await;
    assert!(reply.contains("see [key]!") && reply.contains(r#""answer": String("[key]")"#), "{reply}");
    let named = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":0,\"function\":{{\"name\":\"{SECRET}\",\"arguments\":\"{{}}\"}}}}]}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":1}}}}\n\n"
    );
    left += &left_behind("openai", vec![Answer::stream(named)]).await;
    let refused = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"refusal\":\"{SECRET}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    left += &left_behind("openai", vec![Answer::stream(refused)]).await;
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("a remote model is asked again"), "{log}");
    for text in [&left, &reply, &log] {
        let at = text.find(second).unwrap_or_default();
        assert!(!text.contains(second), "…{}", &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
    }
    assert!(left.contains("[key]"));
}

#[test]
fn the_vendors_own_host_needs_a_key_and_another_host_gets_none() {
    let open = |address: &str, environment: fn(&str) -> Option<String>| {
        let ModelAddress::Remote(address) = address.parse().unwrap() else {
            panic!("{address} isn't remote")
        };
        RemoteModel::open(&address, RemoteOptions { environment, ..RemoteOptions::default() })
    };
    for (api, variables) in [
        ("openai", "OPENAI_API_KEY"),
        ("gemini", "GEMINI_API_KEY or GOOGLE_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
    ] {
        let error = open(&format!("{api}:model"), |_| None).unwrap_err();
        assert!(error.to_string().contains(&format!("Set {variables} to yours")), "{error}");
        assert!(matches!(error, percept_models::ModelError::Remote(RemoteError::Key { .. })));
    }
    let withheld =
        open("openai:https://models.example/v1#x", |name| (name == "OPENAI_API_KEY").then(|| SECRET.into()));
    let notes = withheld.unwrap().card().notes.join("\n");
    assert!(notes.contains("OPENAI_API_KEY isn't sent to https://models.example"), "{notes}");
    assert!(open("openai:http://127.0.0.1:8000/v1#x", |_| None).is_ok());
}
