//! `coreml`: Apple's GPU and Neural Engine, built into the library for macOS. Not run: no such machine at hand.

use ort::{
    ep::{self, ExecutionProvider as _},
    session::builder::SessionBuilder,
};

use super::Provider;
use crate::{device::Device, library::Runtime};

/// The Core ML provider.
pub(crate) struct CoreMl;

impl Provider for CoreMl {
    fn name(&self) -> &'static str {
        ep::CoreML::NAME
    }

    fn device(&self, _index: u32) -> Device {
        Device::CoreMl
    }

    fn is_built_in(&self) -> bool {
        ep::CoreML::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        _index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let provider = ep::CoreML::default().build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }
}
