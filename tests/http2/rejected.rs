//! What is rejected below the service moves a counter, and the log at a bounded rate.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    frames::{END_HEADERS, GOAWAY, HEADERS, Peer, RST_STREAM, call},
    rejections,
    support::{
        certificates::certificates,
        eventually,
        process::{Builder, Tollgate},
    },
};

const RULES: &str = "domain: edge\ndescriptors:\n  - {key: path, rate_limit: {unit: year, requests_per_unit: 2}}\n";

/// Waits until this is all that was counted, and asserts that there is one log line for each reason, with the peer.
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
        let lines = tollgate.logged(&format!("\"reason\":\"{reason}\""));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("\"peer\":\"127.0.0.1:"), "{lines:?}");
    }
}

async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut peer = TcpStream::connect(address).await.expect("connected");
    peer.write_all(bytes).await.expect("sent");
    peer.shutdown().await.expect("shut down");
    let mut answer = Vec::new();
    // a reset is an end as well
    let _ = peer.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn authorities_that_are_no_use_to_h2_are_answered_or_counted() {
    let tollgate = Tollgate::with_rules(RULES);
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    let answered: [&[u8]; 5] = [b"", b"\x81", b"\x01\x00", b"\x01\x05a|b|c", b"\x41\x05a/b/c"];
    let rejected: [&[u8]; 2] = [b"\x01\x01a\x01\x01b", b"\x41\x00"];
    let mut stream = 1;
    for authority in answered {
        peer.call(stream, &call(authority)).await;
        let answer = peer.next(&[HEADERS, RST_STREAM]).await;
        assert_eq!((answer.kind, answer.stream), (HEADERS, stream), "{authority:x?}: {answer:?}");
        stream += 2;
    }
    for authority in rejected {
        peer.call(stream, &call(authority)).await;
        let answer = peer.next(&[HEADERS, RST_STREAM]).await;
        assert_eq!((answer.kind, answer.payload.last()), (RST_STREAM, Some(&1)), "{authority:x?}: {answer:?}");
        stream += 2;
    }
    // a reset is counted when it has been sent
    eventually("two rejected streams", async || {
        let counted = rejections(&tollgate).await;
        counted.contains(&"{api=\"rls\",reason=\"stream_protocol\"} 2".to_owned()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn streams_that_h2_resets() {
    let tollgate = Builder::new().rules(RULES).env("MAX_CONCURRENT_STREAMS", "5").start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    for n in 0..20 {
        peer.call(2 * n + 1, &call(b"\x01\x01a\x01\x01b")).await;
        peer.next(&[RST_STREAM]).await;
    }
    // each stays open, for its message does not come
    for n in 20..30 {
        peer.send(HEADERS, END_HEADERS, 2 * n + 1, &call(b"\x01\x01a")).await;
    }
    assert_counted(&tollgate, &[("stream_protocol", 20), ("stream_refused", 5)]).await;
}

#[tokio::test]
async fn connections_that_h2_closes() {
    let tollgate = Tollgate::with_rules(RULES);
    for _ in 0..11 {
        let mut peer = Peer::connect(tollgate.address("grpc")).await;
        // a window that overflows
        peer.send(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).await;
        assert_eq!(peer.next(&[GOAWAY]).await.payload[7], 3);
    }
    assert_counted(&tollgate, &[("connection_error", 11)]).await;
}

#[tokio::test]
async fn headers_that_are_too_large() {
    let tollgate = Builder::new().rules(RULES).env("MAX_HEADER_LIST_BYTES", "16384").start();
    let mut peer = Peer::connect(tollgate.address("grpc")).await;
    let large = |n: usize| [&call(b"\x01\x01a")[..], b"\x00\x01x\x7f\xe9\x83\x01", &vec![b'x'; n]].concat();
    for n in 0..10 {
        let block = large(17_000);
        let (first, rest) = block.split_at(8000);
        peer.send(HEADERS, 1, 2 * n + 1, first).await;
        peer.send(9, END_HEADERS, 2 * n + 1, rest).await;
    }
    assert_counted(&tollgate, &[("headers_too_large", 10)]).await;
}

#[tokio::test]
async fn peers_that_do_not_speak_http2() {
    let tollgate = Tollgate::with_rules(RULES);
    let address = tollgate.address("grpc");
    for _ in 0..5 {
        assert!(send(address, b"GET / HTTP/1.1\r\n\r\n").await.starts_with(b"HTTP/1.1 505 "));
        assert_eq!(send(address, b"\x16\x03\x01\x02\x00").await, b"");
        assert_eq!(send(address, b"PRI").await, b"");
        // as a TCP health check does
        assert_eq!(send(address, b"").await, b"");
    }
    assert_counted(&tollgate, &[("http1", 5), ("preface", 10)]).await;
}

#[tokio::test]
async fn peers_that_fail_in_the_tls_handshake() {
    let certificates = certificates("DNS:ratelimit");
    let tollgate = Builder::new()
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
    assert_counted(&tollgate, &[("tls_handshake", 5)]).await;
    assert!(tollgate.logged("\"reason\":\"tls_handshake\"")[0].contains("not_tls"), "the cause");
}
