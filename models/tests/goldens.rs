//! The tiny models against goldens of transformers: pixels, prompts, tokens, first logits, 24 greedy tokens.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/whole.rs"]
mod whole;

use percept_models::{
    ChatModel, Content, Conversation, Generate, LoadOptions, LocalModel, Message, Precision, Role, Usage,
};
use percept_runtime::CacheForm;
use support::{Golden, copy, data, goldens, greatest_difference, levels_apart, load, off, variant};

async fn check(folder: &str, golden: &Golden, cache: CacheForm) {
    let case = format!("{folder} {} {cache:?}", golden.name);
    let (_kept, path) = variant(folder, golden);
    golden.check_pixels(&path, &case);
    let model = load(&path, "cpu", cache).await;
    golden.check_prompt(&model, &case).await;
    let usage = check_reply(&model, golden, &golden.greedy, &golden.text, &case).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (golden.input_ids.len(), 0), "{case}");
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    let off = off(&logits, &golden.first_logits);
    // The README says how far each is, as one machine measured it: 2.2e-6 of the largest at most.
    assert!(off < 1e-5, "{case}: {off}");
    // The same again: everything but the last token of the prompt is still in the cache.
    let usage = check_reply(&model, golden, &golden.greedy, &golden.text, &case).await;
    assert_eq!((usage.fresh_tokens, usage.cached_tokens), (1, golden.input_ids.len() - 1), "{case}");
}

async fn check_reply(model: &LocalModel, golden: &Golden, greedy: &[u32], text: &str, case: &str) -> Usage {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let generation = model.generate(&golden.conversation(), &options).await.unwrap();
    let completion = generation.complete().await.unwrap();
    let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
    assert_eq!(tokens, greedy, "{case}");
    assert_eq!(completion.text, text, "{case}");
    assert_eq!(completion.usage.output_tokens, 24, "{case}");
    completion.usage
}

#[tokio::test]
async fn smolvlm_answers_as_transformers_does() {
    for golden in goldens("smolvlm-tiny") {
        check("smolvlm-tiny", &golden, CacheForm::Auto).await;
        check("smolvlm-tiny", &golden, CacheForm::Growing).await;
    }
    whole::check_cached_prefix("smolvlm-tiny", "later_turn").await;
}

/// Its graphs are SmolVLM's, as the code is; everything else is from transformers' classes of its own.
#[tokio::test]
async fn idefics3_answers_as_transformers_does() {
    for golden in goldens("idefics3") {
        let (_kept, path) = copy("smolvlm-tiny");
        for entry in std::fs::read_dir(data().join("idefics3")).unwrap() {
            let file = entry.unwrap().path();
            std::fs::copy(&file, path.join(file.file_name().unwrap())).unwrap();
        }
        golden.set_processor(&path);
        golden.check_pixels(&path, &golden.name);
        let model = load(&path, "cpu", CacheForm::Auto).await;
        assert_eq!(model.card().family, "idefics3");
        golden.check_prompt(&model, &golden.name).await;
        golden.check_reply(&model, 1e-5, &golden.name).await;
    }
}

#[tokio::test]
async fn llava_answers_as_transformers_does() {
    for golden in goldens("llava-tiny") {
        check("llava-tiny", &golden, CacheForm::Auto).await;
    }
    whole::check_cached_prefix("llava-tiny", "later_turn").await;
}

#[tokio::test]
async fn qwen2_vl_answers_as_transformers_does() {
    for golden in goldens("qwen2_vl-tiny") {
        check("qwen2_vl-tiny", &golden, CacheForm::Auto).await;
    }
}

#[tokio::test]
async fn qwen2_5_vl_answers_as_transformers_does() {
    for golden in goldens("qwen2_5_vl-tiny") {
        check("qwen2_5_vl-tiny", &golden, CacheForm::Auto).await;
    }
}

#[tokio::test]
async fn a_tower_that_is_told_its_windows_sees_what_one_that_finds_them_sees() {
    let folder = data().join("qwen2_5_vl-tiny");
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("indexed").unwrap()),
        ..LoadOptions::default()
    };
    let model =
        LocalModel::load(&folder, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
    assert!(
        model.card().notes.join("\n").contains("vision_encoder is in indexed"),
        "{:?}",
        model.card().notes
    );
    for golden in goldens("qwen2_5_vl-tiny") {
        check_reply(&model, &golden, &golden.greedy, &golden.text, &golden.name).await;
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{}", golden.name);
    }
}

/// A reply of 24 tokens to a conversation, and what it cost.
async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    (completion.tokens.iter().map(|token| token.id).collect(), completion.usage)
}

