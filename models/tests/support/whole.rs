//! A tiny model held to its goldens from pixels to the last token.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::sync::Arc;

use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, ModelFolder, Precision, Usage,
};
use percept_runtime::{CPU_PROVIDER, CacheForm, Silent};
use serde::Deserialize;

use crate::support::{Golden, data, goldens, greatest_difference, largest, load, variant};

/// How far a logit may be from torch's.
const TOLERANCE: f32 = 1e-4;

/// Everything of every golden on the CPU, each of a fresh model and then from what that still holds.
pub(crate) async fn check_all(folder: &str, cache: CacheForm) {
    let mut furthest: f32 = 0.0;
    for golden in goldens(folder) {
        let case = format!("{folder} {} {cache:?}", golden.name);
        let (_kept, path) = variant(folder, &golden);
        golden.check_pixels(&path, &case);
        let model = load(&path, "cpu", cache).await;
        golden.check_prompt(&model, &case).await;
        for (fresh, cached) in [(golden.input_ids.len(), 0), (1, golden.input_ids.len() - 1)] {
            let (tokens, text, usage) = reply(&model, &golden.conversation()).await;
            assert_eq!((tokens, text), (golden.greedy.clone(), golden.text.clone()), "{case}");
            assert_eq!((usage.fresh_tokens, usage.cached_tokens), (fresh, cached), "{case}");
        }
        furthest = furthest.max(first_logits_off(&model, &golden, TOLERANCE).await);
    }
    // The README says how far each is, as one machine measured it: 6.8e-6 of the largest logit at most.
    assert!(furthest < 1e-5, "{folder}: first logits are off by {furthest} of the largest");
}

/// The replies of another file of the decoder.
pub(crate) async fn check_precision(folder: &str, precision: &str) {
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named(precision).unwrap()),
        ..LoadOptions::default()
    };
    for golden in goldens(folder) {
        let (_kept, path) = variant(folder, &golden);
        let model = LocalModel::load(&path, options.clone(), Arc::new(Silent)).await.unwrap();
        assert!(model.card().notes.join("\n").contains(&format!("decoder_model_merged is in {precision}")));
        assert_eq!(reply(&model, &golden.conversation()).await.0, golden.greedy, "{folder} {}", golden.name);
    }
}

/// A conversation of three messages whose last one shows another image, after its first message was answered: what that
/// showed is in the cache, and the reply is the golden one.
pub(crate) async fn check_cached_prefix(folder: &str, name: &str) {
    let (cached, shown) = cached_of_first(folder, name).await;
    assert!(cached > shown, "{folder}: {cached} tokens are cached, the images end at {shown}");
}

/// How many tokens of a conversation are cached after its first message alone was answered, and where that message's last
/// image ends. The reply to the whole is the golden one.
pub(crate) async fn cached_of_first(folder: &str, name: &str) -> (usize, usize) {
    let goldens = goldens(folder);
    let golden = goldens.iter().find(|golden| golden.name == name).unwrap();
    let whole = golden.conversation();
    let first: Conversation = whole.messages()[..1].iter().cloned().collect();
    let (earlier, all) = (first.images().count(), whole.images().count());
    assert!(whole.messages().len() == 3 && earlier > 0 && all > earlier, "{folder} {name}");
    let model = load(&data().join(folder), "cpu", CacheForm::Auto).await;
    let image_token = ModelFolder::open(&data().join(folder), None).unwrap().config.image_token_id.unwrap();
    let beginning = model.prompt(&first).await.unwrap().tokens;
    let shown = beginning.iter().rposition(|token| *token == image_token).unwrap();
    reply(&model, &first).await;
    let (tokens, _, usage) = reply(&model, &whole).await;
    assert_eq!(tokens, golden.greedy, "{folder} {name}");
    first_logits_off(&model, golden, TOLERANCE).await;
    (usage.cached_tokens, shown)
}

