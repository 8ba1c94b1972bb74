//! Vulkan on Linux: whether the machine has a GPU with a driver, and the software device for when it has none.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use percept_fetch::{Cache, pins};

use super::load_library;

/// Vulkan's loader, which a plugin opens by this name.
pub(super) const LOADER: &str = "libvulkan.so.1";

/// The variable that lets the WebGPU plugin take a software device.
pub(super) const ALLOW_SOFTWARE: &str = "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER";

/// Names the drivers that the loader uses, instead of those that it finds.
const DRIVERS: &str = "VK_DRIVER_FILES";

/// Whether a GPU and a Vulkan driver for it are there. Software drivers (lavapipe) don't count.
pub(super) fn has_hardware() -> bool {
    has_gpu() && !drivers().is_empty()
}

/// Whether there is a device file of a GPU.
pub(super) fn has_gpu() -> bool {
    let render_node = fs::read_dir("/dev/dri").is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
    });
    // NVIDIA's own device file, and the one that Windows gives to the Linux inside it.
    render_node || ["/dev/nvidia0", "/dev/dxg"].iter().any(|file| Path::new(file).exists())
}

/// The manifests of hardware drivers, where the loader looks for them
/// (<https://github.com/KhronosGroup/Vulkan-Loader/blob/main/docs/LoaderDriverInterface.md>).
fn drivers() -> Vec<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let data = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".local").join("share")));
    let folders = ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]
        .into_iter()
        .map(PathBuf::from)
        .chain(data.map(|data| data.join("vulkan").join("icd.d")));
    folders
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
            !["lvp", "lavapipe", "swiftshader", "swrast"].iter().any(|software| name.contains(software))
        })
        .collect()
}

/// Whether this process's Vulkan is the software one: no hardware, or the user wants it so.
pub(super) fn is_software() -> bool {
    env::var_os(ALLOW_SOFTWARE).is_some_and(|value| value == "1")
}

/// What to set before anything is loaded: on a machine with no GPU that Vulkan could drive, the software
/// device's manifest, in the place in the cache where it will be once it is fetched.
pub(super) fn variables(cache: Option<&Cache>) -> Vec<(&'static str, OsString)> {
    let (true, Some(cache)) = (cfg!(target_os = "linux"), cache) else { return Vec::new() };
    if has_hardware() && !is_software() {
        return Vec::new();
    }
    let manifest = cache.folder(&pins::SOFTWARE_VULKAN).join("vk_swiftshader_icd.json");
    vec![(ALLOW_SOFTWARE, OsString::from("1")), (DRIVERS, manifest.into_os_string())]
}

/// Loads the loader: the system's for hardware, the one that came with the software device for that.
///
/// Once a library is loaded it is found by its name, wherever it lies, so the plugin that opens
/// `libvulkan.so.1` meets this one. That spares the process `LD_LIBRARY_PATH`, which it can't change for itself.
pub(super) fn load_loader(software: Option<&Path>) -> Result<(), String> {
    match software {
        Some(folder) => {
            let loader = folder.join(LOADER);
            load_library(loader.as_os_str()).map_err(|reason| format!("no Vulkan loader: {reason}"))
        }
        None => load_library(LOADER.as_ref()).map_err(|reason| {
            format!("there is a GPU and no Vulkan loader ({reason}); Debian: apt install libvulkan1")
        }),
    }
}
