//! The vendors' own tools for computer use: what is asked, what comes back, and when the vendor learns that a person confirmed it.

use std::{sync::Arc, time::Duration};

use percept_models::{
    Call, ChatModel, Content, Conversation, Function, Generate, Message, ModelAddress, ModelError, Reply,
    Role, Thought,
};
use serde_json::{Value, json};

use crate::{
    call, conversation,
    requests::shortened,
    server::{Answer, Asked, SECRET, Server, Steps, model, patient},
};

/// An API and its tools, with an answer in words.
const TOOLS: [(&str, &str, &str); 5] = [
    ("anthropic", "computer_20250124", "anthropic/text"),
    ("anthropic", "computer_20251124", "anthropic/text"),
    ("openai", "computer_use_preview", "responses/text"),
    ("openai", "computer", "responses/text"),
    ("gemini", "computer_use", "gemini/text"),
];

fn said(thought: &str, text: &str) -> Message {
    let said = Content::Said { thought: thought.into(), text: text.into(), confirmed: false };
    Message { role: Role::Assistant, content: vec![said] }
}

/// A look at a screen, after these calls, each with what came of it and the screen since.
fn after(calls: &[(&str, &str)]) -> Conversation {
    let screens = conversation(64, 48);
    let screen = || screens.messages()[4].clone();
    let mut all = vec![
        Message::text(Role::System, "You work a page."),
        Message::text(Role::User, "Press B."),
        screen(),
    ];
    for (text, result) in calls {
        all.extend([said("B is there.", text), Message::text(Role::Tool, *result), screen()]);
    }
    all.into_iter().collect()
}

/// A call of the vendor's own for a click in the middle.
fn click(tool: &str) -> &'static str {
    match tool {
        "computer_use" => r#"click_at {"x":500,"y":500}"#,
        "computer_20250124" | "computer_20251124" => {
            r#"computer {"action":"left_click","coordinate":[32,24]}"#
        }
        "computer" => r#"computer {"actions":[{"type":"click","button":"left","x":32,"y":24}]}"#,
        _ => r#"computer {"type":"click","button":"left","x":32,"y":24}"#,
    }
}

async fn asked(
    api: &str,
    settings: &str,
    answer: &str,
    conversation: &Conversation,
    options: &Generate,
) -> Asked {
    let server = Server::new(vec![Answer::file(answer)]).await;
    // Of Gemini's models those before the third take calls without the signature of a thought.
    let named = if settings == "?computer=computer_use" { "#gemini-2.5" } else { "#model" };
    let model = patient(&(server.address(api).replace("#model", named) + settings));
    let generation = model.generate(conversation, options).await.unwrap();
    let _ = generation.complete().await.unwrap();
    let mut asked = server.asked().remove(0);
    shortened(&mut asked.body);
    asked
}

#[tokio::test]
async fn a_tool_is_declared_and_what_it_did_is_shown_in_the_apis_own_form() {
    for (api, tool, answer) in TOOLS {
        let conversation = after(&[(click(tool), "Pressed."), ("finish {}", "Nothing was done: it isn't.")]);
        let options = call(64, 48, Thought::Free);
        let asked = asked(api, &format!("?computer={tool}"), answer, &conversation, &options).await;
        insta::assert_json_snapshot!(format!("computer_{tool}"), asked.body);
        let beta = match tool {
            "computer_20250124" => Some("computer-use-2025-01-24"),
            "computer_20251124" => Some("computer-use-2025-11-24"),
            _ => None,
        };
        assert_eq!(asked.header("anthropic-beta"), beta, "{tool}");
        let line = match api {
            "openai" => "POST /v1/responses HTTP/1.1",
            "gemini" => "POST /v1beta/models/gemini-2.5:streamGenerateContent?alt=sse HTTP/1.1",
            _ => "POST /v1/messages HTTP/1.1",
        };
        assert_eq!(asked.line, line);
    }
}

/// The models that are made for a tool, each with its answers: the API refuses a request of theirs without it.
const MADE_FOR: [(&str, &str, &str); 2] = [
    ("openai", "#computer-use-preview", "responses/text"),
    ("gemini", "#gemini-2.5-computer-use-preview-10-2025", "gemini/text"),
];

