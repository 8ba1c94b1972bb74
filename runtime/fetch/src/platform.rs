//! The machines that packages are built for.

use std::fmt;

use serde::Serialize;

/// An operating system and a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Linux with glibc 2.28 or newer on `x86_64`.
    LinuxX64,
    /// Linux with glibc 2.28 or newer on `aarch64`.
    LinuxArm64,
    /// macOS 14 or newer on Apple silicon.
    MacArm64,
    /// Windows on `x86_64`.
    WindowsX64,
    /// Windows on `aarch64`.
    WindowsArm64,
}

impl Platform {
    /// The machine that this program was built for; `None` for one that no package is pinned for.
    pub const fn here() -> Option<Self> {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            Some(Self::LinuxX64)
        } else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
            Some(Self::LinuxArm64)
        } else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
            Some(Self::MacArm64)
        } else if cfg!(all(target_os = "windows", target_arch = "x86_64")) {
            Some(Self::WindowsX64)
        } else if cfg!(all(target_os = "windows", target_arch = "aarch64")) {
            Some(Self::WindowsArm64)
        } else {
            None
        }
    }

    /// The platform tags of wheels that run here, best first (PEP 425, PEP 600).
    pub(crate) const fn wheel_tags(self) -> &'static [&'static str] {
        match self {
            Self::LinuxX64 => &[
                "manylinux_2_28_x86_64",
                "manylinux_2_27_x86_64",
                "manylinux2014_x86_64",
                "manylinux2010_x86_64",
                "manylinux1_x86_64",
            ],
            Self::LinuxArm64 => {
                &["manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64"]
            }
            Self::MacArm64 => &["macosx_14_0_arm64", "macosx_14_0_universal2"],
            Self::WindowsX64 => &["win_amd64"],
            Self::WindowsArm64 => &["win_arm64"],
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinuxX64 => "Linux x86_64",
            Self::LinuxArm64 => "Linux aarch64",
            Self::MacArm64 => "macOS arm64",
            Self::WindowsX64 => "Windows x86_64",
            Self::WindowsArm64 => "Windows arm64",
        })
    }
}
