//! Serves a router on a listener, over TLS where it is given: bounded in connections and in patience, with a drain that ends.
//!
//! When all connections are taken and another comes, the one that has been idle longest is closed: no crowd of them keeps
//! a probe from its answer.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::IntoResponse};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::rejections::PeerName;
use slot_pool::{Slot, SlotPool};
use tls::{Gate, ServerTls};

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time; for one more, the connection that has been idle longest is closed.
    pub connections: usize,
    /// For a TLS handshake, for a request's head to arrive, and for an idle connection.
    pub header_read: Duration,
    /// For a request to be read and its answer to begin.
    pub request: Duration,
    /// For a request while another connection waits for a slot: after that the connection counts as idle.
    pub request_if_crowded: Duration,
    /// For a client to take more of what it was sent, in whole milliseconds; the kernel breaks the connection then.
    pub unread: Duration,
    /// For requests under way once the listener shuts down.
    pub drain: Duration,
}

impl Default for Limits {
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

/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection of a listener is served with.
#[derive(Clone)]
struct Terms {
    slots: Arc<SlotPool>,
    secure: Option<Arc<(Arc<ServerTls>, Gate)>>,
    router: Router,
    limits: Limits,
    stopping: watch::Receiver<bool>,
}

/// Answers until `shutdown`, then lets requests under way finish for at most `limits.drain`. When it returns, every
/// connection is closed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerTls>>,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let secure = tls.map(|tls| Arc::new((tls, Gate::default())));
    let (stop, stopping) = watch::channel(false);
    let terms = Terms { slots: Arc::new(SlotPool::new(limits.connections)), secure, router, limits, stopping };
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut in_trouble = false;
    loop {
        let (stream, slot) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &terms.slots, &mut in_trouble) => accepted,
        };
        // There are no more of them than slots.
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, slot, terms.clone()));
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, all_ended).await.is_err() {
        connections.shutdown().await;
    }
}

/// `in_trouble` is whether there was no connection to take when the last one was asked for: logged when it begins and
/// when it is over.
async fn accept(listener: &TcpListener, slots: &SlotPool, in_trouble: &mut bool) -> (TcpStream, Slot) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if std::mem::take(in_trouble) {
                    tracing::info!("accepting connections again on an HTTP listener");
                }
                return (stream, slots.acquire().await);
            }
            Err(error) => {
                if !std::mem::replace(in_trouble, true) {
                    tracing::warn!(%error, "cannot accept connections on an HTTP listener; trying on (if files ran out, raise `ulimit -n`)");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, _place: Slot, mut terms: Terms) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(terms.limits.unread)) {
        tracing::debug!(%error, "an HTTP connection ended before it began");
        return;
    }
    let name = stream.peer_addr().map_or(PeerName::Unknown, PeerName::Tcp);
    let Some(secure) = terms.secure.take() else { return requests(stream, name, terms).await };
    let (tls, handshakes) = &*secure;
    let over = async {
        tokio::select! {
            // Over either way: in time, or at shutdown.
            _ = timeout(terms.limits.header_read, terms.stopping.wait_for(|stop| *stop)) => {}
            () = terms.slots.evicted() => {}
        }
    };
    // A failure has been counted and logged.
    let stream = tls.accept(stream, &name, handshakes, over).await;
    if let Ok(stream) = stream {
        requests(stream, name, terms).await;
    }
}

/// Serves a connection. Handlers find its peer in the extensions of a request.
async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: PeerName, terms: Terms) {
    let Terms { slots, router, limits, mut stopping, .. } = terms;
    let (under_way, calls) = watch::channel(false);
    let under_way = Arc::new(under_way);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let answer = router.clone().oneshot(Request::from(request.map(Body::new)));
        let call = Call::begin(&under_way);
        async move {
            let response = match timeout(limits.request, answer).await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
            };
            // it is under way until the last of its body is written
            let under_way = move |frame| {
                let _held = &call;
                frame
            };
            Ok::<_, Infallible>(response.map(|body| Body::new(body.map_frame(under_way))))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let stopped = async { stopping.wait_for(|stop| *stop).await.is_ok() };
    let result = tokio::select! {
        biased;
        result = served.as_mut() => result,
        _ = stopped => {
            served.as_mut().graceful_shutdown();
            served.await
        }
        () = evicted_when_idle(&slots, calls, limits.request_if_crowded) => {
            tracing::debug!("an idle HTTP connection gave its slot to another");
            return;
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// Resolves when the connection is evicted, for which it must be idle: a call under way is left alone for `patience`.
async fn evicted_when_idle(slots: &SlotPool, mut calls: watch::Receiver<bool>, patience: Duration) {
    loop {
        // A call that is still under way counts as idle: only a peer that neither sends nor reads takes so long.
        let _ = timeout(patience, calls.wait_for(|under_way| !*under_way)).await;
        tokio::select! {
            biased;
            // Never an error: the connection that is served has the other end.
            _ = calls.changed() => {}
            () = slots.evicted() => return,
        }
    }
}

/// A call under way on a connection, which has one at a time.
struct Call(Arc<watch::Sender<bool>>);

impl Call {
    fn begin(under_way: &Arc<watch::Sender<bool>>) -> Self {
        under_way.send_replace(true);
        Self(Arc::clone(under_way))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::oneshot,
    };

    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_does_not_keep_its_slot() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().route("/", get(|| async { vec![0_u8; 64 << 20] }));
        let limits = Limits { connections: 1, unread: Duration::from_secs(1), ..Limits::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, None, router, limits, async { stopped.await.unwrap_or_default() }));

        let mut deaf = TcpStream::connect(address).await.expect("connected");
        deaf.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let mut first = [0; 15];
        deaf.read_exact(&mut first).await.expect("the answer has begun");
        let mut next = TcpStream::connect(address).await.expect("queued");
        next.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        let answered = timeout(Duration::from_secs(120), next.read_exact(&mut first)).await;
        answered.expect("in time").expect("answered");
        drop((next, deaf));
        stop.send(()).expect("the server waits");
        server.await.expect("no panic");
    }
}
