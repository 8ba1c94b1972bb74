//! The device that was chosen, and what to say about it.

use serde::Serialize;

use super::Device;

/// A device that can be had: [`Runtime::resolve`](crate::Runtime::resolve) made sure.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DeviceChoice {
    /// The device; never [`Device::Auto`].
    pub device: Device,
    /// Why this one, in a sentence for the log and the result.
    pub why: String,
    /// The one command that would bring a better device, if `auto` chose and there is one.
    pub better: Option<String>,
    /// Whether the "device" is a program on the processor: for tests, slow.
    pub software: bool,
}
