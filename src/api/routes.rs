//! Every API, registered: its methods on the gRPC port, and its routes on the HTTP port.
//!
//! An API is a folder with its handlers, a line here for each method and each route, and a variant of [`Api`], under
//! which its calls are counted. A unary method implements [`Unary`] and is a variant of [`Method`]; a service of
//! tonic's, mainly for streams, is added to the routes of [`Apis::grpc`] and to [`ROUTED`]; HTTP handlers are
//! axum's.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::Router;
use tokio::sync::watch;
use tonic::service::Routes;

use super::{
    Budget, GrpcOptions, GrpcService, Streams,
    grpc::{Outcome, PendingAnswer, Rejection, Routed, Unary, unary_methods},
    health::{self, GrpcHealth, HealthCheck},
    json, protocol,
    rls::{self, ResponseOptions, RlsService},
    stats::ApiStats,
};
use crate::{
    engine::Engine,
    rejections::{Api, Reason, Rejections},
};

unary_methods! {
    RateLimit(RlsService),
    HealthCheck(HealthCheck),
}

/// The services that tonic serves.
const ROUTED: &[Routed] = &[health::WATCH, protocol::REFLECTION_V1, protocol::REFLECTION_V1ALPHA];

/// What the APIs are made of.
pub struct ApiContext {
    /// Makes an engine for the current runtime. The APIs of one runtime share it.
    pub engine: Box<dyn Fn() -> Engine + Send + Sync>,
    /// How decisions are answered over RLS.
    pub response: Arc<ResponseOptions>,
    /// The most bytes of a request.
    pub max_request: usize,
    /// Where calls are counted.
    pub stats: Arc<ApiStats>,
    /// Where calls are counted that are rejected before a decision.
    pub rejections: Arc<Rejections>,
}

impl fmt::Debug for ApiContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiContext").finish_non_exhaustive()
    }
}

/// All APIs.
#[derive(Debug)]
pub struct Apis {
    context: ApiContext,
    options: GrpcOptions,
    health: GrpcHealth,
}

impl Apis {
    /// The APIs, and a task that keeps gRPC health true. Health is serving while `is_serving` holds for the newest of
    /// `states`.
    pub fn new<S: Send + Sync>(
        context: ApiContext,
        states: watch::Receiver<S>,
        is_serving: impl Fn(&S) -> bool + Send,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let options = GrpcOptions {
            max_request: context.max_request,
            budget: Budget::new(context.max_request),
            streams: Streams::default(),
            rejections: Arc::clone(&context.rejections),
        };
        let checks = Arc::clone(&context.stats.health_checks);
        let (health, follow) = health::health(states, is_serving, options.streams.clone(), checks);
        (Self { context, options, health }, follow)
    }

    /// What a worker serves on the gRPC port. Made on the worker's runtime.
    #[must_use]
    pub fn grpc(&self) -> GrpcService<Method> {
        let engine = (self.context.engine)();
        let methods = vec![
            (rls::SHOULD_RATE_LIMIT, Method::RateLimit(self.rls(engine, Api::Rls))),
            (health::CHECK, Method::HealthCheck(self.health.check.clone())),
        ];
        let routes = protocol::reflection(Routes::new(self.health.watch())).prepare();
        GrpcService::new(methods, routes, ROUTED, &self.options)
    }

    /// The routes of the HTTP port. Made on the runtime that serves them.
    pub fn http(&self) -> Router {
        let engine = (self.context.engine)();
        Router::new().route("/json", json::handler(self.rls(engine, Api::Json), self.options.clone()))
    }

    /// The open streams of all connections.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.options.streams
    }

    fn rls(&self, engine: Engine, api: Api) -> RlsService {
        RlsService::new(engine, Arc::clone(&self.context.response), self.context.stats.requests.worker(api))
    }
}
