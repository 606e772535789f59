//! One connection from its first bytes to its end: secured if the listener is, served by hyper, told to go away by age
//! or on drain, and closed.

use std::{
    collections::hash_map::RandomState,
    convert::Infallible,
    error::Error,
    future::ready,
    hash::{BuildHasher as _, Hasher as _},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    rt::{Read, Write},
    server::conn::http2,
    service::Service,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Http2, ServerConfig, Stats,
    io::PeerIo,
    peer::PeerContext,
    preface::{self, Greeting},
    socket::Parcel,
    stats::count,
    turn::{InTurns, Turn},
    worker::Silent,
};
use crate::{
    places::Places,
    rejections::{PeerName, Reason, Rejections},
    tls::{self, Gate, HandshakeError, Peer, ServerTls},
};

/// How long a peer that has only just connected when the drain begins has for its handshake and preface.
const PREFACE_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// What the server's owner wants of every connection; only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Serve,
    /// Tell the peer to go away, finish its calls, close.
    Drain,
    /// Close at once.
    Close,
}

/// Bytes that one stream may send before they are read. Calls are read as they come; only a reflection stream whose client
/// does not read its answers is not.
const STREAM_WINDOW: u32 = 64 << 10;

/// Bytes that a connection may send before they are read. h2 derives from it how many short frames may lie unread; `turn`
/// sees to it that fewer do.
const CONNECTION_WINDOW: u32 = 128 << 10;

/// A header block may be so long in any case.
const LEAST_BLOCK: usize = 64 << 10;

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

/// What every connection of a worker is served with.
#[derive(Debug)]
pub(super) struct Terms {
    tls: Option<Arc<ServerTls>>,
    handshakes: Gate,
    places: Arc<Places>,
    http2: Http2,
    hyper: http2::Builder<TokioExecutor>,
    wire: Arc<wire::Config>,
    buffers: wire::Buffers,
    rejections: Arc<Rejections>,
    preface_timeout: Duration,
    age: Duration,
    grace: Duration,
}

impl Terms {
    pub(super) fn new(config: &ServerConfig, places: Arc<Places>) -> Self {
        let mut hyper = http2::Builder::new(TokioExecutor::new());
        hyper
            // No gRPC client wants a date, and it costs a header on each answer.
            .auto_date_header(false)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_concurrent_streams(config.max_concurrent_streams)
            .max_header_list_size(config.max_header_list_size)
            .max_send_buf_size(config.max_send_buffer_size.min(u32::MAX as usize))
            .max_pending_accept_reset_streams(config.max_pending_reset_streams);
        let wire = wire::Config {
            max_streams: config.max_concurrent_streams,
            stream_window: config.stream_window,
            connection_window: config.connection_window,
            max_field_list: config.max_header_list_size,
            max_block: (config.max_header_list_size as usize).saturating_mul(2).max(LEAST_BLOCK),
            held: Arc::clone(&config.held),
            ..wire::Config::default()
        };
        Self {
            tls: config.tls.clone(),
            handshakes: Gate::default(),
            places,
            http2: config.http2,
            hyper,
            wire: Arc::new(wire),
            buffers: wire::Buffers::default(),
            rejections: Arc::clone(&config.rejections),
            preface_timeout: config.preface_timeout,
            age: never_if_zero(config.max_connection_age),
            grace: never_if_zero(config.max_connection_age_grace),
        }
    }
}

fn never_if_zero(duration: Duration) -> Duration {
    if duration.is_zero() { Duration::MAX } else { duration }
}

/// Serves a connection until it ends. Must be called on the worker's runtime.
pub(super) async fn serve<S, B>(
    parcel: Parcel,
    silent: Silent,
    service: S,
    terms: &Terms,
    orders: watch::Receiver<Order>,
    stats: &Stats,
) where
    S: GrpcService<B>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let lost = match parcel {
        Parcel::Tcp(stream) => match TcpStream::from_std(stream) {
            Ok(stream) => {
                let peer = stream.peer_addr().map_or(PeerName::Unknown, PeerName::Tcp);
                return secure(stream, peer, silent, service, terms, orders, stats).await;
            }
            Err(error) => error,
        },
        Parcel::Unix(stream) => match UnixStream::from_std(stream) {
            Ok(stream) => return secure(stream, PeerName::Unix, silent, service, terms, orders, stats).await,
            Err(error) => error,
        },
    };
    tracing::warn!("cannot serve an accepted connection: {lost}");
}

/// Waits for the peer to speak, unless its place is wanted meanwhile, and finishes the TLS handshake, where there is one to
/// do, before anything is served.
async fn secure<T, S, B>(
    stream: T,
    peer: PeerName,
    silent: Silent,
    service: S,
    terms: &Terms,
    orders: watch::Receiver<Order>,
    stats: &Stats,
) where
    T: Peer + Send + 'static,
    S: GrpcService<B>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let mut patience: Patience = Box::pin(patience(terms.preface_timeout, orders.clone()));
    let given_up = tokio::select! {
        biased;
        _ = stream.heard() => false,
        () = patience.as_mut() => true,
        () = terms.places.asked_for() => true,
    };
    drop(silent);
    if given_up {
        patience = Box::pin(ready(()));
    }
    let peer = PeerContext { name: peer, rejections: Arc::clone(&terms.rejections) };
    let Some(tls) = &terms.tls else {
        return serve_stream(stream, peer, service, terms, patience, orders, stats).await;
    };
    match tls.accept(stream, &peer.name, &terms.handshakes, patience.as_mut()).await {
        Ok(stream) => serve_stream(stream, peer, service, terms, patience, orders, stats).await,
        // Left of its own accord, as TCP health checks do.
        Err(HandshakeError { reason: tls::Reason::Closed, .. }) => {}
        Err(HandshakeError { reason: tls::Reason::Timeout, .. }) if *orders.borrow() >= Order::Drain => {}
        // Logged there.
        Err(_) => peer.count(Reason::TlsHandshake),
    }
}

