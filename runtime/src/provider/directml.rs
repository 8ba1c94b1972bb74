//! `directml:N`: a Direct3D 12 GPU, in builds of the library for `DirectML`. Not run.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::{Provider, id};
use crate::{device::Device, library::Runtime};

/// The `DirectML` provider.
pub(crate) struct DirectMl;

impl Provider for DirectMl {
    fn name(&self) -> &'static str {
        ep::DirectML::NAME
    }

    fn device(&self, index: u32) -> Device {
        Device::DirectMl(index)
    }

    fn is_built_in(&self) -> bool {
        ep::DirectML::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::DirectML::default().with_device_id(id(index)).build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
