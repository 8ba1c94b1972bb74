//! `webgpu:N`: any vendor's GPU, through Vulkan, Metal or Direct3D; and on Linux a software device.
//!
//! The provider is a plugin library from a package of its own. On a machine with no GPU it runs on
//! `SwiftShader`, a Vulkan device in software that comes inside the browser's package: the same device memory,
//! binding and placement as on a real one, so all of that is tested everywhere.

use std::ffi::OsString;

use ort::{
    device::Device as EpDevice,
    memory::{DeviceType, MemoryInfo},
    session::builder::SessionBuilder,
};
use percept_fetch::{Cache, FetchError, Progress, pins};

use super::{Hardware, Presence, Provider, vulkan};
use crate::{
    device::{Device, DeviceError},
    library::Runtime,
};

/// The command that fetches everything but a GPU's driver.
const FETCH: &str = "percept doctor --fetch webgpu";

/// What the plugin calls its provider.
const NAME: &str = "WebGpuExecutionProvider";

/// The WebGPU provider.
pub(crate) struct WebGpu;

impl Provider for WebGpu {
    fn name(&self) -> &'static str {
        NAME
    }

    fn device(&self, index: u32) -> Device {
        Device::WebGpu(index)
    }

    /// Some libraries have a WebGPU of their own inside, which can't be told where to keep a cache: not used.
    fn is_built_in(&self) -> bool {
        false
    }

    fn register(
        &self,
        runtime: &Runtime,
        index: u32,
        builder: SessionBuilder,
    ) -> ort::Result<SessionBuilder> {
        let device = device(runtime, index)?;
        Ok(builder.with_devices([device], None)?)
    }

    fn look(&self, runtime: &Runtime) -> Presence {
        let cached = runtime.cache().is_ok_and(is_cached);
        let software = cfg!(target_os = "linux") && vulkan::is_software();
        let why = match (cached, software) {
            (true, false) => "the plugin and a GPU that it could run on",
            (true, true) => "no GPU with a Vulkan driver; the plugin and a software device, for tests, slow",
            (false, false) => "there is a GPU that it could run on, and the plugin is not",
            (false, true) => {
                "no GPU with a Vulkan driver, and neither the plugin nor a software device is fetched"
            }
        };
        let presence = if cached { Presence::there(why) } else { Presence::fetchable(why, FETCH) };
        Presence { software, hardware: !software, ..presence }
    }

    fn prepare(
        &self,
        runtime: &Runtime,
        index: u32,
        progress: &dyn Progress,
    ) -> Result<Hardware, DeviceError> {
        let wanted = Device::WebGpu(index);
        load(runtime, &wanted, progress)?;
        let found = device(runtime, index).map_err(|error| DeviceError::Missing {
            device: wanted.clone(),
            why: error.to_string(),
            command: None,
        })?;
        let hardware = found.hardware_device();
        // A software device's hardware is the processor.
        let software = hardware.ty() == DeviceType::CPU;
        let vendor = hardware.vendor().map_err(|error| DeviceError::refused(wanted, &error))?;
        let name = if software { "SwiftShader".to_owned() } else { format!("{vendor} {:?}", hardware.ty()) };
        self.try_out(runtime, index)?;
        Ok(Hardware { name, software })
    }

    fn memory(&self, runtime: &Runtime, index: u32) -> ort::Result<MemoryInfo<'static>> {
        Ok(device(runtime, index)?.memory_info(false).to_owned())
    }
}

/// What to set before anything is loaded.
pub(crate) fn variables(cache: Option<&Cache>) -> Vec<(&'static str, OsString)> {
    vulkan::variables(cache)
}

/// Fetches the plugin, and the software device where nothing else is there.
pub(crate) fn fetch(cache: &Cache, progress: &dyn Progress) -> Result<(), FetchError> {
    cache.obtain(&pins::WEBGPU_PLUGIN, progress)?;
    if needs_software() {
        cache.obtain(&pins::SOFTWARE_VULKAN, progress)?;
    }
    Ok(())
}

fn is_cached(cache: &Cache) -> bool {
    cache.existing(&pins::WEBGPU_PLUGIN).is_some()
        && (!needs_software() || cache.existing(&pins::SOFTWARE_VULKAN).is_some())
}

/// The same before the library is started, which sets the variable, and after.
fn needs_software() -> bool {
    cfg!(target_os = "linux") && (vulkan::is_software() || !vulkan::has_hardware())
}

/// Fetches the plugin and what it runs on, and registers it; once a process.
fn load(runtime: &Runtime, wanted: &Device, progress: &dyn Progress) -> Result<(), DeviceError> {
    let mut plugins = runtime.plugins();
    if plugins.contains(&NAME) {
        return Ok(());
    }
    let fetch = |source: FetchError| DeviceError::Fetch { device: wanted.clone(), source };
    let cache = runtime.cache().map_err(fetch)?;
    let plugin = cache.obtain(&pins::WEBGPU_PLUGIN, progress).map_err(fetch)?.join(pins::WEBGPU_PLUGIN_FILE);
    if cfg!(target_os = "linux") {
        let software = needs_software()
            .then(|| cache.obtain(&pins::SOFTWARE_VULKAN, progress))
            .transpose()
            .map_err(fetch)?;
        vulkan::load_loader(software.as_deref()).map_err(|why| DeviceError::Missing {
            device: wanted.clone(),
            why,
            command: None,
        })?;
    }
    runtime
        .environment()
        .register_ep_library("webgpu", &plugin)
        .map_err(|error| DeviceError::refused(wanted.clone(), &error))?;
    plugins.push(NAME);
    Ok(())
}

/// The plugin's device of this index.
fn device(runtime: &Runtime, index: u32) -> ort::Result<EpDevice<'_>> {
    let mut found: Vec<_> =
        runtime.environment().devices().filter(|device| matches!(device.ep(), Ok(NAME))).collect();
    let count = found.len();
    if (index as usize) < count {
        return Ok(found.swap_remove(index as usize));
    }
    Err({
        ort::Error::new(format!("the WebGPU plugin lists {count} devices, so there is none of index {index}"))
    })
}
