//! `double_click`: clicks twice quickly at a point, to select a word or to open an item.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, MouseButton, Observation, Point, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `double_click`.
pub struct DoubleClick(Hand);

impl DoubleClick {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("double_click", screen))
    }
}

/// What `double_click` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoubleClickArgs {
    /// Where to click: the middle of the thing meant.
    pub point: Point,
}

#[async_trait]
impl Tool for DoubleClick {
    type Args = DoubleClickArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes(
            "double_click",
            "Clicks twice quickly at a point, to select a word or to open an item.",
            false,
        )
    }

    async fn call(&self, args: DoubleClickArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let at = Hand::place("point", args.point, cx)?;
        self.0.act(Input::Click { at, button: MouseButton::Left, count: 2 }, cx).await?;
        Ok(Observation::note(format!("double-clicked at ({}, {})", args.point.0.x, args.point.0.y)))
    }
}
