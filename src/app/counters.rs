//! Statistics that are exported from the start, before the parts that count in them run.

use std::sync::Arc;

use super::loads::Loads;
use crate::{
    api::{HealthChecks, Requests},
    engine::stats::{Decisions, Stats},
    rejections::Rejections,
    server::LateStats,
    telemetry::Metrics,
};

/// The statistics that more than one part, or more than one worker, counts in.
#[derive(Clone)]
pub(super) struct Counters {
    /// Of the rules; they outlive each set.
    pub(super) rules: Arc<Stats>,
    pub(super) requests: Arc<Requests>,
    pub(super) decisions: Arc<Decisions>,
    pub(super) rejections: Arc<Rejections>,
    pub(super) health_checks: Arc<HealthChecks>,
    pub(super) loads: Arc<Loads>,
    pub(super) server: Arc<LateStats>,
}

impl Counters {
    /// All at zero. `max_series`: of the rules, those that requests make up.
    pub(super) fn new(max_series: usize) -> Self {
        Self {
            rules: Stats::new(max_series),
            requests: Arc::default(),
            decisions: Arc::default(),
            rejections: Arc::default(),
            health_checks: Arc::default(),
            loads: Arc::default(),
            server: Arc::default(),
        }
    }

    /// Exports them.
    pub(super) fn register(&self, metrics: &mut Metrics) {
        let Self { rules, requests, decisions, rejections, health_checks, loads, server } = self.clone();
        metrics.register(rules);
        metrics.register(requests);
        metrics.register(decisions);
        metrics.register(rejections);
        metrics.register(health_checks);
        metrics.register(loads);
        metrics.register(server);
    }
}
