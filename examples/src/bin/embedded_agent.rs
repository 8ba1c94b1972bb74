//! An agent inside a Tokio program: its events arrive as a stream while the program does other things.
//!
//! ```text
//! cargo run -p percept-examples --bin embedded_agent
//! ```
#![allow(clippy::print_stdout)]

use std::{sync::Arc, time::Duration};

use anyhow::ensure;
use futures::StreamExt;
use percept::models::{ScriptedModel, ScriptedReply};
use percept::tools::{Screen, StillImage, builtin, image::RgbImage};
use percept::{Agent, AnswerCheck, Event, Evidence, Limits, Outcome, Policy};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Any `ChatModel` does here; a script makes the example the same everywhere.
    let model = ScriptedModel::new(vec![
        ScriptedReply::thought_and_call("I look closer.", "zoom", json!({ "region": [0, 0, 40, 40] })),
        ScriptedReply::text("The picture is plain."),
        ScriptedReply::thought_and_call("It is black.", "finish", json!({ "answer": "black" })),
    ]);
    let screen: Arc<dyn Screen> = Arc::new(StillImage::new(RgbImage::new(160, 208)));
    let mut run = Agent::builder(Arc::new(model), builtin::toolbox(&screen))
        .screen(screen)
        .limits(Limits { steps: 5, seconds: 30, ..Limits::default() })
        .policy(Policy { ask: vec!["finish".into()], ..Policy::default() })
        .done(Evidence { answer: Some(AnswerCheck::Equals("black".into())), ..Evidence::default() })
        .thinking(percept::Thinking { reflect: percept::Reflect::EveryStep, ..Default::default() })
        .build()?
        .run("What colour is the picture?");

    let mut clock = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            // The program's own work goes on meanwhile.
            _ = clock.tick() => {}
            entry = run.next() => {
                let Some(entry) = entry else { break };
                match entry.event {
                    Event::Decided { thought, .. } => println!("it thinks: {thought}"),
                    Event::Calling { call, .. } => println!("it calls:  {} {}", call.function, call.arguments),
                    Event::Reflected { lesson, .. } => println!("it learns: {lesson}"),
                    Event::ApprovalWanted { .. } => run.approve(),
                    _ => {}
                }
            }
        }
    }
    let result = run.outcome().await;
    println!("{}: {:?}", result.outcome.word(), result.answer);
    ensure!(
        result.outcome == Outcome::Done && result.answer.as_deref() == Some("black"),
        "{}",
        result.reason
    );
    Ok(())
}
