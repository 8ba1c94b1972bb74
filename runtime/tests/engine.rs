//! The engine on the CPU: what is written, what is refused, and that nothing that happens meanwhile changes it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/model.rs"]
mod model;

use std::num::NonZeroUsize;

use model::{data, decode, deep_golden, device, goldens, graphs, ids, load, load_reading, write};
use percept_runtime::{
    AttentionWindow, CacheForm, DecodeOptions, DecodeStop, DecoderShape, Dim, Element, EmbeddedTokens,
    Engine, EngineError, EngineGraphs, EngineOptions, HostTensor, Moved, RopePosition, Sampling,
};
use tokio_util::sync::CancellationToken;

const SHARED: CacheForm = CacheForm::Shared { positions: 320 };

#[tokio::test]
async fn every_decoder_and_cache_writes_the_tokens_of_the_reference() {
    let cases = [
        ("plain.onnx", CacheForm::Auto, CacheForm::Growing),
        ("plain.onnx", CacheForm::Host, CacheForm::Host),
        ("grouped.onnx", CacheForm::Auto, SHARED),
        ("grouped.onnx", CacheForm::Growing, CacheForm::Growing),
        ("grouped_ids.onnx", CacheForm::Auto, SHARED),
        ("grouped_ids.onnx", CacheForm::Growing, CacheForm::Growing),
        ("lacking.onnx", CacheForm::Auto, SHARED),
    ];
    for (decoder, asked, kept) in cases {
        let engine = load(decoder, "cpu", asked).await.unwrap();
        assert_eq!(engine.cache_form(), kept, "{decoder} {asked:?}");
        for golden in goldens() {
            let mut sequence = engine.sequence().await.unwrap();
            sequence.append_tokens(&golden.prompt).await.unwrap();
            let logits = sequence.last_logits().await.unwrap();
            for (found, expected) in logits.iter().zip(&golden.first_logits) {
                assert!((found - expected).abs() < 1e-4, "{decoder} {asked:?}: {found}, not {expected}");
            }
            let options = DecodeOptions { max_tokens: golden.tokens.len(), ..DecodeOptions::default() };
            let decoded = decode(&mut sequence, options).await;
            assert_eq!(ids(&decoded), golden.tokens, "{decoder} {asked:?}");
            assert_eq!(sequence.position(), golden.prompt.len() + golden.tokens.len());
        }
        assert_eq!(engine.moved(), Moved::default(), "on the CPU there is no border");
    }
}

#[tokio::test]
async fn a_decoder_in_16_bit_floats_keeps_a_cache_in_16_bit_floats() {
    for cache in [CacheForm::Growing, SHARED] {
        let engine = load("half.onnx", "cpu", cache).await.unwrap();
        let port = engine.signature("decoder").unwrap().input("past_key_values.0.key").unwrap();
        assert_eq!(port.element, Some(Element::F16));
        for golden in goldens() {
            let mut sequence = engine.sequence().await.unwrap();
            sequence.append_tokens(&golden.prompt).await.unwrap();
            let logits = sequence.last_logits().await.unwrap();
            for (found, expected) in logits.iter().zip(&golden.first_logits) {
                assert!((found - expected).abs() < 0.05, "{cache:?}: {found}, not {expected}");
            }
            let written =
                decode(&mut sequence, DecodeOptions { max_tokens: 4, ..DecodeOptions::default() }).await;
            assert_eq!(ids(&written), golden.tokens[..4], "{cache:?}");
        }
    }
}