async fn asked_of(api: &str, named: &str, answer: Answer, options: &Generate) -> (Value, String) {
    let server = Server::new(vec![answer]).await;
    let model = patient(&server.address(api).replace("#model", named));
    let generation = model.generate(&after(&[]), options).await.unwrap();
    let done = generation.complete().await.unwrap();
    (server.asked().remove(0).body, done.text)
}

fn finish() -> Function {
    Function { name: "finish".into(), description: String::new(), schema: json!({ "type": "object" }) }
}

#[tokio::test]
async fn a_model_that_is_made_for_its_tool_always_has_it() {
    for (api, named, answer) in MADE_FOR {
        let choice = |body: &Value| {
            body["tool_choice"]
                .as_str()
                .or(body["toolConfig"]["functionCallingConfig"]["mode"].as_str())
                .unwrap()
                .to_lowercase()
        };
        let answers = || Answer::file(answer);
        let (body, text) = asked_of(api, named, answers(), &Generate::default()).await;
        assert_eq!((choice(&body).as_str(), text.as_str()), ("none", "A login form."), "{named}");
        let tool = &body["tools"][0];
        if api == "gemini" {
            let excluded = tool["computerUse"]["excludedPredefinedFunctions"].as_array().unwrap();
            assert_eq!(excluded.len(), 13, "of the tool nothing can be done");
        } else {
            assert_eq!(
                (&tool["type"], &tool["display_width"]),
                (&json!("computer_use_preview"), &json!(1024))
            );
        }
        // Nothing is said of what it could do: it isn't to do anything.
        assert!(!body.to_string().contains("one action"), "{body}");
        // Functions without a place stand beside it.
        let reply = Reply::Call { thought: Thought::None, functions: vec![finish()] };
        let (body, _) = asked_of(api, named, answers(), &Generate { reply, ..Generate::default() }).await;
        assert!(["required", "any"].contains(&choice(&body).as_str()), "{body}");
        assert_eq!(body["tools"].as_array().unwrap().len(), 2, "{body}");
        assert!(body["tools"][1].to_string().contains("finish"), "{body}");
    }
}

#[tokio::test]
async fn beside_googles_tool_a_document_is_what_a_function_takes() {
    let called = r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"reply","args":{"sure":true}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":9,"totalTokenCount":18}}

"#;
    let schema = json!({
        "type": "object", "properties": { "sure": { "type": "boolean" } }, "required": ["sure"],
        "additionalProperties": false
    });
    let options = |schema| Generate { reply: Reply::Json(schema), ..Generate::default() };
    let (_, named, _) = MADE_FOR[1];
    let (body, text) = asked_of("gemini", named, Answer::stream(called), &options(schema.clone())).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({ "sure": true }));
    assert_eq!(
        body["toolConfig"]["functionCallingConfig"],
        json!({ "mode": "ANY", "allowedFunctionNames": ["reply"] })
    );
    assert_eq!(body["tools"][1]["functionDeclarations"][0]["parametersJsonSchema"], schema);
    assert!(body["generationConfig"].get("responseMimeType").is_none(), "it is refused beside a tool");

    let server = Server::new(vec![Answer::stream(called)]).await;
    let model = patient(&server.address("gemini").replace("#model", named));
    let list = options(json!({ "type": "array", "items": { "type": "string" } }));
    let error = model.generate(&after(&[]), &list).await.err().unwrap().to_string();
    assert!(error.contains("wrap it in one"), "{error}");
}

#[tokio::test]
async fn an_argument_called_thought_is_the_functions_own_beside_a_tool() {
    let called = r#"data: {"candidates":[{"content":{"parts":[{"text":"A note."},{"functionCall":{"name":"note","args":{"thought":"mine","safety_decision":{"decision":"regular"}}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":9,"totalTokenCount":18}}

"#;
    let asks = called.replace("regular", "require_confirmation");
    for (answer, expected) in
        [(called, Ok(json!({ "thought": "mine" }))), (asks.as_str(), Err("a person to confirm"))]
    {
        let mut options = call(64, 48, Thought::Free);
        let Reply::Call { functions, .. } = &mut options.reply else { panic!("a call is asked for") };
        functions.push(Function {
            name: "note".into(),
            description: "Notes something.".into(),
            schema: json!({
                "type": "object", "properties": { "thought": { "type": "string" } }, "required": ["thought"],
                "additionalProperties": false
            }),
        });
        let server = Server::new(vec![Answer::stream(answer)]).await;
        let model = patient(&server.address("gemini").replace("#model", "#gemini-2.5?computer=native"));
        let generation = model.generate(&after(&[]), &options).await.unwrap();
        let done = generation.complete().await.unwrap();
        assert_eq!(done.thought, "A note.");
        match (done.call.unwrap(), expected) {
            (Ok(call), Ok(arguments)) => assert_eq!(call.arguments, arguments),
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (found, _) => panic!("{found:?}"),
        }
    }
}

