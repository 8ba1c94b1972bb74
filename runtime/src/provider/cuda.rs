//! `cuda:N`: an NVIDIA GPU through ONNX Runtime's own kernels.
//!
//! It needs NVIDIA's driver from the system, the library's build with CUDA, and CUDA 13's runtime, BLAS, random
//! numbers and run-time compiler: the system's if it has them, else wheels. **Not run**: no such GPU at hand. (Against
//! a stand-in for the driver, the fetched libraries load and the provider gets as far as counting the GPUs.)
//! The decoder's cache lives in the memory that [`Provider::memory`] names; the rest is the same code as for
//! `webgpu`, which is run everywhere.

use ort::{
    ep::{self, ArenaExtendStrategy, ExecutionProvider as _},
    memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType},
    session::builder::SessionBuilder,
};
use percept_fetch::{Cache, FetchError, Progress, pins};

use super::{Hardware, Presence, Provider, id, load_library};
use crate::{
    device::{Device, DeviceError},
    library::Runtime,
};

/// The command that fetches everything but the driver.
const FETCH: &str = "percept doctor --fetch cuda";

/// What NVIDIA's driver installs, and nothing else does.
const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// The CUDA provider.
pub(crate) struct Cuda;

impl Provider for Cuda {
    fn name(&self) -> &'static str {
        ep::CUDA::NAME
    }

    fn device(&self, index: u32) -> Device {
        Device::Cuda(index)
    }

    fn is_built_in(&self) -> bool {
        ep::CUDA::is_available().unwrap_or(false)
    }

    fn register(
        &self,
        _runtime: &Runtime,
        index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        // The cache grows by a token a step, so an arena that doubled each time would hold twice what is used.
        // TF32 stays off: the same model gives the same tokens as elsewhere.
        let provider = ep::CUDA::default()
            .with_device_id(id(index))
            .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
            .with_tf32(false)
            .build();
        Ok(builder.with_execution_providers([provider.error_on_failure()])?)
    }

    fn look(&self, runtime: &Runtime) -> Presence {
        if let Err(why) = driver() {
            return Presence::missing(why);
        }
        let cached = runtime.cache().is_ok_and(is_cached);
        if self.is_built_in() && (cached || system_has_cuda()) {
            return Presence::there("an NVIDIA driver and the CUDA libraries");
        }
        if cached {
            return Presence::fetchable(other_library(runtime), "ask for cuda:0 when the process starts");
        }
        Presence::fetchable("an NVIDIA driver is there, the CUDA libraries are not", FETCH)
    }

    fn prepare(
        &self,
        runtime: &Runtime,
        index: u32,
        progress: &dyn Progress,
    ) -> Result<Hardware, DeviceError> {
        load(self, runtime, index, progress)?;
        self.try_out(runtime, index)?;
        Ok(Hardware { name: "an NVIDIA GPU".to_owned(), software: false })
    }

    fn memory(&self, _runtime: &Runtime, index: u32) -> ort::Result<MemoryInfo<'static>> {
        memory(index)
    }
}

/// The memory of the GPU of this index.
pub(super) fn memory(index: u32) -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CUDA, id(index), AllocatorType::Device, MemoryType::Default)
}

/// Checks what `provider` shares with every provider for NVIDIA, and loads the CUDA libraries.
pub(super) fn load(
    provider: &dyn Provider,
    runtime: &Runtime,
    index: u32,
    progress: &dyn Progress,
) -> Result<(), DeviceError> {
    let device = provider.device(index);
    let missing = |why: String| DeviceError::Missing { device: device.clone(), why, command: None };
    driver().map_err(missing)?;
    if !provider.is_built_in() {
        return Err(missing(other_library(runtime)));
    }
    if system_has_cuda() {
        return Ok(());
    }
    let fetch = |source: FetchError| DeviceError::Fetch { device: device.clone(), source };
    let cache = runtime.cache().map_err(fetch)?;
    for part in pins::CUDA {
        let folder = cache.obtain(part, progress).map_err(fetch)?;
        // Once loaded, a library is found by its name, wherever it lies: this is what spares the user
        // LD_LIBRARY_PATH, which a running process can't change for itself.
        for file in part.files() {
            let path = folder.join(file);
            load_library(path.as_os_str()).map_err(|reason| DeviceError::Refused {
                device: device.clone(),
                reason: format!("{} doesn't load: {reason}", path.display()),
            })?;
        }
    }
    Ok(())
}

/// Whether the process should load the build with CUDA: its device was asked for, or the fetched build is there
/// to be used. Never without a driver, because then it could only be refused.
pub(crate) fn wanted(device: &Device, cache: Option<&Cache>) -> bool {
    let asked = matches!(device, Device::Cuda(_) | Device::TensorRt(_));
    (asked || cache.is_some_and(is_cached)) && driver().is_ok()
}

/// Whether everything that can be fetched was.
fn is_cached(cache: &Cache) -> bool {
    cache.existing(&pins::ONNXRUNTIME_GPU).is_some()
        && pins::CUDA.iter().all(|part| cache.existing(part).is_some())
}

/// Fetches everything but the driver.
pub(crate) fn fetch(cache: &Cache, progress: &dyn Progress) -> Result<(), FetchError> {
    cache.obtain(&pins::ONNXRUNTIME_GPU, progress)?;
    for part in pins::CUDA {
        cache.obtain(part, progress)?;
    }
    Ok(())
}

fn driver() -> Result<(), String> {
    load_library(DRIVER.as_ref()).map_err(|reason| format!("no NVIDIA driver found ({reason})"))
}

fn system_has_cuda() -> bool {
    !cfg!(windows)
        && pins::CUDA
            .iter()
            .flat_map(|part| part.files())
            .filter(|file| !file.contains("builtins"))
            .all(|file| load_library(file.as_ref()).is_ok())
}

fn other_library(runtime: &Runtime) -> String {
    format!(
        "this process has loaded {}, which has no such provider, and a process can load one library only",
        runtime.library().path.display()
    )
}
