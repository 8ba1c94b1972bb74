//! Florence-2 against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens, and what is read out
//! of replies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::fs;

use percept_models::{ChatModel, Conversation, Generate, Message, ModelError, ModelFolder, Role};
use percept_runtime::CacheForm;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{change_json, copy, data, goldens, load};

const FOLDER: &str = "florence2-tiny";

#[tokio::test]
async fn it_answers_as_transformers_does_and_reads_a_prompt_once() {
    for golden in goldens(FOLDER) {
        golden.check_pixels(&data().join(FOLDER), &golden.name);
        let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
        golden.check_prompt(&model, &golden.name).await;
        let read = golden.input_ids.len();
        let usage = golden.check_reply(&model, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (read, 0), "{}", golden.name);
        // The same again: the encoder has nothing to do, the decoder goes back to the beginning of its reply.
        let usage = golden.check_reply(&model, 1e-5, &golden.name).await;
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (0, read), "{}", golden.name);
    }
}

/// Every token of a prompt sees all the others, so nothing of one is of use to the next; the image's features are.
#[tokio::test]
async fn each_task_is_read_from_its_beginning() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let goldens = goldens(FOLDER);
    for golden in goldens.iter().chain(&goldens) {
        let usage = golden.check_reply(&model, 1e-5, &golden.name).await;
        assert_eq!(usage.cached_tokens, 0, "{}", golden.name);
    }
    let notes = model.card().notes.join("\n");
    assert!(notes.contains("3 beams"), "{notes}");
    assert_eq!(model.card().max_images, Some(1));
}

/// The decoder would be blamed for what its encoder found.
#[tokio::test]
async fn what_the_encoder_finds_that_are_no_numbers_is_told_of_the_encoder() {
    let (_kept, path) = copy(FOLDER);
    let graph = path.join("onnx/encoder_model.onnx");
    let mut bytes = fs::read(&graph).unwrap();
    // A tensor's name is followed by its key (field 9), its length in one byte, and its numbers.
    let name = b"encoder.layernorm_embedding.weight";
    let ends = |place: usize| bytes[place..].starts_with(name) && bytes[place + name.len()] == 0x4a;
    let place = (0..bytes.len() - name.len()).find(|&place| ends(place)).unwrap() + name.len() + 2;
    bytes[place..place + 8].fill(0xff);
    fs::write(&graph, bytes).unwrap();
    let model = load(&path, "cpu", CacheForm::Auto).await;
    let conversation = goldens(FOLDER)[0].conversation();
    for _ in 0..2 {
        let error = model.first_logits(&conversation).await.unwrap_err();
        let ModelError::Folder { path: found, problem, .. } = &error else { panic!("{error}") };
        assert!(found.ends_with("onnx/encoder_model.onnx"), "{error}");
        assert!(problem.contains("found in a prompt are no numbers"), "{error}");
    }
}

/// Folders that were made from the authors' own code have no token for an image.
#[tokio::test]
async fn features_go_before_a_text_whose_tokenizer_has_no_token_for_them() {
    let (_kept, path) = copy(FOLDER);
    change_json(&path.join("tokenizer.json"), |tokenizer| {
        tokenizer["added_tokens"].as_array_mut().unwrap().retain(|token| token["content"] != "<image>");
    });
    change_json(&path.join("config.json"), |config| {
        config.as_object_mut().unwrap().remove("image_token_id");
    });
    let model = load(&path, "cpu", CacheForm::Auto).await;
    for golden in goldens(FOLDER) {
        golden.check_reply(&model, 1e-5, &golden.name).await;
    }
}

#[tokio::test]
async fn it_answers_on_webgpu_as_on_the_cpu() {
    let model = load(&data().join(FOLDER), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    for golden in goldens(FOLDER) {
        golden.check_reply(&model, 1e-3, &golden.name).await;
    }
    let moved = model.moved();
    assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0));
    // A cache there can't be cut, so the decoder begins anew; what the encoder found is as it was.
    let golden = goldens(FOLDER).into_iter().last().unwrap();
    let read = golden.input_ids.len();
    let usage = golden.check_reply(&model, 1e-3, &golden.name).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (0, read));
    // A reply and first logits are two first runs, which read what was found; for every other run it stays where it is.
    let hidden = ModelFolder::open(&data().join(FOLDER), None).unwrap().config.text.hidden_size.unwrap();
    let embeddings = model.moved().embeddings_to_device - moved.embeddings_to_device;
    let most = (2 * read + 60) * hidden * size_of::<f32>();
    assert!(embeddings <= most as u64 && read > 5, "{embeddings} bytes, {most} are enough");
}

