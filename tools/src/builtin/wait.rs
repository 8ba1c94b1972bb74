//! `wait`: lets time pass.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::within;
use crate::{Observation, Tool, ToolCard, ToolContext, ToolError};

/// The longest wait in one call, in seconds; a model that wants more looks in between.
const LONGEST: f64 = 10.0;

/// The tool `wait`.
#[derive(Debug, Default)]
pub struct Wait;

/// What `wait` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitArgs {
    /// How many seconds, at most 10.
    #[schemars(range(min = 0, max = 10))]
    pub seconds: f64,
}

#[async_trait]
impl Tool for Wait {
    type Args = WaitArgs;

    fn card(&self) -> ToolCard {
        ToolCard::reads("wait", "Waits, when the screen is still busy.")
    }

    async fn call(&self, args: WaitArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let WaitArgs { seconds } = args;
        if !(0.0..=LONGEST).contains(&seconds) {
            return Err(ToolError::BadArguments(format!(
                "seconds is {seconds}, it must be from 0 to {LONGEST}"
            )));
        }
        within("wait", cx, tokio::time::sleep(Duration::from_secs_f64(seconds))).await?;
        Ok(Observation::note(format!("waited {seconds} s")))
    }
}
