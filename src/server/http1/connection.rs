//! One HTTP/1 connection: it is opened, served, drained, and can be evicted while it is idle.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};
use tower::ServiceExt as _;

use super::{HttpLimits, HttpService, body::InFlightBody};
use crate::{
    rejections::PeerName,
    server::listen::{ConnectionSlot, Deadline, Opening, ServeStream, ShutdownPhase, Socket, reached},
};
use tls::PeerCertificate;

/// What all connections of a listener share.
#[derive(Debug)]
pub(super) struct ConnectionContext<S> {
    /// The listener's name.
    pub(super) listener: &'static str,
    pub(super) opening: Opening,
    pub(super) service: S,
    pub(super) limits: HttpLimits,
}

/// Serves a connection until it ends.
pub(super) async fn serve<S>(
    socket: Socket,
    mut slot: ConnectionSlot,
    context: Arc<ConnectionContext<S>>,
    phases: watch::Receiver<ShutdownPhase>,
) where
    S: HttpService,
{
    let requests = Requests { context: &context, peer: socket.peer(), phases: phases.clone() };
    if let Err(error) = context.opening.open(socket, &mut slot, phases, requests).await {
        tracing::debug!(listener = context.listener, ?error, "an HTTP connection ended before its first request");
    }
}

/// Answers the requests of a connection.
struct Requests<'a, S> {
    context: &'a ConnectionContext<S>,
    peer: PeerName,
    phases: watch::Receiver<ShutdownPhase>,
}

impl<S> ServeStream for Requests<'_, S>
where
    S: HttpService,
{
    type Output = ();

    async fn serve<T>(self, stream: T, _: Option<PeerCertificate>, slot: &ConnectionSlot, _: Deadline)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { context, peer, mut phases } = self;
        let ConnectionContext { listener, service, limits, .. } = context;
        let (in_flight, calls) = watch::channel(false);
        let in_flight = Arc::new(in_flight);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let response = service.clone().oneshot(request);
            let call = InFlight::begin(&in_flight);
            async move {
                let response = match timeout(limits.request, response).await {
                    Ok(Ok(response)) => response.map(|body| InFlightBody::new(body, call)),
                    Ok(Err(never)) => match never {},
                    Err(_) => {
                        let mut response = Response::new(InFlightBody::empty());
                        *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
                        response
                    }
                };
                Ok::<_, Infallible>(response)
            }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_read)
            .serve_connection(TokioIo::new(stream), service);
        let mut served = pin!(served);
        let result = tokio::select! {
            biased;
            result = served.as_mut() => result,
            () = reached(&mut phases, ShutdownPhase::Drain) => {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    result = served.as_mut() => result,
                    () = reached(&mut phases, ShutdownPhase::Close) => return,
                }
            }
            () = evicted_when_idle(slot, calls, limits.request_if_crowded) => {
                tracing::debug!(listener, "an idle HTTP connection was evicted for another one");
                return;
            }
        };
        if let Err(error) = result {
            tracing::debug!(listener, %error, "an HTTP connection ended early");
        }
    }
}

/// Resolves when the connection is evicted. It can be evicted while it is idle, or once a call has been in flight for
/// `patience`.
async fn evicted_when_idle(slot: &ConnectionSlot, mut calls: watch::Receiver<bool>, patience: Duration) {
    loop {
        // After `patience` a call in flight counts as idle: only a peer that neither sends nor reads takes that long.
        let _ = timeout(patience, calls.wait_for(|in_flight| !*in_flight)).await;
        tokio::select! {
            biased;
            // Never an error: the served connection owns the sender.
            _ = calls.changed() => {}
            () = slot.evicted() => return,
        }
    }
}

/// A call in flight. A connection has at most one at a time.
#[derive(Debug)]
pub(super) struct InFlight(Arc<watch::Sender<bool>>);

impl InFlight {
    fn begin(in_flight: &Arc<watch::Sender<bool>>) -> Self {
        in_flight.send_replace(true);
        Self(Arc::clone(in_flight))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}
