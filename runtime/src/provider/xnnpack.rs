//! `xnnpack`: the processor through XNNPACK's kernels, in builds of the library that have them. Not run.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::Provider;
use crate::{device::Device, library::Runtime};

/// The XNNPACK provider.
pub(crate) struct Xnnpack;

impl Provider for Xnnpack {
    fn name(&self) -> &'static str {
        ep::XNNPACK::NAME
    }

    fn device(&self, _index: u32) -> Device {
        Device::Xnnpack
    }

    fn is_built_in(&self) -> bool {
        ep::XNNPACK::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        _index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::XNNPACK::default().build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
