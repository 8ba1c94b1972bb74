//! ONNX Runtime's execution providers: what stands between a device's name and its kernels.
//!
//! One file each. A provider says how it is registered, what it needs, whether that is there, and the command
//! that brings it.

pub(crate) mod coreml;
pub(crate) mod cuda;
pub(crate) mod directml;
pub(crate) mod migraphx;
pub(crate) mod nvrtx;
pub(crate) mod openvino;
pub(crate) mod qnn;
pub(crate) mod tensorrt;
pub(crate) mod webgpu;
pub(crate) mod xnnpack;

mod vulkan;

use ort::{
    memory::MemoryInfo,
    session::{Session, builder::SessionBuilder},
};
use percept_fetch::Progress;

use crate::{
    device::{Device, DeviceError},
    library::Runtime,
};

/// A way to run graphs elsewhere than with ONNX Runtime's own kernels for the processor.
pub(crate) trait Provider: Sync {
    /// The name that ONNX Runtime knows it by.
    fn name(&self) -> &'static str;

    /// The device of this index that it drives; where there is only one, the index means nothing.
    fn device(&self, index: u32) -> Device;

    /// Whether the loaded library was built with it. A plugin isn't, and overrides [`Provider::look`].
    fn is_built_in(&self) -> bool;

    /// Adds it to a session that is being built; a failure is an error.
    fn register(&self, runtime: &Runtime, index: u32, builder: SessionBuilder)
    -> ort::Result<SessionBuilder>;

    /// Whether it could be used, found out without fetching or registering anything.
    fn look(&self, _runtime: &Runtime) -> Presence {
        if self.is_built_in() {
            Presence::there("it is built into the library")
        } else {
            Presence::missing(
                "this build of ONNX Runtime doesn't have it; ORT_DYLIB_PATH can name one that does",
            )
        }
    }

    /// Fetches and loads what it needs, and makes sure that the device can be had.
    fn prepare(
        &self,
        runtime: &Runtime,
        index: u32,
        _progress: &dyn Progress,
    ) -> Result<Hardware, DeviceError> {
        let Presence { there, why, command, .. } = self.look(runtime);
        if !there {
            return Err(DeviceError::Missing { device: self.device(index), why, command });
        }
        self.try_out(runtime, index)?;
        Ok(Hardware { name: self.name().to_owned(), software: false })
    }

    /// Registers it for a session that is then thrown away.
    fn try_out(&self, runtime: &Runtime, index: u32) -> Result<(), DeviceError> {
        let tried = Session::builder(runtime.environment())
            .and_then(|builder| self.register(runtime, index, builder).map(|_| ()));
        tried.map_err(|error| DeviceError::refused(self.device(index), &error))
    }

    /// The memory that its kernels work in; the processor's for those that bring and fetch by themselves.
    fn memory(&self, _runtime: &Runtime, _index: u32) -> ort::Result<MemoryInfo<'static>> {
        Ok(MemoryInfo::default())
    }
}

/// Whether a provider could be used.
pub(crate) struct Presence {
    /// Everything is there.
    pub(crate) there: bool,
    /// There is something for it to run on, whether its libraries are there or not.
    pub(crate) hardware: bool,
    /// It would run on a software device.
    pub(crate) software: bool,
    /// What is there, or what is missing.
    pub(crate) why: String,
    /// The command that brings what is missing.
    pub(crate) command: Option<String>,
}

impl Presence {
    pub(crate) fn there(why: impl Into<String>) -> Self {
        Self { there: true, hardware: true, software: false, why: why.into(), command: None }
    }

    pub(crate) fn missing(why: impl Into<String>) -> Self {
        Self { there: false, hardware: false, software: false, why: why.into(), command: None }
    }

    /// The machine has what it takes, and a command fetches the rest.
    pub(crate) fn fetchable(why: impl Into<String>, command: &str) -> Self {
        Self {
            there: false,
            hardware: true,
            software: false,
            why: why.into(),
            command: Some(command.to_owned()),
        }
    }
}

/// What a prepared provider runs on.
pub(crate) struct Hardware {
    /// Its name, as far as it tells.
    pub(crate) name: String,
    /// It is a program on the processor.
    pub(crate) software: bool,
}

/// Every provider, in the order in which `doctor` lists them.
pub(crate) const ALL: &[&dyn Provider] = &[
    &cuda::Cuda,
    &tensorrt::TensorRt,
    &nvrtx::NvRtx,
    &webgpu::WebGpu,
    &coreml::CoreMl,
    &directml::DirectMl,
    &openvino::OpenVino,
    &migraphx::MiGraphX,
    &qnn::Qnn,
    &xnnpack::Xnnpack,
];

/// The provider of a device, and the device's index there; none for `auto`, which isn't a device yet, and for
/// `cpu`, whose kernels every session has.
pub(crate) fn of(device: &Device) -> Option<(&'static dyn Provider, u32)> {
    let (provider, index): (&'static dyn Provider, u32) = match device {
        Device::Auto | Device::Cpu => return None,
        Device::Cuda(index) => (&cuda::Cuda, *index),
        Device::TensorRt(index) => (&tensorrt::TensorRt, *index),
        Device::NvRtx(index) => (&nvrtx::NvRtx, *index),
        Device::WebGpu(index) => (&webgpu::WebGpu, *index),
        Device::CoreMl => (&coreml::CoreMl, 0),
        Device::DirectMl(index) => (&directml::DirectMl, *index),
        Device::OpenVino => (&openvino::OpenVino, 0),
        Device::MiGraphX(index) => (&migraphx::MiGraphX, *index),
        Device::Qnn => (&qnn::Qnn, 0),
        Device::Xnnpack => (&xnnpack::Xnnpack, 0),
    };
    Some((provider, index))
}

/// An index as ONNX Runtime's options take it. One past what they can say becomes one that no machine has.
fn id(index: u32) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// Loads a library for good, so that whoever opens it later by its name meets this one; the error says what the
/// system's loader said.
fn load_library(file: &std::ffi::OsStr) -> Result<(), String> {
    ort::util::preload_dylib(file).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    })
}
