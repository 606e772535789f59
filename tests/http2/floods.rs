//! Floods at the usual log level: however much a peer sends, the log grows at a bounded rate, and calls of other peers are
//! answered meanwhile.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::{
    frames::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, call, frame},
    support::{
        certificates::certificates,
        http::Client,
        process::{Builder, Tollgate},
        rls::{client, request},
    },
};

const RULES: &str =
    "domain: edge\ndescriptors: [{key: path, rate_limit: {unit: year, requests_per_unit: 4000000000}}]\n";

/// The log may grow by this much, of each flood.
const LOG: usize = 64 << 10;
/// Connections that flood at a time.
const PEERS: usize = 4;

const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const PRIORITY: u8 = 2;
const ACK: u8 = 1;

/// How long each flood lasts, in seconds.
fn length() -> Duration {
    let seconds = std::env::var("TOLLGATE_TEST_FLOOD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// What a peer sends on a connection of its own: at first, and then again and again until the service closes it. Then the
/// peer connects again.
struct Flood {
    name: &'static str,
    listener: &'static str,
    first: Vec<u8>,
    /// Of each round.
    then: fn(u32) -> Vec<u8>,
}

fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

/// The stream of a round's first call, of a hundred.
fn stream(round: u32) -> u32 {
    (round % 10_000_000) * 200 + 1
}

/// A hundred calls with this block, and what follows each.
fn calls(round: u32, block: &[u8], flags: u8, after: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let one = |number: u32| {
        let stream: u32 = stream(round) + 2 * number;
        [frame(HEADERS, END_HEADERS | flags, stream, block), after(stream)].concat()
    };
    (0..100).flat_map(one).collect()
}

fn floods() -> Vec<Flood> {
    let http2 = |name, then| Flood { name, listener: "grpc", first: preface(), then };
    vec![
        http2("PING acknowledgements", |_| frame(PING, ACK, 0, &[0; 8]).repeat(1000)),
        http2("PINGs", |_| frame(PING, 0, 0, &[0; 8]).repeat(1000)),
        http2("SETTINGS", |_| frame(SETTINGS, 0, 0, &[]).repeat(1000)),
        http2("SETTINGS acknowledgements", |_| frame(SETTINGS, ACK, 0, &[]).repeat(1000)),
        http2("window updates of nothing", |_| frame(WINDOW_UPDATE, 0, 0, &[0; 4]).repeat(1000)),
        http2("window updates beyond the largest", |_| {
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(1000)
        }),
        http2("priorities", |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]).repeat(1000)),
        http2("frames of unknown kinds", |_| frame(99, 0, 0, b"x").repeat(1000)),
        http2("frames of a wrong size", |_| frame(PING, 0, 0, b"x").repeat(1000)),
        http2("streams that are reset", |round| {
            calls(round, &call(b"\x01\x01a"), 0, |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]))
        }),
        http2("calls without a message", |round| calls(round, &call(b"\x01\x01a"), END_STREAM, |_| Vec::new())),
        http2("calls of an unknown method", |round| {
            calls(round, b"\x83\x86\x04\x02/x\x01\x01a", END_STREAM, |_| Vec::new())
        }),
        http2("calls with two authorities", |round| {
            calls(round, &call(b"\x01\x01a\x01\x01b"), END_STREAM, |_| Vec::new())
        }),
        http2("calls of no gRPC", |round| calls(round, b"\x82\x86\x84\x01\x01a", END_STREAM, |_| Vec::new())),
        http2("messages that are none", |round| {
            calls(round, &call(b"\x01\x01a"), 0, |stream| frame(0, END_STREAM, stream, b"\0\0\0\0\x03\xff\xff\xff"))
        }),
        http2("messages that are too large", |round| {
            calls(round, &call(b"\x01\x01a"), 0, |stream| frame(0, END_STREAM, stream, b"\0\xff\xff\xff\xff"))
        }),
        http2("unknown domains", |round| {
            calls(round, &call(b"\x01\x01a"), 0, |stream| {
                let domain = format!("{stream:010}");
                let message = [&b"\x0a\x0a"[..], domain.as_bytes(), b"\x12\x08\x0a\x06\x0a\x01k\x12\x01v"].concat();
                frame(0, END_STREAM, stream, &[&[0, 0, 0, 0, message.len() as u8][..], &message].concat())
            })
        }),
        http2("headers that never end", |round| {
            let opening = frame(HEADERS, 0, stream(round), &call(b"\x01\x01a"));
            [opening, frame(CONTINUATION, 0, stream(round), b"\x00\x01a\x01b").repeat(1000)].concat()
        }),
        Flood { name: "garbage on the gRPC port", listener: "grpc", first: Vec::new(), then: |_| vec![0xa5; 65_536] },
        Flood {
            name: "HTTP/1 on the gRPC port",
            listener: "grpc",
            first: Vec::new(),
            then: |_| b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        },
        Flood { name: "garbage on the HTTP port", listener: "http", first: Vec::new(), then: |_| vec![0xa5; 65_536] },
        Flood {
            name: "a /json that is none",
            listener: "http",
            first: Vec::new(),
            then: |_| b"POST /json HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n{x}".repeat(100),
        },
        Flood {
            name: "pages that there are not",
            listener: "http",
            first: Vec::new(),
            then: |_| b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100),
        },
        Flood {
            name: "garbage on the metrics port",
            listener: "metrics",
            first: Vec::new(),
            then: |_| vec![0xa5; 65_536],
        },
    ]
}

