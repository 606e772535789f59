//! Flow control in both directions.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::client::Builder;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;
use tokio::{io::AsyncWriteExt as _, sync::mpsc};
use wire::service::RequestBody;

use crate::service::server::{Body, call, config, connect, rest, send, serve};

/// Frames of a fixed length; counts how often they are polled.
#[derive(Clone, Debug)]
struct Counted {
    frames: usize,
    length: usize,
    polls: Arc<AtomicUsize>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let Some(left) = self.frames.checked_sub(1) else { return Poll::Ready(None) };
        self.frames = left;
        Poll::Ready(Some(Ok(Frame::data(vec![7; self.length].into()))))
    }
}

type Answer = Ready<Result<Response<Body>, Infallible>>;

/// A service that answers each call with these frames, and how often they were polled.
fn stream(frames: usize, length: usize) -> (impl Fn(Request<RequestBody>) -> Answer + Clone, Arc<AtomicUsize>) {
    let body = Counted { frames, length, polls: Arc::default() };
    let polls = Arc::clone(&body.polls);
    (move |_| ready(Ok(Response::new(body.clone().boxed_unsync()))), polls)
}

#[tokio::test]
async fn small_windows_deliver_a_long_stream() {
    for window in [4, 100, 16_384, 1 << 20] {
        let (service, _) = stream(50, 1000);
        let mut client = Builder::new();
        client.initial_window_size(window).initial_connection_window_size(1 << 17);
        let (mut client, seen) = connect(&client, config(), service).await;
        let (response, _) = client.send_request(call("/"), true).expect("it is sent");
        let (data, _) = rest(response).await.expect("a response");
        assert_eq!(data, vec![7; 50_000], "window {window}");
        assert!(seen.all().is_empty(), "{seen:?}");
    }
}

