//! The hands and eyes of an agent: what a tool is, how one is called, and what a screen shows.
//!
//! **Invariant:** this crate names no model and no loop. A tool can be written, tested and used
//! without either.
//!
//! Start with [`Tool`]: implement it for a type of yours, put it into a [`Toolbox`], and any agent can
//! call it. [`Screen`] is the other contract: something that can be looked at and acted on.

pub mod builtin;
mod card;
mod context;
mod error;
mod geometry;
mod observation;
mod screen;
mod tool;
mod toolbox;

pub use card::{Effect, ToolCard};
pub use context::{Allowance, ToolContext};
pub use error::{Cause, ScreenError, ToolError, ToolboxError};
pub use geometry::{
    Frame, MARK, PixelPoint, PixelRegion, PixelSize, Point, Region, ScreenPoint, ScreenRegion, ScreenSize,
};
pub use observation::{Nested, Observation, Part, PartBody, Source, Then};
pub use screen::browser::{
    Browser, BrowserOptions, Deed, Dialogs, HostPattern, Recorded, Recorder, Settling,
};
pub use screen::still::StillImage;
pub use screen::{Element, Input, Key, MouseButton, Screen, Screenshot};
pub use tool::Tool;
pub use toolbox::{OfferedTool, Toolbox};

// How far a browser is fetched: see `Browser::open_telling`.
pub use percept_fetch::Progress;

// What this crate's contracts are written in, so that a plugin needs no version of its own.
pub use async_trait::async_trait;
pub use image;
pub use schemars::{self, JsonSchema};
pub use serde;
pub use tokio_util::sync::CancellationToken;