#[tokio::test]
async fn reading_in_pieces_is_reading_at_once() {
    let golden = &goldens()[2];
    for (decoder, cache) in
        [("grouped.onnx", SHARED), ("grouped.onnx", CacheForm::Growing), ("plain.onnx", CacheForm::Growing)]
    {
        let engine = load(decoder, "cpu", cache).await.unwrap();
        for piece in [1, 7, 39] {
            let mut sequence = engine.sequence().await.unwrap();
            for tokens in golden.prompt.chunks(piece) {
                sequence.append_tokens(tokens).await.unwrap();
            }
            let decoded =
                decode(&mut sequence, DecodeOptions { max_tokens: 24, ..DecodeOptions::default() }).await;
            assert_eq!(ids(&decoded), golden.tokens, "{decoder} {cache:?} by {piece}");
        }
        // What the engine cuts itself.
        for longest in [1, 7, 39].map(NonZeroUsize::new) {
            let engine = load_reading(longest, decoder, cache).await;
            let mut sequence = engine.sequence().await.unwrap();
            let written = write(&mut sequence, &golden.prompt, 24).await;
            assert_eq!(written, golden.tokens, "{decoder} {cache:?} in runs of {longest:?}");
        }
    }
}

#[tokio::test]
async fn a_prompt_that_doesnt_fit_is_refused_before_any_of_it_is_read() {
    let engine = load_reading(NonZeroUsize::new(16), "grouped_ids.onnx", CacheForm::Auto).await;
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&[1; 20]).await.unwrap();
    let error = sequence.append_tokens(&[2; 301]).await.unwrap_err();
    assert!(matches!(error, EngineError::ContextFull { position: 20, more: 301, context: 320 }), "{error:?}");
    assert_eq!(sequence.position(), 20);
}

