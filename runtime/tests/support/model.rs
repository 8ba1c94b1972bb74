//! The tiny decoders of `tests/data` (made by `models/export/engine_decoders.py`), and what they must write.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::path::PathBuf;

use percept_fetch::Silent;
use percept_runtime::{
    CacheForm, DecodeOptions, DecodeStop, Decoded, Device, DeviceChoice, Engine, EngineError, EngineGraphs,
    EngineOptions, Runtime, Sequence,
};
use serde::Deserialize;

/// What `onnxruntime` wrote from Python, with no cache.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Golden {
    pub(crate) prompt: Vec<u32>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) first_logits: Vec<f32>,
}

pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub(crate) fn goldens() -> Vec<Golden> {
    serde_json::from_slice(&std::fs::read(data("golden.json")).unwrap()).unwrap()
}

pub(crate) fn device(name: &str) -> (Runtime, DeviceChoice) {
    let device: Device = name.parse().unwrap();
    let runtime = Runtime::start(&device, &Silent).unwrap();
    let choice = runtime.resolve(&device, &Silent).unwrap();
    (runtime, choice)
}

pub(crate) fn graphs(decoder: &str) -> EngineGraphs {
    let reads_embeddings = decoder == "grouped.onnx";
    EngineGraphs {
        encoders: vec![("vision_encoder".to_owned(), data("encoder.onnx"))],
        embedding: reads_embeddings.then(|| data("embedding.onnx")),
        decoder: Some(data(decoder)),
        ..EngineGraphs::default()
    }
}

/// An engine with a context of 320 tokens, as many as the decoders have positions for.
pub(crate) async fn load(decoder: &str, on: &str, cache: CacheForm) -> Result<Engine, EngineError> {
    let (runtime, choice) = device(on);
    let options = EngineOptions { cache, context: 320, threads: Some(1), ..EngineOptions::new(choice) };
    Engine::load(&runtime, graphs(decoder), options).await
}

/// Reads a prompt and writes greedily.
pub(crate) async fn write(sequence: &mut Sequence, prompt: &[u32], max_tokens: usize) -> Vec<u32> {
    sequence.append_tokens(prompt).await.unwrap();
    let decoded = decode(sequence, DecodeOptions { max_tokens, ..DecodeOptions::default() }).await;
    assert_eq!(decoded.stop, DecodeStop::MaxTokens);
    ids(&decoded)
}

pub(crate) async fn decode(sequence: &mut Sequence, options: DecodeOptions) -> Decoded {
    let mut decoding = sequence.decode(options, None);
    while let Some(token) = decoding.next().await {
        token.unwrap();
    }
    decoding.finish()
}

pub(crate) fn ids(decoded: &Decoded) -> Vec<u32> {
    decoded.tokens.iter().map(|token| token.id).collect()
}
