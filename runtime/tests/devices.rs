//! Devices on a real machine: which can be had, and what is said about those that can't.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::path::Path;

use percept_fetch::Silent;
use percept_runtime::{Device, Runtime};

/// The one runtime of this test program, its libraries from the user's own cache.
fn runtime() -> Runtime {
    Runtime::start(&Device::Cpu, &Silent).unwrap()
}

fn has_nvidia() -> bool {
    ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"].iter().any(|file| Path::new(file).exists())
}

#[test]
fn a_second_start_gives_the_same_runtime() {
    let (first, second) = (runtime(), Runtime::start(&Device::Auto, &Silent).unwrap());
    assert_eq!(first.library().path, second.library().path);
    assert!(first.library().build.contains("git-commit-id"), "{}", first.library().build);
}

#[test]
fn the_processor_can_always_be_had() {
    let choice = runtime().resolve(&Device::Cpu, &Silent).unwrap();
    assert_eq!(choice.device, Device::Cpu);
    assert!(!choice.software);
}

#[test]
fn auto_takes_no_software_device_and_says_why() {
    let choice = runtime().resolve(&Device::Auto, &Silent).unwrap();
    assert_ne!(choice.device, Device::Auto);
    assert!(!choice.software, "{choice:?}");
    if !has_nvidia() && choice.device == Device::Cpu {
        assert!(choice.why.contains("cuda:0: no NVIDIA driver found"), "{}", choice.why);
        assert!(choice.why.contains("webgpu:0:"), "{}", choice.why);
    }
}

#[test]
fn webgpu_by_name_can_be_had_on_every_machine() {
    let choice = runtime().resolve(&Device::WebGpu(0), &Silent).unwrap();
    assert_eq!(choice.device, Device::WebGpu(0));
    assert_eq!(choice.software, choice.why.contains("for tests, slow"), "{}", choice.why);
}

#[test]
fn a_device_that_is_not_there_is_refused_with_a_reason() {
    let mut cases = vec![(Device::WebGpu(7), "none of index 7")];
    if !has_nvidia() {
        cases.push((Device::Cuda(0), "cuda:0: no NVIDIA driver found (libcuda.so.1"));
        cases.push((Device::TensorRt(1), "tensorrt:1: no NVIDIA driver found (libcuda.so.1"));
    }
    if cfg!(target_os = "linux") {
        for device in [Device::CoreMl, Device::DirectMl(0), Device::Qnn] {
            cases.push((device, "this build of ONNX Runtime doesn't have it"));
        }
    }
    for (device, says) in cases {
        let error = runtime().resolve(&device, &Silent).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{device}: ")), "{error}");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_doctor_lists_each_device_once_with_what_is_missing() {
    let reports = runtime().providers();
    let devices: Vec<String> = reports.iter().map(|report| report.device.to_string()).collect();
    assert_eq!(
        devices,
        [
            "cpu",
            "cuda:0",
            "tensorrt:0",
            "nvrtx:0",
            "webgpu:0",
            "coreml",
            "directml:0",
            "openvino",
            "migraphx:0",
            "qnn",
            "xnnpack"
        ]
    );
    assert!(reports[0].there);
    for report in &reports {
        assert!(!report.why.is_empty(), "{report:?}");
        assert!(!report.there || report.command.is_none(), "{report:?}");
    }
    let json = serde_json::to_value(&reports).unwrap();
    assert_eq!(json[0]["device"], "cpu");
    if !has_nvidia() {
        assert_eq!(json[1]["there"], false);
    }
}