/// `plain.onnx` makes its mask of positions and the cache's places, which a window would set apart.
#[tokio::test]
async fn a_window_is_refused_where_positions_and_the_cache_must_go_together() {
    let window = AttentionWindow { sinks: 4, recent: NonZeroUsize::new(32).unwrap() };
    for (decoder, said) in [
        ("plain.onnx", "it compares positions with the places of its cache (LessOrEqual of `position_ids`)"),
        ("grouped_ids.onnx", "it counts positions by its cache's length"),
        ("hybrid_plain.onnx", "carry states"),
    ] {
        let (runtime, choice) = device("cpu");
        let options = EngineOptions { window: Some(window), ..EngineOptions::new(choice) };
        let error = Engine::load(&runtime, graphs(decoder), options).await.unwrap_err();
        assert!(matches!(error, EngineError::Window { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(said) && error.contains("load it without one"), "{error}");
    }
}

#[tokio::test]
async fn a_shared_buffer_that_outgrows_its_memory_keeps_what_is_in_it() {
    let grouped = load("grouped_ids.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let plain = load("plain.onnx", "cpu", CacheForm::Auto).await.unwrap();
    // The buffer begins with 256 positions.
    let prompt: Vec<u32> = (0..250).map(|place| place * 7 % 288).collect();
    let mut written = Vec::new();
    for engine in [grouped, plain] {
        let mut sequence = engine.sequence().await.unwrap();
        written.push(write(&mut sequence, &prompt, 40).await);
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn embeddings_and_tokens_are_the_same_thing_to_read() {
    let golden = &goldens()[0];
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let embeddings = engine.embed(&golden.prompt).await.unwrap();
    assert_eq!(embeddings.shape(), [1, golden.prompt.len(), 32]);
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append(embeddings).await.unwrap();
    let decoded = decode(&mut sequence, DecodeOptions { max_tokens: 24, ..DecodeOptions::default() }).await;
    assert_eq!(ids(&decoded), golden.tokens);
}

#[tokio::test]
async fn what_goes_beside_the_embeddings_reaches_the_tokens_that_it_belongs_to() {
    let deep = deep_golden();
    for cache in [SHARED, CacheForm::Growing] {
        let engine = load("deep.onnx", "cpu", cache).await.unwrap();
        for piece in [1, 7, 40] {
            let mut sequence = engine.sequence().await.unwrap();
            deep.read(&mut sequence, piece).await;
            let logits = sequence.last_logits().await.unwrap();
            for (found, expected) in logits.iter().zip(&deep.golden.first_logits) {
                assert!((found - expected).abs() < 1e-4, "{cache:?} by {piece}: {found}, not {expected}");
            }
            let options = DecodeOptions { max_tokens: 24, ..DecodeOptions::default() };
            let decoded = decode(&mut sequence, options).await;
            assert_eq!(ids(&decoded), deep.golden.tokens, "{cache:?} by {piece}");
        }
        // Token ids have nothing beside them: then it is the decoder without.
        let plain = &goldens()[2];
        let mut sequence = engine.sequence().await.unwrap();
        assert_eq!(write(&mut sequence, &plain.prompt, 24).await, plain.tokens, "{cache:?}");
        assert_ne!(plain.tokens, deep.golden.tokens);
    }
}

#[tokio::test]
async fn a_reply_goes_on_where_it_ended() {
    let golden = &goldens()[0];
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&golden.prompt).await.unwrap();
    let mut written = Vec::new();
    for max_tokens in [1, 5, 2, 16] {
        let decoded = decode(&mut sequence, DecodeOptions { max_tokens, ..DecodeOptions::default() }).await;
        written.extend(ids(&decoded));
    }
    assert_eq!(written, golden.tokens);
    // A decode that nobody finishes leaves what it gave out, and nothing else.
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&golden.prompt).await.unwrap();
    let mut decoding = sequence.decode(DecodeOptions::default(), None);
    for expected in &golden.tokens[..3] {
        assert_eq!(decoding.next().await.unwrap().unwrap().id, *expected);
    }
    drop(decoding);
    assert_eq!(sequence.position(), golden.prompt.len() + 3);
    let decoded = decode(&mut sequence, DecodeOptions { max_tokens: 21, ..DecodeOptions::default() }).await;
    assert_eq!(ids(&decoded), golden.tokens[3..]);
}

#[tokio::test]
async fn a_rewound_sequence_writes_as_if_it_had_never_gone_on() {
    let golden = &goldens()[2];
    let (last, before) = golden.prompt.split_last().unwrap();
    let cases = [
        ("grouped.onnx", SHARED),
        ("grouped_ids.onnx", CacheForm::Growing),
        ("plain.onnx", CacheForm::Growing),
    ];
    for (decoder, cache) in cases {
        let engine = load(decoder, "cpu", cache).await.unwrap();
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(before).await.unwrap();
        sequence.append_tokens(&[3, 3, 3, 3]).await.unwrap();
        decode(&mut sequence, DecodeOptions { max_tokens: 5, ..DecodeOptions::default() }).await;
        sequence.rewind(before.len()).await.unwrap();
        assert_eq!(sequence.position(), before.len());
        assert!(matches!(sequence.last_logits().await, Err(EngineError::NoLogits { .. })));
        assert_eq!(write(&mut sequence, &[*last], 24).await, golden.tokens, "{decoder} {cache:?}");
        let ahead = sequence.position() + 1;
        assert!(matches!(sequence.rewind(ahead).await, Err(EngineError::Rewind { .. })));
        sequence.rewind(0).await.unwrap();
        assert_eq!(write(&mut sequence, &golden.prompt, 24).await, golden.tokens, "{decoder} {cache:?}");
    }
}

#[tokio::test]
async fn sequences_dont_see_each_other() {
    let goldens = goldens();
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|place| {
            let (engine, golden) = (engine.clone(), goldens[place % goldens.len()].clone());
            tokio::spawn(async move {
                let mut sequence = engine.sequence().await.unwrap();
                assert_eq!(write(&mut sequence, &golden.prompt, golden.tokens.len()).await, golden.tokens);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_decode_ends_for_the_reason_that_it_says() {
    let golden = &goldens()[0];
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let end = golden.tokens[4];
    let (runtime, choice) = device("cpu");
    let short = EngineOptions { context: golden.prompt.len() + 3, ..EngineOptions::new(choice) };
    let short = Engine::load(&runtime, graphs("grouped.onnx"), short).await.unwrap();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let options = DecodeOptions::default();
    let cases = [
        (&engine, DecodeOptions { end_tokens: vec![end], ..options.clone() }, DecodeStop::End, 4),
        (&engine, DecodeOptions { max_tokens: 7, ..options.clone() }, DecodeStop::MaxTokens, 7),
        (&engine, DecodeOptions { max_tokens: 0, ..options.clone() }, DecodeStop::MaxTokens, 0),
        (&short, options.clone(), DecodeStop::Context, 3),
        (&engine, DecodeOptions { cancel: cancelled, ..options }, DecodeStop::Cancelled, 0),
    ];
    for (engine, options, stop, count) in cases {
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(&golden.prompt).await.unwrap();
        let decoded = decode(&mut sequence, options).await;
        assert_eq!((decoded.stop, ids(&decoded)), (stop, golden.tokens[..count].to_vec()));
    }
}

#[tokio::test]
async fn a_seed_repeats_its_text_and_log_probabilities_are_those_of_the_logits() {
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut texts = Vec::new();
    for seed in [1, 1, 2] {
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(&[5, 7, 9]).await.unwrap();
        let sampling = Sampling { temperature: 1.0, seed, ..Sampling::default() };
        let options =
            DecodeOptions { sampling, max_tokens: 20, log_probabilities: true, ..DecodeOptions::default() };
        let logits = sequence.last_logits().await.unwrap();
        let decoded = decode(&mut sequence, options).await;
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let first = decoded.tokens[0];
        let expected = logits[first.id as usize] - sum.ln();
        assert!((first.log_probability.unwrap() - expected).abs() < 1e-4);
        texts.push(ids(&decoded));
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
}

#[tokio::test]
async fn where_a_later_run_of_an_append_fails_the_earlier_ones_are_undone() {
    let golden = &goldens()[2];
    for cache in [CacheForm::Auto, CacheForm::Growing] {
        let engine = load_reading(NonZeroUsize::new(7), "grouped.onnx", cache).await;
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(&golden.prompt[..20]).await.unwrap();
        let (shape, mut data) = engine.embed(&[3; 20]).await.unwrap().into_f32().unwrap();
        // In the second of three runs. What comes of the first is in the cache by then.
        data[10 * 32] = f32::NAN;
        let error = sequence.append(HostTensor::F32 { shape, data }).await.unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{cache:?}: {error}");
        assert_eq!(sequence.position(), 20, "{cache:?}");
        assert_eq!(write(&mut sequence, &golden.prompt[20..], 24).await, golden.tokens, "{cache:?}");
    }
}

#[tokio::test]
async fn what_a_model_cant_do_is_an_error_and_the_engine_goes_on() {
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let ids_engine = load("grouped_ids.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let floats =
        |shape: &[usize]| HostTensor::F32 { shape: shape.to_vec(), data: vec![0.5; shape.iter().product()] };
    let mut sequence = engine.sequence().await.unwrap();
    let mut ids_sequence = ids_engine.sequence().await.unwrap();
    let deep_engine = load("deep.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut deep_sequence = deep_engine.sequence().await.unwrap();
    let positions = Some(vec![RopePosition::text(0); 2]);
    let positioned = EmbeddedTokens { positions, ..floats(&[1, 2, 32]).into() };
    let beside = |shape: &[usize]| EmbeddedTokens {
        side_inputs: vec![("deepstack.0".to_owned(), floats(shape))],
        ..floats(&[1, 2, 32]).into()
    };
    let errors = [
        (sequence.last_logits().await.err(), "nothing has been read"),
        (sequence.append_tokens(&[288]).await.err(), "token 288 is beyond the model's vocabulary of 288"),
        (engine.embed(&[4_000_000_000]).await.err(), "token 4000000000 is beyond"),
        (ids_sequence.append_tokens(&[1, 288]).await.err(), "token 288 is beyond"),
        (ids_engine.embed(&[1]).await.err(), "no embedding graph"),
        (ids_sequence.append(floats(&[1, 2, 32])).await.err(), "this decoder reads token ids"),
        (sequence.append(floats(&[1, 2, 31])).await.err(), "wants 32 numbers a token, these have 31"),
        (sequence.append(positioned).await.err(), "this decoder counts its tokens in one row"),
        (deep_sequence.append(floats(&[1, 2, 32])).await.err(), "input deepstack.0: it is missing"),
        (deep_sequence.append(beside(&[1, 2, 31])).await.err(), "shape [1, 2, 31] isn't [1, 2, 32]"),
        (sequence.append(beside(&[1, 2, 32])).await.err(), "deepstack.0: the decoder has no such input"),
        (sequence.append(floats(&[2, 1, 32])).await.err(), "expected a tensor of shape [1, rows, width]"),
        (sequence.append_tokens(&[]).await.err(), "nothing to read"),
        (
            sequence.append_tokens(&[1; 321]).await.err(),
            "321 more tokens after 0 don't fit the context of 320",
        ),
        (
            engine.encode("audio_encoder", vec![]).await.err(),
            "no encoder audio_encoder; there are: vision_encoder",
        ),
        (engine.encode("vision_encoder", vec![]).await.err(), "input pixel_values: it is missing"),
        (encode(&engine, "pixels", floats(&[1, 3, 4, 4])).await.err(), "input pixel_values: it is missing"),
        (encode(&engine, "pixel_values", floats(&[1, 3, 4, 5])).await.err(), "doesn't fit pixel_values"),
        (
            encode(&engine, "pixel_values", HostTensor::I64 { shape: vec![1, 3, 4, 4], data: vec![0; 48] })
                .await
                .err(),
            "expected float32 numbers, found int64",
        ),
    ];
    for (error, expected) in errors {
        let error =
            error.unwrap_or_else(|| panic!("nothing was refused where {expected:?} was to be")).to_string();
        assert!(error.contains(expected), "{error:?} doesn't say {expected:?}");
    }
    let features = encode(&engine, "pixel_values", floats(&[2, 3, 4, 4])).await.unwrap();
    assert_eq!(features[0].0, "image_features");
    assert_eq!(features[0].1.shape(), [2, 32]);
    let golden = &goldens()[0];
    assert_eq!(write(&mut sequence, &golden.prompt, 24).await, golden.tokens);
}

#[tokio::test]
async fn a_model_without_a_decoder_encodes_and_says_that_it_cant_write() {
    let (runtime, choice) = device("cpu");
    let only_encoder = EngineGraphs { embedding: None, decoder: None, ..graphs("grouped.onnx") };
    let engine = Engine::load(&runtime, only_encoder, EngineOptions::new(choice)).await.unwrap();
    let pixels = HostTensor::F32 { shape: vec![2, 3, 4, 4], data: vec![0.5; 96] };
    let features = encode(&engine, "pixel_values", pixels).await.unwrap();
    assert_eq!(features[0].1.shape(), [2, 32]);
    assert_eq!((engine.vocabulary(), engine.signature("decoder").is_none()), (0, true));
    let error = engine.sequence().await.err().unwrap().to_string();
    assert!(error.contains("no decoder: it only encodes"), "{error}");
}

async fn encode(
    engine: &Engine,
    name: &str,
    tensor: HostTensor,
) -> Result<Vec<(String, HostTensor)>, EngineError> {
    engine.encode("vision_encoder", vec![(name.to_owned(), tensor)]).await
}

#[tokio::test]
async fn a_folder_that_is_broken_is_refused_by_the_name_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let whole = std::fs::read(data("grouped.onnx")).unwrap();
    let torn = directory.path().join("torn.onnx");
    std::fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
    let page = directory.path().join("page.onnx");
    std::fs::write(&page, "<!DOCTYPE html><title>404</title>").unwrap();
    let decoder =
        |path: &std::path::Path| EngineGraphs { decoder: Some(path.to_owned()), ..graphs("grouped.onnx") };
    let shape = DecoderShape::default();
    let cases = [
        (decoder(&data("absent.onnx")), shape, "there is no file", "absent.onnx"),
        (decoder(&torn), shape, "no whole ONNX graph", "torn.onnx"),
        (decoder(&page), shape, "no whole ONNX graph", "page.onnx"),
        (decoder(&data("encoder.onnx")), shape, "can't be used as a decoder", "encoder.onnx"),
        (
            EngineGraphs { embedding: Some(torn.clone()), ..graphs("grouped.onnx") },
            shape,
            "no whole ONNX graph",
            "torn.onnx",
        ),
        (
            graphs("grouped.onnx"),
            DecoderShape { layers: Some(3), ..shape },
            "num_hidden_layers = 3",
            "says 2",
        ),
        (
            graphs("grouped.onnx"),
            DecoderShape { kv_heads: Some(4), ..shape },
            "num_key_value_heads = 4",
            "says 2",
        ),
        (graphs("grouped.onnx"), DecoderShape { head_dim: Some(64), ..shape }, "head_dim = 64", "says 16"),
        (graphs("grouped.onnx"), DecoderShape { hidden: Some(64), ..shape }, "hidden_size = 64", "says 32"),
        (
            graphs("grouped.onnx"),
            DecoderShape { vocabulary: Some(300), ..shape },
            "vocab_size = 300",
            "says 288",
        ),
    ];
    let (runtime, choice) = device("cpu");
    for (graphs, decoder, what, file) in cases {
        let options = EngineOptions { decoder, ..EngineOptions::new(choice.clone()) };
        let error = Engine::load(&runtime, graphs, options).await.unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(file), "{error:?} doesn't say {what:?} and {file:?}");
    }
    let lacking = directory.path().join("lacking.onnx");
    let bytes = std::fs::read(data("lacking.onnx")).unwrap();
    let mut places = bytes.windows(6).enumerate().filter(|(_, name)| name == b"Shrink").map(|(at, _)| at);
    let unknown = places.by_ref().fold(bytes.clone(), |mut bytes, at| {
        bytes[at..at + 6].copy_from_slice(b"Shrunk");
        bytes
    });
    assert_ne!(unknown, bytes);
    std::fs::write(&lacking, unknown).unwrap();
    let options = EngineOptions::new(choice);
    let error = Engine::load(&runtime, decoder(&lacking), options).await.unwrap_err();
    assert!(matches!(&error, EngineError::Operator { operator, .. } if operator == "Shrunk"), "{error}");
    assert!(error.to_string().contains("lacking.onnx needs the operator Shrunk"), "{error}");
    let error = load("plain.onnx", "cpu", SHARED).await.unwrap_err().to_string();
    assert!(error.contains("plain.onnx") && error.contains("Concat"), "{error}");
}

#[tokio::test]
async fn signatures_and_placement_say_what_was_loaded() {
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let decoder = engine.signature("decoder").unwrap();
    assert_eq!(decoder.input("inputs_embeds").unwrap().shape.last(), Some(&Dim::Fixed(32)));
    assert_eq!(decoder.output("logits").unwrap().to_string(), "logits [batch, tokens, 288] float32");
    assert!(engine.signature("embedding").is_some() && engine.signature("vision_encoder").is_some());
    assert!(engine.signature("audio_encoder").is_none());
    let (_, placement) = engine.placement().iter().find(|(graph, _)| graph == "decoder").unwrap();
    let attention = placement.nodes.iter().filter(|node| node.operator == "GroupQueryAttention").count();
    assert_eq!(attention, 2);
    assert!(placement.nodes.iter().all(|node| node.provider == "CPUExecutionProvider"));
}
