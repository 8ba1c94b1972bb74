//! `nvrtx:N`: an RTX GPU through TensorRT for RTX, in builds of the library that have it. Not run.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::Provider;
use crate::{device::Device, library::Runtime};

/// The TensorRT RTX provider.
pub(crate) struct NvRtx;

impl Provider for NvRtx {
    fn name(&self) -> &'static str {
        ep::NVRTX::NAME
    }

    fn device(&self, index: u32) -> Device {
        Device::NvRtx(index)
    }

    fn is_built_in(&self) -> bool {
        ep::NVRTX::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::NVRTX::default().with_device_id(index).build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
