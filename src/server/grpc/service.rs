//! The service of a connection: a hyper service and a wire handler in one trait.

use std::convert::Infallible;

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::Service,
};

use super::http2::Broken;

/// The service of one connection, made for it by its worker.
pub trait GrpcService:
    Service<
        Request<Incoming>,
        Response = Response<<Self as GrpcService>::Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + wire::Handler<Call: Unpin + Send + 'static>
    + Unpin
    + Send
    + Sync
    + 'static
{
    /// The body of a response over hyper.
    type Body: Body<Error: Into<Broken>, Data: Send> + Send + 'static;
}

impl<S, B> GrpcService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send + 'static>
        + wire::Handler<Call: Unpin + Send + 'static>
        + Unpin
        + Send
        + Sync
        + 'static,
    B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
{
    type Body = B;
}
