//! Whole runs: a replay of 50 steps (under 0.5 s), a run of 50 steps taken up at its end (under 0.2 s), and 200 runs at
//! once, each recorded and within its limits, with the memory that they add (under 4 MB a run); and a search among 10,000
//! runs (under 20 ms).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what fails in a bench's own helpers fails the bench"
)]

use std::{path::Path, sync::Arc};

use percept::{
    Agent, AgentBuilder, Limits, Outcome, Reflect, RunFolder, Thinking,
    models::{ScriptedModel, ScriptedReply},
    tools::{Screen, StillImage, builtin, image::RgbImage},
};
use serde_json::json;

/// Steps of one run.
const STEPS: usize = 50;
/// Runs at once.
const RUNS: usize = 200;

fn main() {
    memory();
    divan::main();
}

/// An agent that zooms here and there, and then stops.
fn agent() -> AgentBuilder {
    let zoom = |step: usize| ScriptedReply::call("zoom", json!({ "region": [step, 0, step + 40, 40] }));
    let mut replies: Vec<_> = (0..STEPS - 1).map(zoom).collect();
    replies.push(ScriptedReply::call("finish", json!({ "answer": "seen" })));
    let screen: Arc<dyn Screen> = Arc::new(StillImage::new(RgbImage::new(160, 208)));
    let toolbox = builtin::toolbox(&screen).only(&["zoom", "finish"]).unwrap();
    let limits = Limits { steps: STEPS, ..Limits::default() };
    let thinking = Thinking { reflect: Reflect::Never, ..Thinking::default() };
    Agent::builder(Arc::new(ScriptedModel::new(replies)), toolbox)
        .screen(screen)
        .limits(limits)
        .thinking(thinking)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn recorded(folder: &Path) {
    let record = RunFolder::create(folder).unwrap();
    let result = agent().folder(record).build().unwrap().run("Look around.").outcome().await;
    assert_eq!((result.outcome, result.steps), (Outcome::Done, STEPS), "{}", result.reason);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn replaying_fifty_steps(bencher: divan::Bencher<'_, '_>) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    runtime.block_on(recorded(folder.path()));
    bencher.bench_local(|| {
        let replayed = runtime.block_on(percept::replay(folder.path())).unwrap();
        assert_eq!((replayed.divergence, replayed.result.steps), (None, STEPS));
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn taking_up_a_run_of_fifty_steps(bencher: divan::Bencher<'_, '_>) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    runtime.block_on(recorded(folder.path()));
    let path = folder.path().join("journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    // Killed just before its end was written.
    let cut = journal.trim_end().rfind('\n').unwrap() + 1;
    bencher.bench_local(|| {
        std::fs::write(&path, &journal[..cut]).unwrap();
        let result = runtime.block_on(async { agent().resume(folder.path(), None).unwrap().outcome().await });
        assert_eq!((result.outcome, result.steps), (Outcome::Done, STEPS), "{}", result.reason);
    });
}

fn many(runtime: &tokio::runtime::Runtime, root: &Path) {
    runtime.block_on(async {
        let runs = (0..RUNS).map(|number| {
            let folder = root.join(number.to_string());
            tokio::spawn(async move { recorded(&folder).await })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.unwrap();
        }
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn two_hundred_runs_of_fifty_steps_at_once(bencher: divan::Bencher<'_, '_>) {
    let runtime = runtime();
    bencher
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_local_values(|root| many(&runtime, root.path()));
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn searching_ten_thousand_runs(bencher: divan::Bencher<'_, '_>) {
    let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
    let run = folder.path().join("run");
    runtime.block_on(recorded(&run));
    let store = percept::Store::open(&folder.path().join("memory.db")).unwrap();
    let people = ["ada", "bob", "cleo", "dan", "eve", "finn", "gus", "hal", "ida", "jo"];
    let things =
        ["the form", "a ticket", "the letters", "an order", "the report", "a room", "the list", "a seat"];
    let fill = |number: usize| {
        let (person, thing) = (people[number % people.len()], things[number / 10 % things.len()]);
        store.add_as(
            &run,
            &folder.path().join(number.to_string()),
            &format!("Send {thing} to {person}, number {number}"),
        )
    };
    (0..10_000).for_each(|number| fill(number).unwrap());
    let screen = RgbImage::new(160, 208);
    bencher.bench_local(|| {
        let found = store.search("Send the order to eve", Some(&screen), 3).unwrap();
        assert_eq!(found.len(), 3);
    });
}

/// What 200 runs at once add to the process, as Linux counts it.
fn memory() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    let (runtime, root) = (runtime(), tempfile::tempdir().unwrap());
    runtime.block_on(recorded(&root.path().join("one")));
    let before = peak();
    many(&runtime, root.path());
    if let (Some(before), Some(after)) = (before, peak()) {
        println!("{RUNS} runs at once: {:.2} MB a run", (after - before) as f64 / 1000.0 / RUNS as f64);
    }
}
