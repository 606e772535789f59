//! Counters of calls: each API counts its own calls, on each worker.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use metrics::{Collect, Families, Family, Latencies, LatencyTotals, PerWorker};

use crate::{engine::DecideError, rejections::Api};

pub(super) const TOTAL_REQUESTS: Family =
    Family::counter("ratelimit_service_total_requests", "Calls over gRPC that were received.", &["grpc_method"]);
pub(super) const RESPONSE_TIME: Family = Family::histogram(
    "ratelimit_service_response_time_seconds",
    "How long calls over gRPC took in this process.",
    &["grpc_method"],
);
const ERRORS: Family = Family::counter(
    "ratelimit_service_should_rate_limit_error",
    "Calls that failed: service_error for an invalid request or missing rules, redis_error for the counter store.",
    &["err_type"],
);
const IN_FLIGHT: Family = Family::gauge("tollgate_requests_in_flight", "Calls in progress.", &[]);

/// Why a call failed, as the reference classifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request was invalid, or there are no rules yet.
    Service,
    /// The store failed. The label is `redis_error` for any store.
    Store,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Service, Self::Store];

    /// The value of label `err_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service_error",
            Self::Store => "redis_error",
        }
    }
}

impl From<&DecideError> for ErrorKind {
    fn from(error: &DecideError) -> Self {
        match error {
            DecideError::Store(_) => Self::Store,
            _ => Self::Service,
        }
    }
}

/// Counters of one worker for one API. Aligned so that no two workers share a cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct RequestStats {
    started: AtomicU64,
    /// The number and latencies of calls that have ended.
    ended: Latencies,
    errors: [AtomicU64; ErrorKind::ALL.len()],
}

/// A call in progress; dropping it ends the call. `S`: a reference to the counters, borrowed or owned.
#[derive(Debug)]
#[must_use = "the call ends when this is dropped"]
pub struct InFlight<S: Deref<Target = RequestStats>> {
    stats: S,
    since: Instant,
}

impl RequestStats {
    /// Counts a call that was received at `since`.
    pub fn start(&self, since: Instant) -> InFlight<&Self> {
        self.started.fetch_add(1, Relaxed);
        InFlight { stats: self, since }
    }

    /// Counts a call that fails before the engine sees it, because its request has too many descriptors or entries.
    pub fn record_invalid_request(&self) {
        self.start(Instant::now()).failed(ErrorKind::Service);
    }
}

impl<S: Deref<Target = RequestStats>> InFlight<S> {
    /// Counts the call as failed.
    pub fn failed(&self, kind: ErrorKind) {
        self.stats.errors[kind as usize].fetch_add(1, Relaxed);
    }
}

impl InFlight<&RequestStats> {
    /// The same call with an owned reference, for a call that waits. `stats` must be the same counters.
    pub fn waiting(self, stats: Arc<RequestStats>) -> InFlight<Arc<RequestStats>> {
        let since = self.since;
        std::mem::forget(self);
        InFlight { stats, since }
    }
}

impl<S: Deref<Target = RequestStats>> Drop for InFlight<S> {
    #[inline]
    fn drop(&mut self) {
        self.stats.ended.record(self.since.elapsed());
    }
}

/// The counters of all APIs and workers.
#[derive(Debug, Default)]
pub(super) struct Requests([PerWorker<RequestStats>; Api::ALL.len()]);

/// The sum of several workers' counters at one moment.
#[derive(Default)]
struct Totals {
    started: u64,
    ended: LatencyTotals,
    errors: [u64; ErrorKind::ALL.len()],
}

impl Requests {
    /// Adds and returns the counters of one more worker of this API.
    pub(super) fn worker(&self, api: Api) -> Arc<RequestStats> {
        self.0[api as usize].add()
    }

    fn totals(&self, api: Api) -> Totals {
        let mut totals = Totals::default();
        self.0[api as usize].for_each(|worker| {
            // `ended` is read before `started`, so that a call between the two reads is not counted as ended only
            totals.ended.add(&worker.ended);
            totals.started += worker.started.load(Relaxed);
            for (sum, counter) in totals.errors.iter_mut().zip(&worker.errors) {
                *sum += counter.load(Relaxed);
            }
        });
        totals
    }
}

impl Collect for Requests {
    fn collect(&self, families: &mut Families) {
        let (mut errors, mut in_flight) = ([0; ErrorKind::ALL.len()], 0);
        for api in Api::ALL {
            let totals = self.totals(api);
            errors.iter_mut().zip(totals.errors).for_each(|(sum, count)| *sum += count);
            in_flight += totals.started.saturating_sub(totals.ended.count());
            if let Some(method) = api.grpc_method() {
                families.add(&TOTAL_REQUESTS, &[method], totals.started);
                families.add_histogram(&RESPONSE_TIME, &[method], totals.ended);
            }
        }
        for (kind, count) in ErrorKind::ALL.into_iter().zip(errors) {
            families.add(&ERRORS, &[kind.name()], count);
        }
        families.add(&IN_FLIGHT, &[], in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All but the sum of the durations, which is another at each run.
    fn exported(requests: &Requests) -> Vec<String> {
        metrics::series(requests).into_iter().filter(|line| !line.contains("_sum{")).collect()
    }

    #[test]
    fn workers_are_summed_and_json_is_no_grpc_method() {
        let requests = Requests::default();
        let workers = [requests.worker(Api::Rls), requests.worker(Api::Rls)];
        let json = requests.worker(Api::Json);
        (0..3).for_each(|_| workers[0].start(Instant::now()).failed(ErrorKind::Store));
        workers[1].start(Instant::now()).failed(ErrorKind::Store);
        let in_flight_calls = [(); 2].map(|()| workers[1].start(Instant::now()));
        (0..7).for_each(|_| json.record_invalid_request());
        let expected = |[ended, in_flight]: [u64; 2]| {
            [
                format!("ratelimit_service_response_time_seconds_count{{grpc_method=\"ShouldRateLimit\"}} {ended}"),
                "ratelimit_service_should_rate_limit_error{err_type=\"redis_error\"} 4".to_owned(),
                "ratelimit_service_should_rate_limit_error{err_type=\"service_error\"} 7".to_owned(),
                "ratelimit_service_total_requests{grpc_method=\"ShouldRateLimit\"} 6".to_owned(),
                format!("tollgate_requests_in_flight {in_flight}"),
            ]
        };
        assert_eq!(exported(&requests), expected([4, 2]));
        in_flight_calls.into_iter().for_each(|call| drop(call.waiting(Arc::clone(&workers[1]))));
        assert_eq!(exported(&requests), expected([6, 0]));
    }
}