async fn serve_stream<T, S, B>(
    mut stream: T,
    peer: PeerContext,
    service: S,
    terms: &Terms,
    mut patience: Patience,
    orders: watch::Receiver<Order>,
    stats: &Stats,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: GrpcService<B>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let greeted = tokio::select! {
        biased;
        greeted = preface::read(&mut stream) => Some(greeted),
        () = patience.as_mut() => None,
    };
    drop(patience);
    if greeted != Some(Greeting::Http2) {
        count(&stats.no_preface);
        let draining = *orders.borrow() >= Order::Drain;
        match greeted {
            Some(Greeting::Http1) => peer.reject(Reason::Http1, &"this port speaks gRPC over HTTP/2 alone"),
            Some(Greeting::Other) => {
                peer.reject(Reason::Preface, &"the connection did not begin with HTTP/2's preface");
            }
            None if !draining => {
                peer.reject(Reason::Preface, &"the peer sent no HTTP/2 preface in time, or before its slot was needed");
            }
            _ => {}
        }
        return;
    }
    match terms.http2 {
        Http2::Wire => {
            let connection = wire::Served::new(stream, service, &terms.wire, &terms.buffers);
            serve_http2(pin!(connection), terms, orders, stats).await;
        }
        Http2::Hyper => {
            let turn = Turn::default();
            let io = TokioIo::new(PeerIo::new(turn.paced(stream), peer));
            let connection = Box::pin(terms.hyper.serve_connection(io, service));
            serve_http2(pin!(turn.each(connection)), terms, orders, stats).await;
        }
    }
}

/// Serves until the connection ends, or is ended: for its age, or by an order.
async fn serve_http2<C: Connection>(
    mut connection: Pin<&mut C>,
    terms: &Terms,
    mut orders: watch::Receiver<Order>,
    stats: &Stats,
) {
    let mut grace = Duration::MAX;
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log_end(ended),
        () = sleep(jittered(terms.age)) => {
            count(&stats.aged_out);
            grace = terms.grace;
        }
        () = ordered(&mut orders, Order::Drain) => {}
    }
    connection.as_mut().shut_down();
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log_end(ended),
        () = sleep(grace) => {}
        () = ordered(&mut orders, Order::Close) => {}
    }
    count(&stats.forced);
}

/// An HTTP/2 connection of either implementation.
pub(super) trait Connection: Future<Output = Result<(), Self::Error>> {
    /// Why it ended.
    type Error: Error;

    /// Begins the graceful end, which goes on when the connection is polled.
    fn shut_down(self: Pin<&mut Self>);
}

impl<T, H> Connection for wire::Served<T, H>
where
    T: AsyncRead + AsyncWrite + Unpin,
    H: wire::Handler<Call: Unpin> + Unpin,
{
    type Error = std::io::Error;

    fn shut_down(self: Pin<&mut Self>) {
        self.get_mut().shut_down();
    }
}

impl<I, S, B> Connection for InTurns<http2::Connection<I, S, TokioExecutor>>
where
    I: Read + Write + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send + 'static>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    type Error = hyper::Error;

    fn shut_down(self: Pin<&mut Self>) {
        self.get_mut().connection().graceful_shutdown();
    }
}

/// See [`patience`].
type Patience = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends when a peer has had its time to say something useful: its handshake and its preface, together.
async fn patience(whole: Duration, mut orders: watch::Receiver<Order>) {
    let drained = async {
        ordered(&mut orders, Order::Drain).await;
        let _ = timeout(PREFACE_WHILE_DRAINING, ordered(&mut orders, Order::Close)).await;
    };
    // However it ends, it is over.
    let _ = timeout(whole, drained).await;
}

/// Waits until the order is at least this one. An owner that is gone wants everything closed.
async fn ordered(orders: &mut watch::Receiver<Order>, order: Order) {
    let _ = orders.wait_for(|now| *now >= order).await;
}

/// Peers break connections all the time; that is theirs to know, and of use to us only when searching for a fault.
fn log_end(ended: Result<(), impl Error>) {
    if let Err(error) = ended {
        tracing::debug!(
            "connection ended: {error}{}",
            error.source().map(|cause| format!(": {cause}")).unwrap_or_default()
        );
    }
}

/// The duration give or take up to a tenth, so that connections made together do not all come back together.
fn jittered(duration: Duration) -> Duration {
    // Each RandomState has new keys, which makes it the random number that the standard library has.
    let random = RandomState::new().build_hasher().finish();
    let permille = 900 + u32::try_from(random % 201).unwrap_or(100);
    duration.checked_mul(permille).map_or(duration, |product| product / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_a_tenth_either_way() {
        let ages: Vec<_> = (0..1000).map(|_| jittered(Duration::from_secs(100))).collect();
        assert!(ages.iter().all(|age| (90..=110).contains(&age.as_secs())), "{ages:?}");
        assert!(ages.iter().any(|age| age.as_secs() < 95) && ages.iter().any(|age| age.as_secs() >= 105), "{ages:?}");
        assert_eq!(jittered(Duration::MAX), Duration::MAX);
    }
}
