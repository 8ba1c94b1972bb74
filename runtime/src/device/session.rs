//! Sessions on a chosen device.

use std::path::Path;

use ort::{
    memory::MemoryInfo,
    session::{Session, builder::GraphOptimizationLevel},
    value::DynValue,
};

use super::{DeviceChoice, DeviceError};
use crate::{library::Runtime, ort_boundary, provider};

impl Runtime {
    /// Opens a graph on the chosen device, with the placement of its nodes recorded for [`Runtime::placement`];
    /// `threads` work within an operator, as many as there are cores if `None`.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Graph`] if the file is missing, broken or not for this device. A provider that fails to
    /// register is an error too: ONNX Runtime's habit of going on without it is turned off.
    pub(crate) fn open_session(
        &self,
        path: &Path,
        choice: &DeviceChoice,
        threads: Option<usize>,
    ) -> Result<Session, DeviceError> {
        self.try_open(path, choice, threads).map_err(|error| DeviceError::Graph {
            path: path.to_owned(),
            device: choice.device.clone(),
            reason: error.to_string(),
        })
    }

    fn try_open(&self, path: &Path, choice: &DeviceChoice, threads: Option<usize>) -> ort::Result<Session> {
        let mut builder = Session::builder(self.environment())?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_config_entry("session.record_ep_graph_assignment_info", "1")?;
        if let Some(threads) = threads {
            builder = builder.with_intra_threads(threads)?;
        }
        if let Some((provider, index)) = provider::of(&choice.device) {
            builder = provider.register(self, index, builder)?;
        }
        builder.commit_from_file(path)
    }

    /// The memory in which a session on this device keeps what never has to leave it: the key-value cache.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Refused`] if the device is gone.
    pub(crate) fn cache_memory(&self, choice: &DeviceChoice) -> Result<MemoryInfo<'static>, DeviceError> {
        let memory = match provider::of(&choice.device) {
            Some((provider, index)) => provider.memory(self, index),
            None => Ok(MemoryInfo::default()),
        };
        memory.map_err(|error| DeviceError::refused(choice.device.clone(), &error))
    }

    /// Copies a tensor's elements into another of the same shape and element type, between any two memories.
    ///
    /// # Errors
    ///
    /// If the two differ in shape or element type, or aren't tensors, or the device fails.
    pub(crate) fn copy_tensor(&self, from: &DynValue, to: &mut DynValue) -> ort::Result<()> {
        ort_boundary::copy_tensor(self.environment(), from, to)
    }
}
