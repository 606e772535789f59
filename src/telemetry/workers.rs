//! Exports what the workers answered, summed over all of them.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Family, Kind};
use crate::{
    domain::{Algorithm, Latencies},
    engine::stats::{Answered, ErrorKind, RequestMetrics, RequestTotals},
};

const METHOD: &str = "ShouldRateLimit";
const HEALTH_CHECK: &str = "Check";

const TOTAL_REQUESTS: Family =
    Family::new("ratelimit_service_total_requests", "Calls over gRPC that came in.", &["grpc_method"]);
const RESPONSE_TIME: Family = Family::new(
    "ratelimit_service_response_time_seconds",
    "How long calls over gRPC took in this process.",
    &["grpc_method"],
);
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

type List = Arc<Mutex<Vec<Arc<RequestMetrics>>>>;

/// The workers' counters. Clones are the same list.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    grpc: List,
    json: List,
    health_checks: Arc<Latencies>,
    descs: Arc<[Desc]>,
}

impl Workers {
    pub(super) fn new() -> prometheus::Result<Self> {
        let descs = FAMILIES.map(Family::desc).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { grpc: Arc::default(), json: Arc::default(), health_checks: Arc::default(), descs })
    }

    /// Counters for one more worker, summed from now on.
    pub(super) fn add(&self) -> Arc<RequestMetrics> {
        added(&self.grpc)
    }

    /// The same for `/json`.
    pub(super) fn add_json(&self) -> Arc<RequestMetrics> {
        added(&self.json)
    }

    /// The calls of gRPC health that ask once.
    pub(super) fn health_checks(&self) -> Arc<Latencies> {
        Arc::clone(&self.health_checks)
    }
}

fn added(list: &List) -> Arc<RequestMetrics> {
    let worker = Arc::new(RequestMetrics::default());
    list.lock().unwrap_or_else(PoisonError::into_inner).push(worker.clone());
    worker
}

fn add_all(totals: &mut RequestTotals, list: &List) {
    list.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|worker| totals.add(worker));
}

impl Collector for Workers {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut grpc = RequestTotals::default();
        add_all(&mut grpc, &self.grpc);
        let mut totals = grpc.clone();
        add_all(&mut totals, &self.json);
        let checks = self.health_checks.totals();
        // as in the reference, the method is not there before its first call
        let checked = (checks.count() > 0).then_some(&checks);
        let errors = ErrorKind::ALL.into_iter().map(|kind| (vec![kind.name()], totals.errors[kind as usize]));
        let decisions = Algorithm::ALL.into_iter().flat_map(|algorithm| {
            let by_result = &totals.decisions[algorithm as usize];
            Answered::ALL
                .into_iter()
                .map(move |answered| (vec![algorithm.name(), answered.name()], by_result[answered as usize]))
        });
        vec![
            TOTAL_REQUESTS.of(
                Kind::Counter,
                [(vec![METHOD], grpc.started)].into_iter().chain(checked.map(|c| (vec![HEALTH_CHECK], c.count()))),
            ),
            RESPONSE_TIME
                .histograms([(vec![METHOD], &grpc.ended)].into_iter().chain(checked.map(|c| (vec![HEALTH_CHECK], c)))),
            ERRORS.of(Kind::Counter, errors),
            GLOBAL_SHADOW_MODE.of(Kind::Counter, [(vec![], totals.global_shadow_mode)]),
            DECISIONS.of(Kind::Counter, decisions),
            DEBT_FORGIVEN.of(Kind::Counter, [(vec![], totals.debt_forgiven)]),
            IN_FLIGHT.of(Kind::Gauge, [(vec![], totals.in_flight())]),
        ]
    }
}