#[tokio::test]
async fn anything_but_one_task_with_one_image_is_refused() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let golden = goldens(FOLDER).into_iter().next().unwrap();
    let shown = golden.conversation();
    let image = || std::sync::Arc::clone(shown.images().next().unwrap().pixels());
    let asked =
        |text: &str| Message { role: Role::User, content: Vec::new() }.with_image(image()).with_text(text);
    let cases: [(Vec<Message>, &str); 5] = [
        (vec![Message::text(Role::User, "<CAPTION>")], "show it one"),
        (vec![asked("<OD> a cat")], "<OD> takes no words beside it"),
        (
            vec![asked("<OD>"), Message::text(Role::Assistant, "cat"), asked("<CAPTION>")],
            "knows no conversation",
        ),
        (vec![Message::text(Role::System, "Be kind."), asked("<OD>")], "no instructions"),
        (vec![asked("<OD>").with_image(image())], "keep only the latest"),
    ];
    for (messages, says) in cases {
        let conversation: Conversation = messages.into_iter().collect();
        let error = model.generate(&conversation, &Generate::default()).await.err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// A place in a task is its token; any other special token that somebody writes is text.
#[tokio::test]
async fn a_task_may_name_places_and_no_other_token() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let folder = ModelFolder::open(&data().join(FOLDER), None).unwrap();
    let golden = goldens(FOLDER).into_iter().next().unwrap();
    let image = std::sync::Arc::clone(golden.conversation().images().next().unwrap().pixels());
    let message = Message { role: Role::User, content: Vec::new() }.with_image(image);
    let message = message.with_text("<REGION_TO_OCR><loc_7><loc_8><loc_9><loc_10></s><image>");
    let prompt = model.prompt(&[message].into_iter().collect()).await.unwrap();
    let count = |token: &str| {
        let id = folder.tokenizer.token_to_id(token).unwrap();
        prompt.tokens.iter().filter(|other| **other == id).count()
    };
    let counted = ["<loc_7>", "<loc_10>", "</s>", "<image>"].map(count);
    assert_eq!(counted, [1, 1, 1, 5], "{}", prompt.rendered);
}

/// What transformers reads out of a reply; `models/export/florence2_replies.py` writes it.
#[derive(Debug, Deserialize)]
struct ReadReply {
    task: String,
    reply: String,
    size: [u32; 2],
    read: Value,
}

impl ReadReply {
    /// Labels, and boxes or outlines, as the reference has them.
    fn found(&self) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for (labels, places) in [
            ("labels", "bboxes"),
            ("bboxes_labels", "bboxes"),
            ("labels", "quad_boxes"),
            ("labels", "polygons"),
            ("polygons_labels", "polygons"),
        ] {
            if let (Some(labels), Some(places)) = (self.read.get(labels), self.read.get(places)) {
                let labels =
                    labels.as_array().unwrap().iter().map(|label| label.as_str().unwrap().to_owned());
                found.extend(labels.zip(places.as_array().unwrap().iter().cloned()));
            }
        }
        found
    }
}

#[tokio::test]
async fn what_a_reply_says_is_where_is_read_as_transformers_reads_it() {
    let model = load(&data().join(FOLDER), "cpu", CacheForm::Auto).await;
    let text = fs::read_to_string(data().join(FOLDER).join("replies.json")).unwrap();
    let replies: Vec<ReadReply> = serde_json::from_str(&text).unwrap();
    let mut boxes = 0;
    for case in replies {
        let located = model.located(&case.task, &case.reply, case.size);
        if case.read.is_string() {
            assert!(located.is_none(), "{case:?}");
            continue;
        }
        let located = located.unwrap();
        let (mut found, mut unread) = (located.found.iter(), located.unread.len());
        for (label, place) in case.found() {
            let numbers: Vec<u32> = serde_json::from_value(place.clone()).unwrap_or_default();
            // It gives a box that ends before it begins as it is.
            if numbers.len() == 4 && (numbers[2] < numbers[0] || numbers[3] < numbers[1]) {
                unread -= 1;
                continue;
            }
            let ours = found.next().unwrap_or_else(|| panic!("{case:?} has more"));
            assert_eq!(ours.label, label, "{case:?}");
            let expected = match numbers.as_slice() {
                // Here the right and the bottom lie outside, so a box has a pixel at least.
                [left, top, right, bottom] if ours.outlines.is_empty() => {
                    boxes += 1;
                    json!([*left, *top, right.max(&(left + 1)), bottom.max(&(top + 1))])
                }
                [] => place,
                quadrilateral => json!([quadrilateral]),
            };
            let flat = |outline: &Vec<[u32; 2]>| outline.concat();
            let outlines = json!(ours.outlines.iter().map(flat).collect::<Vec<_>>());
            let given = if ours.outlines.is_empty() { json!(ours.corners) } else { outlines };
            assert_eq!(given, expected, "{case:?}");
            let [left, top, right, bottom] = ours.corners;
            assert!(
                left < right && top < bottom && right <= case.size[0] && bottom <= case.size[1],
                "{case:?}"
            );
        }
        assert_eq!(found.next(), None, "{case:?} has fewer");
        assert!(unread == 0 || case.found().is_empty(), "{case:?} {:?}", located.unread);
    }
    assert!(boxes > 500, "{boxes}");
}

#[test]
fn a_folder_that_lacks_what_a_prompt_or_a_reply_is_made_of_is_refused() {
    let cases = [
        ("preprocessor_config.json", "image_seq_length", "preprocessor_config.json", "image_seq_length"),
        ("generation_config.json", "decoder_start_token_id", "config.json", "decoder_start_token_id"),
    ];
    for (file, key, named, says) in cases {
        let (_kept, path) = copy(FOLDER);
        for file in [file, "config.json"] {
            change_json(&path.join(file), |settings| {
                settings.as_object_mut().unwrap().remove(key);
                if let Some(text) = settings.get_mut("text_config") {
                    text.as_object_mut().unwrap().remove(key);
                }
            });
        }
        let error = ModelFolder::open(&path, None).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains(named), "{error}");
    }
}
