//! Which requests h2 serves and rejects behind the filter, and whether the filter detects the rejections.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use httlib_hpack::Encoder;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::timeout,
};

use super::wire::Connection;
use crate::{
    rejections::{Api, PeerName, Reason, Rejections},
    server::grpc::{io::PeerIo, peer::PeerContext},
};

const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// h2 behind the filter, the peer's end of the connection, and the counted rejections.
async fn serve(
    max_headers: u32,
) -> (h2::server::Connection<PeerIo<DuplexStream>, bytes::Bytes>, DuplexStream, Arc<Rejections>) {
    let (near, mut far) = duplex(1 << 20);
    let rejections = Arc::<Rejections>::default();
    let peer = PeerContext { name: PeerName::Unknown, rejections: Arc::clone(&rejections) };
    far.write_all(SETTINGS).await.expect("room");
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(max_headers).max_concurrent_streams(50);
    (builder.handshake(PeerIo::new(near, peer)).await.expect("a handshake"), far, rejections)
}

/// The authorities and paths of the requests that h2 serves, and the number of streams that it has rejected.
pub(super) async fn served(connection: &Connection) -> (Vec<(Option<String>, String)>, usize) {
    let (mut server, mut far, rejections) = serve(16 << 10).await;
    far.write_all(&connection.bytes()).await.expect("room");
    let (all, mut served) = (connection.expected().len(), Vec::new());
    let rejected = || rejections.total(Api::Rls, Reason::StreamProtocol) as usize;
    while served.len() + rejected() < all {
        let Some(request) = until(|| rejected() + served.len() == all, server.accept()).await else { break };
        let (request, mut respond) = request.expect("the connection goes on").expect("a request");
        let uri = request.uri();
        served.push((uri.authority().map(ToString::to_string), uri.path().to_owned()));
        respond.send_response(http::Response::new(()), true).expect("answered");
    }
    (served, rejected())
}

/// The output of the future; `None` if the condition holds while the future is pending.
async fn until<T>(condition: impl Fn() -> bool, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let step = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(ready) => Poll::Ready(Some(ready)),
        Poll::Pending if condition() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    timeout(Duration::from_secs(60), step).await.expect("in time")
}

/// Sends these bytes to h2, which answers every request, and waits until `total` rejections for `reason` were counted.
/// Returns all counts.
async fn counted(max_headers: u32, bytes: &[u8], reason: Reason, total: u64) -> Vec<(Reason, u64)> {
    let (mut server, mut far, rejections) = serve(max_headers).await;
    far.write_all(bytes).await.expect("room");
    let serving = async {
        while let Some(Ok((_, mut respond))) = server.accept().await {
            let _ = respond.send_response(http::Response::new(()), true);
        }
    };
    let watching = async {
        let mut discarded = [0; 4096];
        while rejections.total(Api::Rls, reason) < total {
            // reading lets h2 send: rejections are counted when they are sent
            if far.read(&mut discarded).await.is_ok_and(|length| length == 0) {
                break;
            }
        }
        drop(far);
    };
    timeout(Duration::from_secs(60), async { tokio::join!(serving, watching) }).await.expect("counted in time");
    rejections.totals().map(|(_, reason, total)| (reason, total)).collect()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request with this header block and without a body.
fn request(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(1, 0x5, stream, block)
}

#[tokio::test]
async fn a_second_authority_is_a_stream_that_h2_resets() {
    let block = b"\x83\x86\x84\x01\x01a\x01\x01b";
    let requests = [request(1, block), request(3, block), request(5, b"\x83\x86\x84")].concat();
    assert_eq!(counted(4096, &requests, Reason::StreamProtocol, 2).await, [(Reason::StreamProtocol, 2)]);
}

#[tokio::test]
async fn large_headers_are_counted_once_each_with_every_encoding_of_the_status() {
    let mut encoder = Encoder::with_dynamic_size(4096);
    let mut requests = Vec::new();
    for n in 0..40_u32 {
        let mut block = b"\x83\x86\x84".to_vec();
        let value = vec![b'x'; if n % 3 == 0 { 10 } else { 2000 }];
        encoder.encode((b"x-large".to_vec(), value, 0), &mut block).expect("encoded");
        // with and without a body that is still to come; with one, h2 also resets the stream
        requests.extend(frame(1, if n % 2 == 0 { 0x4 } else { 0x5 }, 2 * n + 1, &block));
    }
    assert_eq!(counted(1000, &requests, Reason::HeadersTooLarge, 26).await, [(Reason::HeadersTooLarge, 26)]);
}

#[tokio::test]
async fn far_larger_headers_and_invalid_frames_end_the_connection() {
    let mut block = b"\x83\x86\x84".to_vec();
    let field = (b"x-large".to_vec(), vec![b'x'; 5000], 0);
    Encoder::with_dynamic_size(4096).encode(field, &mut block).expect("encoded");
    let settings_of_a_stream = b"\0\0\0\x04\0\0\0\0\x01".to_vec();
    let flow_control = frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]);
    let compression = request(1, b"\x83\x86\x84\xff\x00");
    for bytes in [request(1, &block), settings_of_a_stream, flow_control, compression] {
        assert_eq!(
            counted(1000, &bytes, Reason::ConnectionError, 1).await,
            [(Reason::ConnectionError, 1)],
            "{bytes:x?}"
        );
    }
}

