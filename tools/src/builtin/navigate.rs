//! `navigate`: opens an address, if the screen allows its host.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, Observation, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `navigate`.
pub struct Navigate(Hand);

impl Navigate {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("navigate", screen))
    }
}

/// What `navigate` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NavigateArgs {
    /// The address.
    pub url: String,
}

#[async_trait]
impl Tool for Navigate {
    type Args = NavigateArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes("navigate", "Opens an address.", true)
    }

    async fn call(&self, args: NavigateArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let note = format!("opened {}", args.url);
        self.0.act(Input::Navigate(args.url), cx).await?;
        Ok(Observation::note(note))
    }
}
