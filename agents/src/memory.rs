//! How much memory the process holds, as the operating system counts it.

/// The most that the process ever held, in bytes; `None` where the system doesn't tell.
pub(crate) fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// What the process holds now, in bytes; `None` where the system doesn't tell.
pub(crate) fn now() -> Option<u64> {
    field("VmRSS:")
}

/// Linux's `proc(5)`: a line `VmHWM:   123456 kB`.
fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
