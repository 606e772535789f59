//! Requests as services receive them.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use bytes::Bytes;
use http::{Extensions, Method, Request, Response, Version};
use http_body::Body;
use tokio::sync::oneshot;

use super::rig::{CALL, Next, Rig, Steps, idle, list};
use crate::{
    Head, Progress,
    frame::kind::HEADERS,
    service::{
        Authority, Failure, InvalidRequest, RequestAborted, RequestBody,
        pipe::Pipe,
        request::{content_length, request},
    },
};

fn convert(fields: &[(&str, &str)]) -> Result<Request<RequestBody>, InvalidRequest> {
    let list = list(fields.iter().copied());
    request(&Head::new(&list, true), Extensions::new(), RequestBody::new(&Arc::<Pipe>::default(), None))
}

#[test]
fn the_uri_is_the_path_and_the_authority_an_extension() {
    let request = convert(&[
        (":method", "PURGE"),
        (":scheme", "https"),
        (":path", "/a.b/c?d=%2f"),
        (":authority", "outbound|80||x y"),
        ("te", "trailers"),
        ("x", "1"),
        ("x", "2"),
    ])
    .expect("a request");
    assert_eq!(request.uri().to_string(), "/a.b/c?d=%2f");
    assert_eq!((request.uri().authority(), request.uri().scheme()), (None, None));
    assert_eq!((request.method().as_str(), request.version()), ("PURGE", Version::HTTP_2));
    let authority = request.extensions().get::<Authority>();
    assert_eq!(authority, Some(&Authority(Bytes::from_static(b"outbound|80||x y"))));
    assert_eq!(request.headers().get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(convert(&CALL).expect("a request").extensions().get::<Authority>(), None);
    let options = convert(&[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")]).expect("a request");
    assert_eq!((options.method(), options.uri().path()), (&Method::OPTIONS, "*"));
}

#[test]
fn a_request_that_http_cannot_represent_is_an_error() {
    let long = format!("/{}", "x".repeat(1 << 16));
    for path in ["http://x/y", "x", "*x", "/ ", "/\u{7f}", "/<>\x01", &long] {
        let fields = [(":method", "GET"), (":scheme", "http"), (":path", path)];
        assert_eq!(convert(&fields).expect_err(path), InvalidRequest::Path);
    }
    for method in ["", "A B", "\u{e9}"] {
        let fields = [(":method", method), (":scheme", "http"), (":path", "/")];
        assert_eq!(convert(&fields).expect_err(method), InvalidRequest::Method);
    }
    let connect = convert(&[(":method", "CONNECT"), (":authority", "a:1")]);
    assert_eq!(connect.expect_err("no path"), InvalidRequest::Path);
}

#[test]
fn fields_that_http_rejects_are_dropped() {
    let names: Vec<_> = (0..50_000).map(|n| format!("x-{n}")).collect();
    let mut fields = CALL.to_vec();
    fields.extend(names.iter().map(|name| (&name[..], "")));
    fields.extend([("x-control", "a\x01b"), ("grpc-timeout", "1S"), ("content-type", "application/grpc")]);
    let request = convert(&fields).expect("a request");
    let headers = request.headers();
    assert!(headers.len() > 20_000 && headers.len() <= 32_768, "{}", headers.len());
    assert!(headers.contains_key("grpc-timeout") && headers.contains_key("content-type"));
    assert!(!headers.contains_key("x-control"), "http does not allow it");

    let mut fields = CALL.to_vec();
    fields.extend(vec![("x", "y"); 50_000]);
    assert_eq!(convert(&fields).expect("a request").headers().len(), 50_000);
}

#[test]
fn the_content_length_is_known() {
    let with = list([("content-length", "17")]);
    assert_eq!(content_length(&Head::new(&with, false)), Some(17));
    assert_eq!(content_length(&Head::new(&list(CALL), false)), None);
}

#[tokio::test]
async fn an_invalid_request_is_rejected() {
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "no-slash")];
    let mut rig = Rig::open(&fields, 0, |_| async { Ok(Response::new(Steps::data(&[], true))) });
    assert_eq!(rig.poll().await, Progress::Done);
    assert_eq!(rig.shapes(), [(HEADERS, 0, true)]);
    assert_eq!(rig.fields(0), [(":status".to_owned(), "400".to_owned())]);
    assert!(matches!(rig.exchange.failure(), Some(Failure::Request(InvalidRequest::Path))));
}

/// A call that is never answered; returns the body of its request.
async fn held(fields: &[(&str, &str)]) -> (Rig, RequestBody) {
    let (sender, receiver) = oneshot::channel();
    let mut rig = Rig::open(fields, 0, |request: Request<RequestBody>| async {
        sender.send(request.into_body()).expect("the test waits");
        std::future::pending::<()>().await;
        Ok(Response::new(Steps::data(&[], true)))
    });
    assert_eq!(rig.poll().await, Progress::Waiting);
    (rig, receiver.await.expect("it was started"))
}

type Polled = Poll<Option<Result<Bytes, RequestAborted>>>;

/// Polls the body once.
async fn now(body: &mut RequestBody) -> Polled {
    poll_fn(|cx| {
        let polled = Pin::new(&mut *body).poll_frame(cx);
        Poll::Ready(polled.map_ok(|frame| frame.into_data().expect("no trailers are passed on")))
    })
    .await
}

fn some(data: &'static [u8]) -> Polled {
    Poll::Ready(Some(Ok(Bytes::from_static(data))))
}

#[tokio::test]
async fn data_of_many_frames_is_taken_as_one() {
    let (mut rig, mut body) = held(&CALL).await;
    assert_eq!(now(&mut body).await, Poll::Pending);
    for part in [&b"ab"[..], b"c", b"def"] {
        rig.data(part, false);
    }
    rig.poll().await;
    assert_eq!(rig.released, 0, "nothing was taken");
    rig.wakes.take();
    assert_eq!(body.size_hint().lower(), 6);
    assert_eq!(now(&mut body).await, some(b"abcdef"));
    assert_eq!(rig.wakes.take(), 1);
    rig.poll().await;
    assert_eq!(rig.released, 6);
    assert_eq!(now(&mut body).await, Poll::Pending);
    rig.data(b"g", true);
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(1));
    assert_eq!(now(&mut body).await, some(b"g"));
    assert!(body.is_end_stream());
    assert_eq!(now(&mut body).await, Poll::Ready(None));
}

