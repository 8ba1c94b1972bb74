//! Sessions on a chosen device.

use std::path::Path;

use ort::{
    memory::MemoryInfo,
    session::{Session, builder::GraphOptimizationLevel},
};

use super::{DeviceChoice, DeviceError};
use crate::{library::Runtime, provider};

impl Runtime {
    /// Opens a graph on the chosen device, with the placement of its nodes recorded for [`Placement::of`](crate::Placement);
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
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ort::{memory::Allocator, value::Tensor};
    use percept_fetch::Silent;

    use super::*;
    use crate::device::Device;

    fn on(device: &Device) -> (Runtime, DeviceChoice) {
        let runtime = Runtime::start(&Device::Cpu, &Silent).unwrap();
        let choice = runtime.resolve(device, &Silent).unwrap();
        (runtime, choice)
    }

    fn graph(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
    }

    #[test]
    fn a_device_has_memory_of_its_own_and_the_processor_the_hosts() {
        for (device, is_host) in [(Device::Cpu, true), (Device::WebGpu(0), false)] {
            let (runtime, choice) = on(&device);
            let memory = runtime.cache_memory(&choice).unwrap();
            assert_eq!(memory == MemoryInfo::default(), is_host);
            let session = runtime.open_session(&graph("grouped.onnx"), &choice, None).unwrap();
            let allocator = Allocator::new(&session, memory).unwrap();
            let tensor = Tensor::<f32>::new(&allocator, [2usize, 3]).unwrap();
            // What lies in a device's memory can't be read as if it were here.
            assert_eq!(tensor.into_dyn().try_extract_tensor::<f32>().is_ok(), is_host);
        }
    }

    #[test]
    fn a_file_that_is_no_graph_is_refused_by_name() {
        let (runtime, choice) = on(&Device::Cpu);
        let folder = tempfile::tempdir().unwrap();
        let torn = folder.path().join("torn.onnx");
        let whole = std::fs::read(graph("grouped.onnx")).unwrap();
        std::fs::write(&torn, &whole[..whole.len() / 2]).unwrap();
        for path in [graph("no-such.onnx"), graph("golden.json"), torn] {
            let error = runtime.open_session(&path, &choice, None).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{} can't be opened on cpu", path.display())), "{error}");
        }
    }
}
