//! Qwen3-VL on a GPU device, which every machine has: the WebGPU provider, on real hardware or on the software Vulkan
//! device that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use percept_models::{ChatModel, Generate, LocalModel};
use percept_runtime::{CPU_PROVIDER, CacheForm};
use support::{Golden, data, goldens, greatest_difference, load};

/// Operators of the tower or the decoder that are on the CPU and are no arithmetic on shapes, grids and masks.
fn computing_on_cpu(model: &LocalModel) -> Vec<String> {
    let work = [
        "MatMul",
        "FusedMatMul",
        "Gemm",
        "Softmax",
        "GroupQueryAttention",
        "LayerNormalization",
        "Cos",
        "MoE",
    ];
    let sessions = model.inspect().sessions.into_iter();
    sessions
        .filter(|session| session.file.session != "embed_tokens")
        .flat_map(|session| session.placement)
        .filter(|placed| placed.provider == CPU_PROVIDER && work.contains(&placed.operator.as_str()))
        .map(|placed| placed.operator)
        .collect()
}

/// One test, because a software device compiles its shaders anew for every model. Prompts of more than 31 tokens go
/// through a software device in pieces, and what is beside their embeddings with them. Experts have no kernel there.
#[tokio::test]
async fn both_models_answer_on_webgpu_as_on_the_cpu_and_their_caches_never_leave() {
    for (folder, elsewhere) in [("qwen3_vl-tiny", None), ("qwen3_vl_moe-tiny", Some("MoE"))] {
        let model = load(&data().join(folder), "webgpu", CacheForm::Auto).await;
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        for golden in goldens(folder) {
            check(&model, &golden, folder).await;
        }
        let moved = model.moved();
        assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0), "{folder}: {moved:?}");
        let on_cpu = computing_on_cpu(&model);
        assert!(on_cpu.iter().all(|operator| Some(operator.as_str()) == elsewhere), "{folder}: {on_cpu:?}");
    }
}

async fn check(model: &LocalModel, golden: &Golden, folder: &str) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let generation = model.generate(&golden.conversation(), &options).await.unwrap();
    let completion = generation.complete().await.unwrap();
    let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
    assert_eq!(tokens, golden.greedy, "{folder} {}", golden.name);
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    // As for Qwen2-VL: a device's sine and cosine rotate every query and key, and need only be right to 2^-11.
    let difference = greatest_difference(&logits, &golden.first_logits);
    assert!(difference < 3e-2, "{folder} {}: {difference}", golden.name);
}
