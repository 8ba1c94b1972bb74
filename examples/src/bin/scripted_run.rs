//! A scripted run: a task file, and a script in the model's place, in a real browser.
//!
//! ```text
//! cargo run -p percept-examples --bin scripted_run
//! ```
#![allow(clippy::print_stdout)]

use std::{path::Path, sync::Arc};

use anyhow::ensure;
use percept::models::{ScriptedModel, ScriptedReply};
use percept::task::ScreenChoice;
use percept::tools::{Browser, BrowserOptions, Screen, ScreenSize, builtin};
use percept::{Agent, Outcome, Silent, Task};
use serde_json::json;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tasks/log_in.toml");
    let task = Task::read(&path)?;
    let ScreenChoice::Browser { browser, size: Some([width, height]), .. } = &task.screen else {
        anyhow::bail!("{} needs a browser with a size", path.display());
    };

    let mut options = BrowserOptions::new(browser.as_str());
    options.size = ScreenSize { width: *width, height: *height };
    options.seed = Some(0);
    let screen: Arc<dyn Screen> = Arc::new(Browser::open_telling(options, Arc::new(Silent)).await?);

    let model = ScriptedModel::new(vec![
        ScriptedReply::thought_and_call("First the name.", "click", json!({ "point": [78, 66] })),
        ScriptedReply::call("type_text", json!({ "text": "ada" })),
        ScriptedReply::call("press_key", json!({ "key": "Tab" })),
        ScriptedReply::call("type_text", json!({ "text": "lovelace" })),
        ScriptedReply::thought_and_call("Enter submits the form.", "press_key", json!({ "key": "Enter" })),
    ]);
    let agent = Agent::builder(Arc::new(model), builtin::toolbox(&screen))
        .screen(Arc::clone(&screen))
        .limits(task.limits)
        .done(task.evidence())
        .build()?;
    let result = agent.run(task.task).outcome().await;
    screen.close().await?;

    println!("{}: {} ({} steps)", result.outcome.word(), result.reason, result.steps);
    ensure!(
        result.outcome == Outcome::Done && result.verified == Some(true),
        "the run should have been verified"
    );
    Ok(())
}
