//! What can be said about this machine.

use clap::{Args, ValueEnum};
use percept::{models::ModelAddress, runtime::Device};

#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// A model: its sessions are opened, and the nodes of each are counted by where they run.
    pub(crate) model: Option<ModelAddress>,

    /// Bring what a device needs, as far as packages have it.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) fetch: Option<Fetchable>,

    /// Ask for this device: it can be had, or the reason is given.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: Device,
}

/// What `doctor --fetch` can bring.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Fetchable {
    /// ONNX Runtime with CUDA, and the CUDA libraries that it needs.
    Cuda,
    /// The WebGPU plugin, and a software device for machines without a GPU.
    Webgpu,
}
