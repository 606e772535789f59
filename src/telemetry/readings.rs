//! Exports what other parts of the process know, read at each scrape.

use std::{sync::Arc, time::Duration};

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    deny_cache::DenyCache,
    family::{Family, Kind},
    redis::RedisStore,
    tls::{TlsClient, TlsListener},
    xds::Xds,
};
use crate::engine::stats::StatsTable;

/// The rule set in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveRules {
    /// Of their content.
    pub hash: String,
    /// How many rules there are.
    pub count: u64,
    /// Since they came into force.
    pub age: Duration,
}

/// The state of the memory store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    /// Counters that it holds.
    pub counters: u64,
    /// Counters that had to leave before their time because it was full, since the start.
    pub evictions: u64,
}

/// The gRPC connections, open now or since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// Taken since the start.
    pub accepted: u64,
    /// Closed at once because there were too many.
    pub refused: u64,
    /// Told to go because of their age.
    pub aged_out: u64,
}

/// Tasks that have not ended: what waits for something, by where it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Connections, calls and what serves them.
    pub workers: u64,
    /// Everything else.
    pub background: u64,
}

/// What a scrape asks of the rest of the process. Called often, by any thread; must not block.
pub trait Readings: Send + Sync + 'static {
    /// The statistics of the rules in force.
    fn stats(&self) -> Arc<StatsTable>;
    /// None before the first good load.
    fn active_rules(&self) -> Option<ActiveRules>;
    /// Lines of the log that were dropped, for nobody read them, or that could not be written.
    fn log_lines_dropped(&self) -> u64;
    /// With another store, those of the failure mode `local`.
    fn memory_store(&self) -> MemoryStore;
    /// None if another store is in use.
    fn redis_store(&self) -> Option<RedisStore>;
    /// None if there is no deny cache.
    fn deny_cache(&self) -> Option<DenyCache>;
    /// Hits that a failure mode answered in place of the store, by mode; none with a store that does not fail.
    fn degraded(&self) -> Vec<(&'static str, u64)>;
    /// Calls that were refused before they were decided: API, reason, count.
    fn rejected(&self) -> Vec<(&'static str, &'static str, u64)>;
    /// None if the rules come from elsewhere.
    fn xds(&self) -> Option<Xds>;
    /// gRPC connections.
    fn connections(&self) -> Connections;
    /// The listeners that have TLS.
    fn tls(&self) -> Vec<TlsListener>;
    /// The servers that are reached over TLS.
    fn tls_clients(&self) -> Vec<TlsClient>;
    /// Tasks of all runtimes.
    fn tasks(&self) -> Tasks;
}

const BUILD_INFO: Family = Family::new("tollgate_build_info", "1, with the version of this build.", &["version"]);
const CONNECTIONS: Family = Family::new("tollgate_connections", "Open gRPC connections.", &[]);
const ACCEPTED: Family =
    Family::new("tollgate_connections_accepted_total", "gRPC connections that were accepted.", &[]);
const REFUSED: Family = Family::new(
    "tollgate_connections_refused_total",
    "gRPC connections that were closed at once because too many were open.",
    &[],
);
const AGED_OUT: Family = Family::new(
    "tollgate_connections_aged_out_total",
    "gRPC connections that were told to go because of their age (GRPC_MAX_CONNECTION_AGE).",
    &[],
);
const REJECTED: Family = Family::new(
    "tollgate_rejected_calls_total",
    "Calls, streams and connections that were refused before a decision, by API and reason.",
    &["api", "reason"],
);
const TASKS: Family =
    Family::new("tollgate_tasks", "Tasks that have not ended, of the workers and of all else.", &["runtime"]);
const LOG_DROPPED: Family =
    Family::new("tollgate_log_lines_dropped_total", "Lines of the log that were dropped, for nobody read them, or that could not be written.", &[]);
