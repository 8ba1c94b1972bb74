//! LFM2-VL and Qwen3.5 on a GPU device, which every machine has: the WebGPU provider, on real hardware or on the software
//! Vulkan device that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use percept_models::{ChatModel, Generate};
use percept_runtime::{CPU_PROVIDER, CacheForm};
use support::{data, goldens, greatest_difference, load};

/// The conversations that are asked.
const ASKED: [&str; 3] = ["text_only", "tiles", "later_turn"];

/// A folder, how many of these conversations it has, the bytes of its states, and how far its logits may be off.
const FOLDERS: [(&str, usize, u64, f32); 2] = [
    // Two layers with 48 rows of 3 numbers.
    ("lfm2_vl-tiny", 3, 2 * 48 * 3 * 4, 1e-4),
    // Two layers with 80 rows of 4 numbers, and 4 heads of 8 times 12. A device's sine and cosine, which its rotation is
    // made of, need only be right to 2^-11.
    ("qwen3_5-tiny", 2, 2 * (80 * 4 + 4 * 8 * 12) * 4, 3e-2),
];

/// One test, because a software device compiles its shaders anew for every model.
#[tokio::test]
async fn they_answer_on_webgpu_as_on_the_cpu_and_their_states_never_come_back() {
    for (folder, asked, zeros, tolerance) in FOLDERS {
        let model = load(&data().join(folder), "webgpu", CacheForm::Auto).await;
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        let goldens: Vec<_> =
            goldens(folder).into_iter().filter(|golden| ASKED.contains(&&*golden.name)).collect();
        assert_eq!(goldens.len(), asked, "{folder}");
        for golden in goldens {
            let options = Generate {
                max_tokens: 24,
                stop_at_end: false,
                log_probabilities: true,
                ..Generate::default()
            };
            let completion =
                model.generate(&golden.conversation(), &options).await.unwrap().complete().await.unwrap();
            let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
            assert_eq!(tokens, golden.greedy, "{folder} {}", golden.name);
            let logits = model.first_logits(&golden.conversation()).await.unwrap();
            let difference = greatest_difference(&logits, &golden.first_logits);
            assert!(difference < tolerance, "{folder} {}: {difference}", golden.name);
        }
        let moved = model.moved();
        // Zeros go there at first, once a sequence, of which there was no more than one for each of two replies.
        let sequences = moved.cache_to_device / zeros;
        assert!(
            moved.cache_to_device % zeros == 0 && (1..=2 * asked as u64).contains(&sequences),
            "{folder}: {moved:?}"
        );
        assert_eq!(moved.cache_to_host, 0, "{folder}: {moved:?}");
    }
}

/// Where the decoders compute: LFM2's whole on the device; of Qwen3.5's all but the loop over tokens, whose state goes
/// to and fro within a run.
#[tokio::test]
async fn what_computes_on_the_cpu_is_known_and_said() {
    let scans = [0, 2];
    for ((folder, ..), scans) in FOLDERS.into_iter().zip(scans) {
        let model = load(&data().join(folder), "webgpu", CacheForm::Auto).await;
        let sessions = model.inspect().sessions;
        let decoder = sessions.iter().find(|session| session.file.session == "decoder_model_merged").unwrap();
        let on_cpu = decoder.placement.iter().filter(|placed| placed.provider == CPU_PROVIDER);
        let looped: usize =
            on_cpu.filter(|placed| placed.operator == "Scan").map(|placed| placed.nodes).sum();
        assert_eq!((decoder.floating_on_cpu, looped), (scans, scans), "{folder}");
        let notes = model.card().notes.join("\n");
        assert_eq!(notes.contains("2 of decoder's"), scans > 0, "{folder}: {notes}");
    }
}
