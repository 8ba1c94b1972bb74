//! Several agents at once on one model: each has a page of its own, one engine serves them all in turn, and one of them
//! is cancelled on the way.
//!
//! ```text
//! cargo run --release -p percept-examples --bin many_agents
//! ```
#![allow(clippy::print_stdout)]

use std::{path::Path, sync::Arc};

use anyhow::ensure;
use futures::future::join_all;
use percept::models::{ChatModel, LoadOptions, ModelAddress};
use percept::tools::{Browser, BrowserOptions, Screen, ScreenSize, builtin};
use percept::{Agent, Event, Evidence, Outcome, RunResult, Silent};

const TASK: &str = "Click the \"Continue\" button.";

/// One agent on a page that the seed makes; with `patience` it is stopped before its first action.
async fn agent(model: Arc<dyn ChatModel>, seed: u64, patience: bool) -> anyhow::Result<RunResult> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages/buttons.html");
    let mut options = BrowserOptions::new(page.display().to_string());
    options.size = ScreenSize { width: 160, height: 208 };
    options.seed = Some(seed);
    let screen: Arc<dyn Screen> = Arc::new(Browser::open_telling(options, Arc::new(Silent)).await?);
    let toolbox = builtin::toolbox(&screen).only(&["click", "type_text", "finish"])?;
    let done = Evidence { text_visible: vec!["Thank you".into()], ..Evidence::default() };
    let mut run =
        Agent::builder(model, toolbox).screen(Arc::clone(&screen)).done(done).seed(seed).build()?.run(TASK);
    while let Some(entry) = run.next_event().await {
        match entry.event {
            Event::Decided { call: Some(call), .. } => {
                println!("agent {seed}: {} {}", call.function, call.arguments);
            }
            Event::Asked { .. } if !patience => run.cancel(),
            _ => {}
        }
    }
    let result = run.outcome().await;
    screen.close().await?;
    Ok(result)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address: ModelAddress = "bundled:glance".parse()?;
    let model = address.open(LoadOptions::default(), Arc::new(Silent)).await?;
    let agents = (1..=4).map(|seed| tokio::spawn(agent(Arc::clone(&model), seed, seed < 4)));
    let mut results = Vec::new();
    for result in join_all(agents).await {
        results.push(result??);
    }
    for (number, result) in (1..).zip(&results) {
        println!("agent {number}: {}, {}", result.outcome.word(), result.reason);
    }
    let Some((cancelled, others)) = results.split_last() else { return Ok(()) };
    ensure!(cancelled.outcome == Outcome::Cancelled, "{}", cancelled.reason);
    ensure!(others.iter().all(|result| result.verified == Some(true)), "not every agent did its task");
    Ok(())
}
