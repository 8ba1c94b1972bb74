//! `tensorrt:N`: an NVIDIA GPU through TensorRT's compiler.
//!
//! It needs what [`cuda`] needs, and TensorRT 10 with cuDNN 9 from the system: no registry that we
//! know of has them as plain packages. **Not run**: no such GPU at hand.

use ort::{
    ep::{self, ExecutionProvider as _},
    memory::MemoryInfo,
    session::builder::SessionBuilder,
};
use percept_fetch::Progress;

use super::{Hardware, Presence, Provider, cuda, id, load_library};
use crate::{
    device::{Device, DeviceError},
    library::Runtime,
};

/// The libraries of the system's that the provider is linked to.
const SYSTEM: &[&str] = &["libcudnn.so.9", "libnvinfer.so.10", "libnvonnxparser.so.10"];

/// The TensorRT provider.
pub(crate) struct TensorRt;

impl Provider for TensorRt {
    fn name(&self) -> &'static str {
        ep::TensorRT::NAME
    }

    fn device(&self, index: u32) -> Device {
        Device::TensorRt(index)
    }

    fn is_built_in(&self) -> bool {
        ep::TensorRT::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        // TensorRT leaves nodes that it can't compile to the next provider; CUDA must be that one, or they
        // would run on the processor.
        let compiler = ep::TensorRT::default().with_device_id(id(index)).build();
        let kernels = ep::CUDA::default().with_device_id(id(index)).with_tf32(false).build();
        Ok(builder.with_execution_providers([compiler.error_on_failure(), kernels.error_on_failure()])?)
    }

    fn look(&self, runtime: &Runtime) -> Presence {
        let cuda = cuda::Cuda.look(runtime);
        if !cuda.there {
            return cuda;
        }
        match system() {
            Ok(()) => Presence::there("an NVIDIA driver, the CUDA libraries and TensorRT"),
            Err(why) => Presence { hardware: true, ..Presence::missing(why) },
        }
    }

    fn prepare(
        &self,
        runtime: &Runtime,
        index: u32,
        progress: &dyn Progress,
    ) -> Result<Hardware, DeviceError> {
        cuda::load(self, runtime, index, progress)?;
        system().map_err(|why| DeviceError::Missing { device: self.device(index), why, command: None })?;
        self.try_out(runtime, index)?;
        Ok(Hardware { name: "an NVIDIA GPU with TensorRT".to_owned(), software: false })
    }

    fn memory(&self, _runtime: &Runtime, index: u32) -> ort::Result<MemoryInfo<'static>> {
        cuda::memory(index)
    }
}

fn system() -> Result<(), String> {
    for library in SYSTEM {
        load_library(library.as_ref())
            .map_err(|reason| format!("TensorRT 10 with cuDNN 9 is not installed ({reason})"))?;
    }
    Ok(())
}
