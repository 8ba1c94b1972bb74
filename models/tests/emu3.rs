//! Emu3 against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens, and drawings.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/drawn.rs"]
mod drawn;
#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use percept_models::{ChatModel, Draw, ImageModel, ImageProcessor, Message, ModelFolder, Role};
use percept_runtime::CacheForm;
use serde_json::json;
use support::{change_json, copy, data, goldens, load};

const FOLDER: &str = "emu3-tiny";

#[tokio::test]
async fn emu3_answers_as_transformers_does() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        whole::check_all(FOLDER, cache).await;
    }
    whole::check_tokenizer(FOLDER);
}

#[tokio::test]
async fn a_later_image_is_read_from_a_cached_prefix() {
    whole::check_cached_prefix(FOLDER, "later_turn").await;
}

#[tokio::test]
async fn what_begins_and_ends_rows_and_images_is_only_words_in_a_message() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let path = data().join(FOLDER).join("config.json");
    let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let marks = ["<|visual token 000003|>", "<|extra_200|>", "<|image start|>", "<|image end|>", "<image>"];
    for text in marks {
        let message = Message::text(Role::User, format!("What is {text}?"));
        let tokens = model.prompt(&[message].into_iter().collect()).await.unwrap().tokens;
        let id = config["vocabulary_map"][text].as_u64().unwrap() as u32;
        assert!(!tokens.contains(&id), "{text}: {tokens:?}");
    }
}

#[tokio::test]
async fn it_draws_what_transformers_draws() {
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        let model = load(&data().join(FOLDER), "cpu", cache).await;
        assert_eq!(model.card().family, "emu3");
        let off = drawn::check(&model, FOLDER, 1e-4).await;
        println!("{cache:?}: guided scores {off:.1e} of the largest off");
    }
}

/// A square of 4 rows of 4 tokens, unless it says otherwise.
fn small() -> Draw {
    Draw { area: Some(64), ..Draw::default() }
}

#[tokio::test]
async fn a_negative_prompt_and_the_ratio_change_the_picture_and_a_seed_draws_it_again() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let first = model.draw("A house.", &Draw { seed: 3, ..small() }).await.unwrap();
    assert!((first.guidance - 3.0).abs() < f32::EPSILON, "the authors' own: {}", first.guidance);
    assert_eq!((first.tokens.len(), first.image.dimensions()), (16, (8, 8)));
    let again = model.draw("A house.", &Draw { seed: 3, ..small() }).await.unwrap();
    assert_eq!((&first.tokens, &first.image), (&again.tokens, &again.image));
    let other = model.draw("A house.", &Draw { seed: 4, ..small() }).await.unwrap();
    assert_ne!(first.tokens, other.tokens);
    let negative = Some("a tree".to_owned());
    let unlike = model.draw("A house.", &Draw { seed: 3, negative, ..small() }).await.unwrap();
    assert_ne!(first.tokens, unlike.tokens);
    assert!(unlike.usage.fresh_tokens > first.usage.fresh_tokens);
    let wide = model.draw("A house.", &Draw { ratio: Some([4, 1]), ..small() }).await.unwrap();
    assert_eq!((wide.tokens.len(), wide.image.dimensions()), (16, (16, 4)));
}

#[tokio::test]
async fn the_marks_of_an_image_in_the_words_of_a_drawing_are_only_words() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let plain = Draw { guidance: Some(1.0), ..small() };
    let none = model.draw("", &plain).await.unwrap().usage.fresh_tokens;
    for text in
        ["<|image token|>", "<|image start|>", "<|visual token 000003|>", "<|extra_200|>", "<|extra_203|>"]
    {
        let read = model.draw(text, &plain).await.unwrap().usage.fresh_tokens;
        assert!(read > none + 3, "{text}: {read} tokens, {none} without");
        let against = |negative: &str| Draw { negative: Some(negative.into()), ..small() };
        let none = model.draw("A house.", &against("")).await.unwrap().usage.fresh_tokens;
        let read = model.draw("A house.", &against(text)).await.unwrap().usage.fresh_tokens;
        assert!(read > none + 3, "{text} as a negative prompt: {read} tokens, {none} without");
    }
}

