//! `click`: clicks once at a point, as on a button, a link, a box to tick or a field to type into.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, MouseButton, Observation, Point, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `click`.
pub struct Click(Hand);

impl Click {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("click", screen))
    }
}

/// What `click` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClickArgs {
    /// Where to click: the middle of the thing meant.
    pub point: Point,
}

#[async_trait]
impl Tool for Click {
    type Args = ClickArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes(
            "click",
            "Clicks once at a point, as on a button, a link, a box to tick or a field to type into.",
            false,
        )
    }

    async fn call(&self, args: ClickArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let at = Hand::place("point", args.point, cx)?;
        self.0.act(Input::Click { at, button: MouseButton::Left, count: 1 }, cx).await?;
        Ok(Observation::note(format!("clicked at ({}, {})", args.point.0.x, args.point.0.y)))
    }
}
