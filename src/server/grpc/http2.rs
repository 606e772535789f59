//! What the two implementations of an HTTP/2 connection, wire and hyper, have in common.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    rt::{Read, Write},
    server::conn::http2,
    service::Service,
};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncWrite};

use super::turn::InTurns;

/// The error with which a connection ended.
pub(super) type Broken = Box<dyn Error + Send + Sync>;

/// A connection. It makes progress only while it is polled.
pub(super) trait Connection: Send {
    /// Serves the connection; ready when it has ended.
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>>;

    /// Begins the graceful shutdown, which continues when the connection is polled. With wire, the peer has `patience`
    /// to acknowledge it, and a second call with a shorter `patience` reduces it; hyper has no such limit.
    fn shut_down(self: Pin<&mut Self>, patience: Duration);
}

impl<T, H> Connection for wire::Served<T, H>
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
    H: wire::Handler<Call: Unpin + Send> + Unpin + Send,
{
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.poll(cx).map_err(Into::into)
    }

    fn shut_down(self: Pin<&mut Self>, patience: Duration) {
        self.get_mut().shut_down(patience);
    }
}

impl<I, S, B> Connection for InTurns<http2::Connection<I, S, TokioExecutor>>
where
    I: Read + Write + Unpin + Send,
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send + 'static> + Send,
    S::Error: Into<Broken>,
    B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
{
    fn poll_served(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.poll(cx).map_err(Into::into)
    }

    fn shut_down(self: Pin<&mut Self>, _: Duration) {
        self.get_mut().connection().graceful_shutdown();
    }
}
