//! The memory of processes.

use std::fs;

/// The resident memory of a process, in bytes: `VmRSS` of proc(5). `process` is a process id or `self`.
#[must_use]
pub fn resident(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_resident_memory() {
        assert!(resident("self") > Some(1 << 20));
        assert!(resident(&std::process::id().to_string()).is_some());
        assert_eq!(resident("none"), None);
    }
}
