//! The CPU time of a run: in this process, in the server, and in the Redis behind it if the caller can measure that.
//! Processes are read from procfs; on systems other than Linux nothing is known of them.

use std::{fs, time::Duration};

/// CPU time, where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Of this process, which generates the load.
    pub own: Option<Duration>,
    /// Of the server.
    pub server: Option<Duration>,
    /// Of the Redis behind the server.
    pub redis: Option<Duration>,
}

impl Costs {
    /// The time used since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let spent = |after: Option<Duration>, before| Some(after?.saturating_sub(before?));
        Self {
            own: spent(self.own, before.own),
            server: spent(self.server, before.server),
            redis: spent(self.redis, before.redis),
        }
    }
}

/// Reads the CPU time used so far. A run reads it at the start and at the end of the measured time.
pub trait Meter {
    /// The CPU time of each side since its start.
    fn read(&mut self) -> impl Future<Output = Costs>;
}

/// The meter of this process, and of a server on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessMeter {
    /// The server's process id.
    pub server: Option<u32>,
}

impl Meter for ProcessMeter {
    async fn read(&mut self) -> Costs {
        let server = self.server.and_then(|pid| cpu_time(&pid.to_string()));
        Costs { own: cpu_time("self"), server, redis: None }
    }
}

/// The CPU time of a process and its threads, including those that have ended: `utime` and `stime` of proc(5).
fn cpu_time(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let ticks = cpu_ticks(&stat)?;
    Some(Duration::from_secs_f64(ticks as f64 / ticks_per_second()))
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // the name before may contain any character, including parentheses
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}

#[cfg(target_os = "linux")]
fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

#[cfg(not(target_os = "linux"))]
fn ticks_per_second() -> f64 {
    100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticks_are_found_after_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 913 0 0 0 17 5 9 9 20 0 7 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(22));
        assert_eq!(cpu_ticks("42 (x"), None);
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn only_values_known_on_both_sides_are_subtracted() {
        let second = Duration::from_secs(1);
        let before = Costs { own: Some(second), server: Some(second), redis: None };
        let after = Costs { own: Some(3 * second), server: None, redis: Some(second) };
        assert_eq!(after.since(&before), Costs { own: Some(2 * second), server: None, redis: None });
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn this_process_has_used_cpu_time() {
        let mut meter = ProcessMeter { server: Some(std::process::id()) };
        let before = meter.read().await;
        while meter.read().await.since(&before).own < Some(Duration::from_millis(20)) {}
        let costs = meter.read().await.since(&before);
        assert!(costs.server >= Some(Duration::from_millis(20)), "{costs:?}");
        assert_eq!(ProcessMeter { server: Some(u32::MAX) }.read().await.server, None);
    }
}
