//! The gRPC service: unary methods that are implemented here, and services that tonic serves (health `Watch`,
//! reflection).

use std::{fmt::Display, sync::Arc};

use http::{Extensions, Response};
use tonic::service::Routes;

use super::{Unary, body::ResponseBody, refusal::Refusal};
use crate::{
    api::{
        budget::{Budget, Share},
        streams::Streams,
    },
    rejections::{Api, PeerName, Reason, Rejections},
};
use tls::PeerCertificate;

/// Limits and counters that all workers share.
#[derive(Clone, Debug)]
pub struct GrpcOptions {
    /// The most bytes of a message, compressed or not.
    pub max_request: usize,
    /// The memory budget of incomplete requests.
    pub budget: Arc<Budget>,
    /// The open calls to services that tonic serves.
    pub streams: Streams,
    /// The counters of rejected calls.
    pub rejections: Arc<Rejections>,
}

/// A service that tonic serves.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Routed {
    pub(in crate::api) service: &'static str,
    pub(in crate::api) methods: &'static [&'static str],
    pub(in crate::api) requests: Requests,
}

/// The kind of requests to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Requests {
    /// One message, which must be complete in time. The response may be a stream.
    OneMessage,
    /// Streams, which last as long as their clients want.
    Streams,
}

/// The gRPC service of a worker. `U`: the unary methods.
#[derive(Debug)]
pub struct GrpcService<U>(Arc<Shared<U>>);

#[derive(Debug)]
pub(super) struct Shared<U> {
    methods: Vec<(&'static str, U)>,
    pub(super) blocks: Blocks,
    routes: Routes,
    /// The services of `routes`.
    routed: &'static [Routed],
    pub(super) max_request: usize,
    budget: Arc<Budget>,
    streams: Streams,
    rejections: Arc<Rejections>,
}

impl<U: Unary> GrpcService<U> {
    /// A service of `methods`, by their paths, and of `routes`, which has the services `routed`.
    pub(in crate::api) fn new(
        methods: Vec<(&'static str, U)>,
        routes: Routes,
        routed: &'static [Routed],
        options: &GrpcOptions,
    ) -> Self {
        let GrpcOptions { max_request, budget, streams, rejections } = options.clone();
        let blocks = Blocks::new();
        Self(Arc::new(Shared { methods, blocks, routes, routed, max_request, budget, streams, rejections }))
    }

    /// The handler of a connection of this peer, which has presented this certificate.
    #[must_use]
    pub fn connection(&self, peer: PeerName, certificate: Option<PeerCertificate>) -> GrpcConnection<U> {
        let shared = Arc::clone(&self.0);
        let (share, streams) = (shared.budget.connection(), shared.streams.connection());
        GrpcConnection(Arc::new(Connection { shared, share, streams, peer, certificate }))
    }
}

/// The handler of a connection over hyper or the crate wire.
#[derive(Debug)]
pub struct GrpcConnection<U>(pub(super) Arc<Connection<U>>);

/// The state that the calls of a connection share.
#[derive(Debug)]
pub(super) struct Connection<U> {
    pub(super) shared: Arc<Shared<U>>,
    pub(super) share: Share,
    pub(super) streams: wire::service::Share,
    peer: PeerName,
    certificate: Option<PeerCertificate>,
}

/// The implementation of a method.
pub(super) enum Target {
    /// A unary method, by its index for [`Connection::method`].
    Method(usize),
    /// A service that tonic serves.
    Routes(Routes, Requests),
}

impl<U: Unary> Connection<U> {
    /// The implementation of the method with this path.
    pub(super) fn find(&self, path: &str) -> Result<Target, Refusal> {
        let Shared { methods, routes, routed, .. } = &*self.shared;
        if let Some(method) = methods.iter().position(|(known, _)| *known == path) {
            return Ok(Target::Method(method));
        }
        let name = path.strip_prefix('/').and_then(|name| name.rsplit_once('/'));
        let Some((service, method)) = name else {
            return Err(Refusal::UnknownMethod(format!("malformed method name: {:?}", bounded(path))));
        };
        match routed.iter().find(|known| known.service == service) {
            Some(known) if known.methods.contains(&method) => {
                return Ok(Target::Routes(routes.clone(), known.requests));
            }
            Some(_) => {}
            None if methods.iter().any(|(known, _)| service_of(known) == service) => {}
            None => return Err(Refusal::UnknownMethod(format!("unknown service {}", bounded(service)))),
        }
        Err(Refusal::UnknownMethod(format!("unknown method {} for service {service}", bounded(method))))
    }

    /// The peer's name and certificate, for services that tonic serves.
    pub(super) fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(self.peer.clone());
        if let Some(certificate) = &self.certificate {
            extensions.insert(certificate.clone());
        }
        extensions
    }

    pub(super) fn method(&self, method: usize) -> &U {
        &self.shared.methods[method].1
    }

    /// Counts a refusal, and returns its response.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response<ResponseBody> {
        self.record(refusal);
        refusal.response()
    }

    /// Counts a refusal.
    pub(super) fn record(&self, refusal: &Refusal) {
        if let Some(reason) = refusal.reason() {
            self.reject(reason, refusal.detail());
        }
    }

    /// Counts a rejection.
    pub(super) fn reject(&self, reason: Reason, detail: &dyn Display) {
        self.shared.rejections.record(Api::Rls, reason, &self.peer, detail);
    }

    /// Counts a refusal that is answered with a denial instead of an error.
    pub(super) fn record_denied(&self, reason: Reason, refusal: &Refusal) {
        self.shared.rejections.record_denied(Api::Rls, reason, &self.peer, refusal.detail());
    }
}

/// The header blocks of the unary methods' responses, encoded once.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) head: wire::Block,
    /// The headers with [`Note::UnknownDomain`](super::Note).
    pub(super) unknown_domain: wire::Block,
    pub(super) trailers: wire::Block,
}

impl Blocks {
    fn new() -> Self {
        let head: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"application/grpc")];
        let note: (&[u8], &[u8]) = (b"x-tollgate-domain", b"unknown");
        Self {
            head: wire::Block::new(head),
            unknown_domain: wire::Block::new([head[0], head[1], note]),
            trailers: wire::Block::new([(&b"grpc-status"[..], &b"0"[..])]),
        }
    }
}

/// The service in the path of a method.
fn service_of(path: &str) -> &str {
    path.strip_prefix('/').and_then(|name| name.rsplit_once('/')).map_or("", |(service, _)| service)
}

/// The part of a name from a client that is repeated in a message.
fn bounded(name: &str) -> &str {
    const LONGEST: usize = 256;
    name.get(..LONGEST).unwrap_or(if name.len() > LONGEST { "" } else { name })
}
