//! Graphs that give another cache than what was read: refused before it is carried on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/model.rs"]
mod model;

use model::{data, device, graphs, load};
use percept_runtime::{CacheForm, Engine, EngineGraphs, EngineOptions};

/// It keeps the last 8 positions, and nothing that it declares says so.
#[tokio::test]
async fn a_graph_that_forgets_by_itself_is_refused_as_it_does() {
    let engine = load("sliding.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&[1; 8]).await.unwrap();
    for _ in 0..2 {
        let error = sequence.append_tokens(&[2; 40]).await.unwrap_err().to_string();
        assert!(error.contains("present.0.key") && error.contains("[1, 2, 8, 16]"), "{error}");
        assert!(error.contains("[1, 2, 48, 16]") && error.contains("forgets by itself"), "{error}");
        assert_eq!(sequence.position(), 8);
        sequence.rewind(8).await.unwrap();
    }
    sequence.rewind(4).await.unwrap();
    sequence.append_tokens(&[2; 4]).await.unwrap();
    assert_eq!(sequence.position(), 8);
}

#[tokio::test]
async fn a_state_of_another_shape_is_refused_before_it_is_carried_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(data("hybrid_plain.onnx")).unwrap();
    // How many of the last positions the state has: an initializer's name, the key and the length of its bytes, and these.
    let found = |count: i64| [&b"conv.lastJ\x08"[..], &(-count).to_le_bytes()].concat();
    let place = bytes.windows(19).position(|window| window == found(3)).unwrap();
    bytes[place..place + 19].copy_from_slice(&found(2));
    let path = directory.path().join("short.onnx");
    std::fs::write(&path, bytes).unwrap();
    let (runtime, choice) = device("cpu");
    let graphs = EngineGraphs { decoder: Some(path), ..graphs("hybrid_plain.onnx") };
    let engine = Engine::load(&runtime, graphs, EngineOptions::new(choice)).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    let error = sequence.append_tokens(&[1; 8]).await.unwrap_err().to_string();
    assert!(error.contains("present.0.conv_state") && error.contains("[1, 32, 2]"), "{error}");
    assert_eq!(sequence.position(), 0);
}
