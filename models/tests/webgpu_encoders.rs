//! Dual encoders on a GPU device, which every machine has: the WebGPU provider, on real hardware or on the software
//! Vulkan device that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/pair.rs"]
mod pair;

use pair::{data, golden, open};
use percept_models::{DualEncoder, InspectedSession};

/// Operators of a session on the CPU that are the towers' own work.
fn computing_on_cpu(session: &InspectedSession) -> Vec<&str> {
    let work = ["MatMul", "Gemm", "Conv", "Softmax", "LayerNormalization", "Sigmoid", "Gelu"];
    let placed = session.placement.iter().filter(|placed| placed.provider == percept_runtime::CPU_PROVIDER);
    placed.map(|placed| placed.operator.as_str()).filter(|operator| work.contains(operator)).collect()
}

/// How many nodes of this operator are on the CPU.
fn of(session: &InspectedSession, operator: &str) -> usize {
    let placed = session.placement.iter().filter(|placed| placed.provider == percept_runtime::CPU_PROVIDER);
    placed.filter(|placed| placed.operator == operator).map(|placed| placed.nodes).sum()
}

/// One test, because a software device compiles its shaders anew for every model.
#[tokio::test]
async fn both_towers_compute_on_webgpu_what_they_compute_on_the_cpu() {
    for folder in ["clip-tiny", "siglip-tiny"] {
        let golden = golden(folder);
        let model = open(&data(folder), "webgpu").await.unwrap();
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        let (embeddings, logits) =
            (golden.embeddings_off(&model, folder).await, golden.logits_off(&model, folder).await);
        assert!(embeddings < 1e-4 && logits < 1e-4, "{folder}: {embeddings:e} {logits:e} off");
        let moved = model.moved();
        assert!(moved.encoders_to_device > 0 && moved.encoders_to_host > 0, "{folder}: {moved:?}");
        for session in model.inspect().await.sessions {
            let file = &session.file.session;
            // Slices of a shape become gathers that the file doesn't know: their types can't be told, so they count.
            let gathers = of(&session, "Gather");
            assert!(session.floating_on_cpu <= gathers, "{folder} {file}: {:?}", session.placement);
            assert!(computing_on_cpu(&session).is_empty(), "{folder} {file}: {:?}", session.placement);
            assert!(session.placement.iter().any(|placed| placed.provider.contains("WebGpu")), "{file}");
        }

        // The control: what the asserts above would have noticed.
        let cpu = open(&data(folder), "cpu").await.unwrap();
        golden.embeddings_off(&cpu, folder).await;
        assert_eq!(cpu.moved().encoders_to_device, 0);
        let sessions = cpu.inspect().await.sessions;
        assert!(sessions.iter().all(|session| {
            session.floating_on_cpu > of(session, "Gather") && !computing_on_cpu(session).is_empty()
        }));
    }
}
