//! A tool's grip on its screen: points checked before they are sent, deadlines kept, failures sorted.

use std::{future::Future, sync::Arc};

use crate::{
    Frame, Input, PixelPoint, Point, Region, Screen, ScreenError, ScreenPoint, Screenshot, ToolContext,
    ToolError,
};

/// The screen that a tool acts on, and the tool's name for its errors.
pub(super) struct Hand {
    tool: &'static str,
    screen: Arc<dyn Screen>,
}

impl Hand {
    pub(super) fn new(tool: &'static str, screen: Arc<dyn Screen>) -> Self {
        Self { tool, screen }
    }

    /// Does one thing to the screen, within the call's limits.
    pub(super) async fn act(&self, input: Input, cx: &ToolContext) -> Result<(), ToolError> {
        within(self.tool, cx, self.screen.act(&input)).await?.map_err(|e| self.sorted(e))
    }

    /// A fresh screenshot, within the call's limits.
    pub(super) async fn look(&self, cx: &ToolContext) -> Result<Screenshot, ToolError> {
        within(self.tool, cx, self.screen.look()).await?.map_err(|e| self.sorted(e))
    }

    /// Where on the screen the pixel lies that the argument `name` chose.
    pub(super) fn place(name: &str, point: Point, cx: &ToolContext) -> Result<ScreenPoint, ToolError> {
        let frame = Self::frame(cx)?;
        let Point(pixel @ PixelPoint { x, y }) = point;
        if frame.contains(pixel) {
            return Ok(frame.to_screen(pixel));
        }
        let (axis, value, size, how) = if x >= frame.size.width {
            ("x", x, frame.size.width, "wide")
        } else {
            ("y", y, frame.size.height, "high")
        };
        // A tool with one point has no other x that could be meant.
        let of = if name == "point" { String::new() } else { format!("{name}'s ") };
        Err(ToolError::BadArguments(format!("{of}{axis} is {value}, the screen is {size} {how}")))
    }

    /// Checks that the argument `name` chose pixels of the screenshot.
    pub(super) fn covers(name: &str, region: Region, cx: &ToolContext) -> Result<(), ToolError> {
        let frame = Self::frame(cx)?;
        let Region(r) = region;
        if frame.holds(r) {
            return Ok(());
        }
        let reason = if r.left >= r.right || r.top >= r.bottom {
            format!("{name} is empty: give [left, top, right, bottom] with left < right and top < bottom")
        } else if r.right > frame.size.width {
            format!("{name}'s right is {}, the screen is {} wide", r.right, frame.size.width)
        } else {
            format!("{name}'s bottom is {}, the screen is {} high", r.bottom, frame.size.height)
        };
        Err(ToolError::BadArguments(reason))
    }

    /// The screenshot that the call's points were chosen on.
    pub(super) fn frame(cx: &ToolContext) -> Result<Frame, ToolError> {
        cx.frame.ok_or_else(|| ToolError::refused("there is no screenshot that the points could lie on"))
    }

    /// What the loop does about a failed screen: tell the model, or stop.
    fn sorted(&self, error: ScreenError) -> ToolError {
        match error {
            ScreenError::Refused { .. } | ScreenError::Unsupported { .. } => {
                ToolError::refused(error.to_string())
            }
            other => ToolError::broken(self.tool, other),
        }
    }
}

/// Runs until the future is ready, the call is cancelled or its deadline has passed.
pub(super) async fn within<T>(
    tool: &str,
    cx: &ToolContext,
    work: impl Future<Output = T>,
) -> Result<T, ToolError> {
    let stopped = || ToolError::Stopped { tool: tool.into() };
    let deadline = async {
        match cx.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // A call that is already cancelled must not begin its effect.
        biased;
        () = cx.cancel.cancelled() => Err(stopped()),
        () = deadline => Err(stopped()),
        result = work => Ok(result),
    }
}