#[tokio::test]
async fn a_frame_has_at_most_sixteen_kilobytes() {
    let (mut rig, mut body) = held(&CALL).await;
    for _ in 0..3 {
        rig.data(&[7; 12_000], false);
    }
    assert!((36_000..=72_000).contains(&rig.kept()), "{}", rig.kept());
    for length in [16_384, 16_384, 3_232] {
        let Poll::Ready(Some(Ok(frame))) = now(&mut body).await else { panic!("there is more") };
        assert_eq!(frame.len(), length);
        rig.poll().await;
    }
    assert_eq!((rig.released, rig.kept()), (36_000, 0));
}

#[tokio::test]
async fn the_reader_is_woken_by_data_and_by_the_end() {
    let (mut rig, mut body) = held(&CALL).await;
    let got = Arc::new(Mutex::new(Vec::new()));
    let reader = tokio::spawn({
        let got = Arc::clone(&got);
        async move {
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                let data = frame.expect("no error").into_data().expect("no trailers");
                got.lock().expect("no panic").extend_from_slice(&data);
            }
        }
    });
    idle().await;
    rig.data(b"ab", false);
    idle().await;
    assert_eq!(*got.lock().expect("no panic"), b"ab");
    rig.data(b"", true);
    reader.await.expect("it ends");
}

#[tokio::test]
async fn the_content_length_is_the_size_hint() {
    let fields = [&CALL[..], &[("content-length", "5")]].concat();
    let (mut rig, mut body) = held(&fields).await;
    assert_eq!(body.size_hint().exact(), Some(5));
    rig.data(b"abc", false);
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(now(&mut body).await, some(b"abc"));
    assert_eq!(body.size_hint().exact(), Some(2));
    rig.data(b"de", true);
    assert_eq!(now(&mut body).await, some(b"de"));
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[tokio::test]
async fn a_dropped_body_returns_past_and_future_bytes() {
    let (mut rig, body) = held(&CALL).await;
    rig.data(b"abc", false);
    rig.wakes.take();
    drop(body);
    assert_eq!(rig.wakes.take(), 1);
    rig.poll().await;
    assert_eq!(rig.released, 3);
    rig.data(b"defg", false);
    rig.data(b"h", true);
    assert_eq!(rig.released, 8);
}

#[tokio::test]
async fn a_body_outlives_its_call_as_an_error() {
    for (is_end, taken) in [(false, true), (false, false), (true, false)] {
        let (mut rig, mut body) = held(&CALL).await;
        rig.data(b"abc", is_end);
        if taken {
            assert_eq!(now(&mut body).await, some(b"abc"));
        }
        drop(rig);
        assert!(!body.is_end_stream());
        assert_eq!(now(&mut body).await, Poll::Ready(Some(Err(RequestAborted))));
        assert_eq!(now(&mut body).await, Poll::Ready(None));
    }
    let (mut rig, mut body) = held(&CALL).await;
    rig.data(b"abc", true);
    assert_eq!(now(&mut body).await, some(b"abc"));
    drop(rig);
    assert_eq!(now(&mut body).await, Poll::Ready(None), "it was read to its end");
}

#[tokio::test]
async fn the_task_ends_with_the_exchange() {
    let (sender, receiver) = oneshot::channel::<()>();
    let mut rig = Rig::open(&CALL, 0, |_| async {
        let _dropped = sender;
        std::future::pending::<()>().await;
        Ok(Response::new(Steps::new([Next::Hang], false)))
    });
    assert_eq!(rig.poll().await, Progress::Waiting);
    drop(rig);
    receiver.await.expect_err("it is dropped, and sends nothing");
}
