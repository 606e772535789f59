//! The registry of every metric family, and one scrape of it.

use std::{fmt, sync::Arc};

use prometheus::{IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

use super::{
    deny_cache::DenyCacheFamilies,
    exposition::{RuleFamilies, StatsPage},
    pools::PoolFamilies,
    readings::{Pulled, Readings},
    redis::RedisFamilies,
    tls::TlsFamilies,
    workers::Workers,
    xds::XdsFamilies,
};
use crate::{domain::Latencies, engine::stats::RequestMetrics};

/// The content type of a [`Scrape`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric that cannot be registered: a fault of this program, found at its start.
#[derive(Debug, thiserror::Error)]
#[error("cannot register the metrics: {0}; this is a fault of tollgate, please report it")]
pub struct MetricsError(#[from] prometheus::Error);

/// What became of rules that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadResult {
    /// They are in force.
    Applied,
    /// They are what was in force already.
    Unchanged,
    /// They are at fault; what was in force stays.
    Refused,
}

impl LoadResult {
    const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    readings: Arc<dyn Readings>,
    workers: Workers,
    load_success: IntCounter,
    load_error: IntCounter,
    reloads: IntCounterVec,
}

impl Metrics {
    /// All families, at zero.
    ///
    /// # Errors
    /// If two families clash, which is a fault of this program.
    pub fn new(readings: Arc<dyn Readings>) -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let workers = Workers::new()?;
        let load_success =
            IntCounter::new("ratelimit_service_config_load_success", "Rule sets that were loaded and put in force.")?;
        let load_error = IntCounter::new(
            "ratelimit_service_config_load_error",
            "Rule sets that were refused; the old ones stayed.",
        )?;
        let reloads = IntCounterVec::new(
            Opts::new("tollgate_config_reloads_total", "Rule sets that were read, by what became of them."),
            &["result"],
        )?;
        for result in LoadResult::ALL {
            reloads.with_label_values(&[result.name()]);
        }
        registry.register(Box::new(workers.clone()))?;
        registry.register(Box::new(Pulled::new(readings.clone())?))?;
        registry.register(Box::new(PoolFamilies::new(readings.clone())?))?;
        registry.register(Box::new(RedisFamilies::new(readings.clone())?))?;
        registry.register(Box::new(DenyCacheFamilies::new(readings.clone())?))?;
        registry.register(Box::new(TlsFamilies::new(readings.clone())?))?;
        registry.register(Box::new(XdsFamilies::new(readings.clone())?))?;
        registry.register(Box::new(load_success.clone()))?;
        registry.register(Box::new(load_error.clone()))?;
        registry.register(Box::new(reloads.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self { registry, readings, workers, load_success, load_error, reloads })
    }

    /// Counters for one more worker.
    #[must_use]
    pub fn worker(&self) -> Arc<RequestMetrics> {
        self.workers.add()
    }

    /// Counters for `/json`. As in the reference, what is said of gRPC methods says nothing of its calls.
    #[must_use]
    pub fn json(&self) -> Arc<RequestMetrics> {
        self.workers.add_json()
    }

    /// Counts the calls of gRPC's `Health/Check`.
    #[must_use]
    pub fn health_checks(&self) -> Arc<Latencies> {
        self.workers.health_checks()
    }

    /// Counts rules that were read.
    pub fn config_load(&self, result: LoadResult) {
        self.reloads.with_label_values(&[result.name()]).inc();
        match result {
            LoadResult::Applied => self.load_success.inc(),
            LoadResult::Refused => self.load_error.inc(),
            LoadResult::Unchanged => {}
        }
    }

    /// All families in Prometheus' text format, as they are now, in pieces.
    ///
    /// # Errors
    /// If a family has no name, which is a fault of this program.
    pub fn scrape(&self) -> Result<Scrape, MetricsError> {
        let first = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        Ok(Scrape { first: Some(first), rules: RuleFamilies::new(&self.readings.stats()) })
    }

    /// The `/stats` page of the debug listener, in pieces.
    #[must_use]
    pub fn stats_page(&self) -> StatsPage {
        let breakers = self.readings.redis_store().map(|store| store.breakers);
        StatsPage::new(&self.readings.stats(), breakers.unwrap_or_default())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// The text of one scrape, in pieces of some 64 KiB: a million rules fill hundreds of megabytes.
#[derive(Debug)]
pub struct Scrape {
    first: Option<String>,
    rules: RuleFamilies,
}

impl Iterator for Scrape {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.first.take().or_else(|| self.rules.next())
    }
}
