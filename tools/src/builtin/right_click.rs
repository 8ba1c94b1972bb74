//! `right_click`: clicks with the right button at a point, to open its context menu.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, MouseButton, Observation, Point, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `right_click`.
pub struct RightClick(Hand);

impl RightClick {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("right_click", screen))
    }
}

/// What `right_click` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RightClickArgs {
    /// Where to click: the middle of the thing meant.
    pub point: Point,
}

#[async_trait]
impl Tool for RightClick {
    type Args = RightClickArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes(
            "right_click",
            "Clicks with the right button at a point, to open its context menu.",
            false,
        )
    }

    async fn call(&self, args: RightClickArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let at = Hand::place("point", args.point, cx)?;
        self.0.act(Input::Click { at, button: MouseButton::Right, count: 1 }, cx).await?;
        Ok(Observation::note(format!("right-clicked at ({}, {})", args.point.0.x, args.point.0.y)))
    }
}
