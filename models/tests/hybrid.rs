//! LFM2-VL and Qwen3.5, some of whose layers carry states, against goldens of transformers; and what states allow: a
//! prefix that is found again, and one that isn't.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use percept_models::{ChatModel, Content, Conversation, Generate, LocalModel, Message, Role, Usage};
use percept_runtime::CacheForm;
use support::{Golden, copy, data, goldens, greatest_difference, load, variant};

const FOLDERS: [&str; 2] = ["lfm2_vl-tiny", "qwen3_5-tiny"];

/// A reply of 24 tokens, and what it cost.
async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    let tokens = completion.tokens.iter().map(|token| token.id).collect();
    (tokens, completion.text, completion.usage)
}

async fn check(folder: &str, golden: &Golden, cache: CacheForm) {
    let case = format!("{folder} {} {cache:?}", golden.name);
    let (_kept, path) = variant(folder, golden);
    golden.check_pixels(&path, &case);
    let model = load(&path, "cpu", cache).await;
    golden.check_prompt(&model, &case).await;
    let length = golden.input_ids.len();
    // Once from nothing, and once more from all but the prompt's last token.
    for (fresh, cached) in [(length, 0), (1, length - 1)] {
        let (tokens, text, usage) = reply(&model, &golden.conversation()).await;
        assert_eq!((&tokens, &text), (&golden.greedy, &golden.text), "{case}");
        assert_eq!((usage.fresh_tokens, usage.cached_tokens), (fresh, cached), "{case}");
    }
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    assert!(greatest_difference(&logits, &golden.first_logits) < 1e-4, "{case}");
}

#[tokio::test]
async fn each_answers_as_transformers_does() {
    for folder in FOLDERS {
        for golden in goldens(folder) {
            check(folder, &golden, CacheForm::Auto).await;
            check(folder, &golden, CacheForm::Growing).await;
        }
    }
}

#[tokio::test]
async fn the_states_of_a_sequence_count_in_the_memory_that_a_model_needs() {
    for folder in FOLDERS {
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let memory = model.inspect().memory;
        let weights: u64 = memory.weights.iter().map(|(_, weights)| weights.bytes()).sum();
        let cache = memory.cache_bytes_per_token * memory.context;
        assert_eq!(memory.total_bytes, weights + cache + memory.state_bytes, "{folder}: {memory:?}");
        // Those of each layer as the graph declares them (`[1, …]`, four bytes a number), and 16 times the earlier ones.
        let shapes = state_shapes(&model);
        assert!(!shapes.is_empty(), "{folder}");
        let carried: u64 = shapes.iter().map(|shape| 4 * shape.iter().product::<u64>()).sum();
        assert_eq!(memory.state_bytes, 17 * carried, "{folder}: {shapes:?}");
    }
}

/// Shapes of the decoder's inputs that are states, which alone have no axis of so many tokens.
fn state_shapes(model: &LocalModel) -> Vec<Vec<u64>> {
    let sessions = model.inspect().sessions;
    let decoder = sessions.iter().find(|session| session.file.session.starts_with("decoder")).unwrap();
    let states = decoder.inputs.iter().filter(|port| port.contains("conv") || port.contains("recurrent"));
    states.map(|port| numbers(port.split_once('[').unwrap().1.split(']').next().unwrap())).collect()
}

/// The fixed axes of a shape as it is told; the batch is one.
fn numbers(shape: &str) -> Vec<u64> {
    shape.split(',').filter_map(|axis| axis.trim().parse().ok()).collect()
}

/// The same words about the picture of another conversation.
fn with_picture_of(words: &Conversation, other: &Conversation) -> Conversation {
    let picture = other.images().next().unwrap();
    let mut messages = words.messages().to_vec();
    for content in messages.iter_mut().flat_map(|message| &mut message.content) {
        if let Content::Image(image) = content {
            *image = picture.clone();
        }
    }
    messages.into_iter().collect()
}

