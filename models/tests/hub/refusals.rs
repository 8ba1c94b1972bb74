//! What the Hub refuses, what is refused of the Hub, and what a person is told to do.

use percept_models::{HubError, ModelError};
use serde_json::json;

use crate::{
    GRAPH, Machine, TOKEN,
    server::{COMMIT, Fault, Server},
    tiny,
};

/// What a pull with these variables says.
async fn refused(server: &Server, address: &str, variables: &[(&str, &str)]) -> ModelError {
    let machine = Machine::new();
    let hub = machine.hub(&server.endpoint(), variables);
    let error = hub.pull(&address.parse().unwrap(), None, &machine.progress).await.unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains(TOKEN) && !told.contains("signature"), "{told}");
    error
}

async fn check(server: &Server, address: &str, variables: &[(&str, &str)], parts: &[&str]) {
    let error = refused(server, address, variables).await;
    let told = error.to_string();
    for part in parts {
        assert!(told.contains(part), "`{part}` isn't in: {told}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let token: &[(&str, &str)] = &[("HF_TOKEN", TOKEN)];
    let gated = |status, echoed: &str| {
        let code = ("x-error-code", "GatedRepo".to_owned());
        let words = ("x-error-message", format!("Access to model test/model is restricted{echoed}."));
        Fault::Status(status, vec![code, words], String::new())
    };
    for status in [401, 403] {
        let server = tiny();
        server.always(GRAPH, gated(status, ""));
        let page = format!("{}/test/model", server.endpoint());
        let parts = ["licence must be accepted on the model's page", &page, "Set HF_TOKEN to a token"];
        let error = refused(&server, "test/model", &[]).await;
        assert!(
            matches!(&error, ModelError::Hub(refusal @ HubError::Refused { .. }) if refusal.is_bad_input())
        );
        assert!(parts.iter().all(|part| error.to_string().contains(part)), "{error}");
        server.forgive();
        server.always(GRAPH, gated(status, &format!(", {TOKEN}")));
        check(&server, "test/model", token, &["is restricted, [key]", "the token in HF_TOKEN is one of"])
            .await;
        assert_eq!(server.ranges(GRAPH).len(), 2, "it isn't asked again");
    }
    let server = tiny();
    check(
        &server,
        "other/model",
        &[],
        &["(404): Not found", "Check the name and the revision", "Set HF_TOKEN"],
    )
    .await;
    check(&server, "test/model@v2", &[], &["(404)", "Check the revision, `v2`"]).await;
    let server = tiny();
    server.always(
        "tokenizer.json",
        Fault::Status(404, vec![("x-error-code", "EntryNotFound".into())], String::new()),
    );
    check(&server, "test/model", &[], &["`tokenizer.json` of hub:test/model (404)", "pull again"]).await;
}

#[tokio::test]
async fn an_address_that_ran_out_is_asked_for_again() {
    let (server, storage, machine) = (tiny(), tiny(), Machine::new());
    server.keep_elsewhere(&storage.endpoint());
    storage.fault(GRAPH, Fault::Status(403, Vec::new(), "Request has expired".into()));
    machine.pull(&server).await.unwrap();
    assert_eq!((server.ranges(GRAPH).len(), storage.ranges(GRAPH).len()), (2, 2));
}

#[tokio::test]
async fn a_redirect_that_leads_astray_isnt_followed() {
    let cases = [
        ("ftp://127.0.0.1/x?signature=1", "sends on to 127.0.0.1, which isn't safe"),
        ("file:///etc/passwd", "which isn't safe"),
        ("", "is sent on more than 8 times"),
    ];
    for (to, part) in cases {
        let server = tiny();
        let to = if to.is_empty() {
            format!("{}/test/model/resolve/{COMMIT}/{GRAPH}", server.endpoint())
        } else {
            to.into()
        };
        server.always(GRAPH, Fault::Status(302, vec![("location", to)], String::new()));
        check(&server, "test/model", &[], &[part]).await;
    }
    let server = tiny();
    server.always(GRAPH, Fault::Status(302, Vec::new(), String::new()));
    check(&server, "test/model", &[], &["sends on to nowhere"]).await;
}

#[tokio::test]
async fn a_listing_that_leads_out_of_its_folder_is_refused() {
    for path in ["../../../../evil.json", "/etc/evil", "onnx\\evil.onnx", "onnx/../../evil"] {
        let server = tiny();
        let file = json!({ "rfilename": path, "size": 4, "blobId": COMMIT });
        let config = json!({ "rfilename": "config.json", "size": 4, "blobId": COMMIT });
        server.list(json!({ "sha": COMMIT, "siblings": [config, file] }));
        let machine = Machine::new();
        let error = machine.pull(&server).await.unwrap_err().to_string();
        assert!(error.contains("leads out of the model's folder"), "{error}");
        assert!(!machine.folder.path().join("hub").exists(), "nothing was written");
        assert_eq!(server.asked().len(), 1);
    }
    let server = tiny();
    server.list(json!("nonsense"));
    check(&server, "test/model", &[], &["answers otherwise than the Hub does", "HF_ENDPOINT"]).await;
}

#[tokio::test]
async fn a_repository_that_isnt_a_model_of_ours_says_why() {
    let with = |files: &[(&str, &str)]| {
        Server::new(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
    };
    check(&with(&[("README.md", "x")]), "test/model", &[], &["hub:test/model: it has no `config.json`"])
        .await;
    let bert = r#"{"model_type": "bert", "image_token_id": 1}"#;
    check(&with(&[("config.json", bert)]), "test/model", &[], &["the family `bert` isn't hosted"]).await;
    let llava = with(&[
        ("config.json", std::str::from_utf8(&tiny().file("config.json")).unwrap()),
        ("model.safetensors", "x"),
    ]);
    check(&llava, "test/model", &[], &["it has no `vision_encoder.onnx`", "exported to ONNX"]).await;
    assert_eq!(llava.ranges("resolve").len(), 1);
}

#[tokio::test]
async fn a_repository_may_name_its_family_in_its_manifest() {
    let server = tiny();
    let mut config: serde_json::Value = serde_json::from_slice(&server.file("config.json")).unwrap();
    config.as_object_mut().unwrap().remove("model_type").unwrap();
    server.put("config.json", config.to_string().as_bytes(), COMMIT);
    check(&server, "test/model", &[], &["doesn't say its `model_type`"]).await;
    server.put("percept.toml", b"[model]\nfamily = \"llava\"\n", COMMIT);
    let pulled = Machine::new().pull(&server).await.unwrap();
    assert!(pulled.files.iter().any(|file| file.path == GRAPH), "{pulled:?}");
}

#[tokio::test]
async fn a_token_that_cant_be_one_is_refused_before_anything_is_sent() {
    let machine = Machine::new();
    let all = [("HF_HOME", machine.folder.path().to_str().unwrap()), ("HF_TOKEN", "hf_\u{1}secret")];
    let settings = percept_models::HubSettings::of(&|name| {
        all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    });
    let error = percept_models::Hub::new(settings.unwrap()).unwrap_err().to_string();
    assert!(error.contains("HF_TOKEN holds characters") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_hub_that_isnt_there_is_told_apart_from_one_that_refuses() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let machine = Machine::new();
    let hub = machine.hub(&format!("http://127.0.0.1:{port}"), &[]);
    let error = hub.pull(&"test/model".parse().unwrap(), None, &machine.progress).await.unwrap_err();
    assert!(matches!(&error, ModelError::Hub(HubError::Unreachable { .. })), "{error:?}");
    assert!(error.to_string().contains("HF_HUB_OFFLINE=1"), "{error}");
    assert!(machine.waits().is_empty());
}
