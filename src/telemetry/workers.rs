//! Exports what the workers answered, summed over all of them.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Family, Kind};
use crate::{
    domain::Algorithm,
    engine::stats::{Answered, ErrorKind, RequestMetrics, RequestTotals},
};

const METHOD: &str = "ShouldRateLimit";

const TOTAL_REQUESTS: Family = Family::new("ratelimit_service_total_requests", "Calls that came in.", &["grpc_method"]);
const RESPONSE_TIME: Family =
    Family::new("ratelimit_service_response_time_seconds", "How long calls took in this process.", &["grpc_method"]);
const ERRORS: Family = Family::new(
    "ratelimit_service_should_rate_limit_error",
    "Calls that failed: service_error for an invalid request or missing rules, redis_error for the counter store.",
    &["err_type"],
);
const GLOBAL_SHADOW_MODE: Family = Family::new(
    "ratelimit_service_global_shadow_mode",
    "Calls over their limit that passed because SHADOW_MODE is on.",
    &[],
);
const DECISIONS: Family = Family::new(
    "tollgate_decisions_total",
    "Descriptors that were counted, by the algorithm of their limit and the outcome.",
    &["algorithm", "result"],
);
const DEBT_FORGIVEN: Family = Family::new(
    "tollgate_debt_forgiven_total",
    "Units of denied hits that token buckets with count_denied did not take, as their debt was ten bursts deep.",
    &[],
);
const IN_FLIGHT: Family = Family::new("tollgate_requests_in_flight", "Calls being answered now.", &[]);

const FAMILIES: [&Family; 7] =
    [&TOTAL_REQUESTS, &RESPONSE_TIME, &ERRORS, &GLOBAL_SHADOW_MODE, &DECISIONS, &DEBT_FORGIVEN, &IN_FLIGHT];

/// The workers' counters. Clones are the same list.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    list: Arc<Mutex<Vec<Arc<RequestMetrics>>>>,
    descs: Arc<[Desc]>,
}

impl Workers {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = FAMILIES.map(Family::desc).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { list: Arc::default(), descs })
    }

    /// Counters for one more worker, summed from now on.
    pub(super) fn add(&self) -> Arc<RequestMetrics> {
        let worker = Arc::new(RequestMetrics::default());
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(worker.clone());
        worker
    }

    fn totals(&self) -> RequestTotals {
        let mut totals = RequestTotals::default();
        for worker in self.list.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            totals.add(worker);
        }
        totals
    }
}

impl Collector for Workers {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let totals = self.totals();
        let errors = ErrorKind::ALL.into_iter().map(|kind| (vec![kind.name()], totals.errors[kind as usize]));
        let decisions = Algorithm::ALL.into_iter().flat_map(|algorithm| {
            let by_result = &totals.decisions[algorithm as usize];
            Answered::ALL
                .into_iter()
                .map(move |answered| (vec![algorithm.name(), answered.name()], by_result[answered as usize]))
        });
        vec![
            TOTAL_REQUESTS.of(Kind::Counter, [(vec![METHOD], totals.started)]),
            RESPONSE_TIME.histograms([(vec![METHOD], &totals.ended)]),
            ERRORS.of(Kind::Counter, errors),
            GLOBAL_SHADOW_MODE.of(Kind::Counter, [(vec![], totals.global_shadow_mode)]),
            DECISIONS.of(Kind::Counter, decisions),
            DEBT_FORGIVEN.of(Kind::Counter, [(vec![], totals.debt_forgiven)]),
            IN_FLIGHT.of(Kind::Gauge, [(vec![], totals.in_flight())]),
        ]
    }
}
