//! The resources of the process at one moment, and when its breaker opened and closed.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use testkit::{http::Client, process::Tollgate};

/// The resources that must not accumulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Resident memory, in KiB.
    pub resident: u64,
    /// The same without file-backed pages, which are the program itself: a debug build keeps loading more of it.
    pub own: u64,
    /// Established connections to Redis.
    pub connections: u64,
    /// Tasks of all runtimes.
    pub tasks: u64,
    pub descriptors: u64,
    pub threads: u64,
    /// Requests that wait for Redis or are in flight.
    pub pending: u64,
    /// How many times the breaker has opened.
    pub opened: u64,
}

/// Reads the resources over one connection, which is itself one of the descriptors.
pub struct Monitor {
    client: Client,
}

impl Monitor {
    pub fn new() -> Self {
        Self { client: Client::new() }
    }

    pub async fn vitals(&self, tollgate: &Tollgate) -> Vitals {
        let page = self.client.get(tollgate.address("metrics"), "/metrics").await.body;
        let pid = tollgate.pid();
        Vitals {
            resident: status(pid, "VmRSS:"),
            own: status(pid, "RssAnon:"),
            connections: sum(&page, "ratelimit_redis_pool_cx_active")
                + sum(&page, "ratelimit_redis_per_second_pool_cx_active"),
            tasks: sum(&page, "tollgate_tasks"),
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count() as u64,
            threads: status(pid, "Threads:"),
            pending: sum(&page, "tollgate_redis_pending"),
            opened: sum(&page, "tollgate_redis_breaker_opened_total"),
        }
    }

    /// The sum of a family's series; only of some, if the name includes labels.
    pub async fn metric(&self, tollgate: &Tollgate, name: &str) -> u64 {
        sum(&self.client.get(tollgate.address("metrics"), "/metrics").await.body, name)
    }
}

fn sum(page: &str, name: &str) -> u64 {
    let series = page.lines().filter_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '{'])));
    series
        .map(|rest| rest.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number") as u64)
        .sum()
}

fn status(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of proc(5)");
    line.split_whitespace().next().expect("a number").parse().expect("a number")
}

/// When the breaker opened and closed according to the log, to the millisecond.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Intervals that contain the time in which it was open; the end is `None` if it is still open.
    open: Vec<(Instant, Option<Instant>)>,
}

impl Turns {
    pub fn of(tollgate: &Tollgate) -> Self {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let mut turns = Self::default();
        for line in tollgate.logged("its breaker is ") {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            let time = line["@timestamp"].as_str().expect("a time");
            let time = humantime::parse_rfc3339(time).expect("a time");
            let ago = clock.duration_since(time).unwrap_or_default();
            let at = now.checked_sub(ago).expect("since this machine started");
            if line["@message"].as_str().expect("a text").ends_with("open") {
                // the log truncates to milliseconds
                turns.open.push((at + Duration::from_millis(1), None));
            } else if let Some((_, closed)) = turns.open.last_mut() {
                *closed = Some(at);
            }
        }
        turns
    }

    /// When it first opened after `since`.
    pub fn opened(&self, since: Instant) -> Option<Instant> {
        self.open.iter().map(|(at, _)| *at).find(|at| *at >= since)
    }

    pub fn is_open(&self) -> bool {
        self.open.last().is_some_and(|(_, closed)| closed.is_none())
    }

    /// Whether it was open from `from` to `to`.
    pub fn was_open(&self, from: Instant, to: Instant) -> bool {
        self.open.iter().any(|(opened, closed)| *opened <= from && closed.is_none_or(|closed| to <= closed))
    }
}