#[tokio::test]
async fn the_newest_tool_goes_to_no_claude_that_refuses_it() {
    for (named, expected) in [
        ("claude-3-7-sonnet-20250219", Some("computer_20250124")),
        ("claude-opus-4", Some("computer_20250124")),
        ("claude-sonnet-4", Some("computer_20250124")),
        ("claude-sonnet-4-20250514", Some("computer_20250124")),
        ("claude-opus-4-1-20250805", Some("computer_20250124")),
        ("claude-haiku-4-5", Some("computer_20250124")),
        ("claude-opus-4-5-20251101", Some("computer_20251124")),
        ("claude-sonnet-4-6", Some("computer_20251124")),
        ("claude-3-5-sonnet-20241022", None),
    ] {
        let address = format!("anthropic:{named}?computer=native").parse::<ModelAddress>();
        let found = address.map(|address| address.to_string());
        if let Some(tool) = expected {
            assert!(found.unwrap().ends_with(&format!("computer={tool}")), "{named}");
        } else {
            let error = found.unwrap_err().to_string();
            assert!(error.contains("older than the tools"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_model_that_can_do_without_has_no_tool_without_a_screen_or_a_call_to_make() {
    let blind = Reply::Call { thought: Thought::Free, functions: vec![finish()] };
    let schema = json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false });
    for (api, tool, answer) in TOOLS {
        for reply in [Reply::Text, blind.clone(), Reply::Json(schema.clone())] {
            let options = Generate { reply, ..Generate::default() };
            let settings = format!("?computer={tool}");
            let body = asked(api, &settings, answer, &after(&[]), &options).await.body;
            let mentions = body.to_string().to_lowercase();
            assert!(!mentions.contains("computer"), "{tool}: {mentions}");
        }
        // A thought in words comes before a call of the tool, and a call that is forced has none.
        for (thought, choices) in [
            (Thought::Free, ["\"auto\"", "\"AUTO\""]),
            (Thought::None, if api == "openai" { ["\"required\""; 2] } else { ["\"any\"", "\"ANY\""] }),
        ] {
            let options = call(64, 48, thought);
            let body = asked(api, &format!("?computer={tool}"), answer, &after(&[]), &options).await.body;
            let choice = body.get("tool_choice").or(body.get("toolConfig")).unwrap().to_string();
            assert!(choices.iter().any(|expected| choice.contains(expected)), "{tool}: {choice}");
        }
    }
}

/// What a reply comes to, in a line.
async fn told(api: &str, tool: &str, file: &str) -> String {
    let server = Server::new(vec![Answer::file(file)]).await;
    let model = patient(&format!("{}?computer={tool}", server.address(api)));
    let generation = model.generate(&conversation(64, 48), &call(64, 48, Thought::Free)).await.unwrap();
    match generation.complete().await {
        Err(error) => format!("error: {}", error.to_string().replace(&server.port.to_string(), "PORT")),
        Ok(done) => {
            let call = match done.call.unwrap() {
                Ok(call) => format!("{} {}", call.function, call.arguments),
                Err(problem) => format!("no call: {problem}"),
            };
            let waits = done.unconfirmed.map(|waits| {
                let Call { function, arguments } = waits.call;
                format!("\n  waits {function} {arguments} ({})", waits.why)
            });
            let call = call + &waits.unwrap_or_default();
            let usage = done.usage;
            format!(
                "{} ({}+{}, {})\n  thought {:?}\n  text {:?}",
                call, usage.fresh_tokens, usage.cached_tokens, usage.output_tokens, done.thought, done.text
            )
        }
    }
}

#[tokio::test]
async fn a_call_of_the_tool_becomes_a_call_of_a_function() {
    let cases = [
        ("anthropic", "computer_20251124", "anthropic/computer"),
        ("anthropic", "computer_20251124", "anthropic/computer_function"),
        ("anthropic", "computer_20251124", "anthropic/computer_outside"),
        ("anthropic", "computer_20251124", "anthropic/computer_unoffered"),
        ("anthropic", "computer_20251124", "anthropic/no_call"),
        ("openai", "computer_use_preview", "responses/computer"),
        ("openai", "computer", "responses/batch"),
        ("openai", "computer", "responses/several"),
        ("openai", "computer_use_preview", "responses/pending"),
        ("openai", "computer", "responses/function"),
        ("openai", "computer", "responses/text"),
        ("openai", "computer", "responses/cut_off"),
        ("openai", "computer", "responses/filtered"),
        ("openai", "computer", "responses/refusal"),
        ("openai", "computer", "responses/failed"),
        ("gemini", "computer_use", "gemini/computer"),
        ("gemini", "computer_use", "gemini/computer_confirm"),
        ("gemini", "computer_use", "gemini/computer_unoffered"),
    ];
    let mut all = Vec::new();
    for (api, tool, file) in cases {
        all.push(format!("## {file}\n{}", told(api, tool, file).await));
    }
    insta::assert_snapshot!("computer_replies", all.join("\n\n"));
}

/// Calls that a vendor wants confirmed, with an API, its tool and an answer in words.
const CONCERNS: [(&str, &str, &str, &str); 3] = [
    (
        "openai",
        "computer_use_preview",
        "responses/text",
        r#"computer {"type":"click","button":"left","x":1,"y":2,"pending_safety_checks":[{"id":"cu_sc_1"}]}"#,
    ),
    (
        "openai",
        "computer",
        "responses/text",
        r#"computer {"actions":[{"type":"wait"}],"pending_safety_checks":[{"id":"cu_sc_1"}]}"#,
    ),
    (
        "gemini",
        "computer_use",
        "gemini/text",
        r#"click_at {"x":1,"y":2,"safety_decision":{"decision":"require_confirmation"}}"#,
    ),
];

/// The conversation after such a call, which a person confirmed.
fn after_confirmed(text: &str, result: &str) -> Conversation {
    let mut messages = after(&[(text, result)]).messages().to_vec();
    for content in messages.iter_mut().flat_map(|message| &mut message.content) {
        if let Content::Said { confirmed, .. } = content {
            *confirmed = true;
        }
    }
    messages.into_iter().collect()
}

#[tokio::test]
async fn what_nobody_confirmed_is_acknowledged_nowhere() {
    for (api, tool, answer, text) in CONCERNS {
        let conversation = after(&[(text, "Nothing was done: a person would have to be asked.")]);
        let options = call(64, 48, Thought::Free);
        let body = asked(api, &format!("?computer={tool}"), answer, &conversation, &options).await.body;
        let whole = body.to_string();
        assert!(!whole.contains("acknowledge") && !whole.contains("confirmed it"), "{whole}");
        // It is told in words, and not as a call that something came of.
        for item in ["computer_call", "functionCall\"", "functionResponse"] {
            assert!(!whole.contains(item), "{whole}");
        }
        assert!(whole.contains("B is there."), "{whole}");
    }
}

#[tokio::test]
async fn what_a_person_confirmed_is_acknowledged_where_the_api_has_a_place_for_it() {
    for (api, tool, answer, text) in CONCERNS {
        let conversation = after_confirmed(text, "Pressed.");
        let options = call(64, 48, Thought::Free);
        let body = asked(api, &format!("?computer={tool}"), answer, &conversation, &options).await.body;
        if api == "gemini" {
            let parts: Vec<&Value> =
                body["contents"].as_array().unwrap().iter().map(|turn| &turn["parts"]).collect();
            let response = &parts[2][0]["functionResponse"]["response"];
            assert_eq!(response["safety_acknowledgement"], "true", "{body}");
            continue;
        }
        let items = body["input"].as_array().unwrap();
        let of = |kind: &str| items.iter().find(|item| item["type"] == kind).unwrap();
        let checks = json!([{ "id": "cu_sc_1" }]);
        assert_eq!(of("computer_call")["pending_safety_checks"], checks);
        assert_eq!(of("computer_call_output")["acknowledged_safety_checks"], checks);
        // Nothing of it is in the action.
        assert!(!of("computer_call")["action"].to_string().contains("pending"), "{body}");
    }
    // Without a screenshot since, and to a model that is told of its calls in words, it is said in words.
    let told = "(A person was asked about the last action first, and confirmed it.)";
    let (api, tool, answer, text) = CONCERNS[0];
    let mut messages = after_confirmed(text, "Pressed.").messages().to_vec();
    messages[5] = Message::text(Role::User, "The screen now. (This screenshot was left out to save room.)");
    let options = call(64, 48, Thought::Free);
    let conversation: Conversation = messages.into_iter().collect();
    let body =
        asked(api, &format!("?computer={tool}"), answer, &conversation, &options).await.body.to_string();
    assert!(body.contains(told) && !body.contains("acknowledged"), "{body}");
    let server = Server::new(vec![Answer::file("gemini/text")]).await;
    let address = server.address("gemini").replace("#model", "#gemini-3.5-flash?computer=native");
    let conversation = after_confirmed(CONCERNS[2].3, "Pressed.");
    let generation = patient(&address).generate(&conversation, &options).await.unwrap();
    let _ = generation.complete().await.unwrap();
    let body = server.asked().remove(0).body.to_string();
    assert!(body.contains(told) && !body.contains("acknowledgement"), "{body}");
}

#[tokio::test]
async fn gemini_3_is_told_of_its_calls_in_words() {
    let server = Server::new(vec![Answer::file("gemini/text")]).await;
    let address = server.address("gemini").replace("#model", "#gemini-3.5-flash?computer=native");
    let conversation = after(&[(click("computer_use"), "Pressed.")]);
    let model = patient(&address);
    let generation = model.generate(&conversation, &call(64, 48, Thought::Free)).await.unwrap();
    let _ = generation.complete().await.unwrap();
    let body = server.asked().remove(0).body.to_string();
    assert!(body.contains("computerUse") && body.contains("B is there.\\nclick_at"), "{body}");
    assert!(!body.contains("functionCall\"") && !body.contains("functionResponse"), "{body}");
}

#[tokio::test]
async fn gemini_3_calls_its_tool_by_other_names_and_says_why_in_an_argument() {
    let called = r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"click","args":{"x":500,"y":500,"intent":"To open the menu."}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":9,"totalTokenCount":18}}

"#;
    let server = Server::new(vec![Answer::stream(called)]).await;
    let model = patient(&server.address("gemini").replace("#model", "#gemini-3.5-flash?computer=native"));
    let generation = model.generate(&after(&[]), &call(64, 48, Thought::Free)).await.unwrap();
    let done = generation.complete().await.unwrap();
    assert_eq!(done.thought, "To open the menu.");
    let expected = Call { function: "click".into(), arguments: json!({ "point": [32, 24] }) };
    assert_eq!(done.call.unwrap(), Ok(expected));
    let excluded =
        server.asked().remove(0).body["tools"][0]["computerUse"]["excludedPredefinedFunctions"].clone();
    let excluded = excluded.as_array().unwrap();
    assert!(excluded.len() == 19 && !excluded.contains(&json!("click")), "{excluded:?}");
}

#[tokio::test]
async fn googles_tool_is_told_the_pages_address_beside_what_came_of_a_call() {
    let mut messages =
        after(&[(click("computer_use"), "Pressed."), ("finish {}", "It isn't.")]).messages().to_vec();
    for (at, address) in [(2, "https://a.example/"), (5, "https://b.example/")] {
        messages[at].content.push(Content::Address(address.into()));
    }
    let conversation: Conversation = messages.into_iter().collect();
    let options = call(64, 48, Thought::Free);
    let body = asked("gemini", "?computer=computer_use", "gemini/text", &conversation, &options).await.body;
    let answers: Vec<&Value> = body["contents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["parts"][0]["functionResponse"])
        .filter(|answer| !answer.is_null())
        .collect();
    let told: Vec<_> = answers.iter().map(|answer| (&answer["name"], &answer["response"]["url"])).collect();
    // A function of the run's own has no place for it.
    assert_eq!(told, [(&json!("click_at"), &json!("https://b.example/")), (&json!("finish"), &Value::Null)]);
    // Where a screenshot is left out, its address isn't; where none is known, none is told; and it is said nowhere else.
    assert_eq!(body.to_string().matches("b.example").count(), 1, "{body}");
    assert!(!body.to_string().contains("a.example"), "{body}");
}

#[tokio::test]
async fn a_call_of_openais_tool_without_a_screenshot_since_is_told_in_words() {
    let text = click("computer");
    let mut messages = after(&[(text, "Pressed.")]).messages().to_vec();
    messages[5] = Message::text(Role::User, "The screen now. (This screenshot was left out to save room.)");
    messages.extend(after(&[(text, "Pressed.")]).messages()[3..].to_vec());
    let conversation: Conversation = messages.into_iter().collect();
    let options = call(64, 48, Thought::Free);
    let body = asked("openai", "?computer=computer", "responses/text", &conversation, &options).await.body;
    let items = body["input"].as_array().unwrap();
    let of = |kind: &str| items.iter().filter(|item| item["type"] == kind).count();
    assert_eq!((of("computer_call"), of("computer_call_output")), (1, 1));
    assert!(items.iter().any(|item| item["content"] == text), "{body}");
}

#[tokio::test]
async fn the_responses_api_has_no_seed_and_no_stop_texts_and_fails_as_others_do() {
    let server = Server::new(vec![Answer::file("responses/text")]).await;
    let preview = patient(&format!("{}?computer=computer", server.address("openai")));
    let stop = Generate { stop: vec!["END".into()], ..Generate::default() };
    let error = preview.generate(&conversation(8, 8), &stop).await.err().unwrap().to_string();
    assert!(error.contains("takes 0 stop texts, 1 are given"), "{error}");
    assert!(preview.card().notes.iter().any(|note| note.contains("tool `computer`")));

    let busy = || Answer::error(429, r#"{"error":{"message":"Slow."}}"#);
    let text = || Answer::file("responses/text");
    let failed = |code: &str| {
        let response = json!({ "status": "failed", "error": { "code": code, "message": "It fell over." } });
        Answer::stream(format!("data: {}\n\n", json!({ "type": "response.failed", "response": response })))
    };
    let cases: [(Vec<Answer>, usize, Result<&str, &str>); 9] = [
        (vec![failed("server_error"), text()], 2, Ok("A login form.")),
        (vec![failed("rate_limit_exceeded"), text()], 2, Ok("A login form.")),
        (vec![failed("invalid_prompt"), text()], 1, Err("the server says: It fell over.")),
        (vec![busy(), text()], 2, Ok("A login form.")),
        (vec![Answer::none(), text()], 2, Ok("A login form.")),
        (vec![text().cut("event: response.output_item.added"), text()], 2, Ok("A login form.")),
        // Something was told by then.
        (vec![text().cut("event: response.completed"), text()], 1, Err("")),
        (
            vec![Answer::stream("data: {\"type\":\"response.completed\"}\n\n"), text()],
            1,
            Err("missing field"),
        ),
        (
            vec![Answer::error(400, &format!(r#"{{"error":{{"message":"{SECRET} is bad."}}}}"#))],
            1,
            Err("(400)"),
        ),
    ];
    for (answers, times, expected) in cases {
        let server = Server::new(answers.clone()).await;
        let address = format!("{}?computer=computer", server.address("openai"));
        let model = model(&address, Arc::new(Steps::default()), Duration::from_secs(30));
        let generation = model.generate(&conversation(8, 8), &Generate::default()).await.unwrap();
        let found: Result<String, ModelError> = generation.complete().await.map(|done| done.text);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part) && !error.contains(SECRET), "{answers:?}: {error}");
            }
            (found, _) => panic!("{answers:?}: {found:?}"),
        }
        assert_eq!(server.asked().len(), times, "{answers:?}");
        let body: &Value = &server.asked()[0].body;
        assert!(body.get("seed").is_none() && body["max_output_tokens"] == 512, "{body}");
        assert_eq!(body["store"], false, "nothing is kept unasked");
    }
}
