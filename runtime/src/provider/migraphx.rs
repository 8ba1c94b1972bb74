//! `migraphx:N`: an AMD GPU, in AMD's builds of the library. Not run.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::{Provider, id};
use crate::{device::Device, library::Runtime};

/// The `MIGraphX` provider.
pub(crate) struct MiGraphX;

impl Provider for MiGraphX {
    fn name(&self) -> &'static str {
        ep::MIGraphX::NAME
    }

    fn device(&self, index: u32) -> Device {
        Device::MiGraphX(index)
    }

    fn is_built_in(&self) -> bool {
        ep::MIGraphX::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::MIGraphX::default().with_device_id(id(index)).build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
