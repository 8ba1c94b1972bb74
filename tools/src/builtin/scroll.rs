//! `scroll`: turns the wheel over a point.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::hand::Hand;
use crate::{Input, Observation, Point, Screen, Tool, ToolCard, ToolContext, ToolError};

/// How much of the screen a scroll without an amount moves: enough to go on, with some left to recognise.
const USUAL_SHARE: f64 = 0.75;

/// The tool `scroll`.
pub struct Scroll(Hand);

impl Scroll {
    /// The tool for this screen.
    pub fn new(screen: Arc<dyn Screen>) -> Self {
        Self(Hand::new("scroll", screen))
    }
}

/// What `scroll` needs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScrollArgs {
    /// A point in the area to scroll.
    pub point: Point,
    /// The side on which there is more to see.
    pub direction: Direction,
    /// How far, in pixels of the screenshot; three quarters of the screen if left out.
    pub amount: Option<u32>,
}

/// The side on which there is more to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[allow(missing_docs)]
pub enum Direction {
    Up,
    Down,
    Left,
    Right,
}

impl Direction {
    /// The same as the unit vector (right, down).
    fn vector(self) -> (f64, f64) {
        match self {
            Self::Up => (0.0, -1.0),
            Self::Down => (0.0, 1.0),
            Self::Left => (-1.0, 0.0),
            Self::Right => (1.0, 0.0),
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

#[async_trait]
impl Tool for Scroll {
    type Args = ScrollArgs;

    fn card(&self) -> ToolCard {
        ToolCard::changes("scroll", "Scrolls the area at a point to show what is outside it.", false)
    }

    async fn call(&self, args: ScrollArgs, cx: &ToolContext) -> Result<Observation, ToolError> {
        let at = Hand::place("point", args.point, cx)?;
        let frame = Hand::frame(cx)?;
        let (x, y) = args.direction.vector();
        let side = if x == 0.0 { frame.size.height } else { frame.size.width };
        let pixels = args.amount.map_or((f64::from(side) * USUAL_SHARE).round(), f64::from);
        if pixels < 1.0 {
            return Err(ToolError::BadArguments("amount is 0, at least 1 is needed to scroll".into()));
        }
        let distance = pixels / frame.scale;
        self.0.act(Input::Scroll { at, right: x * distance, down: y * distance }, cx).await?;
        Ok(Observation::note(format!("scrolled {} by {pixels} pixels", args.direction.word())))
    }
}
