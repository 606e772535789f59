//! `grpc.health.v1.Health`: `ratelimit` follows the process's health, the empty name is always serving, any other is
//! not found.

use std::future::Future;

use tokio::sync::{oneshot, watch};
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
};

/// The name of the service whose status follows the process.
const SERVICE: &str = "ratelimit";

/// The service, to be shared by all workers, and a task that keeps it true until `end`. Then it ends the streams of those
/// who watch, which would hold a drain up for as long as it may take, and waits to be dropped.
pub fn health<S: Send + Sync>(
    mut states: watch::Receiver<S>,
    is_serving: impl Fn(&S) -> bool + Send,
    mut end: oneshot::Receiver<()>,
) -> (HealthServer<impl Health>, impl Future<Output = ()> + Send) {
    let (mut reporter, service) = tonic_health::server::health_reporter();
    let follow = async move {
        loop {
            let status = if is_serving(&states.borrow_and_update()) {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            reporter.set_service_status(SERVICE, status).await;
            tokio::select! {
                biased;
                Ok(()) = states.changed() => {}
                _ = &mut end => break,
            }
        }
        for watched in [SERVICE, ""] {
            reporter.clear_service_status(watched).await;
        }
        std::future::pending::<()>().await;
    };
    (service, follow)
}
