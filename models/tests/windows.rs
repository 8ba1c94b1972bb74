//! Attention over a window, against goldens of transformers, which masks the middle of the whole text; and what is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;

use std::{fs, num::NonZeroUsize, path::Path, sync::Arc};

use percept_models::{
    ChatModel, Conversation, Generate, LoadOptions, LocalModel, Message, ModelFolder, Precision, Role, Usage,
};
use percept_runtime::{
    AttentionWindow, CacheForm, DecodeOptions, Device, Engine, EngineError, EngineGraphs, EngineOptions,
    Runtime, Sequence, Silent,
};
use serde::Deserialize;
use serde_json::Value;
use support::{change_json, copy, data, greatest_difference, largest, set_json};

/// What transformers makes of a text; `models/export/README.md` tells the keys.
#[derive(Debug, Deserialize)]
struct Golden {
    sinks: usize,
    recent: NonZeroUsize,
    input_ids: Vec<u32>,
    first_logits: Vec<f32>,
    greedy: Vec<u32>,
}

impl Golden {
    fn window(&self) -> AttentionWindow {
        AttentionWindow { sinks: self.sinks, recent: self.recent }
    }
}

fn goldens(family: &str) -> Vec<Golden> {
    let text = fs::read_to_string(data().join(format!("windows/{family}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The decoders: of standard operators, a fused one that is told positions, and one that is fed embeddings and positions in
/// three rows.
const DECODERS: [(&str, &str); 4] =
    [("qwen2", "model"), ("qwen3", "model"), ("qwen3", "model_plain"), ("qwen2_vl", "decoder_model_merged")];

async fn engine(
    (family, file): (&str, &str),
    window: Option<AttentionWindow>,
    longest: Option<NonZeroUsize>,
    cache: CacheForm,
) -> Result<Engine, EngineError> {
    let runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
    let choice = runtime.resolve(&Device::Cpu, &Silent).unwrap();
    let decoder = data().join(format!("{family}-tiny/onnx/{file}.onnx"));
    let options = EngineOptions {
        threads: Some(1),
        cache,
        context: 512,
        longest_run: longest,
        window,
        ..EngineOptions::new(choice)
    };
    let embeds = file.starts_with("decoder");
    let embedding = embeds.then(|| data().join(format!("{family}-tiny/onnx/embed_tokens.onnx")));
    let graphs = EngineGraphs { decoder: Some(decoder), embedding, ..EngineGraphs::default() };
    Engine::load(&runtime, graphs, options).await
}

async fn written(sequence: &mut Sequence, tokens: usize) -> Vec<u32> {
    let options = DecodeOptions { max_tokens: tokens, ..DecodeOptions::default() };
    let mut decoding = sequence.decode(options, None);
    while let Some(token) = decoding.next().await {
        token.unwrap();
    }
    decoding.finish().tokens.iter().map(|token| token.id).collect()
}

#[tokio::test]
async fn a_text_whose_middle_is_let_go_is_read_as_under_a_mask() {
    for decoder in DECODERS {
        let mut furthest = 0.0f32;
        for golden in goldens(decoder.0) {
            let most = golden.window().most();
            for (longest, piece) in [(None, 512), (NonZeroUsize::new(7), 512), (NonZeroUsize::new(512), 13)] {
                let case = format!("{decoder:?} {:?} in runs of {longest:?} by {piece}", golden.window());
                let engine = engine(decoder, Some(golden.window()), longest, CacheForm::Auto).await.unwrap();
                assert_eq!(engine.cache_form(), CacheForm::Growing, "{case}");
                let mut sequence = engine.sequence().await.unwrap();
                for tokens in golden.input_ids.chunks(piece) {
                    sequence.append_tokens(tokens).await.unwrap();
                    assert!(sequence.held() <= most, "{case}: {} are held", sequence.held());
                }
                let logits = sequence.last_logits().await.unwrap();
                let difference = greatest_difference(&logits, &golden.first_logits);
                assert!(difference < 1e-4, "{case}: {difference}");
                furthest = furthest.max(difference / largest(&golden.first_logits));
                assert_eq!(written(&mut sequence, 24).await, golden.greedy, "{case}");
                assert_eq!(sequence.position(), golden.input_ids.len() + 24, "{case}");
                assert!(sequence.held() <= most, "{case}: {} are held", sequence.held());
            }
        }
        eprintln!("{decoder:?}: first logits {furthest:e} of the largest off");
    }
}

/// However long a text is, up to the context.
#[tokio::test]
async fn memory_is_bounded_and_the_context_is_still_an_end_with_a_number() {
    let window = AttentionWindow { sinks: 4, recent: NonZeroUsize::new(40).unwrap() };
    let engine = engine(DECODERS[0], Some(window), NonZeroUsize::new(64), CacheForm::Auto).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    for at in 0..51u32 {
        let tokens: Vec<u32> = (0..10).map(|place| (at * 31 + place * 7) % 250).collect();
        sequence.append_tokens(&tokens).await.unwrap();
        assert!(sequence.held() <= window.most() && window.most() == 49);
    }
    assert_eq!(sequence.position(), 510);
    let problem = sequence.append_tokens(&[1, 2, 3]).await.unwrap_err();
    assert!(
        matches!(problem, EngineError::ContextFull { position: 510, more: 3, context: 512 }),
        "{problem:?}"
    );
    assert_eq!(problem.to_string(), "3 more tokens after 510 don't fit the context of 512");
    sequence.append_tokens(&[1, 2]).await.unwrap();
}

/// What was let go can't be gone back behind, and a text that is read again from anywhere is the same text.
#[tokio::test]
async fn a_sequence_goes_back_no_further_than_its_window_saw_everything() {
    let golden = &goldens("qwen2")[0];
    let window = golden.window();
    let engine = engine(DECODERS[0], Some(window), NonZeroUsize::new(512), CacheForm::Auto).await.unwrap();
    let ids = &golden.input_ids;
    // The last token is at 149, whose beginning is that of 148 on.
    assert_eq!([147, 148, 149].map(|position| window.begins(position)), [112, 116, 116]);
    for (position, reached) in [(149, 149), (148, 148), (147, 0), (100, 0), (20, 0), (0, 0)] {
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(ids).await.unwrap();
        if reached != position {
            let problem = sequence.rewind(position).await.unwrap_err().to_string();
            assert!(problem.contains("let go for its window"), "{problem}");
            assert_eq!(sequence.position(), ids.len());
        }
        assert_eq!(sequence.rewind_near(position).await.unwrap(), reached, "{position}");
        sequence.append_tokens(&ids[reached..]).await.unwrap();
        assert_eq!(written(&mut sequence, 24).await, golden.greedy, "{position}");
    }
}

/// Stopped in the middle of a long text, a sequence is where it was, with what it held there.
#[tokio::test]
async fn a_reading_that_is_given_up_changes_nothing() {
    let golden = &goldens("qwen2")[0];
    let engine =
        engine(DECODERS[0], Some(golden.window()), NonZeroUsize::new(512), CacheForm::Auto).await.unwrap();
    let (begun, rest) = golden.input_ids.split_at(60);
    let mut outcomes = std::collections::BTreeSet::new();
    for microseconds in [0, 200, 500, 1000, 1500, 2000, 3000, 4000] {
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(begun).await.unwrap();
        let held = sequence.held();
        tokio::select! {
            biased;
            _ = sequence.append_tokens(rest) => {}
            () = async { std::thread::sleep(std::time::Duration::from_micros(microseconds)) } => {}
        }
        sequence.last_logits().await.unwrap();
        outcomes.insert(sequence.position());
        if sequence.position() == 60 {
            assert_eq!(sequence.held(), held);
            sequence.append_tokens(rest).await.unwrap();
        }
        assert_eq!(written(&mut sequence, 24).await, golden.greedy, "given up after {microseconds} µs");
    }
    assert!(outcomes.contains(&60), "nothing was given up: {outcomes:?}");
}

#[tokio::test]
async fn a_decoder_that_a_window_would_make_wrong_is_refused() {
    let window = AttentionWindow { sinks: 4, recent: NonZeroUsize::new(64).unwrap() };
    for (decoder, cache, said) in [
        (("llama", "model"), CacheForm::Auto, "it counts positions by its cache's length"),
        (("lfm2_vl", "decoder_model_merged"), CacheForm::Auto, "carry states"),
        (("idefics", "decoder_model_merged"), CacheForm::Auto, "isn't what stands before them alone"),
        (("qwen3", "model"), CacheForm::Shared { positions: 512 }, "with a window it grows"),
    ] {
        let problem = engine(decoder, Some(window), None, cache).await.unwrap_err().to_string();
        assert!(problem.contains(said) && problem.contains(decoder.0), "{problem:?} doesn't say {said:?}");
    }
    let (_kept, path) = copy("qwen2-tiny");
    let load = |path: &Path| {
        let path = path.to_owned();
        async move { LocalModel::load(&path, options(Some(window), None), Arc::new(Silent)).await }
    };
    // The last hides nothing: it is as long as the context.
    for (own, used, refused) in
        [(32, None, false), (32, Some(true), true), (32, Some(false), false), (512, Some(true), false)]
    {
        set_json(&path.join("config.json"), "sliding_window", own.into());
        set_json(&path.join("config.json"), "use_sliding_window", used.into());
        match load(&path).await {
            Ok(model) => {
                assert!(!refused);
                let note =
                    "of a conversation longer than 76 tokens it sees the first 4 and at least the last 64";
                assert!(model.card().notes.iter().any(|said| said == note), "{:?}", model.card().notes);
            }
            Err(problem) => {
                let problem = problem.to_string();
                assert!(refused && problem.contains("windows of 32 tokens of its own"), "{problem}");
            }
        }
    }
}

/// `null` is written by who means that there is none.
#[test]
fn a_window_that_a_configuration_leaves_out_is_its_classs() {
    let cases = [
        ("mistral-tiny", &[][..], None, Some(4096)),
        ("mistral-tiny", &[], Some(Value::Null), None),
        ("mistral-tiny", &[], Some(64.into()), Some(64)),
        ("gemma3_text-tiny", &[], None, Some(4096)),
        ("gemma3-tiny", &["text_config"], None, Some(4096)),
        ("gemma3-tiny", &["text_config"], Some(Value::Null), None),
        ("qwen2-tiny", &[], None, None),
        ("llama-tiny", &[], None, None),
    ];
    for (folder, within, written, expected) in cases {
        let (_kept, path) = copy(folder);
        change_json(&path.join("config.json"), |config| {
            let text = within.iter().fold(config, |config, key| &mut config[*key]);
            let text = text.as_object_mut().unwrap();
            text.insert("max_position_embeddings".into(), 8192.into());
            text.remove("sliding_window");
            if let Some(written) = &written {
                text.insert("sliding_window".into(), written.clone());
            }
        });
        let found = ModelFolder::open(&path, None).unwrap().config.text.sliding_window;
        assert_eq!(found, expected, "{folder} {written:?}");
    }
}

fn options(window: Option<AttentionWindow>, precision: Option<&str>) -> LoadOptions {
    LoadOptions {
        device: Device::Cpu,
        threads: Some(1),
        window,
        precision: precision.map(|name| Precision::named(name).unwrap()),
        ..LoadOptions::default()
    }
}

/// Turns that reuse what is cached say what a model says that reads all of them anew.
#[tokio::test]
async fn a_conversation_goes_on_from_its_window_as_if_it_were_read_anew() {
    async fn reply(model: &LocalModel, conversation: &Conversation) -> (Vec<u32>, String, Usage) {
        let options =
            Generate { max_tokens: 24, stop_at_end: false, log_probabilities: true, ..Generate::default() };
        let done = model.generate(conversation, &options).await.unwrap().complete().await.unwrap();
        (done.tokens.iter().map(|token| token.id).collect(), done.text, done.usage)
    }
    let window = AttentionWindow { sinks: 4, recent: NonZeroUsize::new(48).unwrap() };
    let load = async |window| {
        LocalModel::load(&data().join("qwen3-tiny"), options(window, None), Arc::new(Silent)).await.unwrap()
    };
    let (kept, whole) = (load(Some(window)).await, load(None).await);
    // No more is held of a sequence than its window.
    let (held, all) = (kept.inspect().memory, whole.inspect().memory);
    let positions = all.context - window.most() as u64;
    assert_eq!(all.total_bytes - held.total_bytes, positions * all.cache_bytes_per_token);
    let mut conversation = Conversation::default();
    let (mut cached, mut differs) = (0, false);
    for question in
        ["What is on the left side of the field?", "And to the right of it?", "Where is the red button?"]
    {
        conversation.push(Message::text(Role::User, question));
        let (tokens, text, usage) = reply(&kept, &conversation).await;
        let anew = reply(&load(Some(window)).await, &conversation).await;
        assert_eq!((&tokens, anew.2.cached_tokens), (&anew.0, 0), "{question}");
        differs |= tokens != reply(&whole, &conversation).await.0;
        cached += usage.cached_tokens;
        // The same question again, and the window is where it was.
        assert_eq!(reply(&kept, &conversation).await.0, tokens, "{question}");
        conversation.push(Message::text(Role::Assistant, text));
    }
    assert!(cached > 0 && differs, "{cached} tokens were cached");
}
