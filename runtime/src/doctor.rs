//! What is there, what isn't, and the command that brings it.

use percept_fetch::{Cache, FetchError, Progress};
use serde::Serialize;

use crate::{
    device::Device,
    library::Runtime,
    provider::{self, Presence},
};

/// Whether a device's provider can be used here.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ProviderReport {
    /// The provider, by ONNX Runtime's name: `CUDAExecutionProvider`.
    pub provider: String,
    /// The first device that it drives, as `--device` takes it.
    pub device: Device,
    /// It can be used.
    pub there: bool,
    /// What it runs on, or what is missing.
    pub why: String,
    /// The command that brings what is missing, if there is one.
    pub command: Option<String>,
    /// It would run on a software device: for tests, slow.
    pub software: bool,
}

impl Runtime {
    /// Every provider that this program knows, `cpu` first. Nothing is fetched or registered for it.
    pub fn providers(&self) -> Vec<ProviderReport> {
        let cpu = ProviderReport {
            provider: crate::placement::CPU_PROVIDER.to_owned(),
            device: Device::Cpu,
            there: true,
            why: "it is in every library".to_owned(),
            command: None,
            software: false,
        };
        let others = provider::ALL.iter().map(|provider| {
            let Presence { there, software, why, command, .. } = provider.look(self);
            ProviderReport {
                provider: provider.name().to_owned(),
                device: provider.device(0),
                there,
                why,
                command,
                software,
            }
        });
        std::iter::once(cpu).chain(others).collect()
    }
}

/// Fetches into the user's cache what a device needs, as far as packages have it: the library with CUDA and the
/// CUDA libraries, or the WebGPU plugin (with a software device where there is no GPU). Any other device needs
/// nothing, or nothing that can be fetched.
///
/// # Errors
///
/// [`FetchError`] if a package can't be had.
pub fn fetch(device: &Device, progress: &dyn Progress) -> Result<(), FetchError> {
    let cache = Cache::open()?;
    match device {
        Device::Cuda(_) | Device::TensorRt(_) => provider::cuda::fetch(&cache, progress),
        Device::WebGpu(_) => provider::webgpu::fetch(&cache, progress),
        _ => Ok(()),
    }
}
