//! Misbehaving peers and handlers affect only themselves.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tollgate::{
    rejections::{Api, Reason},
    server::{
        BindError, ConnectionLimits, GrpcServer, Http2, Listen, Listener, RemotePeer, ServerConfig, ServerContext,
        StartError,
    },
};
use tonic::{Code, service::Routes};

use crate::server::{
    routes::Served,
    support::{address, any_port, call, client, config, limits, serve, serve_with, until},
};

/// Reads everything that the server sends until it closes.
async fn read_all(peer: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // a reset ends the connection too
    let _ = peer.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn a_silent_peer_is_disconnected() {
    let limits = ConnectionLimits { preface_timeout: Duration::from_millis(50), ..limits() };
    let context = ServerContext::default();
    let (server, _) = serve_with(&any_port(), &ServerConfig { limits, ..config(1) }, &context).await;
    let mut silent = TcpStream::connect(address(&server)).await.expect("connected");
    let mut slow = TcpStream::connect(address(&server)).await.expect("connected");
    slow.write_all(b"PRI * HT").await.expect("sent");
    assert_eq!(read_all(&mut silent).await, b"");
    assert_eq!(read_all(&mut slow).await, b"");
    until("both are gone", || server.stats().open() == 0 && server.stats().no_preface() == 2).await;
    assert_eq!(context.rejections.total(Api::Rls, Reason::Preface), 2);
}

#[tokio::test]
async fn http1_is_answered_and_closed() {
    let (server, _) = serve(&config(1)).await;
    let mut peer = TcpStream::connect(address(&server)).await.expect("connected");
    peer.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("sent");
    let answer = String::from_utf8(read_all(&mut peer).await).expect("text");
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
    until("it is gone", || server.stats().open() == 0).await;
}

#[tokio::test]
async fn a_peer_with_too_many_pending_resets_is_disconnected_by_hyper() {
    let limits = ConnectionLimits { max_pending_reset_streams: 10, ..limits() };
    let config = ServerConfig { limits, http2: Http2::Hyper, ..config(1) };
    let context = ServerContext::default();
    let (server, _) = serve_with(&any_port(), &config, &context).await;
    let mut peer = TcpStream::connect(address(&server)).await.expect("connected");
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1..100_u8).step_by(2) {
        // POST, http, /
        sent.extend([0, 0, 3, 1, 4, 0, 0, 0, stream, 0x83, 0x86, 0x84]);
        sent.extend([0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 8]);
    }
    peer.write_all(&sent).await.expect("sent");
    let answer = read_all(&mut peer).await;
    assert!(answer.ends_with(b"\0\0\0\x0btoo_many_resets"), "{answer:?}");
    assert_eq!(context.rejections.total(Api::Rls, Reason::ConnectionError), 1);
}

#[tokio::test]
async fn a_panic_fails_only_its_own_call() {
    for http2 in [Http2::Wire, Http2::Hyper] {
        let context = ServerContext::default();
        let (server, _) = serve_with(&any_port(), &ServerConfig { http2, ..config(1) }, &context).await;
        let mut client = client(&address(&server)).await;
        let mut other = client.clone();
        let meanwhile = tokio::spawn(async move { call(&mut other, "sleep", 50).await });
        let error = call(&mut client, "panic", 0).await.expect_err("it panicked");
        meanwhile.await.expect("no panic").expect("a call beside it");
        call(&mut client, "", 0).await.expect("a call after it");
        assert_eq!(server.stats().accepted(), 1, "on the same connection");
        match http2 {
            Http2::Wire => assert_eq!(error.code(), Code::Internal, "{error}"),
            Http2::Hyper => assert_eq!(context.rejections.total(Api::Rls, Reason::StreamOther), 1, "it was reset"),
        }
    }
}

/// A server for connections without any service.
fn without_services(_: RemotePeer) -> Served {
    Served::new(Routes::default())
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let listener = Listener::bind("grpc", &any_port()).await.expect("bound");
    let server = GrpcServer::start(&config(1), &ServerContext::default(), listener, |_| without_services)
        .await
        .expect("started");
    let mut client = client(&address(&server)).await;
    assert_eq!(call(&mut client, "", 0).await.expect_err("no service").code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_service_that_cannot_be_created_is_an_error_at_start() {
    let listener = Listener::bind("grpc", &any_port()).await.expect("bound");
    let local = listener.local_addr().to_string();
    let factory = |worker: tollgate::server::WorkerId| {
        assert!(worker.index() != 1, "as asked");
        without_services
    };
    let started = GrpcServer::start(&config(3), &ServerContext::default(), listener, factory).await;
    let error = started.expect_err("worker-1 has no service");
    assert!(matches!(error, StartError::Service(worker) if worker.index() == 1), "{error}");
    std::net::TcpStream::connect(local).expect_err("nothing listens");
}

#[tokio::test]
async fn a_port_in_use_is_an_error_at_bind() {
    let (server, _) = serve(&config(1)).await;
    let taken: std::net::SocketAddr = address(&server).parse().expect("an address");
    let error = Listener::bind("grpc", &Listen::Tcp(taken.into())).await.expect_err("taken");
    assert!(matches!(error, BindError::Tcp { .. }) && error.to_string().contains(&taken.to_string()), "{error}");
}
