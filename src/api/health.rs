//! `grpc.health.v1.Health`: `ratelimit` follows the process's health, the empty name is always serving, any other is
//! not found.

use std::future::Future;

use tokio::sync::watch;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
};

/// The name of the service whose status follows the process.
const SERVICE: &str = "ratelimit";

/// The service, to be shared by all workers, and a task that keeps it true for as long as `states` has a sender.
pub fn health<S: Send + Sync>(
    mut states: watch::Receiver<S>,
    is_serving: impl Fn(&S) -> bool + Send,
) -> (HealthServer<impl Health>, impl Future<Output = ()> + Send) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let follow = async move {
        loop {
            let status = if is_serving(&states.borrow_and_update()) {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            reporter.set_service_status(SERVICE, status).await;
            if states.changed().await.is_err() {
                return;
            }
        }
    };
    (service, follow)
}