#[tokio::test]
async fn a_refused_stream_is_counted_once_even_if_its_body_arrives() {
    let (mut server, mut far, rejections) = serve(4096).await;
    let mut requests = Vec::new();
    for n in 0..60 {
        requests.extend(frame(1, 0x4, 2 * n + 1, b"\x83\x86\x84"));
    }
    for n in 0..60 {
        requests.extend(frame(0, 0x1, 2 * n + 1, b"body"));
    }
    far.write_all(&requests).await.expect("room");
    let mut open = Vec::new();
    while let Some(request) = until(|| rejections.total(Api::Rls, Reason::StreamRefused) == 10, server.accept()).await {
        open.push(request.expect("the connection goes on").expect("a request"));
    }
    assert_eq!(open.len(), 50);
    let totals: Vec<_> = rejections.totals().map(|(_, reason, total)| (reason, total)).collect();
    assert_eq!(totals, [(Reason::StreamRefused, 10)]);
}

#[tokio::test]
async fn a_cancelled_call_and_an_early_response_are_not_rejections() {
    let (mut server, mut far, rejections) = serve(4096).await;
    far.write_all(&frame(1, 0x4, 1, b"\x83\x86\x84")).await.expect("room");
    far.write_all(&frame(1, 0x4, 3, b"\x83\x86\x84")).await.expect("room");
    let (_, mut respond) = server.accept().await.expect("a request").expect("well formed");
    respond.send_response(http::Response::new(()), true).expect("answered before its body came");
    drop(respond);
    let cancelled = server.accept().await.expect("a request").expect("well formed");
    far.write_all(&frame(3, 0, 3, &[0, 0, 0, 8])).await.expect("room");
    drop(cancelled);
    far.shutdown().await.expect("shut down");
    let ended = timeout(Duration::from_secs(60), poll_fn(|cx| server.poll_closed(cx))).await;
    ended.expect("in time").expect("without an error");
    assert_eq!(rejections.totals().count(), 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_without_an_answer_is_a_rejection() {
    let (mut server, mut far, rejections) = serve(4096).await;
    far.write_all(&request(1, b"\x83\x86\x84")).await.expect("room");
    drop(server.accept().await.expect("a request").expect("well formed"));
    let counted = || rejections.total(Api::Rls, Reason::StreamOther) == 1;
    assert!(until(counted, server.accept()).await.is_none(), "there is no other request");
}