#[tokio::test]
async fn many_streams_share_a_connection_window() {
    let (service, _) = stream(200, 1000);
    let mut client = Builder::new();
    client.initial_window_size(1 << 20).initial_connection_window_size(65_535);
    let (mut client, seen) = connect(&client, config(), service).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (response, _) = client.send_request(call("/"), true).expect("it is sent");
        calls.spawn(rest(response));
    }
    for result in calls.join_all().await {
        assert_eq!(result.expect("a response").0.len(), 200_000);
    }
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn endless_streams_take_turns() {
    const ENOUGH: usize = 200_000;
    // with frames this long there is always more to send
    let (service, _) = stream(usize::MAX, 8_000_000);
    let mut client = Builder::new();
    client.initial_window_size(1 << 20).initial_connection_window_size(65_535);
    let (mut client, seen) = connect(&client, config(), service).await;
    let (done, mut is_done) = mpsc::channel(4);
    let most = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let most = Arc::clone(&most);
        let (response, _) = client.send_request(call("/"), true).expect("it is sent");
        let done = done.clone();
        tokio::spawn(async move {
            let mut body = response.await.expect("a response").into_body();
            let mut got = 0;
            while let Some(part) = body.data().await {
                let length = part.expect("no error").len();
                body.flow_control().release_capacity(length).expect("it came");
                if got < ENOUGH && got + length >= ENOUGH {
                    done.send(()).await.expect("the test waits");
                }
                got += length;
                most.fetch_max(got, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..4 {
        is_done.recv().await.expect("each has its turn");
    }
    assert!(most.load(Ordering::Relaxed) < 2 * ENOUGH, "{most:?}");
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_transport_that_takes_nothing_stops_the_bodies() {
    const STREAMS: u32 = 50;
    let (service, polls) = stream(usize::MAX, 1000);
    let (mut transport, seen) = serve(config(), service);
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // the largest windows, for streams and for the connection
    sent.extend(b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff");
    sent.extend(b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0");
    for n in 0..STREAMS {
        sent.extend(b"\0\0\x03\x01\x05");
        sent.extend((2 * n + 1).to_be_bytes());
        sent.extend(b"\x83\x86\x84");
    }
    transport.write_all(&sent).await.expect("it is read");
    for _ in 0..20_000 {
        tokio::task::yield_now().await;
    }
    // each may have been polled for its next turn, in addition to what the buffers hold
    let most = (STREAMS as usize * (16 << 10) + (256 << 10)) / 1000;
    let polls = polls.load(Ordering::Relaxed);
    assert!((50..=most).contains(&polls), "{polls} frames, {most} may be");
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn nothing_is_read_ahead_for_a_slow_reader() {
    let (service, polls) = stream(1000, 1000);
    let mut client = Builder::new();
    client.initial_window_size(10_000);
    let (mut client, _) = connect(&client, config(), service).await;
    let (response, _) = client.send_request(call("/"), true).expect("it is sent");
    let mut body = response.await.expect("a head").into_body();
    for turn in 1..=10 {
        let mut got = 0;
        while got < 10_000 {
            got += body.data().await.expect("there is more").expect("no error").len();
        }
        // everything that the window admits has arrived; once another call is answered, the server has nothing left to
        // do
        let (other, _) = client.send_request(call("/"), true).expect("it is sent");
        drop(other.await.expect("a head"));
        assert!(polls.swap(0, Ordering::Relaxed) <= 20, "turn {turn}");
        body.flow_control().release_capacity(10_000).expect("it came");
    }
}

async fn echo(request: Request<RequestBody>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(request.into_body().map_err(|error| error.to_string()).boxed_unsync()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_megabyte_goes_both_ways_at_once() {
    let mut client = Builder::new();
    client.initial_window_size(1 << 16).initial_connection_window_size(1 << 16);
    let (mut client, seen) = connect(&client, config(), echo).await;
    let mut calls = tokio::task::JoinSet::new();
    for call_number in 0..8 {
        let (response, mut request) = client.send_request(call("/"), false).expect("it is sent");
        calls.spawn(async move {
            let sent: Vec<u8> = (0..1 << 20).map(|n| (n / 7 + call_number) as u8).collect();
            let (sending, received) = tokio::join!(send(&mut request, sent.clone().into(), true), rest(response));
            sending.expect("it is sent");
            assert!(received.expect("a response").0 == sent);
        });
    }
    calls.join_all().await;
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_request_that_the_service_does_not_read_is_discarded() {
    let service = |request: Request<RequestBody>| async move {
        if request.uri().path() == "/unread" {
            drop(request);
            return std::future::pending().await;
        }
        echo(request).await
    };
    let (mut client, seen) = connect(&Builder::new(), config(), service).await;
    let (unread, mut request) = client.send_request(call("/unread"), false).expect("it is sent");
    let flood = tokio::spawn(async move { send(&mut request, vec![0; 10 << 20].into(), true).await });
    for _ in 0..20 {
        let (response, mut request) = client.send_request(call("/"), false).expect("it is sent");
        send(&mut request, Bytes::from_static(b"hello"), true).await.expect("it is sent");
        assert_eq!(rest(response).await.expect("a response").0, b"hello");
    }
    flood.await.expect("no panic").expect("all of it is sent");
    drop(unread);
    assert!(seen.all().is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_request_that_is_not_read_yet_fills_only_its_own_window() {
    let service = |request: Request<RequestBody>| async move {
        if request.uri().path() == "/later" {
            let () = std::future::pending().await;
        }
        assert!(!request.body().is_end_stream());
        echo(request).await
    };
    let (mut client, seen) = connect(&Builder::new(), config(), service).await;
    let (later, mut request) = client.send_request(call("/later"), false).expect("it is sent");
    let flood = tokio::spawn(async move { send(&mut request, vec![0; 1 << 20].into(), true).await });
    for _ in 0..20 {
        let (response, mut request) = client.send_request(call("/"), false).expect("it is sent");
        send(&mut request, vec![1; 100_000].into(), true).await.expect("it is sent");
        assert_eq!(rest(response).await.expect("a response").0.len(), 100_000);
    }
    assert!(!flood.is_finished(), "its window is full");
    flood.abort();
    drop(later);
    assert!(seen.all().is_empty(), "{seen:?}");
}
