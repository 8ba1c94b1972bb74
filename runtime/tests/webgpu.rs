//! The decoder on a device with memory of its own: `webgpu`, here on a software Vulkan device.
//!
//! The plugin and the software device are fetched into the user's cache the first time.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/model.rs"]
mod model;

use model::{decode, deep_golden, device, goldens, ids, load, write};
use percept_runtime::{CPU_PROVIDER, CacheForm, DecodeOptions, Engine, EngineError, Moved};

const SHARED: CacheForm = CacheForm::Shared { positions: 320 };

/// Floating-point nodes of the decoder that landed on the CPU.
fn strays(engine: &Engine) -> Vec<String> {
    let (_, placement) = engine.placement().iter().find(|(graph, _)| graph == "decoder").unwrap();
    assert!(!placement.nodes.is_empty());
    let strays = placement.nodes.iter().filter(|node| node.floating && node.provider == CPU_PROVIDER);
    strays.map(|node| format!("{} {}", node.operator, node.name)).collect()
}

#[tokio::test]
async fn the_device_writes_the_tokens_of_the_cpu_and_the_cache_stays_there() {
    let cases = [
        ("grouped.onnx", CacheForm::Auto, SHARED),
        ("grouped.onnx", CacheForm::Growing, CacheForm::Growing),
        ("grouped_ids.onnx", CacheForm::Auto, SHARED),
    ];
    for (decoder, asked, kept) in cases {
        let engine = load(decoder, "webgpu", asked).await.unwrap();
        assert_eq!(engine.cache_form(), kept);
        assert_eq!(strays(&engine), Vec::<String>::new(), "{decoder}");
        for golden in &goldens()[..3] {
            let mut sequence = engine.sequence().await.unwrap();
            assert_eq!(write(&mut sequence, &golden.prompt, 24).await, golden.tokens, "{decoder} {asked:?}");
        }
        let moved = engine.moved();
        assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0), "{decoder} {asked:?}: {moved:?}");
        // 5, 1 and 40 tokens read, then 23 written ones each: the last one is never read. Embeddings have 32 numbers,
        // and every token read gives scores, because these graphs give all of them.
        let read = 5 + 1 + 40 + 3 * 23;
        let embeddings = if decoder == "grouped.onnx" { read * 32 * 4 } else { 0 };
        assert_eq!(
            (moved.embeddings_to_device, moved.logits_to_host),
            (embeddings, read * 288 * 4),
            "{decoder}"
        );
        assert!(moved.indices_to_device > 0);
    }
}

#[tokio::test]
async fn what_goes_beside_the_embeddings_is_cut_with_them() {
    let deep = deep_golden();
    let engine = load("deep.onnx", "webgpu", CacheForm::Auto).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    // 40 tokens at once; a software device reads no more than 31.
    deep.read(&mut sequence, 40).await;
    let decoded = decode(&mut sequence, DecodeOptions { max_tokens: 24, ..DecodeOptions::default() }).await;
    assert_eq!(ids(&decoded), deep.golden.tokens);
}

#[tokio::test]
async fn the_count_sees_a_cache_that_does_leave() {
    let golden = &goldens()[0];
    let engine = load("grouped.onnx", "webgpu", CacheForm::Host).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    assert_eq!(write(&mut sequence, &golden.prompt, 3).await, golden.tokens[..3]);
    let moved = engine.moved();
    // Two layers of keys and values, two heads of 16 numbers: 5 tokens come back, then 6, then 7.
    let token = 2 * 2 * 2 * 16 * 4;
    assert_eq!(moved.cache_to_host, (5 + 6 + 7) * token, "{moved:?}");
    assert_eq!(moved.cache_to_device, (5 + 6) * token, "{moved:?}");
}

#[tokio::test]
async fn the_placement_report_sees_an_operator_that_the_device_lacks() {
    let engine = load("lacking.onnx", "webgpu", CacheForm::Auto).await.unwrap();
    let strays = strays(&engine);
    assert!(strays.iter().any(|node| node.starts_with("Shrink")), "{strays:?}");
    let on_cpu = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    assert!(!self::strays(&on_cpu).is_empty(), "a decoder on the CPU is all strays");
    assert_eq!(on_cpu.moved(), Moved::default());
}

#[tokio::test]
async fn a_shared_cache_is_rewound_on_the_device_and_a_growing_one_says_that_it_cant() {
    let golden = &goldens()[2];
    let (last, before) = golden.prompt.split_last().unwrap();
    let engine = load("grouped.onnx", "webgpu", SHARED).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(before).await.unwrap();
    decode_some(&mut sequence).await;
    sequence.rewind(before.len()).await.unwrap();
    assert_eq!(write(&mut sequence, &[*last], 24).await, golden.tokens);
    assert_eq!(engine.moved().cache_to_host, 0);

    let engine = load("grouped.onnx", "webgpu", CacheForm::Growing).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(before).await.unwrap();
    let error = sequence.rewind(3).await.unwrap_err();
    assert!(matches!(error, EngineError::Rewind { .. }), "{error}");
    assert_eq!(sequence.position(), before.len(), "it is where it was");
    assert_eq!(write(&mut sequence, &[*last], 24).await, golden.tokens);
}

async fn decode_some(sequence: &mut percept_runtime::Sequence) {
    let decoded = decode(sequence, DecodeOptions { max_tokens: 5, ..DecodeOptions::default() }).await;
    assert_eq!(ids(&decoded).len(), 5);
}

#[tokio::test]
async fn the_device_says_that_it_is_software() {
    let (_, choice) = device("webgpu");
    if choice.software {
        assert!(choice.why.contains("software"), "{}", choice.why);
    }
}
