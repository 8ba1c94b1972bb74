//! `answer`: answers the task's question, with where the answer is seen, and ends the task.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Observation, Region, Then, Tool, ToolCard, ToolContext, ToolError};

/// The tool `answer`.
#[derive(Debug, Default)]
pub struct Answer;

/// What `answer` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerArgs {
    /// The answer, as short as the question allows.
    pub text: String,
    /// Where on the screen it can be seen, if it can.
    pub seen_at: Option<Vec<Region>>,
}

#[async_trait]
impl Tool for Answer {
    type Args = AnswerArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads("answer", "Answers the task's question and ends the task.")
    }

    async fn call(&self, args: AnswerArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        if args.text.trim().is_empty() {
            return Err(ToolError::refused("the answer is empty"));
        }
        for region in args.seen_at.unwrap_or_default() {
            Hand::covers("seen_at", region, cx)?;
        }
        Ok(Observation::note("answered").then(Then::Finish { answer: Some(args.text) }))
    }
}
