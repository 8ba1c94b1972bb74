//! A tool in one file: its arguments are a struct, and their doc comments are what the model reads.
//!
//! ```text
//! cargo run -p percept-examples --bin tool_plugin
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use percept::models::{ScriptedModel, ScriptedReply};
use percept::tools::builtin::Finish;
use percept::tools::{
    JsonSchema, Observation, Source, Tool, ToolCard, ToolContext, ToolError, Toolbox, async_trait,
};
use percept::{Agent, Outcome};
use serde::Deserialize;
use serde_json::json;

/// Converts temperatures.
struct Convert;

/// What `convert` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "percept::tools::schemars")]
struct ConvertArgs {
    /// The temperature in degrees Celsius.
    celsius: f64,
}

#[async_trait]
impl Tool for Convert {
    type Args = ConvertArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads("convert", "Converts degrees Celsius to degrees Fahrenheit.")
    }

    async fn call(&self, args: ConvertArgs, _: &ToolContext) -> Result<Observation, ToolError> {
        if args.celsius < -273.15 {
            // The model is told, and can ask differently.
            return Err(ToolError::refused("nothing is colder than -273.15 degrees Celsius"));
        }
        let fahrenheit = args.celsius * 1.8 + 32.0;
        Ok(Observation::json(Source::Tool("convert".into()), json!({ "fahrenheit": fahrenheit })))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut toolbox = Toolbox::new();
    toolbox.add(Convert)?.add(Finish)?;
    for tool in toolbox.offered() {
        println!("{}: {}\n  {}", tool.card.name, tool.card.description, tool.schema);
    }
    let model = ScriptedModel::new(vec![
        ScriptedReply::call("convert", json!({ "celsius": -300 })),
        ScriptedReply::text("That was too cold."),
        ScriptedReply::call("convert", json!({ "celsius": 100 })),
        ScriptedReply::call("finish", json!({ "answer": "212" })),
    ]);
    let result =
        Agent::builder(Arc::new(model), toolbox).build()?.run("How hot is boiling water?").outcome().await;
    println!("{} after {} steps: {:?}", result.outcome.word(), result.steps, result.answer);
    anyhow::ensure!(result.outcome == Outcome::Done && result.steps == 3, "{}", result.reason);
    Ok(())
}