/// The same tokens on a device, first logits within `most` of the reference's, no cache moved, and nothing computed on the
/// CPU but shapes and masks. Gives the model.
pub(crate) async fn check_webgpu(folder: &str, most: f32) -> LocalModel {
    let model = load(&data().join(folder), "webgpu", CacheForm::Auto).await;
    assert!(model.card().device.starts_with("webgpu"), "{}", model.card().device);
    for golden in goldens(folder).iter().filter(|golden| golden.has_usual_processor()) {
        check_on_device(&model, golden, most).await;
    }
    let moved = model.moved();
    assert_eq!((moved.cache_to_device, moved.cache_to_host), (0, 0), "{folder}");
    assert!(moved.encoders_to_device > 0 && moved.embeddings_to_device > 0, "{folder}: {moved:?}");
    assert_eq!(computing_on_cpu(&model), Vec::<String>::new(), "{folder}");
    // The control: what the assert before would have noticed.
    let cpu = load(&data().join(folder), "cpu", CacheForm::Auto).await;
    assert!(computing_on_cpu(&cpu).len() > 4, "{:?}", computing_on_cpu(&cpu));
    model
}

/// Operators of the tower or the decoder that are on the CPU and are no arithmetic on shapes and masks.
pub(crate) fn computing_on_cpu(model: &LocalModel) -> Vec<String> {
    let work =
        ["MatMul", "FusedMatMul", "Gemm", "Conv", "Softmax", "GroupQueryAttention", "LayerNormalization"];
    let sessions = model.inspect().sessions.into_iter();
    sessions
        .filter(|session| session.file.session != "embed_tokens")
        .flat_map(|session| session.placement)
        .filter(|placed| placed.provider == CPU_PROVIDER && work.contains(&placed.operator.as_str()))
        .map(|placed| placed.operator)
        .collect()
}

/// The reply to a golden's conversation.
pub(crate) async fn tokens(model: &LocalModel, golden: &Golden) -> Vec<u32> {
    reply(model, &golden.conversation()).await.0
}

pub(crate) async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
    let options =
        Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    let completion = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
    let tokens = completion.tokens.iter().map(|token| token.id).collect();
    (tokens, completion.text, completion.usage)
}

/// The golden reply, and first logits within `most` of the golden ones.
pub(crate) async fn check_on_device(model: &LocalModel, golden: &Golden, most: f32) {
    assert_eq!(tokens(model, golden).await, golden.greedy, "{}", golden.name);
    first_logits_off(model, golden, most).await;
}

/// How far the first logits are from the golden's, as a share of the largest; it must be less than `most` in numbers.
async fn first_logits_off(model: &LocalModel, golden: &Golden, most: f32) -> f32 {
    let logits = model.first_logits(&golden.conversation()).await.unwrap();
    let furthest = greatest_difference(&logits, &golden.first_logits);
    assert!(furthest < most, "{}: {furthest}", golden.name);
    furthest / largest(&golden.first_logits)
}

/// Everything that a tokenizer makes of texts that tokenizers get wrong.
#[derive(Deserialize)]
struct Tokenized {
    text: String,
    ids: Vec<u32>,
    ids_without_special: Vec<u32>,
    decoded: String,
    decoded_without_special: String,
}

/// The folder's tokenizer against transformers'.
pub(crate) fn check_tokenizer(folder: &str) {
    let path = data().join(folder).join("tokenizer_golden.json");
    let rows: Vec<Tokenized> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(rows.len() > 10, "{folder}");
    let tokenizer = ModelFolder::open(&data().join(folder), None).unwrap().tokenizer;
    for row in rows {
        let ids = |special| tokenizer.encode_fast(row.text.as_str(), special).unwrap().get_ids().to_vec();
        assert_eq!(ids(true), row.ids, "{folder} {:?}", row.text);
        assert_eq!(ids(false), row.ids_without_special, "{folder} {:?}", row.text);
        let text = |skip| tokenizer.decode(&row.ids, skip).unwrap();
        assert_eq!(text(false), row.decoded, "{folder} {:?}", row.text);
        assert_eq!(text(true), row.decoded_without_special, "{folder} {:?}", row.text);
    }
}
