//! One connection from its first bytes to its end: begun, served, sent away by age or on drain, and closed.

use std::{
    collections::hash_map::RandomState,
    convert::Infallible,
    future::poll_fn,
    hash::{BuildHasher as _, Hasher as _},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http2,
    service::Service,
};
use hyper_util::rt::TokioExecutor;
use tokio::{sync::watch, time::sleep};

use super::{
    Http2, ServerConfig, ServerContext, Stats,
    begin::Beginning,
    http2::{Broken, Connection},
    peer::RemotePeer,
    socket::Parcel,
    stats::count,
    worker::Silent,
};
use crate::{
    places::Places,
    rejections::Rejections,
    tls::{Gate, ServerTls},
};

/// What the server's owner wants of every connection; only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Serve,
    /// Tell the peer to go away, finish its calls, close.
    Drain,
    /// Close at once.
    Close,
}

/// Bytes that one stream may send before they are read. Calls are read as they come; only a reflection stream whose
/// client does not read its answers is not.
const STREAM_WINDOW: u32 = 64 << 10;

/// Bytes that a connection may send before they are read. h2 derives from it how many short frames may lie unread;
/// `turn` sees to it that fewer do.
const CONNECTION_WINDOW: u32 = 128 << 10;

/// A header block may be so long in any case.
const LEAST_BLOCK: usize = 64 << 10;

/// How long a peer has to acknowledge that its connection ends. Calls that it sends later are lost, so one that is
/// starved for a while must have enough; a peer that never answers may not hold up a shutdown for long.
const AGED: Duration = Duration::from_secs(10);
const DRAINING: Duration = Duration::from_secs(1);

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
    pub(super) tls: Option<Arc<ServerTls>>,
    pub(super) handshakes: Gate,
    pub(super) places: Arc<Places>,
    pub(super) http2: Http2,
    pub(super) hyper: http2::Builder<TokioExecutor>,
    pub(super) wire: Arc<wire::Config>,
    pub(super) buffers: wire::Buffers,
    pub(super) rejections: Arc<Rejections>,
    pub(super) preface_timeout: Duration,
    age: Duration,
    grace: Duration,
}

impl Terms {
    pub(super) fn new(
        config: &ServerConfig,
        context: &ServerContext,
        held: Arc<wire::HeldReplies>,
        places: Arc<Places>,
    ) -> Self {
        let limits = &config.limits;
        let max_streams = config.max_concurrent_streams.get();
        let mut hyper = http2::Builder::new(TokioExecutor::new());
        hyper
            // No gRPC client wants a date, and it costs a header on each answer.
            .auto_date_header(false)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_concurrent_streams(max_streams)
            .max_header_list_size(config.max_header_list_size)
            .max_send_buf_size(limits.max_send_buffer_size.min(u32::MAX as usize))
            .max_pending_accept_reset_streams(limits.max_pending_reset_streams);
        let wire = wire::Config {
            max_streams,
            stream_window: config.stream_window,
            connection_window: config.connection_window,
            max_field_list: config.max_header_list_size,
            max_block: (config.max_header_list_size as usize).saturating_mul(2).max(LEAST_BLOCK),
            held,
            ..wire::Config::default()
        };
        Self {
            tls: context.tls.clone(),
            handshakes: Gate::default(),
            places,
            http2: config.http2,
            hyper,
            wire: Arc::new(wire),
            buffers: wire::Buffers::default(),
            rejections: Arc::clone(&context.rejections),
            preface_timeout: limits.preface_timeout,
            age: never_if_zero(config.max_connection_age),
            grace: never_if_zero(config.max_connection_age_grace),
        }
    }
}

fn never_if_zero(duration: Duration) -> Duration {
    if duration.is_zero() { Duration::MAX } else { duration }
}

/// Serves a connection until it ends. Must be called on the worker's runtime.
///
/// How it begins takes more memory than how it goes on, and so that is a future in a box, which is gone by then.
pub(super) async fn serve<M, S, B>(parcel: Parcel, silent: Silent, beginning: Beginning<'_, M>)
where
    M: Fn(RemotePeer) -> S,
    S: GrpcService<B>,
    B: Body<Error: Into<Broken>, Data: Send> + Send + 'static,
{
    if let Some(connection) = Box::pin(beginning.connection(parcel, silent)).await {
        serve_http2(connection, beginning.terms, beginning.orders, beginning.stats).await;
    }
}

/// Serves until the connection ends, or is ended: for its age, or by an order.
async fn serve_http2(
    mut connection: Pin<Box<dyn Connection>>,
    terms: &Terms,
    mut orders: watch::Receiver<Order>,
    stats: &Stats,
) {
    tokio::select! {
        biased;
        ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
        () = sleep(jittered(terms.age)) => {
            count(&stats.aged_out);
            connection.as_mut().shut_down(AGED);
            tokio::select! {
                biased;
                ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
                () = sleep(terms.grace) => return count(&stats.forced),
                () = ordered(&mut orders, Order::Drain) => {}
            }
        }
        () = ordered(&mut orders, Order::Drain) => {}
    }
    connection.as_mut().shut_down(DRAINING);
    tokio::select! {
        biased;
        ended = poll_fn(|cx| connection.as_mut().poll_served(cx)) => return log_end(ended),
        () = ordered(&mut orders, Order::Close) => {}
    }
    count(&stats.forced);
}

/// Waits until the order is at least this one. An owner that is gone wants everything closed.
pub(super) async fn ordered(orders: &mut watch::Receiver<Order>, order: Order) {
    let _ = orders.wait_for(|now| *now >= order).await;
}

/// Peers break connections all the time; that is theirs to know, and of use to us only when searching for a fault.
fn log_end(ended: Result<(), Broken>) {
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
