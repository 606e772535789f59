//! What the system reports about a process: its memory, and the CPU time of its workers.

use std::{collections::BTreeMap, fs};

/// Resident memory in MiB.
pub fn resident(pid: u32) -> f64 {
    status(pid, "VmRSS:")
}

/// The peak of resident memory since [`forget_peak`], in MiB.
pub fn peak(pid: u32) -> f64 {
    status(pid, "VmHWM:")
}

/// Resets the peak; see `clear_refs` in proc(5).
pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of ours");
}

fn status(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

/// The CPU time of each worker in nanoseconds, by its thread's name.
pub fn workers(pid: u32) -> BTreeMap<String, u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let times = threads.flatten().filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?.trim().to_owned();
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let ran = times.split(' ').next()?.parse().ok()?;
        name.starts_with("worker-").then_some((name, ran))
    });
    times.collect()
}
