//! What is rejected below the service is counted, and logged at a bounded rate.

use std::net::SocketAddr;

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::rejections;
use testkit::{
    certificates::certificates,
    eventually,
    frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, Peer, RST_STREAM, call},
    process::Tollgate,
    raw::frame,
    rls::{ask, client, request},
};

const RULES: &str = "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 2}}\n";

/// Waits until exactly this was counted, and asserts that there is one log line for each reason, with the peer.
async fn assert_counted(tollgate: &Tollgate, reasons: &[(&str, u64)]) {
    let expected: Vec<_> =
        reasons.iter().map(|(reason, total)| format!("{{api=\"rls\",reason=\"{reason}\"}} {total}")).collect();
    let mut counted = Vec::new();
    let what = format!("{expected:?}");
    eventually(&what, async || {
        counted = rejections(tollgate).await;
        (counted == expected).then_some(())
    })
    .await;
    for (reason, _) in reasons {
        let lines = tollgate.wait_for_lines(&format!("\"reason\":\"{reason}\""), 1);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("\"peer\":\"127.0.0.1:"), "{lines:?}");
    }
}

async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut peer = TcpStream::connect(address).await.expect("connected");
    peer.write_all(bytes).await.expect("sent");
    peer.shutdown().await.expect("shut down");
    let mut answer = Vec::new();
    // a reset ends the connection too
    let _ = peer.read_to_end(&mut answer).await;
    answer
}

