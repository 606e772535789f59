//! Statistics that are exported from the start, before the modules that update them run.

use std::sync::Arc;

use super::loads::Loads;
use crate::{
    api::ApiStats,
    engine::stats::{Decisions, Stats},
    rejections::Rejections,
    server::LateStats,
    telemetry::Metrics,
};

/// The statistics that several modules, or several workers, update.
#[derive(Clone)]
pub(super) struct Counters {
    /// Hits by rule; kept when a rule set is replaced.
    pub(super) rules: Arc<Stats>,
    pub(super) apis: Arc<ApiStats>,
    pub(super) decisions: Arc<Decisions>,
    pub(super) rejections: Arc<Rejections>,
    pub(super) loads: Arc<Loads>,
    pub(super) server: Arc<LateStats>,
}

impl Counters {
    /// All at zero. `max_series` limits the series of rules whose names contain request values.
    pub(super) fn new(max_series: usize) -> Self {
        Self {
            rules: Stats::new(max_series),
            apis: Arc::default(),
            decisions: Arc::default(),
            rejections: Arc::default(),
            loads: Arc::default(),
            server: Arc::default(),
        }
    }

    /// Registers all of them for export.
    pub(super) fn register(&self, metrics: &mut Metrics) {
        let Self { rules, apis, decisions, rejections, loads, server } = self.clone();
        metrics.register(rules);
        metrics.register(apis);
        metrics.register(decisions);
        metrics.register(rejections);
        metrics.register(loads);
        metrics.register(server);
    }
}
