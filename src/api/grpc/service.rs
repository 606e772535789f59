//! What the gRPC port serves: unary methods of ours, and services of tonic's (health, reflection) beside them.

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use tonic::service::Routes;

use super::{Call, Unary, body::ResponseBody, refusal::Refusal};
use crate::{
    api::budget::{Budget, Share},
    rejections::{Api, PeerName, Reason, Rejections},
};

/// What is the same for all workers.
#[derive(Clone, Debug)]
pub struct GrpcOptions {
    /// The most bytes of a message, compressed or not.
    pub max_request: usize,
    /// For requests that have not come whole.
    pub budget: Arc<Budget>,
    /// Where refusals are counted.
    pub rejections: Arc<Rejections>,
}

/// What a worker serves.
#[derive(Clone, Debug)]
pub struct GrpcService(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    methods: Vec<(&'static str, Arc<dyn Unary>)>,
    routes: Routes,
    /// The services of `routes`, and the methods of each.
    routed: &'static [(&'static str, &'static [&'static str])],
    pub(super) max_request: usize,
    budget: Arc<Budget>,
    rejections: Arc<Rejections>,
}

impl GrpcService {
    /// `methods` by their paths, and beside them `routes` with the services `routed`.
    pub(in crate::api) fn new(
        methods: Vec<(&'static str, Arc<dyn Unary>)>,
        routes: Routes,
        routed: &'static [(&'static str, &'static [&'static str])],
        options: &GrpcOptions,
    ) -> Self {
        let GrpcOptions { max_request, budget, rejections } = options.clone();
        Self(Arc::new(Shared { methods, routes, routed, max_request, budget, rejections }))
    }

    /// What serves one connection of this peer.
    #[must_use]
    pub fn connection(&self, peer: PeerName) -> GrpcConnection {
        let shared = Arc::clone(&self.0);
        GrpcConnection(Arc::new(Connection { share: shared.budget.connection(), shared, peer }))
    }
}

/// Serves one connection.
#[derive(Clone, Debug)]
pub struct GrpcConnection(Arc<Connection>);

impl hyper::service::Service<Request<Incoming>> for GrpcConnection {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Call;

    fn call(&self, request: Request<Incoming>) -> Call {
        Call::new(&self.0, request)
    }
}

/// What the calls of a connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) share: Share,
    peer: PeerName,
}

/// Who answers a call.
pub(super) enum Target {
    /// See [`Connection::method`].
    Method(usize),
    Routes(Routes),
}

impl Connection {
    /// Who answers calls to this path.
    pub(super) fn find(&self, uri: &Uri) -> Result<Target, Refusal> {
        let path = uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let Shared { methods, routes, routed, .. } = &*self.shared;
        if let Some(method) = methods.iter().position(|(known, _)| *known == path) {
            return Ok(Target::Method(method));
        }
        let name = path.strip_prefix('/').and_then(|name| name.rsplit_once('/'));
        let Some((service, method)) = name else {
            return Err(Refusal::UnknownMethod(format!("malformed method name: {:?}", bounded(path))));
        };
        let methods_of = |known: &&(&str, _)| known.0 == service;
        match routed.iter().find(methods_of) {
            Some((_, known)) if known.contains(&method) => return Ok(Target::Routes(routes.clone())),
            Some(_) => {}
            None if methods.iter().any(|(known, _)| service_of(known) == service) => {}
            None => return Err(Refusal::UnknownMethod(format!("unknown service {}", bounded(service)))),
        }
        Err(Refusal::UnknownMethod(format!("unknown method {} for service {service}", bounded(method))))
    }

    pub(super) fn method(&self, method: usize) -> &Arc<dyn Unary> {
        &self.shared.methods[method].1
    }

    /// Counts a refusal, and makes its answer.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response<ResponseBody> {
        if let Some(reason) = refusal.reason() {
            self.shared.rejections.record(Api::Rls, reason, &self.peer, refusal.detail());
        }
        refusal.response()
    }

    /// Counts a refusal that a method gives an answer in place of.
    pub(super) fn record_denied(&self, reason: Reason, refusal: &Refusal) {
        self.shared.rejections.record_denied(Api::Rls, reason, &self.peer, refusal.detail());
    }
}

/// The service in the path of a method.
fn service_of(path: &str) -> &str {
    path.strip_prefix('/').and_then(|name| name.rsplit_once('/')).map_or("", |(service, _)| service)
}

/// What is repeated of a name that a client sent.
fn bounded(name: &str) -> &str {
    const LONGEST: usize = 256;
    name.get(..LONGEST).unwrap_or(if name.len() > LONGEST { "" } else { name })
}
