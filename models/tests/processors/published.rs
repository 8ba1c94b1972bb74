//! Of how many sizes there are goldens: of each class, and of each family's settings as they are published.

use std::collections::BTreeSet;

use percept_models::{Backend, ImageProcessor};
use serde_json::Value;

use crate::{FILES, Golden, data, goldens};

/// A class that is added and has no goldens, or few, or in one of its backends, is seen here.
#[test]
fn every_class_that_is_known_has_goldens_of_twenty_sizes_in_each_of_its_backends() {
    let all: Vec<Golden> = FILES.into_iter().flat_map(|(file, _)| goldens(file)).collect();
    let names: BTreeSet<&str> = all.iter().map(Golden::class).collect();
    let mut known = BTreeSet::new();
    for (class, backends) in ImageProcessor::classes() {
        let fast = format!("{class}Fast");
        known.extend(names.get(class).into_iter().chain(names.get(&*fast)));
        for (backend, sizes) in sizes(&all, class, backends, |_| true) {
            assert!(sizes >= 20, "{class} in {backend:?}: {sizes} sizes");
        }
    }
    assert_eq!(names, known, "goldens of classes that aren't known");
}

/// Of each backend of a class, how many sizes there are goldens of, under settings of which a question is true.
fn sizes(
    all: &[Golden],
    class: &str,
    backends: &'static [Backend],
    asked: impl Fn(&Golden) -> bool,
) -> Vec<(Backend, usize)> {
    let fast = format!("{class}Fast");
    // A bare name says nothing of a class that has torchvision's alone: both count.
    let is_meant = |backend, name: &str| match (backend, backends.len()) {
        (_, 1) => name == class || name == fast,
        (Backend::Pillow, _) => name == class,
        (Backend::Torchvision, _) => name == fast,
    };
    let counted = |backend| {
        let meant = all.iter().filter(|golden| is_meant(backend, golden.class()) && asked(golden));
        meant.map(|golden| golden.size).collect::<BTreeSet<_>>().len()
    };
    backends.iter().map(|&backend| (backend, counted(backend))).collect()
}

/// The settings that each family's published folders have where they aren't the class's own, as far as they are known (no such
/// folder was at hand), without those that change no pixel. A family whose tiny model has an image processor and that isn't here is seen too.
const PUBLISHED: [(&[&str], &str, &str); 19] = [
    (
        &["smolvlm"],
        "SmolVLMImageProcessor",
        r#"{"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}"#,
    ),
    (&["idefics3"], "Idefics3ImageProcessor", "{}"),
    (
        &["llava"],
        "CLIPImageProcessor",
        r#"{"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}"#,
    ),
    (
        &["llava_next"],
        "LlavaNextImageProcessor",
        r#"{"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}"#,
    ),
    (&["llava_onevision"], "LlavaOnevisionImageProcessor", "{}"),
    (
        &["internvl"],
        "GotOcr2ImageProcessor",
        r#"{"crop_to_patches": true, "size": {"height": 448, "width": 448}, "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225]}"#,
    ),
    (
        &["qwen2_vl", "qwen2_5_vl"],
        "Qwen2VLImageProcessor",
        r#"{"size": {"shortest_edge": 3136, "longest_edge": 12845056}}"#,
    ),
    (
        &["qwen3_vl", "qwen3_vl_moe", "qwen3_5"],
        "Qwen2VLImageProcessor",
        r#"{"size": {"shortest_edge": 65536, "longest_edge": 16777216}, "patch_size": 16,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#,
    ),
    (&["lfm2_vl"], "Lfm2VlImageProcessor", "{}"),
    (&["paligemma", "siglip"], "SiglipImageProcessor", "{}"),
    (&["gemma3"], "Gemma3ImageProcessor", "{}"),
    (&["phi3_v"], "Phi3VImageProcessor", r#"{"num_crops": 16}"#),
    (
        &["florence2"],
        "CLIPImageProcessor",
        r#"{"do_center_crop": false, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
            "resample": 3, "size": {"height": 768, "width": 768}, "crop_size": {"height": 768, "width": 768},
            "image_seq_length": 577}"#,
    ),
    (&["blip_2"], "BlipImageProcessor", r#"{"size": {"height": 224, "width": 224}}"#),
    (&["idefics"], "IdeficsImageProcessor", "{}"),
    (&["janus"], "JanusImageProcessor", r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#),
    (&["chameleon"], "ChameleonImageProcessor", "{}"),
    (&["emu3"], "Emu3ImageProcessor", "{}"),
    (&["clip"], "CLIPImageProcessor", "{}"),
];

#[test]
fn every_familys_own_settings_have_goldens_of_twenty_sizes_in_each_backend() {
    let all: Vec<Golden> = FILES.into_iter().flat_map(|(file, _)| goldens(file)).collect();
    for (families, class, settings) in PUBLISHED {
        let settings: Value = serde_json::from_str(settings).unwrap();
        let (_, backends) = ImageProcessor::classes().find(|(name, _)| *name == class).unwrap();
        for (backend, sizes) in sizes(&all, class, backends, |golden| golden.has(&settings)) {
            assert!(sizes >= 20, "{families:?} in {backend:?}: {sizes} sizes");
        }
    }
    let named: BTreeSet<&str> = PUBLISHED.iter().flat_map(|(families, ..)| *families).copied().collect();
    for entry in std::fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        if path.join("preprocessor_config.json").exists() {
            let family = path.file_name().unwrap().to_str().unwrap().trim_end_matches("-tiny");
            assert!(named.contains(family), "{family}");
        }
    }
}
