//! `qnn`: Qualcomm's NPU, in Qualcomm's builds of the library. Not run.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::Provider;
use crate::{device::Device, library::Runtime};

/// The QNN provider.
pub(crate) struct Qnn;

impl Provider for Qnn {
    fn name(&self) -> &'static str {
        ep::QNN::NAME
    }

    fn device(&self, _index: u32) -> Device {
        Device::Qnn
    }

    fn is_built_in(&self) -> bool {
        ep::QNN::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        _index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::QNN::default().build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
