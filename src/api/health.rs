//! `grpc.health.v1.Health`: `ratelimit` follows the process's health, the empty name is always serving, any other is
//! not found.

use std::{future::Future, sync::Arc};

use tokio::sync::{oneshot, watch};
use tonic::{Request, Response, Status};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_server::{Health, HealthServer},
    },
    server::{HealthReporter, HealthService, WatchStream},
};

use crate::domain::Latencies;

/// The name of the service whose status follows the process.
const SERVICE: &str = "ratelimit";

/// The service, to be shared by all workers, and a task that keeps it true until `end`. Then it ends the streams of those
/// who watch, which would hold a drain up for as long as it may take, and waits to be dropped. `checks` counts those who ask
/// once.
pub fn health<S: Send + Sync>(
    mut states: watch::Receiver<S>,
    is_serving: impl Fn(&S) -> bool + Send,
    mut end: oneshot::Receiver<()>,
    checks: Arc<Latencies>,
) -> (HealthServer<impl Health>, impl Future<Output = ()> + Send) {
    let mut reporter = HealthReporter::new();
    let inner = HealthService::from_health_reporter(reporter.clone());
    let service = HealthServer::new(Counted { inner, checks });
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

/// Counts the calls of `Check`, and not the streams of `Watch`, as the reference does.
struct Counted {
    inner: HealthService,
    checks: Arc<Latencies>,
}

#[tonic::async_trait]
impl Health for Counted {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let _under_way = self.checks.start();
        self.inner.check(request).await
    }

    type WatchStream = WatchStream;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<WatchStream>, Status> {
        self.inner.watch(request).await
    }
}
