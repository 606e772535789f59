//! One HTTP/2 connection to the server, with the crate `h2`: unary gRPC calls without the layers of tonic and hyper,
//! whose clients would take CPU from the measured server.
//!
//! It knows the deadline of a call and nothing else of the load: the lane decides what is sent, and when.

use std::{
    io,
    task::{Context, Waker},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use h2::{
    Ping, Reason,
    client::{Builder, Connection, ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{timeout, timeout_at},
};

use super::lane::{Calls, Ticket};
use crate::{
    request::{PATH, Reply, Response},
    target::{CONNECT_TIMEOUT, Resolved},
};

/// Flow-control windows: how many bytes the server may send, on a stream and on the connection, before we release any.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 30;

/// Why a connection cannot be established.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A network error.
    #[error(transparent)]
    Network(#[from] io::Error),
    /// The server accepts connections but sends nothing.
    #[error("it accepts connections, but has not greeted within {CONNECT_TIMEOUT:?}")]
    Silent,
    /// The server closed the connection.
    #[error("it closed the connection before it greeted")]
    Closed,
    /// The server sends something other than HTTP/2.
    #[error("it does not speak HTTP/2 without TLS ({0})")]
    Greeting(h2::Error),
    /// The address cannot be part of a URI.
    #[error("it cannot be named in a request: {0}")]
    Authority(#[from] http::Error),
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server sent GOAWAY.
    Retired,
    /// The connection broke; the text is the error.
    Lost(String),
}

/// A connection for calls.
pub(crate) struct Session {
    send: SendRequest<Bytes>,
    uri: Uri,
    calls: FuturesUnordered<BoxFuture<'static, (Ticket, Reply)>>,
    /// The task that reads from and writes to the socket.
    connection: JoinSet<Result<(), h2::Error>>,
    end: Option<End>,
}

impl Session {
    /// Connects, and waits for the server's SETTINGS.
    pub(crate) async fn open(resolved: &Resolved, authority: &str) -> Result<Self, ConnectError> {
        let open = async {
            let uri = Uri::builder().scheme("http").authority(authority).path_and_query(PATH).build()?;
            match resolved {
                Resolved::Tcp(addresses) => {
                    let stream = tokio::net::TcpStream::connect(&addresses[..]).await?;
                    stream.set_nodelay(true)?;
                    Self::greet(stream, uri).await
                }
                Resolved::Unix(path) => Self::greet(tokio::net::UnixStream::connect(path).await?, uri).await,
            }
        };
        timeout(CONNECT_TIMEOUT, open).await.unwrap_or(Err(ConnectError::Silent))
    }

    async fn greet(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, uri: Uri) -> Result<Self, ConnectError> {
        let mut builder = Builder::new();
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW).enable_push(false);
        let (send, mut connection) = builder.handshake::<_, Bytes>(io).await.map_err(greeting)?;
        // the reply to a PING follows the server's SETTINGS, which limit the number of streams
        let mut ping = connection.ping_pong().expect("it is taken once, here");
        let mut tasks = JoinSet::new();
        tasks.spawn(drive(connection));
        tokio::select! {
            pong = ping.ping(Ping::opaque()) => pong.map(drop).map_err(greeting)?,
            Some(ended) = tasks.join_next() => return Err(match ended {
                Ok(Err(error)) => greeting(error),
                Ok(Ok(())) | Err(_) => ConnectError::Closed,
            }),
        }
        Ok(Self { send, uri, calls: FuturesUnordered::new(), connection: tasks, end: None })
    }

    /// The number of concurrent streams that the server allows.
    pub(crate) fn max_streams(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Why no more calls can be made on this connection, if so. Calls in flight may still be answered.
    pub(crate) const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Waits for a call to end and returns it. With `sees_end` set, it also waits for the connection to end, and
    /// returns `None` then.
    pub(crate) async fn step(&mut self, sees_end: bool) -> Option<(Ticket, Reply)> {
        tokio::select! {
            biased;
            Some(ended) = self.calls.next() => Some(ended),
            Some(ended) = self.connection.join_next(), if sees_end => {
                let end = match ended {
                    Ok(Ok(())) => self.why_closed(),
                    Ok(Err(error)) => end(&error),
                    Err(error) => End::Lost(error.to_string()),
                };
                self.over(end);
                None
            }
            else => std::future::pending().await,
        }
    }

    /// Returns a call that has ended already, if there is one.
    pub(crate) fn ended_call_now(&mut self) -> Option<(Ticket, Reply)> {
        self.calls.next().now_or_never().flatten()
    }

    /// The reason for the end of a connection without an error.
    fn why_closed(&self) -> End {
        match self.send.clone().ready().now_or_never() {
            Some(Err(error)) => end(&error),
            Some(Ok(_)) | None => End::Lost("closed by the server".to_owned()),
        }
    }

    fn over(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}

impl Calls for Session {
    fn in_flight(&self) -> usize {
        self.calls.len()
    }

    fn has_room(&mut self) -> bool {
        // an abandoned call occupies its stream until its RST_STREAM is sent; until then the connection is not ready
        let ready = self.send.poll_ready(&mut Context::from_waker(Waker::noop()));
        self.end.is_none() && self.calls.len() < self.max_streams() && ready.is_ready()
    }

    fn call(&mut self, ticket: Ticket, message: Bytes, deadline: Instant) -> bool {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let sent = self.send.send_request(request, false).and_then(|(response, mut body)| {
            body.send_data(message, true)?;
            Ok(response)
        });
        match sent {
            Ok(response) => {
                self.calls.push(reply(ticket, response, deadline).boxed());
                true
            }
            Err(error) => {
                self.over(end(&error));
                false
            }
        }
    }
}

/// Waits for a call to end. At its deadline it is abandoned, and its stream is reset.
async fn reply(ticket: Ticket, response: ResponseFuture, deadline: Instant) -> (Ticket, Reply) {
    let reply = match timeout_at(deadline.into(), read(response)).await {
        Ok(Ok(response)) => Reply::Response(response),
        Ok(Err(error)) => of_error(&error),
        Err(_) => Reply::TimedOut,
    };
    (ticket, reply)
}

async fn read(response: ResponseFuture) -> Result<Response, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    let trailers = body.trailers().await?;
    // a response without a message has its status in its only header block
    let last = trailers.as_ref().unwrap_or(&head.headers);
    Ok(Response {
        http_status: head.status.as_u16(),
        grpc_status: text(last, "grpc-status").and_then(|text| text.parse().ok()),
        message: text(last, "grpc-message").unwrap_or_default().to_owned(),
        body: bytes.freeze(),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn of_error(error: &h2::Error) -> Reply {
    match (end(error), error.reason()) {
        (End::Retired, _) => Reply::GoneAway,
        (End::Lost(_), Some(reason)) if error.is_reset() => Reply::Reset(reason.into()),
        (End::Lost(why), _) => Reply::Lost(why),
    }
}

fn end(error: &h2::Error) -> End {
    if error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR) {
        End::Retired
    } else {
        End::Lost(error.to_string())
    }
}

fn greeting(error: h2::Error) -> ConnectError {
    match error.get_io().map(io::Error::kind) {
        Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) => {
            ConnectError::Closed
        }
        _ => ConnectError::Greeting(error),
    }
}

async fn drive<T: AsyncRead + AsyncWrite + Unpin>(connection: Connection<T>) -> Result<(), h2::Error> {
    connection.await
}
