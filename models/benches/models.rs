//! What it costs to load a model, to read a prompt and to write a reply.
//!
//! `cargo bench -p percept-models --bench models -- FOLDER…` prints it for folders of one's own: the first conversation of
//! the folder's goldens (`golden.json`) is asked, or else a question about a picture, or a text.
//! `models/export/speed/models.py` runs it in turns with a bare loop in Python over the same graphs, and prints the ratios;
//! for that `--turns THREADS FOLDER` does what each line of its input says, and tells when it is done, so that somebody else
//! holds the clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench may fail, and what it prints is its result"
)]

use std::{
    io::BufRead,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use image::{Rgb, RgbImage};
use percept_models::{
    ChatModel, Completion, Content, Conversation, Generate, Generation, GenerationEvent, Golden,
    ImageContent, LoadOptions, LocalModel, Message, Role,
};
use percept_runtime::{Device, Runtime, Silent};

/// Tokens of a reply.
const REPLY: usize = 64;
const ROUNDS: usize = 5;

async fn load(folder: &Path, threads: Option<usize>) -> LocalModel {
    let options = LoadOptions { device: Device::Cpu, threads, ..LoadOptions::default() };
    LocalModel::load(folder, options, Arc::new(Silent)).await.unwrap()
}

/// What it is asked: its first golden, or else about a screen, if it sees.
fn conversation(folder: &Path, model: &LocalModel) -> Conversation {
    if let Some(golden) = Golden::of_folder(folder).unwrap().first() {
        return golden.conversation(folder).unwrap();
    }
    let mut content = vec![Content::Text("What is where on this screen? ".repeat(20))];
    if model.card().max_images != Some(0) {
        let screen = RgbImage::from_fn(1280, 720, |x, y| {
            Rgb([x / 5, y / 3, (x / 40 + y / 40) % 2 * 255].map(|level| level as u8))
        });
        content.insert(0, Content::Image(ImageContent::new(Arc::new(screen))));
    }
    [Message { role: Role::User, content }].into_iter().collect()
}

/// Megabytes of this process's pages that are in memory, but for the program's and its libraries', where the system tells.
fn resident() -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let (mut kilobytes, mut counts) = (0.0, true);
    for line in std::fs::read_to_string("/proc/self/smaps").ok()?.lines() {
        let mut words = line.split_whitespace();
        match words.next()? {
            "Rss:" if counts => kilobytes += words.next()?.parse::<f64>().ok()?,
            name if name.ends_with(':') => {}
            // Where a mapping begins; behind five words stands the file that it is of.
            _ => {
                counts = words.nth(4).is_none_or(|path| !path.contains(".so") && Path::new(path) != program);
            }
        }
    }
    Some(kilobytes * 1024.0 / 1e6)
}

/// A reply with its images prepared and its prompt in tokens, nothing of it run yet.
async fn prepared(model: &LocalModel, conversation: &Conversation) -> Generation {
    let options =
        Generate { max_tokens: REPLY, stop_at_end: false, log_probabilities: true, ..Generate::default() };
    model.generate(conversation, &options).await.unwrap()
}

/// Sees, reads, and writes the first token.
async fn first(generation: &mut Generation) {
    assert!(matches!(generation.next().await.unwrap().unwrap(), GenerationEvent::Text(_)));
}

/// Writes the others.
async fn rest(generation: Generation) -> Completion {
    generation.complete().await.unwrap()
}

/// Does what it is told, and says when it is done: `load`; then any number of times `see` (everything is prepared anew) or
/// `again` (what was seen is remembered), `first` and `rest`.
async fn turns(threads: usize, folder: &Path) {
    // The library isn't the model's.
    let _runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
    let (mut model, mut asked, mut reply) = (None, Conversation::new(), None);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "load" => {
                let loaded = load(folder, Some(threads)).await;
                asked = conversation(folder, &loaded);
                model = Some(loaded);
                println!("loaded");
            }
            word @ ("see" | "again") => {
                let model: &LocalModel = model.as_ref().unwrap();
                // Let go of, a reply leaves what it read to the next one.
                drop(reply.take());
                model.forget_prompt();
                if word == "see" {
                    model.forget_images();
                }
                reply = Some(prepared(model, &asked).await);
                println!("prepared");
            }
            "first" => {
                first(reply.as_mut().unwrap()).await;
                println!("first");
            }
            "rest" => {
                let completion = rest(reply.take().unwrap()).await;
                let tokens: Vec<u32> = completion.tokens.iter().map(|token| token.id).collect();
                println!("{tokens:?}");
            }
            other => panic!("{other} isn't known"),
        }
    }
}

/// Prints medians of a few rounds.
async fn alone(folder: &Path) {
    let _runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
    let (before, begun) = (resident(), Instant::now());
    let model = load(folder, None).await;
    let after = resident();
    let milliseconds = |begun: Instant| begun.elapsed().as_secs_f64() * 1e3;
    let loaded = milliseconds(begun);
    let conversation = conversation(folder, &model);
    let mut found = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        model.forget_images();
        for fresh in [true, false] {
            model.forget_prompt();
            let mut reply = prepared(&model, &conversation).await;
            let begun = Instant::now();
            first(&mut reply).await;
            found[usize::from(!fresh)].push(milliseconds(begun));
            let begun = Instant::now();
            let usage = rest(reply).await.usage;
            found[2].push((usage.output_tokens - 1) as f64 * 1e3 / milliseconds(begun));
        }
    }
    let [seeing, reading, writing] = found.map(|mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    });
    let memory =
        before.zip(after).map_or(String::new(), |(before, after)| format!(" into {:.0} MB", after - before));
    println!(
        "{}: loaded in {loaded:.0} ms{memory}, first token {seeing:.1} ms ({reading:.1} with images remembered), {writing:.1} \
         tokens a second",
        folder.display()
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [turning, threads, folder] = given.as_slice()
        && turning == "--turns"
    {
        return turns(threads.parse().unwrap(), Path::new(folder)).await;
    }
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/llama-tiny");
    let folders: Vec<PathBuf> =
        if given.is_empty() { vec![tiny] } else { given.into_iter().map(PathBuf::from).collect() };
    for folder in folders {
        alone(&folder).await;
    }
}
