//! `openvino`: Intel's processors, GPUs and NPUs, in Intel's own builds of the library. Not run.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::Provider;
use crate::{device::Device, library::Runtime};

/// The `OpenVINO` provider.
pub(crate) struct OpenVino;

impl Provider for OpenVino {
    fn name(&self) -> &'static str {
        ep::OpenVINO::NAME
    }

    fn device(&self, _index: u32) -> Device {
        Device::OpenVino
    }

    fn is_built_in(&self) -> bool {
        ep::OpenVINO::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        _index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::OpenVINO::default().build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