async fn flood(address: SocketAddr, flood: Arc<Flood>, sent: Arc<AtomicU64>) {
    loop {
        let Ok(mut peer) = TcpStream::connect(address).await else { continue };
        let (mut answers, mut writes) = peer.split();
        let write = async {
            let mut round = 0;
            let mut bytes = flood.first.clone();
            // it ends when the other end closes
            while writes.write_all(&bytes).await.is_ok() {
                sent.fetch_add(bytes.len() as u64, Relaxed);
                bytes = (flood.then)(round);
                round += 1;
                tokio::task::yield_now().await;
            }
        };
        let read = async {
            let mut nothing = vec![0; 65_536];
            while answers.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
        };
        tokio::select! {
            () = write => {}
            () = read => {}
        }
    }
}

/// Floods it, under calls that are all answered; the log stays within its bound.
async fn endures(tollgate: &Tollgate, what: Flood, mut ask: impl AsyncFnMut()) {
    let (name, address) = (what.name, tollgate.address(what.listener));
    let log = || tollgate.log().iter().map(|line| line.len() + 1).sum::<usize>();
    let (before, sent, what) = (log(), Arc::<AtomicU64>::default(), Arc::new(what));
    let mut peers = JoinSet::new();
    for _ in 0..PEERS {
        peers.spawn(flood(address, Arc::clone(&what), Arc::clone(&sent)));
    }
    let (since, mut calls) = (Instant::now(), 0);
    while since.elapsed() < length() || calls < 10 || sent.load(Relaxed) == 0 {
        ask().await;
        calls += 1;
    }
    peers.shutdown().await;
    let (logged, sent) = (log() - before, sent.load(Relaxed));
    let for_each = logged as f64 / (sent as f64 / 1e6);
    println!(
        "flood, {name}: {:.1} MB sent, {calls} calls answered, {logged} bytes of log, {for_each:.1} for each MB",
        sent as f64 / 1e6
    );
    assert!(logged <= LOG, "{name}: {logged} bytes of log: {:?}", tollgate.log().last());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_do_not_fill_the_log() {
    let tollgate = Tollgate::with_rules(RULES);
    let mut rls = client(tollgate.address("grpc"));
    for flood in floods() {
        let name = flood.name;
        let ask = async || {
            let answer = rls.should_rate_limit(request("edge", &[&[("path", "/")]])).await;
            answer.unwrap_or_else(|status| panic!("{name}: {status:?}"));
        };
        endures(&tollgate, flood, ask).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_fail_do_not_fill_the_log() {
    let files = certificates("DNS:ratelimit");
    let tollgate = Builder::new()
        .rules(RULES)
        .env("GRPC_SERVER_USE_TLS", "true")
        .env("GRPC_SERVER_TLS_CERT", files.path().join("server.crt"))
        .env("GRPC_SERVER_TLS_KEY", files.path().join("server.key"))
        .start();
    let (http, json) = (Client::new(), tollgate.address("http"));
    let flood = |name, then| Flood { name, listener: "grpc", first: Vec::new(), then };
    for what in [
        flood("plain text to the TLS port", |_| preface().repeat(100)),
        flood("TLS alerts", |_| b"\x15\x03\x01\x00\x02\x02\x28".to_vec()),
        flood("hellos that are cut", |_| b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(60)),
    ] {
        endures(&tollgate, what, async || assert_eq!(http.get(json, "/healthcheck").await.status, 200)).await;
    }
}
