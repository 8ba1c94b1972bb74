//! `percept tools`: the built-in tools, as a model is told of them.

use std::sync::Arc;

use percept::tools::{Effect, OfferedTool, Screen, StillImage, builtin, image::RgbImage};
use serde_json::json;

use super::{arguments::ToolsCommand, failure::Failure, output::Output};

/// Lists the tools, or prints their schemas.
pub(crate) fn tools(command: &ToolsCommand, output: &Output) -> Result<u8, Failure> {
    // Tools say what they are without their screen, so any will do.
    let any: Arc<dyn Screen> = Arc::new(StillImage::new(RgbImage::new(1, 1)));
    let all = builtin::toolbox(&any);
    match command {
        ToolsCommand::List => list(&all.offered(), output)?,
        ToolsCommand::Schema { names } => {
            let chosen = if names.is_empty() { all } else { all.only(names).map_err(Failure::bad_input)? };
            // A schema is JSON whoever reads it.
            output.document(&json!({ "tools": chosen.offered() }))?;
        }
    }
    Ok(0)
}

fn list(tools: &[OfferedTool], output: &Output) -> Result<(), Failure> {
    if output.json {
        let cards: Vec<_> = tools.iter().map(|tool| &tool.card).collect();
        return output.document(&json!({ "tools": cards }));
    }
    for tool in tools {
        let effect = match tool.card.effect {
            Effect::Reads => "reads  ",
            Effect::Changes { .. } => "changes",
        };
        output.print(&format!("{:<13} {effect}  {}", tool.card.name, tool.card.description))?;
    }
    Ok(())
}
