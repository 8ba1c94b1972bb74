//! Every package that Percept ever fetches: its one version, and what each file must hash to.
//!
//! Checksums are the registries' own, looked up when the version was chosen. To move to another version,
//! change it and its checksums together; nothing else names a version.

use crate::{
    Archive, Build, Checksum, Item, Part,
    Platform::{self, LinuxArm64, LinuxX64, MacArm64, WindowsArm64, WindowsX64},
    Registry,
    archive::Form,
};

/// ONNX Runtime's CPU library (MIT).
pub static ONNXRUNTIME: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "onnxruntime",
        version: "1.31.1",
        parts: &["library"],
        builds: &[
            wheel(LinuxX64, "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536", 23_760_988),
            wheel(LinuxArm64, "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc", 21_420_803),
            wheel(MacArm64, "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c", 20_882_125),
            wheel(WindowsX64, "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130", 14_888_466),
        ],
    },
    name: "library",
    items: &[
        (LinuxX64, &[Item::plain("onnxruntime/capi/libonnxruntime.so.1.31.1", LIBRARY_FILE)]),
        (LinuxArm64, &[Item::plain("onnxruntime/capi/libonnxruntime.so.1.31.1", LIBRARY_FILE)]),
        (MacArm64, &[Item::plain("onnxruntime/capi/libonnxruntime.1.31.1.dylib", LIBRARY_FILE)]),
        (WindowsX64, &[Item::plain("onnxruntime/capi/onnxruntime.dll", LIBRARY_FILE)]),
    ],
};

/// ONNX Runtime's library in the npm package (MIT), a minor version behind: for machines without `pip`.
pub static ONNXRUNTIME_NPM: Part = Part {
    archive: &Archive {
        registry: Registry::Npm,
        name: "onnxruntime-node",
        version: "1.30.0",
        parts: &["library"],
        builds: &[
            tarball(LinuxX64, ONNXRUNTIME_NODE, 113_507_888),
            tarball(LinuxArm64, ONNXRUNTIME_NODE, 113_507_888),
            tarball(MacArm64, ONNXRUNTIME_NODE, 113_507_888),
            tarball(WindowsX64, ONNXRUNTIME_NODE, 113_507_888),
            tarball(WindowsArm64, ONNXRUNTIME_NODE, 113_507_888),
        ],
    },
    name: "library",
    items: &[
        (LinuxX64, &[Item::plain("package/bin/napi-v6/linux/x64/libonnxruntime.so.1", LIBRARY_FILE)]),
        (LinuxArm64, &[Item::plain("package/bin/napi-v6/linux/arm64/libonnxruntime.so.1", LIBRARY_FILE)]),
        (MacArm64, &[Item::plain("package/bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib", LIBRARY_FILE)]),
        (WindowsX64, &[Item::plain("package/bin/napi-v6/win32/x64/onnxruntime.dll", LIBRARY_FILE)]),
        (WindowsArm64, &[Item::plain("package/bin/napi-v6/win32/arm64/onnxruntime.dll", LIBRARY_FILE)]),
    ],
};

/// ONNX Runtime's library with the CUDA and TensorRT providers beside it (MIT); CUDA 13.
pub static ONNXRUNTIME_GPU: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "onnxruntime-gpu",
        version: "1.31.1",
        parts: &["library"],
        builds: &[wheel(
            LinuxX64,
            "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
            255_569_273,
        )],
    },
    name: "library",
    items: &[(
        LinuxX64,
        &[
            Item::plain("onnxruntime/capi/libonnxruntime.so.1.31.1", LIBRARY_FILE),
            Item::plain(
                "onnxruntime/capi/libonnxruntime_providers_shared.so",
                "libonnxruntime_providers_shared.so",
            ),
            Item::plain(
                "onnxruntime/capi/libonnxruntime_providers_cuda.so",
                "libonnxruntime_providers_cuda.so",
            ),
            Item::plain(
                "onnxruntime/capi/libonnxruntime_providers_tensorrt.so",
                "libonnxruntime_providers_tensorrt.so",
            ),
        ],
    )],
};

/// The WebGPU provider, a plugin library for any ONNX Runtime from 1.24.4 (MIT).
pub static WEBGPU_PLUGIN: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "onnxruntime-ep-webgpu",
        version: "0.4.0",
        parts: &["plugin"],
        builds: &[
            wheel(LinuxX64, "5d8c961eda91a88961cad1fb7621f389f006b18497d6ea9ecf96f729f066cbfb", 6_892_120),
            wheel(LinuxArm64, "17f660db53b1a509c63e721ac6784a2daa1c4e91a968523ee9986505ee5b0a55", 6_096_222),
            wheel(MacArm64, "8d0a91d44b43d931c3068b9134aed9770f27803e353c2b58c93e1700bb68bcca", 5_200_679),
            wheel(WindowsX64, "7db646669d1a2390551da675115ea125e68cb3d4d2c3a2d6e463372bf8d6ea87", 13_149_847),
        ],
    },
    name: "plugin",
    items: &[
        (
            LinuxX64,
            &[Item::plain("onnxruntime_ep_webgpu/libonnxruntime_providers_webgpu.so", WEBGPU_PLUGIN_FILE)],
        ),
        (
            LinuxArm64,
            &[Item::plain("onnxruntime_ep_webgpu/libonnxruntime_providers_webgpu.so", WEBGPU_PLUGIN_FILE)],
        ),
        (
            MacArm64,
            &[Item::plain("onnxruntime_ep_webgpu/libonnxruntime_providers_webgpu.dylib", WEBGPU_PLUGIN_FILE)],
        ),
        (
            WindowsX64,
            &[
                Item::plain("onnxruntime_ep_webgpu/onnxruntime_providers_webgpu.dll", WEBGPU_PLUGIN_FILE),
                Item::plain("onnxruntime_ep_webgpu/dxcompiler.dll", "dxcompiler.dll"),
                Item::plain("onnxruntime_ep_webgpu/dxil.dll", "dxil.dll"),
            ],
        ),
    ],
};

