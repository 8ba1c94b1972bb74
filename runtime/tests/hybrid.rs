//! Decoders some of whose layers carry a state in place of keys and values: what is written, and what can be gone back
//! to.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/model.rs"]
mod model;

use std::{num::NonZeroUsize, time::Duration};

use model::{decode, given_up, hybrid_goldens, ids, load, load_reading, write};
use percept_runtime::{CacheForm, DecodeOptions, EngineError, Moved};

const SHARED: CacheForm = CacheForm::Shared { positions: 320 };
/// Decoders and the forms of their caches: keys and values shared or growing, states beside them.
const DECODERS: [(&str, CacheForm); 3] =
    [("hybrid.onnx", SHARED), ("hybrid.onnx", CacheForm::Growing), ("hybrid_plain.onnx", CacheForm::Growing)];

#[tokio::test]
async fn every_decoder_and_cache_writes_the_tokens_of_the_reference() {
    for (decoder, cache) in DECODERS {
        let engine = load(decoder, "cpu", CacheForm::Auto).await.unwrap();
        assert!(engine.keeps_states(), "{decoder}");
        let engine = load(decoder, "cpu", cache).await.unwrap();
        for golden in hybrid_goldens() {
            let mut sequence = engine.sequence().await.unwrap();
            sequence.append_tokens(&golden.prompt).await.unwrap();
            let logits = sequence.last_logits().await.unwrap();
            for (found, expected) in logits.iter().zip(&golden.first_logits) {
                assert!((found - expected).abs() < 1e-4, "{decoder} {cache:?}: {found}, not {expected}");
            }
            let options = DecodeOptions { max_tokens: golden.tokens.len(), ..DecodeOptions::default() };
            assert_eq!(ids(&decode(&mut sequence, options).await), golden.tokens, "{decoder} {cache:?}");
        }
        assert_eq!(engine.moved(), Moved::default(), "on the CPU there is no border");
    }
    let attends = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    assert!(!attends.keeps_states());
}

#[tokio::test]
async fn reading_in_pieces_is_reading_at_once() {
    let golden = &hybrid_goldens()[2];
    for (decoder, cache) in DECODERS {
        let engine = load(decoder, "cpu", cache).await.unwrap();
        for piece in [1, 2, 7, 39] {
            let mut sequence = engine.sequence().await.unwrap();
            for tokens in golden.prompt.chunks(piece) {
                sequence.append_tokens(tokens).await.unwrap();
            }
            let options = DecodeOptions { max_tokens: 24, ..DecodeOptions::default() };
            assert_eq!(ids(&decode(&mut sequence, options).await), golden.tokens, "{decoder} by {piece}");
        }
    }
}

#[tokio::test]
async fn a_sequence_goes_back_to_where_an_append_ended_and_says_where_it_cant() {
    let golden = &hybrid_goldens()[2];
    let (first, rest) = golden.prompt.split_at(15);
    for (decoder, cache) in DECODERS {
        let case = format!("{decoder} {cache:?}");
        let engine = load(decoder, "cpu", cache).await.unwrap();
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(first).await.unwrap();
        sequence.append_tokens(&[3, 3, 3, 3]).await.unwrap();
        decode(&mut sequence, DecodeOptions { max_tokens: 5, ..DecodeOptions::default() }).await;
        let position = sequence.position();
        for (to, nearest) in [(16, "is 15"), (14, "is 0"), (22, "is 19")] {
            let error = sequence.rewind(to).await.unwrap_err();
            assert!(matches!(error, EngineError::Rewind { .. }), "{case}: {error}");
            assert!(error.to_string().contains(nearest), "{case}: {error}");
            assert_eq!(sequence.position(), position, "{case}: it is where it was");
        }
        // To an append's end exactly, and to the nearest one before; what comes is as if nothing had been between.
        sequence.rewind(15).await.unwrap();
        assert!(matches!(sequence.last_logits().await, Err(EngineError::NoLogits { .. })), "{case}");
        assert_eq!(write(&mut sequence, rest, 24).await, golden.tokens, "{case}");
        assert_eq!(sequence.rewind_near(golden.prompt.len() - 1).await.unwrap(), 15, "{case}");
        assert_eq!(write(&mut sequence, rest, 24).await, golden.tokens, "{case}");
        // What lay beyond is forgotten, and a beginning is always there.
        assert_eq!(sequence.rewind_near(15).await.unwrap(), 15, "{case}");
        assert_eq!(sequence.rewind_near(14).await.unwrap(), 0, "{case}");
        assert_eq!(write(&mut sequence, &golden.prompt, 24).await, golden.tokens, "{case}");
        sequence.rewind(0).await.unwrap();
        assert_eq!(write(&mut sequence, &golden.prompt, 24).await, golden.tokens, "{case}");
    }
}

