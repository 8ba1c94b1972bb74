//! The engine: ONNX Runtime's library and sessions, devices, key-value caches, decoding and constraints.
//!
//! **Invariant:** this crate knows no image, no chat message and no tool.

mod device;
pub mod doctor;
mod library;
mod ort_boundary;
mod placement;
mod provider;

pub use self::{
    device::{Device, DeviceChoice, DeviceError, UnknownDevice},
    doctor::ProviderReport,
    library::{LibraryError, LibraryReport, LibrarySource, Runtime},
    placement::{CPU_PROVIDER, PlacedNode, Placement},
};
