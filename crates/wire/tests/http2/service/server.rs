//! A server whose calls go to one service, and a client of it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::Context,
    time::Instant,
};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::{Extensions, HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use wire::{
    Buffers, Config, Event, Handler, Head, Opened, Progress, Reply, Served,
    service::{Exchange, Failure, Pool, RequestBody, Share},
};

/// The body of a response.
pub(crate) type Body = UnsyncBoxBody<Bytes, String>;

/// The failures that a server has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, what: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
pub(crate) struct Services<S> {
    service: S,
    share: Share,
    seen: Seen,
}

impl<S> Services<S> {
    pub(crate) fn new(service: S) -> Self {
        Self { service, share: Pool::new(1 << 30).connection(), seen: Seen::default() }
    }

    /// Records the failure of a call that is done.
    fn note(&self, exchange: &Exchange, progress: Progress) -> Progress {
        if progress == Progress::Done
            && let Some(failure) = exchange.failure()
        {
            let panicked = if matches!(failure, Failure::Panicked) { "panic: " } else { "" };
            self.seen.add(format!("{panicked}{failure}"));
        }
        progress
    }
}

impl<S, F> Handler for Services<S>
where
    S: Fn(Request<RequestBody>) -> F + Clone + Send + Unpin + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    type Call = Exchange;

    fn open(&mut self, head: &Head<'_>, _: Instant) -> Opened<Exchange> {
        let call = Exchange::open(head, Extensions::new(), &self.share, None, self.service.clone());
        Opened { call, until: None, is_waiting: true }
    }

    fn data(&mut self, call: &mut Exchange, data: &[u8], is_end: bool, reply: &mut Reply<'_>) -> Progress {
        call.data(data, is_end, reply)
    }

    fn poll(&mut self, call: &mut Exchange, cx: &mut Context<'_>, reply: &mut Reply<'_>) -> Progress {
        let progress = call.poll(cx, reply);
        self.note(call, progress)
    }

    fn expire(&mut self, call: &mut Exchange, reply: &mut Reply<'_>) -> Progress {
        let progress = call.expire(reply);
        self.note(call, progress)
    }

    fn report(&mut self, event: Event) {
        self.seen.add(format!("{event:?}"));
    }
}

/// The configuration of the connection.
pub(crate) fn config() -> Config {
    Config { stream_window: 1 << 16, connection_window: 1 << 17, ..Config::default() }
}

/// Connects a client to a server with this service.
pub(crate) async fn connect<S, F>(client: &Builder, config: Config, service: S) -> (SendRequest<Bytes>, Seen)
where
    S: Fn(Request<RequestBody>) -> F + Clone + Send + Unpin + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let (near, seen) = serve(config, service);
    let (sender, connection) = client.handshake(near).await.expect("a connection");
    tokio::spawn(async move {
        // its errors are those of its calls
        let _ = connection.await;
    });
    (sender, seen)
}

/// Starts a server with this service; returns the client's end of its transport.
pub(crate) fn serve<S, F>(config: Config, service: S) -> (DuplexStream, Seen)
where
    S: Fn(Request<RequestBody>) -> F + Clone + Send + Unpin + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let (near, mut far) = tokio::io::duplex(20_000);
    let config = Arc::new(config);
    let services = Services::new(service);
    let seen = services.seen.clone();
    tokio::spawn(async move {
        let mut preface = [0; 24];
        far.read_exact(&mut preface).await.expect("a preface");
        Served::new(far, services, &config, &Buffers::default()).await.expect("it is served");
    });
    (near, seen)
}

/// A call to this path.
pub(crate) fn call(path: &str) -> Request<()> {
    Request::post(format!("http://outbound.example:80{path}")).body(()).expect("a request")
}

/// The rest of a response: its body and its trailers.
pub(crate) async fn rest(response: ResponseFuture) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut body = response.await?.into_body();
    let mut all = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        all.extend_from_slice(&part);
    }
    Ok((all, body.trailers().await?))
}

/// Sends the rest of a request as the windows admit.
pub(crate) async fn send(stream: &mut h2::SendStream<Bytes>, mut data: Bytes, is_end: bool) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let granted = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let granted = granted.ok_or(h2::Reason::CANCEL)??;
        let part = data.split_to(granted.min(data.len()));
        stream.send_data(part, is_end && data.is_empty())?;
    }
    Ok(())
}
