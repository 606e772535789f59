//! `grpc.health.v1.Health`: the service `ratelimit` has the health of the process, the empty name is always serving,
//! and any other is not found.
//!
//! `Check` is implemented here, as a unary method that never waits, so that waiting or streaming calls cannot delay a
//! probe. `Watch` is tonic's.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use metrics::{Collect, Families, Latencies};
use prost::Message as _;
use tokio::sync::watch;
use tonic::{Code, codec::CompressionEncoding};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, HealthCheckResponse, health_server::HealthServer},
    server::{HealthReporter, HealthService},
};

use super::{
    Streams,
    grpc::{Outcome, Rejection, Requests, Routed, Unary, append_prefix},
    protocol::MAX_ROUTED,
    requests::{RESPONSE_TIME, TOTAL_REQUESTS},
};
use crate::rejections::Reason;

/// The path of the unary method.
pub(super) const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The streaming method.
pub(super) const WATCH: Routed =
    Routed { service: "grpc.health.v1.Health", methods: &["Watch"], requests: Requests::OneMessage };

/// The name of the service whose status follows the process.
const SERVICE: &str = "ratelimit";

/// The number and latencies of `Check` calls. As in the reference, they are not exported before the first call.
#[derive(Debug, Default)]
pub(super) struct HealthChecks(Latencies);

impl Collect for HealthChecks {
    fn collect(&self, families: &mut Families) {
        let checks = self.0.totals();
        if checks.count() > 0 {
            families.add(&TOTAL_REQUESTS, &["Check"], checks.count());
            families.add_histogram(&RESPONSE_TIME, &["Check"], checks);
        }
    }
}

/// The health service, which all workers share.
#[derive(Clone, Debug)]
pub(super) struct GrpcHealth {
    pub(super) check: HealthCheck,
    watch: HealthServer<HealthService>,
}

impl GrpcHealth {
    /// The service that answers [`WATCH`].
    pub(super) fn watch(&self) -> HealthServer<HealthService> {
        let watch = self.watch.clone();
        watch.max_decoding_message_size(MAX_ROUTED).accept_compressed(CompressionEncoding::Gzip)
    }
}

/// The health service, and a task that updates it from `states` until the streams are ended. The task then ends the
/// `Watch` streams, which would delay a drain until its timeout, and pends until it is dropped. `checks` counts `Check`
/// calls, as in the reference.
pub(super) fn health<S: Send + Sync>(
    mut states: watch::Receiver<S>,
    is_serving: impl Fn(&S) -> bool + Send,
    streams: Streams,
    checks: Arc<HealthChecks>,
) -> (GrpcHealth, impl Future<Output = ()> + Send) {
    let mut reporter = HealthReporter::new();
    let watch = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
    let serving = Arc::new(AtomicBool::new(is_serving(&states.borrow())));
    let check = HealthCheck { is_serving: Arc::clone(&serving), checks };
    let follow = async move {
        loop {
            let is_serving = is_serving(&states.borrow_and_update());
            serving.store(is_serving, Relaxed);
            let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
            reporter.set_service_status(SERVICE, status).await;
            tokio::select! {
                biased;
                Ok(()) = states.changed() => {}
                () = streams.ended() => break,
            }
        }
        for watched in [SERVICE, ""] {
            reporter.clear_service_status(watched).await;
        }
        std::future::pending::<()>().await;
    };
    (GrpcHealth { check, watch }, follow)
}

/// The method `Check`.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    is_serving: Arc<AtomicBool>,
    checks: Arc<HealthChecks>,
}

impl Unary for HealthCheck {
    type Pending = Infallible;

    fn answer(&self, message: &[u8], _: Option<Instant>, out: &mut Vec<u8>) -> Outcome<Infallible> {
        match self.check(message, out) {
            Ok(()) => Outcome::Answered(None),
            Err(rejection) => Outcome::Rejected(rejection),
        }
    }

    fn answer_undecidable(&self, _: Reason, _: &mut Vec<u8>) -> bool {
        false
    }
}

impl HealthCheck {
    /// Appends the answer to a message, as one gRPC frame.
    fn check(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Rejection> {
        let _in_flight = self.checks.0.start();
        let asked = HealthCheckRequest::decode(message).map_err(|error| Rejection {
            code: Code::Internal,
            message: format!("grpc: failed to unmarshal the received message: {error}"),
            reason: Some(Reason::Malformed),
        })?;
        let status = match asked.service.as_str() {
            "" => ServingStatus::Serving,
            SERVICE if self.is_serving.load(Relaxed) => ServingStatus::Serving,
            SERVICE => ServingStatus::NotServing,
            _ => {
                let message = "unknown service".to_owned();
                return Err(Rejection { code: Code::NotFound, message, reason: None });
            }
        };
        let answer = HealthCheckResponse { status: status as i32 };
        append_prefix(answer.encoded_len(), out);
        answer.encode_raw(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(check: &HealthCheck, service: &str) -> Result<Vec<u8>, Code> {
        let mut out = Vec::new();
        let message = HealthCheckRequest { service: service.to_owned() }.encode_to_vec();
        check.check(&message, &mut out).map(|()| out).map_err(|rejection| rejection.code)
    }

    #[tokio::test]
    async fn check_follows_the_health_until_the_end_and_keeps_the_last_state() {
        let (is_well, states) = watch::channel(true);
        let streams = Streams::default();
        let checks = Arc::<HealthChecks>::default();
        let (health, follow) = health(states, |state| *state, streams.clone(), Arc::clone(&checks));
        let check = health.check;
        let frame = |status| Ok([&[0, 0, 0, 0, 2, 8][..], &[status]].concat());
        assert_eq!(asked(&check, SERVICE), frame(1));
        tokio::spawn(follow);
        is_well.send_replace(false);
        while asked(&check, SERVICE) == frame(1) {
            tokio::task::yield_now().await;
        }
        streams.end();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!((asked(&check, SERVICE), asked(&check, "")), (frame(2), frame(1)));
        assert_eq!(asked(&check, "other"), Err(Code::NotFound));
        let before = checks.0.totals().count();
        let malformed = check.check(b"\xff", &mut Vec::new()).expect_err("no message");
        assert_eq!((malformed.code, malformed.reason), (Code::Internal, Some(Reason::Malformed)));
        assert_eq!(checks.0.totals().count(), before + 1);
    }

    #[test]
    fn checks_are_exported_from_the_first_on() {
        let checks = HealthChecks::default();
        assert_eq!(metrics::series(&checks), [""; 0]);
        (2..5).for_each(|seconds| checks.0.record(std::time::Duration::from_secs(seconds)));
        assert_eq!(
            metrics::series(&checks),
            [
                r#"ratelimit_service_response_time_seconds_sum{grpc_method="Check"} 9"#,
                r#"ratelimit_service_response_time_seconds_count{grpc_method="Check"} 3"#,
                r#"ratelimit_service_total_requests{grpc_method="Check"} 3"#,
            ]
        );
    }
}
