//! A vision-language model on a GPU device, which every machine has: the WebGPU provider, on real hardware or
//! on the software Vulkan device that comes with the browser's package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use percept_models::{ChatModel, Inspection};
use percept_runtime::{CacheForm, Moved};
use support::{data, goldens, load, variant};

/// What the device's memory and placement must show for the decoder to be on the device.
fn stays_on_the_device(moved: Moved, inspection: &Inspection) -> Result<(), String> {
    if (moved.cache_to_device, moved.cache_to_host) != (0, 0) {
        return Err(format!("the cache crossed the border: {moved:?}"));
    }
    if moved.embeddings_to_device == 0 || moved.logits_to_host == 0 {
        return Err(format!("nothing was computed on a device: {moved:?}"));
    }
    let decoder =
        inspection.sessions.iter().find(|session| session.file.session == "decoder_model_merged").unwrap();
    if decoder.floating_on_cpu > 0 {
        return Err(format!("{} nodes of the decoder compute on the CPU", decoder.floating_on_cpu));
    }
    Ok(())
}

/// One test, because a software device compiles its shaders anew for every model: the model on the device in both
/// forms of the cache, and the controls that must be noticed.
#[tokio::test]
async fn a_model_answers_on_webgpu_as_on_the_cpu_and_its_cache_never_leaves() {
    let folder = data().join("smolvlm-tiny");
    let mut goldens = goldens("smolvlm-tiny");
    goldens.retain(support::Golden::has_usual_processor);
    let golden = &goldens[0];
    assert!(golden.conversation().images().next().is_some(), "there is an image in the prompt");
    assert!(goldens.iter().any(|golden| golden.name == "later_turn"));
    let mut on_device = Vec::new();
    for (cache, asked) in [(CacheForm::Auto, &goldens[..]), (CacheForm::Growing, &goldens[..1])] {
        let model = load(&folder, "webgpu", cache).await;
        assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
        for golden in asked {
            golden.check_reply(&model, 1e-4, &golden.name).await;
        }
        stays_on_the_device(model.moved(), &model.inspect()).unwrap();
        on_device.push(model.moved());
    }

    let host = load(&folder, "webgpu", CacheForm::Host).await;
    golden.check_reply(&host, 1e-4, "a cache in the host's memory").await;
    let why = stays_on_the_device(host.moved(), &host.inspect()).unwrap_err();
    assert!(why.starts_with("the cache crossed the border"), "{why}");

    let cpu = load(&folder, "cpu", CacheForm::Auto).await;
    golden.check_reply(&cpu, 1e-4, "cpu").await;
    let why = stays_on_the_device(cpu.moved(), &cpu.inspect()).unwrap_err();
    assert!(why.starts_with("nothing was computed on a device"), "{why}");
    let why = stays_on_the_device(on_device[0], &cpu.inspect()).unwrap_err();
    assert!(why.ends_with("nodes of the decoder compute on the CPU"), "{why}");
}

/// The note can go, and this test with it, once the provider reads `position_ids`: then the reply is the golden one.
#[tokio::test]
async fn a_decoder_that_webgpu_is_known_to_get_wrong_is_noted() {
    let says = "which webgpu doesn't read";
    let golden = &goldens("llava-tiny")[0];
    let (_kept, folder) = variant("llava-tiny", golden);
    for (device, is_right) in [("cpu", true), ("webgpu", false)] {
        let model = load(&folder, device, CacheForm::Auto).await;
        let notes = model.card().notes.join("\n");
        assert_eq!(notes.contains(says), !is_right, "{device}: {notes}");
        assert_eq!(whole::tokens(&model, golden).await == golden.greedy, is_right, "{device}");
    }
    let smolvlm = load(&data().join("smolvlm-tiny"), "webgpu", CacheForm::Auto).await;
    let notes = smolvlm.card().notes.join("\n");
    assert!(!notes.contains(says), "its tables are whole: {notes}");
}
