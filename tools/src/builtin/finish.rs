//! `finish`: says that the task is done.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Observation, Then, Tool, ToolCard, ToolContext, ToolError};

/// The tool `finish`.
#[derive(Debug, Default)]
pub struct Finish;

/// What `finish` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishArgs {
    /// The answer, if the task asks a question.
    pub answer: Option<String>,
}

#[async_trait]
impl Tool for Finish {
    type Args = FinishArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads("finish", "Ends the task, once the screen shows that it is done.")
    }

    async fn call(&self, args: FinishArgs, _: &ToolContext) -> Result<Observation, ToolError> {
        Ok(Observation::note("finished").then(Then::Finish { answer: args.answer }))
    }
}
