//! What a connection is served with: hyper's service and wire's handler in one.

use std::convert::Infallible;

use hyper::{Request, Response, body::Incoming, service::Service};

/// What serves one connection; made for it by its worker's factory.
pub trait GrpcService<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
    + wire::Handler<Call: Unpin + Send + 'static>
    + Unpin
    + Send
    + Sync
    + 'static
{
}

impl<S, B> GrpcService<B> for S where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + wire::Handler<Call: Unpin + Send + 'static>
        + Unpin
        + Send
        + Sync
        + 'static
{
}