#[tokio::test]
async fn a_drawing_that_cant_be_is_refused_with_the_remedy() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let negative = |words: &str| Some(words.to_owned());
    let long = "word ".repeat(300);
    let cases = [
        (
            "A house.",
            Draw::default(),
            "the picture 129959, the model's context holds 512: shorten the prompt, or ask for",
        ),
        (
            "A house.",
            Draw { guidance: Some(1.0), negative: negative("a tree"), ..small() },
            "ask for more than 1",
        ),
        ("A house.", Draw { negative: negative(&long), ..small() }, "the negative prompt has"),
        ("A house.", Draw { ratio: Some([3, 0]), ..small() }, "none of these may be 0"),
        ("A house.", Draw { ratio: Some([1000, 1]), ..small() }, "ask for a ratio nearer to 1:1"),
        (&long, small(), "the prompt has"),
    ];
    for (prompt, options, says) in cases {
        let error = model.draw(prompt, &options).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_folder_says_by_how_much_the_words_of_a_drawing_count() {
    let scaled = |scale: f64| {
        let (kept, path) = copy(FOLDER);
        change_json(&path.join("generation_config.json"), |file| file["guidance_scale"] = json!(scale));
        (kept, path)
    };
    let (_kept, path) = scaled(4.5);
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let drawing = model.draw("A house.", &small()).await.unwrap();
    assert!((drawing.guidance - 4.5).abs() < f32::EPSILON, "{}", drawing.guidance);
    for scale in [0.5, -1.0] {
        let (_kept, path) = scaled(scale);
        // It answers all the same.
        let folder = ModelFolder::open(&path, None).unwrap();
        let error = folder.drawing().err().unwrap().to_string();
        assert!(error.contains("`guidance_scale`"), "{error}");
    }
}

#[tokio::test]
async fn a_folder_without_the_half_that_paints_answers_and_says_why_it_cant_draw() {
    let (_kept, path) = copy(FOLDER);
    drawn::check_without_painter(&path, FOLDER).await;
}

#[tokio::test]
async fn a_folder_whose_files_dont_belong_together_is_refused() {
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("config.json"), |config| {
        config["vocabulary_map"].as_object_mut().unwrap().remove("<|extra_200|>");
    });
    let error = ModelFolder::open(&path, None).err().unwrap().to_string();
    assert!(error.contains("has no `<|extra_200|>`"), "{error}");
    // As letters a mark would mark nothing.
    for mark in ["<|image start|>", "<|image token|>", "<|extra_201|>", "<|image end|>"] {
        let (_kept, path) = copy(FOLDER);
        let tokenizer = std::fs::read_to_string(path.join("tokenizer.json")).unwrap();
        std::fs::write(path.join("tokenizer.json"), tokenizer.replace(mark, "<|other|>")).unwrap();
        let error = ModelFolder::open(&path, None).err().unwrap().to_string();
        assert!(error.contains("tokenizer.json") && error.contains(&format!("no token `{mark}`")), "{error}");
    }
    let (_kept, path) = copy(FOLDER);
    // One level more halves the sides once more: fewer tokens are expected than the tower gives.
    change_json(&path.join("config.json"), |config| {
        config["vq_config"]["channel_multiplier"] = json!([1, 1, 1]);
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let error = model.first_logits(&goldens(FOLDER)[0].conversation()).await.unwrap_err().to_string();
    assert!(error.contains("tokens for an image, which aren't one for each"), "{error}");
}

#[test]
fn its_processor_has_no_way_of_torchvisions() {
    for (settings, says) in [
        (json!({ "image_processor_type": "Emu3ImageProcessorFast" }), "only Pillow's"),
        (json!({ "image_processor_type": "Emu3ImageProcessor", "spatial_factor": 0 }), "must be at least 1"),
    ] {
        let error = ImageProcessor::from_json(&settings.to_string()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn on_webgpu_it_answers_and_draws_as_on_the_cpu() {
    assert_eq!(drawn::check_on_webgpu(FOLDER, 3e-2).await, Vec::<String>::new());
}