#[tokio::test]
async fn written_tokens_that_werent_read_back_can_be_forgotten_anywhere() {
    let golden = &hybrid_goldens()[0];
    let engine = load("hybrid.onnx", "cpu", SHARED).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&golden.prompt).await.unwrap();
    decode(&mut sequence, DecodeOptions { max_tokens: 1, ..DecodeOptions::default() }).await;
    sequence.rewind(golden.prompt.len()).await.unwrap();
    let options = DecodeOptions { max_tokens: 24, ..DecodeOptions::default() };
    assert_eq!(ids(&decode(&mut sequence, options).await), golden.tokens);
}

#[tokio::test]
async fn where_all_caches_can_be_cut_the_nearest_place_is_the_place_itself() {
    let engine = load("grouped.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&[5, 7, 9, 11]).await.unwrap();
    assert_eq!(sequence.rewind_near(3).await.unwrap(), 3);
    assert!(matches!(sequence.rewind_near(4).await, Err(EngineError::Rewind { .. })));
}

#[tokio::test]
async fn a_cancelled_run_leaves_the_states_as_they_were() {
    let golden = &hybrid_goldens()[2];
    let long: Vec<u32> = (0..200).collect();
    // In one run, and in runs of seven tokens, where those before the one that is stopped are undone.
    for (decoder, cache) in DECODERS {
        for longest in [None, NonZeroUsize::new(7)] {
            let case = format!("{decoder} {cache:?} in runs of {longest:?}");
            let engine = load_reading(longest, decoder, cache).await;
            let mut undone = 0;
            for microseconds in (0..3000).step_by(100) {
                let mut sequence = engine.sequence().await.unwrap();
                sequence.append_tokens(&golden.prompt[..20]).await.unwrap();
                let position = given_up(&mut sequence, &long, Duration::from_micros(microseconds)).await;
                // Read to its end in spite of the stop, or not at all; never a part of it.
                assert!([20, 220].contains(&position), "{case}: {position}");
                undone += usize::from(position == 20);
                assert_eq!(sequence.rewind_near(20).await.unwrap(), 20, "{case}");
                let written = write(&mut sequence, &golden.prompt[20..], 6).await;
                assert_eq!(written, golden.tokens[..6], "{case}");
            }
            assert!(undone > 0, "{case}: no run was stopped");
        }
    }
}

#[tokio::test]
async fn sequences_dont_see_each_other() {
    let goldens = hybrid_goldens();
    let engine = load("hybrid.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut sequences = Vec::new();
    for golden in &goldens {
        let mut sequence = engine.sequence().await.unwrap();
        sequence.append_tokens(&golden.prompt).await.unwrap();
        sequences.push((sequence, Vec::new()));
    }
    // In turn, two tokens each.
    for _ in 0..12 {
        for (sequence, written) in &mut sequences {
            let options = DecodeOptions { max_tokens: 2, ..DecodeOptions::default() };
            written.extend(ids(&decode(sequence, options).await));
        }
    }
    for ((_, written), golden) in sequences.iter().zip(&goldens) {
        assert_eq!(written, &golden.tokens);
    }
}