/// Conversations that share a beginning, each asked after the one before, as if each had been the first.
#[tokio::test]
async fn a_prefix_is_kept_as_far_back_as_its_states_are() {
    for folder in FOLDERS {
        let goldens = goldens(folder);
        let named = |name: &str| goldens.iter().find(|golden| golden.name == name).unwrap();
        let whole = named("later_turn");
        let turns = whole.conversation();
        let first: Conversation = turns.messages()[..1].iter().cloned().collect();
        let mut more = turns.clone();
        more.push(Message::text(Role::Assistant, "A square."));
        more.push(Message::text(Role::User, "Where is the link?"));
        let other = with_picture_of(&first, &named("as_it_is").conversation());
        let text = named("text_only").conversation();
        let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
        let mut cached = Vec::new();
        for conversation in [&first, &first, &turns, &more, &turns, &first, &other, &text, &more] {
            let (tokens, _, usage) = reply(&model, conversation).await;
            let alone = load(&data().join(folder), "cpu", CacheForm::Auto).await;
            assert_eq!(tokens, reply(&alone, conversation).await.0, "{folder} after {cached:?}");
            if conversation.messages().len() == 3 {
                assert_eq!(tokens, whole.greedy, "{folder} after {cached:?}");
            }
            cached.push(usage.cached_tokens);
        }
        let beginning = model.prompt(&first).await.unwrap().tokens;
        let all = model.prompt(&turns).await.unwrap().tokens.len();
        let differs = model.prompt(&other).await.unwrap().tokens;
        // The picture begins with the first of its tokens; what stands for it is the same for both.
        let image = whole.input_ids.iter().position(|id| *id == image_token(folder)).unwrap();
        assert_eq!(beginning[..image], differs[..image], "{folder}");
        let beginning = beginning.len();
        assert_eq!(cached[..2], [0, beginning - 1], "{folder}, asked again: {cached:?}");
        // The reply that was given isn't the one that the conversation goes on with, but the prompt before it is kept.
        assert_eq!(cached[2], beginning, "{folder}, gone on: {cached:?}");
        assert_eq!(cached[3..6], [all, all - 1, beginning - 1], "{folder}, on and back: {cached:?}");
        assert_eq!(cached[6], image, "{folder}, another picture in its place: {cached:?}");
        // Text alone shares a few tokens with the others, and no place to go back to.
        assert_eq!(cached[7..], [0, 0], "{folder}: {cached:?}");
    }
}

/// Qwen3.5's published template opens a thought in the prompt, which it leaves out where the reply stands.
#[tokio::test]
async fn an_image_stays_read_where_a_template_opens_a_reply_otherwise_than_it_writes_one() {
    for folder in FOLDERS {
        let (_kept, path) = copy(folder);
        let file = path.join("chat_template.jinja");
        let template = std::fs::read_to_string(&file).unwrap();
        let opening = "<|im_start|>assistant\n";
        assert!(template.contains(opening), "{folder}");
        std::fs::write(&file, template.replace(opening, &format!("{opening}<think>\n"))).unwrap();
        let goldens = goldens(folder);
        let whole = goldens.iter().find(|golden| golden.name == "later_turn").unwrap().conversation();
        let first: Conversation = whole.messages()[..1].iter().cloned().collect();
        let model = load(&path, "cpu", CacheForm::Auto).await;
        let [before, after] = [&first, &whole].map(|conversation| model.prompt(conversation));
        let (before, after) = (before.await.unwrap().tokens, after.await.unwrap().tokens);
        let common = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
        assert!(common < before.len(), "{folder}: the opening isn't in the next turn");
        reply(&model, &first).await;
        let (tokens, _, usage) = reply(&model, &whole).await;
        // The end of the turn that was asked: after the image and the words about it.
        let image = before.iter().rposition(|id| *id == image_token(folder)).unwrap();
        let end = model_end(folder, &path);
        let turn = before.iter().rposition(|id| *id == end).unwrap() + 1;
        assert!(image < turn && turn <= common, "{folder}");
        assert_eq!(usage.cached_tokens, turn, "{folder}");
        let alone = load(&path, "cpu", CacheForm::Auto).await;
        assert_eq!(tokens, reply(&alone, &whole).await.0, "{folder}");
        // Another question about the same image goes back to the image's end.
        let mut messages = first.messages().to_vec();
        for content in messages.iter_mut().flat_map(|message| &mut message.content) {
            if let Content::Text(text) = content {
                *text = "Zebra?".into();
            }
        }
        let other: Conversation = messages.into_iter().collect();
        let (tokens, _, usage) = reply(&model, &other).await;
        assert_eq!(usage.cached_tokens, image + 1, "{folder}");
        assert_eq!(tokens, reply(&alone, &other).await.0, "{folder}");
    }
}

/// The token that ends a turn.
fn model_end(folder: &str, path: &std::path::Path) -> u32 {
    let folder_of = percept_models::ModelFolder::open(path, None).unwrap();
    folder_of.tokenizer.token_to_id("<|im_end|>").unwrap_or_else(|| panic!("{folder} has no <|im_end|>"))
}

/// The token that stands for a feature of an image.
fn image_token(folder: &str) -> u32 {
    let config = std::fs::read_to_string(data().join(folder).join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["image_token_id"].as_u64().unwrap().try_into().unwrap()
}
