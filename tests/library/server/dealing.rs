//! Connections are distributed evenly, stay on their worker, and work over every kind of socket.

use std::{collections::HashMap, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpStream, UnixStream},
    task::JoinSet,
};
use tollgate::server::{ConnectionLimits, Listen, ServerConfig};
use tonic::transport::Endpoint;

use crate::server::support::{Client, address, call, client, config, limits, serve, serve_at, until};

#[tokio::test]
async fn every_worker_gets_connections() {
    let (server, _) = serve(&config(3)).await;
    let stats = server.stats();
    let mut clients = Vec::new();
    let mut home = HashMap::<String, usize>::new();
    for _ in 0..9 {
        let mut client = client(&address(&server)).await;
        let worker = call(&mut client, "", 0).await.expect("answered");
        *home.entry(worker.clone()).or_default() += 1;
        clients.push((client, worker));
    }
    assert_eq!(stats.open_by_worker().collect::<Vec<_>>(), [3, 3, 3]);
    assert_eq!(home, ["worker-0", "worker-1", "worker-2"].map(|name| (name.to_owned(), 3)).into());
    for (client, worker) in &mut clients {
        assert_eq!(call(client, "", 0).await.expect("answered"), *worker, "a connection never moves");
    }

    clients.retain(|(_, worker)| worker != "worker-1");
    until("the worker is free", || stats.open_by_worker().nth(1) == Some(0)).await;
    for _ in 0..3 {
        let mut client = client(&address(&server)).await;
        assert_eq!(call(&mut client, "", 0).await.expect("answered"), "worker-1", "the worker with fewest");
        clients.push((client, "worker-1".to_owned()));
    }
}

#[tokio::test]
async fn a_thousand_connections_at_once() {
    let (server, _) = serve(&config(2)).await;
    let address = address(&server);
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let address = address.clone();
        calls.spawn(async move {
            let mut client = client(&address).await;
            call(&mut client, "", 0).await.map(|_| client)
        });
    }
    let clients: Result<Vec<_>, _> = calls.join_all().await.into_iter().collect();
    let clients = clients.expect("every call answered");
    assert_eq!(server.stats().accepted(), 1000);
    assert_eq!(server.stats().open_by_worker().collect::<Vec<_>>(), [500, 500]);
    drop(clients);
    until("all are gone", || server.stats().open() == 0).await;
}

#[tokio::test]
async fn too_many_are_closed_and_counted() {
    let limits = ConnectionLimits { max_connections: 2, ..limits() };
    let (server, _) = serve(&ServerConfig { limits, ..config(2) }).await;
    let address = address(&server);
    let (mut first, mut second) = (client(&address).await, client(&address).await);
    for client in [&mut first, &mut second] {
        call(client, "", 0).await.expect("both are served");
    }
    let refused = Client::connect(format!("http://{address}")).await;
    if let Ok(mut client) = refused {
        call(&mut client, "", 0).await.expect_err("closed");
    }
    assert!(server.stats().refused() >= 1);
    call(&mut first, "", 0).await.expect("the others go on");
    drop(second);
    until("one has left", || server.stats().open() == 1).await;
    call(&mut client(&address).await, "", 0).await.expect("there is room again");
}

#[tokio::test]
async fn silent_connections_make_room() {
    let limits = ConnectionLimits { max_connections: 3, preface_timeout: Duration::from_secs(600), ..limits() };
    let (server, _) = serve(&ServerConfig { limits, ..config(2) }).await;
    let (address, stats) = (address(&server), server.stats());
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(&address).await.expect("queued"));
    }
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = client(&address).await;
        call(&mut client, "", 0).await.expect("answered");
        clients.push(client);
    }
    until("the silent are gone", || stats.open() == 3).await;
    assert_eq!((stats.accepted(), stats.no_preface(), stats.refused()), (11, 8, 0));
    for mut one in silent {
        assert_eq!(one.read(&mut [0]).await.unwrap_or(0), 0, "closed");
    }
    // connections that have sent something stay, and the next one is rejected
    let _ = TcpStream::connect(&address).await.expect("queued");
    until("it is refused", || stats.refused() == 1).await;
    for client in &mut clients {
        call(client, "", 0).await.expect("they go on");
    }
}

#[tokio::test]
async fn a_unix_socket_serves_and_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("grpc.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
    let (server, _) = serve_at(&Listen::Unix(path.clone()), &config(1)).await;
    let dialled = path.clone();
    let connector = tower::service_fn(move |_| {
        let path = dialled.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://unix.socket");
    let mut client = Client::new(endpoint.connect_with_connector(connector).await.expect("connected"));
    assert_eq!(call(&mut client, "", 0).await.expect("answered"), "worker-0");
    let report = server.drain(Duration::from_secs(60)).await;
    assert_eq!((report.drained, report.forced), (1, 0));
    assert!(!path.exists());
}
