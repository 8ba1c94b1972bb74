//! Language models that see nothing on a GPU device: the WebGPU provider, on real hardware or on the software Vulkan
//! device that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::sync::Arc;

use percept_models::{ChatModel, Generate, LoadOptions, LocalModel, Precision};
use percept_runtime::Silent;
use support::{data, goldens, greatest_difference};

/// One test, because a software device compiles its shaders anew for every model.
#[tokio::test]
async fn they_answer_on_webgpu_as_on_the_cpu_and_their_caches_never_leave() {
    // How far logits may be off: a graph that works its rotation out itself is only as exact as the device's sine and
    // cosine, which need be right to 2^-11 only.
    for (folder, precision, most) in [
        ("llama-tiny", "fp32", 1e-4),
        ("qwen2-tiny", "fp32", 3e-2),
        ("qwen3-tiny", "plain", 3e-2),
        ("mistral-tiny", "fp32", 1e-4),
        ("phi3-tiny", "fp32", 1e-4),
    ] {
        let options = LoadOptions {
            device: "webgpu".parse().unwrap(),
            threads: Some(1),
            precision: Some(Precision::named(precision).unwrap()),
            ..LoadOptions::default()
        };
        let model = LocalModel::load(&data().join(folder), options, Arc::new(Silent)).await.unwrap();
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        for golden in goldens(folder) {
            let case = format!("{folder} {}", golden.name);
            let options = Generate {
                max_tokens: 24,
                stop_at_end: false,
                log_probabilities: true,
                ..Generate::default()
            };
            let conversation = golden.conversation();
            let completion = model.generate(&conversation, &options).await.unwrap().complete().await.unwrap();
            let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
            assert_eq!(tokens, golden.greedy, "{case}");
            let off =
                greatest_difference(&model.first_logits(&conversation).await.unwrap(), &golden.first_logits);
            assert!(off < most, "{case}: {off}");
        }
        let moved = model.moved();
        assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0), "{folder}");
    }
}