/// Where tokens stand is no matter of how much of them is still in the cache: conversations that share a beginning,
/// each asked after the one before, as if each had been the first.
#[tokio::test]
async fn positions_go_on_from_whatever_the_cache_still_holds() {
    for folder in ["qwen2_vl-tiny", "qwen2_5_vl-tiny"] {
        let goldens = goldens(folder);
        let named = |name: &str| goldens.iter().find(|golden| golden.name == name).unwrap();
        let (whole, text) = (named("later_turn"), named("text_only"));
        let turns = whole.conversation();
        let image_length = 10 * 4 / 4;
        let first: Conversation = turns.messages()[..1].iter().cloned().collect();
        let mut more = turns.clone();
        more.push(Message::text(Role::Assistant, "A square."));
        more.push(Message::text(Role::User, "Where is the link?"));
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let mut cached = Vec::new();
        // To the first image and beyond, over a second one, on, back before the second, to text alone, and on.
        for conversation in [&first, &turns, &more, &first, &turns, &text.conversation(), &more] {
            let (tokens, usage) = reply(&model, conversation).await;
            let alone = load(&data().join(folder), "cpu", CacheForm::Auto).await;
            assert_eq!(tokens, reply(&alone, conversation).await.0, "{folder} after {cached:?}");
            if conversation.messages().len() == 3 {
                assert_eq!(tokens, whole.greedy, "{folder} after {cached:?}");
                let logits = model.first_logits(conversation).await.unwrap();
                assert!(greatest_difference(&logits, &whole.first_logits) < 1e-4, "{folder} {cached:?}");
            }
            cached.push(usage.cached_tokens);
        }
        let beginning = model.prompt(&first).await.unwrap().tokens.len();
        assert!(cached[1] > image_length && cached[4] > image_length, "an image is in the cache: {cached:?}");
        assert_eq!((cached[2], cached[3]), (whole.input_ids.len(), beginning - 1), "{cached:?}");
        assert!(cached[5] < beginning && cached[6] < beginning, "{cached:?}");
    }
}

#[tokio::test]
async fn another_precision_is_found_by_its_suffix_and_said() {
    for golden in goldens("smolvlm-tiny").iter().take(3) {
        let (_kept, path) = variant("smolvlm-tiny", golden);
        let options = LoadOptions {
            device: "cpu".parse().unwrap(),
            precision: Some(Precision::named("q4").unwrap()),
            ..LoadOptions::default()
        };
        let model =
            LocalModel::load(&path, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
        let expected = golden.q4.as_ref().unwrap();
        let logits = model.first_logits(&golden.conversation()).await.unwrap();
        assert!(greatest_difference(&logits, &expected.first_logits) < 1e-4, "{}", golden.name);
        check_reply(&model, golden, &expected.greedy, &expected.text, &golden.name).await;
        let notes = model.card().notes.join("\n");
        for note in ["decoder_model_merged is in q4", "vision_encoder is in fp32: the folder has no q4 of it"]
        {
            assert!(notes.contains(note), "{notes}");
        }
    }
}

#[tokio::test]
async fn a_decoder_of_plain_operators_gives_the_same_tokens() {
    let golden = &goldens("llava-tiny")[0];
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("plain").unwrap()),
        ..LoadOptions::default()
    };
    let folder = data().join("llava-tiny");
    let model =
        LocalModel::load(&folder, options, std::sync::Arc::new(percept_runtime::Silent)).await.unwrap();
    check_reply(&model, golden, &golden.greedy, &golden.text, "plain").await;
}

#[test]
fn texts_become_the_tokens_that_transformers_makes_of_them() {
    for folder in ["smolvlm-tiny", "llava-tiny", "qwen2_vl-tiny", "qwen2_5_vl-tiny"] {
        whole::check_tokenizer(folder);
    }
}

/// What the README says of every family that takes several images.
#[tokio::test]
async fn whoever_takes_several_images_is_shown_one_at_first_and_another_in_a_later_turn() {
    let mut asked = Vec::new();
    for entry in std::fs::read_dir(data()).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        // What matches images and texts has no conversations.
        if !folder.ends_with("-tiny") || ["clip-tiny", "siglip-tiny"].contains(&&*folder) {
            continue;
        }
        let model = load(&data().join(&folder), "cpu", CacheForm::Auto).await;
        if model.card().max_images.is_none_or(|most| most > 1) {
            assert!(goldens(&folder).iter().any(shows_a_later_image), "{folder}");
            asked.push(folder);
        }
    }
    assert!(asked.len() > 15, "{asked:?}");
}

fn shows_a_later_image(golden: &Golden) -> bool {
    let conversation = golden.conversation();
    let [first, later @ ..] = conversation.messages() else { return false };
    let shows = |message: &Message| {
        message.role == Role::User
            && message.content.iter().any(|content| matches!(content, Content::Image(_)))
    };
    shows(first) && later.iter().any(shows)
}

#[test]
fn what_is_no_number_or_isnt_there_is_never_near() {
    let fails = |compared: fn() -> f32| std::panic::catch_unwind(compared).is_err();
    assert!(fails(|| greatest_difference(&[1.0, f32::NAN], &[1.0, 2.0])));
    assert!(fails(|| greatest_difference(&[], &[])) && fails(|| greatest_difference(&[1.0], &[1.0, 2.0])));
    assert!(fails(|| f32::from(levels_apart(&[7], &[7, 9]))) && fails(|| f32::from(levels_apart(&[], &[]))));
    assert!(greatest_difference(&[f32::INFINITY], &[1.0]) > f32::MAX);
    // A token that is never written has the least score, beside which everything else would be nothing.
    assert!((off(&[f32::MIN, 3.0], &[f32::MIN, 2.0]) - 0.5).abs() < f32::EPSILON);
}