const RULES: Family = Family::new("tollgate_active_rules", "Rules in force.", &[]);
const RULES_INFO: Family =
    Family::new("tollgate_active_rules_info", "1, with the hash of the rules in force.", &["hash"]);
const RULES_AGE: Family =
    Family::new("tollgate_active_rules_age_seconds", "Time since the rules in force were loaded.", &[]);
const COUNTERS: Family = Family::new("tollgate_memory_counters", "Counters held by the memory store.", &[]);
const EVICTIONS: Family = Family::new(
    "tollgate_memory_evictions_total",
    "Counters that the memory store dropped before their time because it was full.",
    &[],
);
const OVERFLOW: Family = Family::new(
    "tollgate_metric_series_overflow_total",
    "Hits counted in series \"other\" because there was no room for a series of their own (MAX_METRIC_SERIES).",
    &[],
);
const DOMAIN_NOT_FOUND: Family = Family::new(
    "ratelimit_service_rate_limit_domain_not_found",
    "Descriptors that came for a domain without rules.",
    &["domain"],
);

const FAMILIES: [&Family; 15] = [
    &BUILD_INFO,
    &CONNECTIONS,
    &ACCEPTED,
    &REFUSED,
    &AGED_OUT,
    &REJECTED,
    &TASKS,
    &LOG_DROPPED,
    &RULES,
    &RULES_INFO,
    &RULES_AGE,
    &COUNTERS,
    &EVICTIONS,
    &OVERFLOW,
    &DOMAIN_NOT_FOUND,
];

/// Exports [`Readings`], all but the rules' own series.
pub(super) struct Pulled {
    readings: Arc<dyn Readings>,
    descs: Box<[Desc]>,
}

impl Pulled {
    pub(super) fn new(readings: Arc<dyn Readings>) -> prometheus::Result<Self> {
        let descs = FAMILIES.map(Family::desc).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { readings, descs })
    }
}

impl Collector for Pulled {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    // A family without series is left out by the registry.
    fn collect(&self) -> Vec<MetricFamily> {
        let table = self.readings.stats();
        let rules = self.readings.active_rules();
        let rules = rules.as_ref();
        let memory = self.readings.memory_store();
        let connections = self.readings.connections();
        let rejected = self.readings.rejected();
        let tasks = self.readings.tasks();
        let tasks = [(vec!["workers"], tasks.workers), (vec!["background"], tasks.background)];
        let domains = table.stats().domains_not_found();
        vec![
            BUILD_INFO.of(Kind::Gauge, [(vec![env!("CARGO_PKG_VERSION")], 1)]),
            CONNECTIONS.of(Kind::Gauge, [(vec![], connections.open)]),
            ACCEPTED.of(Kind::Counter, [(vec![], connections.accepted)]),
            REFUSED.of(Kind::Counter, [(vec![], connections.refused)]),
            AGED_OUT.of(Kind::Counter, [(vec![], connections.aged_out)]),
            REJECTED.of(Kind::Counter, rejected.iter().map(|(api, reason, count)| (vec![*api, *reason], *count))),
            TASKS.of(Kind::Gauge, tasks),
            LOG_DROPPED.of(Kind::Counter, [(vec![], self.readings.log_lines_dropped())]),
            RULES.of(Kind::Gauge, rules.map(|rules| (vec![], rules.count))),
            RULES_INFO.of(Kind::Gauge, rules.map(|rules| (vec![rules.hash.as_str()], 1))),
            RULES_AGE.of(Kind::Gauge, rules.map(|rules| (vec![], rules.age.as_secs()))),
            COUNTERS.of(Kind::Gauge, [(vec![], memory.counters)]),
            EVICTIONS.of(Kind::Counter, [(vec![], memory.evictions)]),
            OVERFLOW.of(Kind::Counter, [(vec![], table.stats().overflow())]),
            DOMAIN_NOT_FOUND.of(Kind::Counter, domains.iter().map(|(domain, count)| (vec![&**domain], *count))),
        ]
    }
}
