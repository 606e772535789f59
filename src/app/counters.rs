//! Statistics that are exported from the start, before the parts that count in them run.

use std::sync::Arc;

use super::loads::Loads;
use crate::{
    api::ApiStats,
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
    pub(super) apis: Arc<ApiStats>,
    pub(super) decisions: Arc<Decisions>,
    pub(super) rejections: Arc<Rejections>,
    pub(super) loads: Arc<Loads>,
    pub(super) server: Arc<LateStats>,
}

impl Counters {
    /// All at zero. `max_series`: of the rules, those that requests make up.
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

    /// Exports them.
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