/// The CUDA 13 libraries that [`ONNXRUNTIME_GPU`]'s provider is linked to or opens, in the order in which they
/// are to be loaded (NVIDIA's own licence, redistributable; fetched only when CUDA is asked for).
pub static CUDA: [&Part; 4] = [&CUDA_RUNTIME, &CUDA_NVRTC, &CUDA_BLAS, &CUDA_RANDOM];

/// CUDA's runtime library.
pub static CUDA_RUNTIME: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "nvidia-cuda-runtime",
        version: "13.5.37",
        parts: &["library"],
        builds: &[wheel(
            LinuxX64,
            "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
            2_504_024,
        )],
    },
    name: "library",
    items: &[(LinuxX64, &[Item::plain("nvidia/cu13/lib/libcudart.so.13", "libcudart.so.13")])],
};

/// CUDA's run-time compiler.
pub static CUDA_NVRTC: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "nvidia-cuda-nvrtc",
        version: "13.5.37",
        parts: &["library"],
        builds: &[wheel(
            LinuxX64,
            "86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc",
            58_185_930,
        )],
    },
    name: "library",
    items: &[(
        LinuxX64,
        &[
            Item::plain("nvidia/cu13/lib/libnvrtc-builtins.so.13.5", "libnvrtc-builtins.so.13.5"),
            Item::plain("nvidia/cu13/lib/libnvrtc.so.13", "libnvrtc.so.13"),
        ],
    )],
};

/// CUDA's linear algebra; by far the largest.
pub static CUDA_BLAS: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "nvidia-cublas",
        version: "13.10.0.20",
        parts: &["library"],
        builds: &[wheel(
            LinuxX64,
            "dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84",
            444_289_903,
        )],
    },
    name: "library",
    items: &[(
        LinuxX64,
        &[
            Item::plain("nvidia/cu13/lib/libcublasLt.so.13", "libcublasLt.so.13"),
            Item::plain("nvidia/cu13/lib/libcublas.so.13", "libcublas.so.13"),
        ],
    )],
};

/// CUDA's random numbers.
pub static CUDA_RANDOM: Part = Part {
    archive: &Archive {
        registry: Registry::PyPi,
        name: "nvidia-curand",
        version: "10.4.5.25",
        parts: &["library"],
        builds: &[wheel(
            LinuxX64,
            "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529",
            77_113_015,
        )],
    },
    name: "library",
    items: &[(LinuxX64, &[Item::plain("nvidia/cu13/lib/libcurand.so.10", "libcurand.so.10")])],
};

/// A headless Chromium (`chromium`), the system libraries that a bare machine lacks (`lib/`, for
/// `LD_LIBRARY_PATH`) and fonts (`fonts/`, `fonts.conf`). BSD-3-Clause; packaged under MIT.
pub static BROWSER: Part = Part {
    archive: &CHROMIUM,
    name: "browser",
    items: &[(
        LinuxX64,
        &[
            Item { from: "package/bin/chromium.br", to: "chromium", form: Form::BrotliProgram },
            Item { from: "package/bin/al2023.tar.br", to: "", form: Form::BrotliTarball },
            Item { from: "package/bin/fonts.tar.br", to: "", form: Form::BrotliTarball },
        ],
    )],
};

/// `SwiftShader`, a Vulkan device in software (`libvk_swiftshader.so`, `vk_swiftshader_icd.json`), and a Vulkan
/// loader (`libvulkan.so.1`). Apache-2.0.
pub static SOFTWARE_VULKAN: Part = Part {
    archive: &CHROMIUM,
    name: "software_vulkan",
    items: &[(
        LinuxX64,
        &[Item { from: "package/bin/swiftshader.tar.br", to: "", form: Form::BrotliTarball }],
    )],
};

/// The npm package that carries a browser and a software Vulkan device, for Linux on `x86_64` alone.
static CHROMIUM: Archive = Archive {
    registry: Registry::Npm,
    name: "@sparticuz/chromium",
    version: "147.0.0",
    parts: &["browser", "software_vulkan"],
    builds: &[tarball(
        LinuxX64,
        "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ==",
        68_307_621,
    )],
};

/// The library's name in the cache, whatever the archive calls it.
///
/// On Linux it must end in the soname: a provider that is linked to `libonnxruntime.so.1` then meets this one.
pub const LIBRARY_FILE: &str = if cfg!(windows) {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so.1"
};

/// The WebGPU plugin's name in the cache.
pub const WEBGPU_PLUGIN_FILE: &str = if cfg!(windows) {
    "onnxruntime_providers_webgpu.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime_providers_webgpu.dylib"
} else {
    "libonnxruntime_providers_webgpu.so"
};

/// One tarball serves every platform.
const ONNXRUNTIME_NODE: &str =
    "twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw==";

const fn wheel(platform: Platform, sha256: &'static str, bytes: u64) -> Build {
    Build { platform, checksum: Checksum::Sha256(sha256), bytes: Some(bytes) }
}

const fn tarball(platform: Platform, sha512: &'static str, bytes: u64) -> Build {
    Build { platform, checksum: Checksum::Sha512(sha512), bytes: Some(bytes) }
}
