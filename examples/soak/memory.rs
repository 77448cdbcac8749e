//! How much memory this process takes, as the kernel says.

use std::fs;

/// Bytes now.
pub(crate) fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// Bytes at the most.
pub(crate) fn peak() -> Option<u64> {
    field("VmHWM:")
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
