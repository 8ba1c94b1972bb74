//! Why a device can't be had, and what to do about it.

use std::path::PathBuf;

use percept_fetch::FetchError;

use super::Device;

/// A name that no device has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown device {given:?}; known are {}", Device::known())]
pub struct UnknownDevice {
    /// What was written.
    pub given: String,
}

/// A device that was asked for by name can't be had, or can't run a graph. Nothing else is used in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The machine or the library lacks something.
    #[error("{device}: {why}{}", remedy(command.as_deref()))]
    Missing {
        /// The device that was asked for.
        device: Device,
        /// What is missing.
        why: String,
        /// The command that brings it, if one does.
        command: Option<String>,
    },
    /// What it needs could not be fetched.
    #[error("{device}: {source}")]
    Fetch {
        /// The device that was asked for.
        device: Device,
        /// Why not.
        source: FetchError,
    },
    /// ONNX Runtime refused the device.
    #[error("{device}: ONNX Runtime refused it: {reason}")]
    Refused {
        /// The device that was asked for.
        device: Device,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// The device is there, and the graph can't be opened on it.
    #[error("{} can't be opened on {device}: {reason}", path.display())]
    Graph {
        /// The graph's file.
        path: PathBuf,
        /// The device.
        device: Device,
        /// What ONNX Runtime said.
        reason: String,
    },
}

fn remedy(command: Option<&str>) -> String {
    command.map_or_else(
        || "; `auto` takes the best device that there is".to_owned(),
        |command| format!("; to get it: {command}"),
    )
}

impl DeviceError {
    pub(crate) fn refused(device: Device, error: &dyn std::fmt::Display) -> Self {
        Self::Refused { device, reason: error.to_string().trim().to_owned() }
    }
}
