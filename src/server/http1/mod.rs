//! The HTTP server: a service over HTTP/1, on the caller's runtime. The number of connections, the duration of each
//! step, and the drain are limited.
//!
//! When all slots are taken and another connection arrives, the longest-idle one is evicted, so that a health probe is
//! answered however many peers are connected.

mod body;
mod connection;

use std::{convert::Infallible, error::Error, sync::Arc, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::listen::{
    Acceptor, ConnectionSlot, ConnectionSlots, Dispatch, Eviction, Listener, Opening, ShutdownPhase, Socket,
    SocketOptions, drain,
};
use connection::ConnectionContext;
use tls::ServerTls;

/// The limits of a listener: how many connections it has, and how long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// The maximum number of open connections; for a further one, the longest-idle connection is evicted.
    pub connections: usize,
    /// How long a peer may take for its first bytes and the TLS handshake together, and for the head of a request. Also
    /// how long a connection may be idle.
    pub header_read: Duration,
    /// How long a request may take until its response begins.
    pub request: Duration,
    /// The same while another connection waits for a slot: after that the connection counts as idle.
    pub request_if_crowded: Duration,
    /// How long a client may read nothing of what it was sent, in whole milliseconds, before the kernel closes the
    /// connection.
    pub unread: Duration,
    /// How long requests in flight may take once the listener shuts down.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            header_read: Duration::from_secs(10),
            request: Duration::from_secs(30),
            request_if_crowded: Duration::from_secs(1),
            unread: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// The service of a listener, such as a router.
///
/// The peer of a request is in the request's extensions, as a [`PeerName`](crate::rejections::PeerName).
pub trait HttpService:
    tower::Service<
        Request<Incoming>,
        Response = Response<<Self as HttpService>::Body>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of a response.
    type Body: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Unpin + Send + 'static;
}

impl<S, B> HttpService for S
where
    S: tower::Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Unpin + Send + 'static,
{
    type Body = B;
}

/// Serves until `shutdown` resolves, then lets requests in flight finish for at most `limits.drain`. When it returns,
/// every connection is closed.
pub async fn serve_http<S>(
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    service: S,
    limits: HttpLimits,
    shutdown: impl Future<Output = ()>,
) where
    S: HttpService,
{
    let name = listener.name();
    let acceptor = Acceptor {
        listener,
        slots: ConnectionSlots::new(limits.connections, Eviction::Idle),
        options: SocketOptions { user_timeout: Some(limits.unread), ..SocketOptions::default() },
    };
    let (phases, _) = watch::channel(ShutdownPhase::Serve);
    let opening = Opening::new(tls, limits.header_read);
    let context = Arc::new(ConnectionContext { listener: name, opening, service, limits });
    let mut connections = Connections { set: JoinSet::new(), context, phases: phases.subscribe() };
    acceptor.run(&mut connections, shutdown).await;
    let Connections { mut set, .. } = connections;
    let ended = Box::pin(async { while set.join_next().await.is_some() {} });
    if drain(&phases, Instant::now().checked_add(limits.drain), vec![ended]).await > 0 {
        set.shutdown().await;
    }
}

/// The connections of a listener: each is a task of the caller's runtime.
struct Connections<S> {
    set: JoinSet<()>,
    context: Arc<ConnectionContext<S>>,
    phases: watch::Receiver<ShutdownPhase>,
}

impl<S> Dispatch for Connections<S>
where
    S: HttpService,
{
    fn dispatch(&mut self, socket: Socket, slot: Option<ConnectionSlot>) {
        let Self { set, context, phases } = self;
        // removes ended tasks, so that the set has no more of them than there are slots
        while set.try_join_next().is_some() {}
        // there is always a slot, except in a drain
        if let Some(slot) = slot {
            set.spawn(connection::serve(socket, slot, Arc::clone(context), phases.clone()));
        }
    }
}
