//! The tiny decoders of `tests/data` (made by `models/export/engine_decoders.py`), and what they must write.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use percept_fetch::Silent;
use percept_runtime::{
    CacheForm, DecodeOptions, DecodeStop, Decoded, Device, DeviceChoice, EmbeddedTokens, Engine, EngineError,
    EngineGraphs, EngineOptions, HostTensor, Runtime, Sequence,
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
    goldens_of("golden.json")
}

/// What a decoder must write whose first layer is a convolution.
pub(crate) fn hybrid_goldens() -> Vec<Golden> {
    goldens_of("golden_hybrid.json")
}

fn goldens_of(file: &str) -> Vec<Golden> {
    serde_json::from_slice(&std::fs::read(data(file)).unwrap()).unwrap()
}

/// The same with rows beside the embeddings: of its tokens 10 to 29, the embeddings of the tokens `added`; zeros of
/// the others.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct DeepGolden {
    pub(crate) added: Vec<u32>,
    #[serde(flatten)]
    pub(crate) golden: Golden,
}

pub(crate) fn deep_golden() -> DeepGolden {
    serde_json::from_slice(&std::fs::read(data("golden_deep.json")).unwrap()).unwrap()
}

impl DeepGolden {
    /// Reads the prompt, so many tokens at a time.
    pub(crate) async fn read(&self, sequence: &mut Sequence, piece: usize) {
        let engine = sequence.engine().clone();
        let (_, embeddings) = engine.embed(&self.golden.prompt).await.unwrap().into_f32().unwrap();
        let (_, added) = engine.embed(&self.added).await.unwrap().into_f32().unwrap();
        let mut deep = vec![0.0; embeddings.len()];
        deep[10 * 32..30 * 32].copy_from_slice(&added);
        let rows =
            |data: &[f32]| HostTensor::F32 { shape: vec![1, data.len() / 32, 32], data: data.to_vec() };
        for (embeddings, deep) in embeddings.chunks(piece * 32).zip(deep.chunks(piece * 32)) {
            let side_inputs = vec![("deepstack.0".to_owned(), rows(deep))];
            let tokens = EmbeddedTokens { side_inputs, ..rows(embeddings).into() };
            sequence.append(tokens).await.unwrap();
        }
    }
}

pub(crate) fn device(name: &str) -> (Runtime, DeviceChoice) {
    let device: Device = name.parse().unwrap();
    let runtime = Runtime::start(&device, &Silent).unwrap();
    let choice = runtime.resolve(&device, &Silent).unwrap();
    (runtime, choice)
}

pub(crate) fn graphs(decoder: &str) -> EngineGraphs {
    let reads_embeddings = matches!(decoder, "grouped.onnx" | "deep.onnx" | "sliding.onnx");
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

/// The same on `cpu`, reading at most so many tokens in a run.
pub(crate) async fn load_reading(longest: Option<NonZeroUsize>, decoder: &str, cache: CacheForm) -> Engine {
    let (runtime, choice) = device("cpu");
    let options = EngineOptions {
        cache,
        context: 320,
        threads: Some(1),
        longest_run: longest,
        ..EngineOptions::new(choice)
    };
    Engine::load(&runtime, graphs(decoder), options).await.unwrap()
}

/// Begins to read these tokens, gives that up after so long, and says where the sequence is once it has come to rest.
pub(crate) async fn given_up(sequence: &mut Sequence, tokens: &[u32], after: Duration) -> usize {
    tokio::select! {
        biased;
        _ = sequence.append_tokens(tokens) => {}
        // Not the timer's, which counts in milliseconds: the whole run may be over in one.
        () = async { std::thread::sleep(after) } => {}
    }
    let told = sequence.position();
    sequence.last_logits().await.unwrap();
    assert_eq!(told, sequence.position(), "what is told at once is how it is");
    told
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
