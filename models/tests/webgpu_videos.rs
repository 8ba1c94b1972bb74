//! Videos on a GPU device, which every machine has: the WebGPU provider, on real hardware or on the software Vulkan device
//! that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/videos.rs"]
mod videos;

use percept_models::ChatModel;
use percept_runtime::CacheForm;
use support::{greatest_difference, load};
use videos::{folder, goldens, reply};

/// A family, the conversations that it is asked, and how far its logits may be off. A device's sine and cosine, which
/// rotate every query and key of Qwen's, need only be right to 2^-11.
const FAMILIES: [(&str, &[&str], f32); 4] = [
    ("qwen2_vl", &["animation", "video_later"], 3e-2),
    ("qwen2_5_vl", &["animation"], 3e-2),
    ("internvl", &["video_later"], 1e-4),
    ("llava_onevision", &["video_later"], 1e-4),
];

/// One test, because a software device compiles its shaders anew for every model.
#[tokio::test]
async fn videos_are_watched_on_webgpu_as_on_the_cpu() {
    for (family, asked, tolerance) in FAMILIES {
        let model = load(&folder(family), "webgpu", CacheForm::Auto).await;
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        let goldens = goldens(family);
        for name in asked {
            let golden = goldens.iter().find(|golden| golden.name == *name).unwrap();
            let conversation = golden.conversation(family);
            assert_eq!(reply(&model, &conversation).await.0, golden.greedy, "{family} {name}");
            let logits = model.first_logits(&conversation).await.unwrap();
            let difference = greatest_difference(&logits, &golden.first_logits);
            assert!(difference < tolerance, "{family} {name}: {difference}");
            eprintln!("{family} {name}: {difference:e}");
        }
        assert_eq!(model.moved().cache_to_host, 0, "{family}");
    }
}
