//! The CPU time of processes, in nanoseconds where the system counts them.

use std::{fs, time::Duration};

use load::{Meter as _, ProcessMeter};

/// The CPU time that a process has used, by its threads that are alive: `schedstat` of proc(5), which is exact. If the
/// kernel does not have it, the ticks of the whole process. `None` on systems other than Linux.
pub(crate) async fn cpu_time(pid: u32) -> Option<Duration> {
    match by_threads(pid) {
        Some(time) => Some(time),
        None => ProcessMeter { server: Some(pid) }.read().await.server,
    }
}

fn by_threads(pid: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let times = threads.map(|thread| nanos(&fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?));
    times.sum::<Option<u64>>().map(Duration::from_nanos)
}

/// The first field: the time on a CPU.
fn nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_first_field() {
        assert_eq!(nanos("1234567 890 12\n"), Some(1_234_567));
        assert_eq!((nanos(""), nanos("x 1 2")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn this_process_uses_cpu_time() {
        let own = std::process::id();
        let before = cpu_time(own).await.expect("procfs");
        while cpu_time(own).await.expect("procfs") < before + Duration::from_millis(20) {}
        assert_eq!(cpu_time(u32::MAX).await, None);
    }
}