/// Our own server accepts any authority, and hyper those that the filter below it can replace.
#[tokio::test]
async fn authorities_are_answered_or_counted() {
    let answered: [&[u8]; 5] = [b"", b"\x81", b"\x01\x00", b"\x01\x05a|b|c", b"\x41\x05a/b/c"];
    let in_the_table: &[u8] = b"\x41\x00";
    let twice: &[u8] = b"\x01\x01a\x01\x01b";
    let ours = ("tollgate", [&answered[..], &[in_the_table]].concat(), vec![twice]);
    for (server, answered, rejected) in [ours, ("hyper", answered.to_vec(), vec![twice, in_the_table])] {
        let tollgate = testkit::tollgate!().rules(RULES).env("HTTP2_SERVER", server).start();
        let mut peer = Peer::connect(tollgate.address("grpc")).await;
        let mut stream = 1;
        for authority in answered {
            peer.call(stream, &call(authority)).await;
            let answer = peer.next(&[HEADERS, RST_STREAM]).await;
            assert_eq!((answer.kind, answer.stream), (HEADERS, stream), "{server}: {authority:x?}: {answer:?}");
            stream += 2;
        }
        for authority in &rejected {
            peer.call(stream, &call(authority)).await;
            let answer = peer.next(&[HEADERS, RST_STREAM]).await;
            let reset = (answer.kind, answer.payload.last());
            assert_eq!(reset, (RST_STREAM, Some(&1)), "{server}: {authority:x?}: {answer:?}");
            stream += 2;
        }
        // a reset is counted once it has been sent
        let expected = format!("{{api=\"rls\",reason=\"stream_protocol\"}} {}", rejected.len());
        eventually("the rejected streams", async || rejections(&tollgate).await.contains(&expected).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn streams_that_h2_resets() {
    let tollgate = testkit::tollgate!().rules(RULES).env("MAX_CONCURRENT_STREAMS", "5").start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    for n in 0..20 {
        peer.call(2 * n + 1, &call(b"\x01\x01a\x01\x01b")).await;
        peer.next(&[RST_STREAM]).await;
    }
    // each stays open, because its message does not arrive
    for n in 20..30 {
        peer.send(HEADERS, END_HEADERS, 2 * n + 1, &call(b"\x01\x01a")).await;
    }
    assert_counted(&tollgate, &[("stream_protocol", 20), ("stream_refused", 5)]).await;
}

#[tokio::test]
async fn a_call_that_its_client_cancels_is_neither_charged_nor_rejected() {
    let tollgate = testkit::tollgate!(RULES);
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    let asked = request("edge", &[&[("path", "/a")]]);
    let message = frame(0, &asked.encode_to_vec());
    let mut stream = 1;
    // NO_ERROR, REFUSED_STREAM, CANCEL
    for code in [0, 7, 8] {
        for sent in [&message[..0], &message[..9], &message] {
            peer.send(HEADERS, END_HEADERS, stream, &call(b"\x01\x01a")).await;
            peer.send(DATA, 0, stream, sent).await;
            peer.send(RST_STREAM, 0, stream, &[0, 0, 0, code]).await;
            stream += 2;
        }
    }
    // answered after everything that was sent before
    peer.send(PING, 0, 0, &[0; 8]).await;
    peer.next(&[PING]).await;
    let mut client = client(tollgate.address("grpc"));
    for _ in 0..2 {
        assert_eq!(ask(&mut client, asked.clone()).await.overall_code(), Code::Ok);
    }
    assert_eq!(rejections(&tollgate).await, [""; 0]);
}

/// h2 closes a connection with many small unread frames, unless they end calls; some clients end each call with an
/// empty frame.
#[tokio::test]
async fn a_burst_of_calls_with_separate_end_frames_is_answered() {
    const CALLS: u32 = 1000;
    let tollgate = testkit::tollgate!(RULES);
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    let message = frame(0, &request("edge", &[&[("path", "/a")]]).encode_to_vec());
    let block = call(b"\x01\x01a");
    let mut burst = Vec::new();
    for stream in (1..).step_by(2).take(CALLS as usize).map(u32::to_be_bytes) {
        for (kind, flags, payload) in [(HEADERS, END_HEADERS, &block[..]), (DATA, 0, &message), (DATA, END_STREAM, &[])]
        {
            burst.extend_from_slice(&[&[0, 0, payload.len() as u8, kind, flags], &stream[..], payload].concat());
        }
    }
    peer.send_raw(&burst).await;
    let mut answered = 0;
    while answered < CALLS {
        let answer = peer.next(&[HEADERS, GOAWAY]).await;
        assert_eq!(answer.kind, HEADERS, "after {answered} calls: {answer:?}");
        // the head has no END_STREAM, but the trailers have
        answered += u32::from(answer.flags & END_STREAM != 0);
    }
    assert_eq!(rejections(&tollgate).await, [""; 0]);
}

#[tokio::test]
async fn connections_that_h2_closes() {
    let tollgate = testkit::tollgate!(RULES);
    for _ in 0..11 {
        let mut peer = Peer::connect(tollgate.address("grpc")).await;
        // a window that overflows
        peer.send(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).await;
        assert_eq!(peer.next(&[GOAWAY]).await.payload[7], 3);
    }
    assert_counted(&tollgate, &[("connection_error", 11)]).await;
}

/// Our own server drops excess headers and decides the call; hyper answers 431.
#[tokio::test]
async fn headers_that_are_too_large() {
    for server in ["tollgate", "hyper"] {
        let tollgate =
            testkit::tollgate!().rules(RULES).env("MAX_HEADER_LIST_BYTES", "16384").env("HTTP2_SERVER", server).start();
        let mut peer = Peer::connect(tollgate.address("grpc")).await;
        let large = |n: usize| [&call(b"\x01\x01a")[..], b"\x00\x01x\x7f\xe9\x83\x01", &vec![b'x'; n]].concat();
        let message = frame(0, &request("edge", &[&[("path", "/a")]]).encode_to_vec());
        for n in 0..10 {
            let (block, stream) = (large(17_000), 2 * n + 1);
            let (first, rest) = block.split_at(8000);
            let is_ours = server == "tollgate";
            peer.send(HEADERS, if is_ours { 0 } else { END_STREAM }, stream, first).await;
            peer.send(CONTINUATION, END_HEADERS, stream, rest).await;
            if is_ours {
                peer.send(DATA, END_STREAM, stream, &message).await;
                let head = peer.next(&[HEADERS, RST_STREAM, GOAWAY]).await;
                assert_eq!((head.kind, head.payload.first()), (HEADERS, Some(&0x88)), "its status is 200: {head:?}");
                let trailers = peer.next(&[HEADERS, RST_STREAM, GOAWAY]).await;
                assert!(trailers.payload.ends_with(b"0"), "its gRPC status is 0: {trailers:?}");
            }
        }
        assert_counted(&tollgate, &[("headers_too_large", 10)]).await;
    }
}

#[tokio::test]
async fn peers_that_do_not_speak_http2() {
    let tollgate = testkit::tollgate!(RULES);
    let address = tollgate.address("grpc");
    for _ in 0..5 {
        assert!(send(address, b"GET / HTTP/1.1\r\n\r\n").await.starts_with(b"HTTP/1.1 505 "));
        assert_eq!(send(address, b"\x16\x03\x01\x02\x00").await, b"");
        assert_eq!(send(address, b"PRI").await, b"");
        // like a TCP health check
        assert_eq!(send(address, b"").await, b"");
    }
    assert_counted(&tollgate, &[("http1", 5), ("preface", 10)]).await;
}

#[tokio::test]
async fn peers_that_fail_in_the_tls_handshake() {
    let certificates = certificates("DNS:ratelimit");
    let tollgate = testkit::tollgate!()
        .rules(RULES)
        .env("GRPC_SERVER_USE_TLS", "true")
        .env("GRPC_SERVER_TLS_CERT", certificates.path().join("server.crt"))
        .env("GRPC_SERVER_TLS_KEY", certificates.path().join("server.key"))
        .start();
    let address = tollgate.address("grpc");
    for _ in 0..5 {
        send(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        send(address, b"").await;
    }
    let expected = ["{api=\"rls\",reason=\"tls_handshake\"} 5"];
    eventually("all are counted", async || (rejections(&tollgate).await == expected).then_some(())).await;
    let logged = tollgate.wait_for_lines("the TLS handshake failed", 1);
    let [line] = &logged[..] else { panic!("not one line: {logged:?}") };
    assert!(line.contains("\"reason\":\"not_tls\"") && line.contains("\"peer\":\"127.0.0.1:"), "{line}");
}
