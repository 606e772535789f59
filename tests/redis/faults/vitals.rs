//! What the process holds at one moment, and when its breaker turned.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use testkit::{http::Client, process::Tollgate};

/// What may not pile up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Resident memory, in KiB.
    pub resident: u64,
    /// The same without the pages of files, which are the program itself: a debug build reads more and more of it.
    pub own: u64,
    /// Connections to Redis that stand.
    pub connections: u64,
    /// Tasks of all its runtimes.
    pub tasks: u64,
    pub descriptors: u64,
    pub threads: u64,
    /// Requests that wait for Redis or are in flight.
    pub pending: u64,
    /// How often the breaker has opened.
    pub opened: u64,
}

/// Reads them, over one connection, which is itself among the descriptors.
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

    /// The sum of a family's series; of some, if the name goes on with their labels.
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

/// When the breaker opened and closed, as the log has it, to the millisecond.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// From no later than the first to no earlier than the second it was open; `None`: still.
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
                // the log cuts the rest of a millisecond off
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
