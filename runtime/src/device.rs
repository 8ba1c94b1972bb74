//! The devices that a model can run on, by the names that people type.

mod choice;
mod error;
mod resolve;
mod session;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::{
    choice::DeviceChoice,
    error::{DeviceError, UnknownDevice},
};

/// Where a model is to run: `auto`, `cpu`, `cuda:0`, `webgpu` and so on.
///
/// ```
/// use percept_runtime::Device;
/// assert_eq!("webgpu".parse(), Ok(Device::WebGpu(0)));
/// assert_eq!(Device::Cuda(1).to_string(), "cuda:1");
/// assert!("gpu".parse::<Device>().is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    /// The best device whose libraries are there.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU by its index.
    Cuda(u32),
    /// An NVIDIA GPU by its index, through TensorRT's compiler.
    TensorRt(u32),
    /// An NVIDIA RTX GPU by its index, through TensorRT for RTX.
    NvRtx(u32),
    /// Any vendor's GPU by its index, through Vulkan, Metal or Direct3D; or a software device.
    WebGpu(u32),
    /// Apple's GPU and Neural Engine.
    CoreMl,
    /// A Direct3D 12 GPU by its index.
    DirectMl(u32),
    /// Intel's processors, GPUs and NPUs.
    OpenVino,
    /// An AMD GPU by its index.
    MiGraphX(u32),
    /// Qualcomm's NPU.
    Qnn,
    /// The processor, through XNNPACK's kernels.
    Xnnpack,
}

/// A word that names devices, and the device that it names: with an index, or the only one.
enum Naming {
    Indexed(fn(u32) -> Device),
    Single(Device),
}

/// Every word that [`Device`] is parsed from, in the order in which an error lists them.
const NAMES: &[(&str, Naming)] = &[
    ("auto", Naming::Single(Device::Auto)),
    ("cpu", Naming::Single(Device::Cpu)),
    ("cuda", Naming::Indexed(Device::Cuda)),
    ("tensorrt", Naming::Indexed(Device::TensorRt)),
    ("nvrtx", Naming::Indexed(Device::NvRtx)),
    ("webgpu", Naming::Indexed(Device::WebGpu)),
    ("coreml", Naming::Single(Device::CoreMl)),
    ("directml", Naming::Indexed(Device::DirectMl)),
    ("openvino", Naming::Single(Device::OpenVino)),
    ("migraphx", Naming::Indexed(Device::MiGraphX)),
    ("qnn", Naming::Single(Device::Qnn)),
    ("xnnpack", Naming::Single(Device::Xnnpack)),
];

impl Device {
    /// How each kind of device is written, as in an error: `cuda:N` where there may be several.
    pub fn known() -> String {
        let spelt = NAMES.iter().map(|(word, naming)| match naming {
            Naming::Indexed(_) => format!("{word}:N"),
            Naming::Single(_) => (*word).to_owned(),
        });
        spelt.collect::<Vec<_>>().join(", ")
    }
}

impl FromStr for Device {
    type Err = UnknownDevice;

    /// Reads a name; the index may be left out for the first of its kind.
    fn from_str(given: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice { given: given.to_owned() };
        let (word, index) = match given.split_once(':') {
            Some((word, index)) => (word, Some(index.parse::<u32>().map_err(|_| unknown())?)),
            None => (given, None),
        };
        let (_, naming) = NAMES.iter().find(|(name, _)| *name == word).ok_or_else(unknown)?;
        match (naming, index) {
            (Naming::Indexed(device), index) => Ok(device(index.unwrap_or(0))),
            (Naming::Single(device), None) => Ok(device.clone()),
            (Naming::Single(_), Some(_)) => Err(unknown()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::TensorRt(index) => write!(f, "tensorrt:{index}"),
            Self::NvRtx(index) => write!(f, "nvrtx:{index}"),
            Self::WebGpu(index) => write!(f, "webgpu:{index}"),
            Self::CoreMl => f.write_str("coreml"),
            Self::DirectMl(index) => write!(f, "directml:{index}"),
            Self::OpenVino => f.write_str("openvino"),
            Self::MiGraphX(index) => write!(f, "migraphx:{index}"),
            Self::Qnn => f.write_str("qnn"),
            Self::Xnnpack => f.write_str("xnnpack"),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_as_it_is_read() {
        let cases = [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda:0", Device::Cuda(0)),
            ("cuda:3", Device::Cuda(3)),
            ("tensorrt:1", Device::TensorRt(1)),
            ("nvrtx:0", Device::NvRtx(0)),
            ("webgpu:0", Device::WebGpu(0)),
            ("coreml", Device::CoreMl),
            ("directml:0", Device::DirectMl(0)),
            ("openvino", Device::OpenVino),
            ("migraphx:2", Device::MiGraphX(2)),
            ("qnn", Device::Qnn),
            ("xnnpack", Device::Xnnpack),
        ];
        for (text, device) in cases {
            assert_eq!(text.parse(), Ok(device.clone()));
            assert_eq!(device.to_string(), text);
            let json = serde_json::to_string(&device).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
        }
    }

    #[test]
    fn an_index_may_be_left_out_where_there_are_several() {
        for (text, device) in [("cuda", Device::Cuda(0)), ("webgpu", Device::WebGpu(0))] {
            assert_eq!(text.parse(), Ok(device));
        }
    }

    #[test]
    fn an_unknown_device_is_refused_with_the_known_ones() {
        for text in ["", "gpu", "cuda:", "cuda:one", "cuda:-1", "cpu:0", "Cuda:0", "webgpu:0:1"] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
            assert!(error.contains("auto, cpu, cuda:N"), "{error}");
        }
    }
}
