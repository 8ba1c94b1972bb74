//! What is given up before its end: it leaves everything as it was, or says that it was done.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "support/model.rs"]
mod model;

use std::{
    future::{Future, poll_fn},
    num::NonZeroUsize,
    pin::pin,
    task::Poll,
    time::Duration,
};

use model::{decode, device, given_up, goldens, ids, load, load_reading, write};
use percept_runtime::{CacheForm, DecodeOptions, DecodeStop, Engine, EngineGraphs, EngineOptions};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_cancelled_run_leaves_the_sequence_where_it_was() {
    let golden = &goldens()[2];
    let long: Vec<u32> = (0..200).collect();
    // In one run, and in runs of seven tokens, where those before the one that is stopped are undone.
    for longest in [None, NonZeroUsize::new(7)] {
        let engine = load_reading(longest, "plain.onnx", CacheForm::Auto).await;
        let mut undone = 0;
        // The moment of the stop is spread from before the run to after it; whatever it hits, the text is the same.
        for microseconds in (0..3000).step_by(100) {
            let mut sequence = engine.sequence().await.unwrap();
            sequence.append_tokens(&golden.prompt[..20]).await.unwrap();
            let position = given_up(&mut sequence, &long, Duration::from_micros(microseconds)).await;
            // Read to its end in spite of the stop, or not at all; never a part of it.
            assert!([20, 220].contains(&position), "{longest:?}: {position}");
            undone += usize::from(position == 20);
            sequence.rewind(20).await.unwrap();
            assert_eq!(write(&mut sequence, &golden.prompt[20..], 6).await, golden.tokens[..6]);
        }
        assert!(undone > 0, "no run was stopped");
    }
    let engine = load("plain.onnx", "cpu", CacheForm::Auto).await.unwrap();
    // A decode that is cancelled in its middle keeps what it gave out.
    let cancel = CancellationToken::new();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&golden.prompt).await.unwrap();
    let mut decoding =
        sequence.decode(DecodeOptions { cancel: cancel.clone(), ..DecodeOptions::default() }, None);
    let mut written = vec![decoding.next().await.unwrap().unwrap().id];
    cancel.cancel();
    while let Some(token) = decoding.next().await {
        written.push(token.unwrap().id);
    }
    assert_eq!(decoding.finish().stop, DecodeStop::Cancelled);
    let decoded = decode(&mut sequence, DecodeOptions { max_tokens: 23, ..DecodeOptions::default() }).await;
    written.extend(ids(&decoded));
    assert_eq!(written, golden.tokens);
}

/// The run is over, and the call that began it is dropped before it hears of that.
#[tokio::test]
async fn a_call_that_is_dropped_when_all_was_done_is_known_to_be_done() {
    let engine = load("plain.onnx", "cpu", CacheForm::Auto).await.unwrap();
    let mut sequence = engine.sequence().await.unwrap();
    sequence.append_tokens(&[1; 20]).await.unwrap();
    // The engine does one thing after another: with this answer, what was asked before is done.
    let done = async || drop(engine.encode("nobody", Vec::new()).await.unwrap_err());
    {
        let mut append = pin!(sequence.append_tokens(&[2; 100]));
        poll_fn(|context| Poll::Ready(append.as_mut().poll(context).is_ready())).await;
        done().await;
    }
    assert_eq!(sequence.position(), 120);
    {
        let mut rewind = pin!(sequence.rewind(30));
        poll_fn(|context| Poll::Ready(rewind.as_mut().poll(context).is_ready())).await;
        done().await;
    }
    assert_eq!(sequence.position(), 30);
    sequence.append_tokens(&[3; 5]).await.unwrap();
    assert_eq!((sequence.position(), sequence.held()), (35, 35));
}

/// A pipe that nobody writes into keeps whoever opens it waiting, as a large file does.
#[cfg(unix)]
#[tokio::test]
async fn loading_that_is_given_up_keeps_nobody_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("slow.onnx");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (runtime, choice) = device("cpu");
    let graphs = EngineGraphs { decoder: Some(pipe.clone()), ..EngineGraphs::default() };
    let begun = std::time::Instant::now();
    // If the wait isn't over by then, this ends it, so that the test fails and doesn't hang.
    let (over, is_over) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let _ = is_over.recv_timeout(Duration::from_secs(20));
        std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    });
    let loading = Engine::load(&runtime, graphs, EngineOptions::new(choice));
    assert!(tokio::time::timeout(Duration::from_millis(200), loading).await.is_err());
    let waited = begun.elapsed();
    over.send(()).unwrap();
    writer.join().unwrap();
    assert!(waited < Duration::from_secs(15), "{waited:?}");
}
