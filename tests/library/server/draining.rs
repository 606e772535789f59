//! The end: calls in flight finish, the deadline is kept, and nothing is left behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{net::TcpStream, task::JoinSet};
use tollgate::server::DrainReport;

use crate::server::support::{Client, address, call, client, config, serve, until};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn calls_in_flight_finish() {
    let (server, calls) = serve(&config(2)).await;
    let (stats, address) = (server.stats(), address(&server));
    let mut waiting = JoinSet::new();
    for _ in 0..4 {
        let client = client(&address).await;
        for _ in 0..5 {
            let mut client = client.clone();
            waiting.spawn(async move { call(&mut client, "gate", 0).await });
        }
    }
    until("all wait", || calls.running.load(Ordering::SeqCst) == 20).await;
    let drain = tokio::spawn(server.drain(LONG));
    until("the listener is closed", || std::net::TcpStream::connect(&address).is_err()).await;
    assert_eq!(calls.running.load(Ordering::SeqCst), 20, "the drain interrupts nothing");
    calls.gate.add_permits(20);
    for answer in waiting.join_all().await {
        answer.expect("answered");
    }
    let report = drain.await.expect("no panic");
    // one of the probes above may have been accepted before the listener closed
    assert!(report.drained >= 4, "{report:?}");
    assert_eq!(report, DrainReport { drained: report.drained, forced: 0, stuck_workers: 0 });
    assert_eq!(stats.open(), 0);
    assert_eq!(stats.stuck(Duration::ZERO), None, "workers that have ended are not stuck");
}

/// Makes calls until the server is gone. Returns how many were answered, and how many failed before `draining`.
async fn call_to_the_end(mut client: Client, draining: Arc<AtomicBool>) -> (u64, u64) {
    let (mut answered, mut failed) = (0, 0);
    loop {
        match call(&mut client, "sleep", 3).await {
            Ok(_) => answered += 1,
            Err(_) if draining.load(Ordering::SeqCst) => return (answered, failed),
            Err(_) => failed += 1,
        }
    }
}

#[tokio::test]
async fn under_load_every_accepted_call_is_answered() {
    let (server, calls) = serve(&config(2)).await;
    let address = address(&server);
    let draining = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let client = client(&address).await;
        for _ in 0..8 {
            callers.spawn(call_to_the_end(client.clone(), Arc::clone(&draining)));
        }
    }
    until("the load is on", || calls.begun.load(Ordering::SeqCst) > 500).await;
    draining.store(true, Ordering::SeqCst);
    let report = server.drain(LONG).await;
    let (answered, failed): (Vec<_>, Vec<_>) = callers.join_all().await.into_iter().unzip();
    assert_eq!(report, DrainReport { drained: 4, forced: 0, stuck_workers: 0 });
    assert_eq!(failed.iter().sum::<u64>(), 0, "none failed before the drain");
    assert_eq!(answered.iter().sum::<u64>(), calls.begun.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_deadline_closes_the_remaining_connections() {
    let (server, calls) = serve(&config(2)).await;
    let address = address(&server);
    let mut stuck = client(&address).await;
    let stuck = tokio::spawn(async move { call(&mut stuck, "stuck", 0).await });
    let idle = client(&address).await;
    let silent = TcpStream::connect(&address).await.expect("connected");
    until("all are there", || calls.running.load(Ordering::SeqCst) == 1 && server.stats().open() == 3).await;
    let report = server.drain(Duration::from_millis(100)).await;
    assert_eq!((report.drained + report.forced, report.stuck_workers), (3, 0), "{report:?}");
    assert!(report.forced >= 1, "{report:?}");
    stuck.await.expect("no panic").expect_err("cut");
    assert_eq!(calls.running.load(Ordering::SeqCst), 0, "the handler is gone");
    drop((idle, silent));
}

#[tokio::test]
async fn a_worker_that_hangs_does_not_delay_the_end() {
    let (server, calls) = serve(&config(1)).await;
    let stats = server.stats();
    let mut client = client(&address(&server)).await;
    let blocked = tokio::spawn(async move { call(&mut client, "block", 10_000).await });
    until("it blocks", || calls.running.load(Ordering::SeqCst) == 1).await;
    let report = server.drain(Duration::ZERO).await;
    assert_eq!(report, DrainReport { drained: 0, forced: 1, stuck_workers: 1 });
    assert!(stats.stuck(Duration::ZERO).is_some(), "it has not ended");
    blocked.abort();
}

#[tokio::test]
async fn dropping_the_server_without_a_drain_closes_everything() {
    let (server, calls) = serve(&config(2)).await;
    let (stats, address) = (server.stats(), address(&server));
    let mut stuck = client(&address).await;
    let stuck = tokio::spawn(async move { call(&mut stuck, "stuck", 0).await });
    until("the call is there", || calls.running.load(Ordering::SeqCst) == 1).await;
    drop(server);
    stuck.await.expect("no panic").expect_err("cut");
    until("all is closed", || stats.open() == 0 && std::net::TcpStream::connect(&address).is_err()).await;
    assert_eq!(calls.running.load(Ordering::SeqCst), 0);
}
