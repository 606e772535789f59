//! Calls to the gRPC port frame by frame, including calls that no gRPC client makes.

use std::{net::SocketAddr, pin::Pin};

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Frame, Incoming},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle};

pub const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An HTTP/2 connection.
pub struct Raw {
    send: SendRequest<Body>,
    address: SocketAddr,
    connection: JoinHandle<()>,
}

/// The body of a call: each item is a DATA frame, and the body ends when this is dropped.
pub type Frames = mpsc::Sender<Bytes>;

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.trailers.get(name).or_else(|| self.headers.get(name)).and_then(|value| value.to_str().ok())
    }

    /// `grpc-status`.
    pub fn code(&self) -> i32 {
        self.header("grpc-status").and_then(|code| code.parse().ok()).expect("a status")
    }

    /// `grpc-message`.
    pub fn message(&self) -> &str {
        self.header("grpc-message").unwrap_or_default()
    }

    /// Decodes the response message.
    pub fn decode<M: Message + Default>(&self) -> M {
        assert_eq!(self.code(), 0, "{self:?}");
        M::decode(&self.body[5..]).expect("a message")
    }
}

/// Encodes a message with the five-byte prefix of gRPC.
pub fn frame(flag: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
    [&[flag][..], &length, message].concat().into()
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connects");
        stream.set_nodelay(true).expect("a socket");
        let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        let connection = tokio::spawn(async {
            let _ = connection.await;
        });
        Self { send, address, connection }
    }

    /// Begins a call whose body the caller sends.
    pub async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Frames, impl Future<Output = Result<Answer, hyper::Error>> + Send + use<>) {
        let (frames, mut rest) = mpsc::channel::<Bytes>(16);
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = futures_util::stream::poll_fn(move |cx| {
            rest.poll_recv(cx).map(|data| data.map(|data| Ok::<_, std::convert::Infallible>(Frame::data(data))))
        });
        let request = request.body(StreamBody::new(body).boxed_unsync()).expect("a request");
        self.send.ready().await.expect("the connection stands");
        (frames, whole(self.send.send_request(request)))
    }

    /// Makes a call with these DATA frames and waits for the response.
    pub async fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], frames: &[Bytes]) -> Answer {
        let (body, answer) = self.begin(method, path, headers).await;
        for frame in frames {
            // the server may have responded already
            let _ = body.send(frame.clone()).await;
        }
        drop(body);
        answer.await.expect("an answer")
    }

    /// Makes a well-formed call of `ShouldRateLimit` with additional headers.
    pub async fn ask(&mut self, headers: &[(&str, &str)], frames: &[Bytes]) -> Answer {
        let headers = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
        self.call("POST", SHOULD_RATE_LIMIT, &headers, frames).await
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn whole(response: impl Future<Output = hyper::Result<Response<Incoming>>>) -> Result<Answer, hyper::Error> {
    let (head, body) = response.await?.into_parts();
    let collected = Pin::from(Box::new(body)).collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok(Answer { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers })
}
