//! What a run costs in CPU: here, in the server, and in Redis. Linux tells it of processes, elsewhere it is not known;
//! Redis tells it of itself, wherever it is.

use std::{fs, time::Duration};

use super::ceiling::redis::Connection;

/// CPU time of all that takes part, where it can be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Costs {
    /// Of this process, which makes the load.
    pub(super) own: Option<Duration>,
    pub(super) server: Option<Duration>,
    pub(super) redis: Option<Duration>,
}

impl Costs {
    /// What was spent since an earlier reading.
    pub(super) fn since(&self, before: &Self) -> Self {
        let spent = |after: Option<Duration>, before| Some(after?.saturating_sub(before?));
        Self {
            own: spent(self.own, before.own),
            server: spent(self.server, before.server),
            redis: spent(self.redis, before.redis),
        }
    }
}

/// Whom to ask what it has spent.
#[derive(Debug, Default)]
pub(super) struct Meters {
    /// The server's process, if it is on this machine.
    pub(super) server: Option<u32>,
    pub(super) redis: Option<Connection>,
}

impl Meters {
    /// Of this process, and of a server if it is on this machine.
    pub(super) fn of(server: Option<u32>) -> Self {
        Self { server, ..Self::default() }
    }

    /// What was spent so far.
    pub(super) async fn read(&mut self) -> Costs {
        let redis = self.redis().await;
        Costs { own: cpu_time("self"), server: self.server.and_then(|pid| cpu_time(&pid.to_string())), redis }
    }

    async fn redis(&mut self) -> Option<Duration> {
        self.redis.as_mut()?.cpu_time().await.ok()
    }
}

/// Memory of a process that is in RAM, in bytes: `VmRSS` of proc(5).
pub(super) fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// CPU time that a process and its threads have spent, dead ones included: `utime` and `stime` of proc(5).
pub(super) fn cpu_time(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let ticks = cpu_ticks(&stat)?;
    Some(Duration::from_secs_f64(ticks as f64 / ticks_per_second()))
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // the name before may hold anything
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
    fn the_ticks_are_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 913 0 0 0 17 5 9 9 20 0 7 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(22));
        assert_eq!(cpu_ticks("42 (x"), None);
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }

    #[test]
    fn what_is_known_on_both_sides_is_subtracted() {
        let second = Duration::from_secs(1);
        let before = Costs { own: Some(second), server: Some(second), redis: None };
        let after = Costs { own: Some(3 * second), server: None, redis: Some(second) };
        assert_eq!(after.since(&before), Costs { own: Some(2 * second), server: None, redis: None });
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn this_process_has_spent_something() {
        let mut meters = Meters::of(Some(std::process::id()));
        let before = meters.read().await;
        while meters.read().await.since(&before).own < Some(Duration::from_millis(20)) {}
        let costs = meters.read().await.since(&before);
        assert!(costs.server >= Some(Duration::from_millis(20)), "{costs:?}");
        assert_eq!(Meters::of(Some(u32::MAX)).read().await.server, None);
        assert!(resident(std::process::id()) > Some(1 << 20));
    }
}
