//! Calls of services, and how they end.

use std::{
    convert::Infallible,
    future::pending,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, client::Builder};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Empty, Full};
use tokio::sync::{Notify, mpsc, oneshot};
use wire::service::{Authority, RequestBody};

use crate::service::server::{Body, call, config, connect, rest};

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn full(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).map_err(|never| match never {}).boxed_unsync()
}

fn ok_trailers() -> HeaderMap {
    [(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))].into_iter().collect()
}

async fn echo(request: Request<RequestBody>) -> Result<Response<Body>, Infallible> {
    let authority = request.extensions().get::<Authority>().expect("an authority").0.clone();
    let length = request.body().size_hint().exact();
    let data = request.into_body().collect().await.expect("a body").to_bytes();
    let body = Full::new(data).with_trailers(async { Some(Ok(ok_trailers())) });
    let response =
        Response::builder().header("x-authority", authority.as_ref()).header("x-length", format!("{length:?}"));
    Ok(response.body(body.map_err(|never| match never {}).boxed_unsync()).expect("a response"))
}

#[tokio::test]
async fn a_unary_call_is_echoed() {
    let (mut client, seen) = connect(&Builder::new(), config(), echo).await;
    for _ in 0..3 {
        let mut request = call("/echo");
        request.headers_mut().insert("content-length", HeaderValue::from_static("5"));
        let (response, mut stream) = client.send_request(request, false).expect("it is sent");
        stream.send_data(Bytes::from_static(b"hel"), false).expect("it is sent");
        stream.send_data(Bytes::from_static(b"lo"), true).expect("it is sent");
        let response = response.await.expect("a response");
        assert_eq!(response.headers()["x-authority"], "outbound.example:80");
        assert_eq!(response.headers()["x-length"], "Some(5)");
        let body = response.into_body();
        assert!(!body.is_end_stream());
        let (response, mut stream) = client.send_request(call("/echo"), false).expect("it is sent");
        stream.send_data(Bytes::from_static(b"hello"), true).expect("it is sent");
        let (data, trailers) = rest(response).await.expect("a response");
        assert_eq!((&data[..], trailers), (&b"hello"[..], Some(ok_trailers())));
    }
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_service_may_answer_before_the_request_has_arrived() {
    let (mut client, seen) = connect(&Builder::new(), config(), |_| async { Ok(Response::new(full("early"))) }).await;
    let (response, mut stream) = client.send_request(call("/"), false).expect("it is sent");
    let (data, _) = rest(response).await.expect("a response");
    assert_eq!(data, b"early");
    // the rest of the request is discarded, and nothing is reset
    stream.send_data(Bytes::from_static(b"late"), true).expect("the stream is open");
    let (response, _) = client.send_request(call("/"), true).expect("it is sent");
    assert_eq!(rest(response).await.expect("a response").0, b"early");
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn an_error_without_a_body_ends_with_its_head() {
    let service = |_| async {
        let response = Response::builder().header("grpc-status", "12");
        Ok(response.body(empty()).expect("a response"))
    };
    let (mut client, _) = connect(&Builder::new(), config(), service).await;
    let (response, _) = client.send_request(call("/"), true).expect("it is sent");
    let response = response.await.expect("a response");
    assert_eq!(response.headers()["grpc-status"], "12");
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn a_cancelled_call_drops_its_task() {
    let (started, mut is_started) = mpsc::unbounded_channel();
    let service = move |request: Request<RequestBody>| {
        let (started, (guard, dropped)) = (started.clone(), oneshot::channel::<()>());
        async move {
            started.send(dropped).expect("the test waits");
            if request.uri().path() == "/head" {
                return Ok(Response::new(Endless(guard).boxed_unsync()));
            }
            let result = pending().await;
            drop(guard);
            result
        }
    };
    let (mut client, _) = connect(&Builder::new(), config(), service).await;
    for path in ["/", "/head"] {
        let (response, mut stream) = client.send_request(call(path), false).expect("it is sent");
        let dropped = is_started.recv().await.expect("it is started");
        let response = if path == "/head" { Ok(response.await.expect("a head")) } else { Err(response) };
        stream.send_reset(Reason::CANCEL);
        dropped.await.expect_err("the guard sends nothing");
        drop(response);
    }
    // the end of the connection is the end of its calls
    let (response, stream) = client.send_request(call("/"), false).expect("it is sent");
    let dropped = is_started.recv().await.expect("it is started");
    drop((response, stream, client));
    dropped.await.expect_err("the guard sends nothing");
}

/// A body without frames and without an end; the sender shows when it is dropped.
struct Endless(#[expect(dead_code, reason = "it is dropped")] oneshot::Sender<()>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_panic_ends_only_its_call_and_is_reported() {
    let go_on = Arc::new(Notify::new());
    let late = Arc::clone(&go_on);
    let service = move |request: Request<RequestBody>| {
        let late = Arc::clone(&late);
        async move {
            match request.uri().path() {
                "/panic" => panic!("as asked"),
                "/late" => {
                    let trailers = async move {
                        late.notified().await;
                        panic!("as asked")
                    };
                    Ok(Response::new(full("x").with_trailers(trailers).boxed_unsync()))
                }
                _ => Ok(Response::new(full("fine"))),
            }
        }
    };
    let (mut client, seen) = connect(&Builder::new(), config(), service).await;
    let (panics, _) = client.send_request(call("/panic"), true).expect("it is sent");
    let (late, _) = client.send_request(call("/late"), true).expect("it is sent");
    let (fine, _) = client.send_request(call("/"), true).expect("it is sent");
    let head = panics.await.expect("a response");
    assert_eq!((&head.headers()["grpc-status"], head.body().is_end_stream()), (&HeaderValue::from_static("13"), true));
    let mut late = late.await.expect("a head").into_body();
    assert_eq!(late.data().await.expect("data").expect("no error"), "x");
    go_on.notify_one();
    let error = late.data().await.expect("an error").expect_err("it is reset");
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(rest(fine).await.expect("a response").0, b"fine");
    assert_eq!(seen.all(), ["panic: the service has panicked"; 2]);
}

#[tokio::test]
async fn fifty_thousand_fields_are_no_panic() {
    let service =
        |request: Request<RequestBody>| async move { Ok(Response::new(full(request.headers().len().to_string()))) };
    let config = wire::Config { max_field_list: 8 << 20, max_block: 8 << 20, ..config() };
    let (mut client, seen) = connect(&Builder::new(), config, service).await;
    for name in [|n| format!("x-{n}"), |n: u32| format!("x-{}", n % 10_000)] {
        let mut request = call("/");
        for n in 0..50_000 {
            let name = HeaderName::from_bytes(name(n).as_bytes()).expect("a name");
            let _ = request.headers_mut().try_append(name, HeaderValue::from_static("y"));
        }
        let (response, _) = client.send_request(request, true).expect("it is sent");
        let (data, _) = rest(response).await.expect("a response");
        let count: u32 = std::str::from_utf8(&data).expect("text").parse().expect("a number");
        assert!(count > 20_000, "{count}");
    }
    assert!(seen.all().is_empty(), "{seen:?}");
}
