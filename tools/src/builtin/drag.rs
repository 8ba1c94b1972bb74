//! `drag`: presses at one point and releases at another.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, Observation, Point, Screen, Tool, ToolCard, ToolContext, ToolError};

/// The tool `drag`.
pub struct Drag(Hand);

impl Drag {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("drag", screen))
    }
}

/// What `drag` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DragArgs {
    /// Where to press the button.
    pub from: Point,
    /// Where to let it go.
    pub to: Point,
}

#[async_trait]
impl Tool for Drag {
    type Args = DragArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes(
            "drag",
            "Drags from one point to another: moves a slider or an item, or selects text.",
            false,
        )
    }

    async fn call(&self, args: DragArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let from = Hand::place("from", args.from, cx)?;
        let to = Hand::place("to", args.to, cx)?;
        self.0.act(Input::Drag { from, to }, cx).await?;
        let (a, b) = (args.from.0, args.to.0);
        Ok(Observation::note(format!("dragged from ({}, {}) to ({}, {})", a.x, a.y, b.x, b.y)))
    }
}
