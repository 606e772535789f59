//! Connections are closed by age, and no call fails because of it unless it outlasts the grace period.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use tollgate::server::ServerConfig;
use tonic::Status;

use testkit::rls::never_sent;

use crate::server::support::{Client, address, call, client, config, serve, until};

/// Makes calls one after another until stopped. Returns the number of answers, and the failures.
async fn keep_calling(mut client: Client, stop: Arc<AtomicBool>) -> (u64, Vec<Status>) {
    let (mut answered, mut failed) = (0, Vec::new());
    let mut sleep_ms = 0;
    while !stop.load(Ordering::Relaxed) {
        sleep_ms = (sleep_ms + 1) % 20;
        match call(&mut client, "sleep", sleep_ms).await {
            Ok(_) => answered += 1,
            Err(status) if never_sent(&status) => {}
            Err(status) => failed.push(status),
        }
    }
    (answered, failed)
}

#[tokio::test]
async fn no_call_fails_for_it() {
    let age = Duration::from_millis(300);
    let config = ServerConfig { max_connection_age: age, max_connection_age_grace: age * 100, ..config(2) };
    let (server, calls) = serve(&config).await;
    let stats = server.stats();
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..6 {
        let client = client(&address(&server)).await;
        for _ in 0..8 {
            callers.spawn(keep_calling(client.clone(), Arc::clone(&stop)));
        }
    }
    let enough = || stats.aged_out() >= 30 && calls.begun.load(Ordering::SeqCst) > 1000;
    until("each connection left five times, under many calls", enough).await;
    stop.store(true, Ordering::Relaxed);
    let (answered, failed): (Vec<_>, Vec<_>) = callers.join_all().await.into_iter().unzip();
    let (answered, failed): (u64, Vec<_>) = (answered.iter().sum(), failed.concat());
    assert!(failed.is_empty(), "{} failed beside {answered}, the first: {:?}", failed.len(), failed[0]);
    assert_eq!(calls.begun.load(Ordering::SeqCst), answered, "every call that got here was answered");
    assert_eq!(stats.forced(), 0);
    assert!(stats.accepted() >= 30, "the clients came back: {}", stats.accepted());
}

#[tokio::test]
async fn a_call_that_ends_within_the_grace_is_answered() {
    // long enough that the call arrives before, however busy the machine is
    let age = Duration::from_secs(2);
    let (server, calls) = serve(&ServerConfig { max_connection_age: age, ..config(1) }).await;
    let stats = server.stats();
    let mut client = client(&address(&server)).await;
    let waiting = tokio::spawn(async move { call(&mut client, "gate", 0).await });
    until("aged with the call in flight", || stats.aged_out() == 1 && calls.running.load(Ordering::SeqCst) == 1).await;
    calls.gate.add_permits(1);
    waiting.await.expect("no panic").expect("answered after the GOAWAY");
    until("closed", || stats.open() == 0).await;
    assert_eq!(stats.forced(), 0);
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_is_cut_off() {
    let (age, grace) = (Duration::from_secs(2), Duration::from_millis(50));
    let config = ServerConfig { max_connection_age: age, max_connection_age_grace: grace, ..config(1) };
    let (server, calls) = serve(&config).await;
    let mut client = client(&address(&server)).await;
    call(&mut client, "stuck", 0).await.expect_err("cut");
    until("its handler is gone", || calls.running.load(Ordering::SeqCst) == 0).await;
    assert!(server.stats().forced() >= 1);
}

#[tokio::test]
async fn the_grace_of_an_aged_connection_continues_in_a_drain() {
    let age = Duration::from_secs(2);
    let config = ServerConfig { max_connection_age: age, max_connection_age_grace: age, ..config(1) };
    let (server, calls) = serve(&config).await;
    let stats = server.stats();
    let mut client = client(&address(&server)).await;
    let stuck = tokio::spawn(async move { call(&mut client, "stuck", 0).await });
    until("aged with the call in flight", || stats.aged_out() == 1 && calls.running.load(Ordering::SeqCst) == 1).await;
    let report = server.drain(Duration::from_secs(3600)).await;
    assert_eq!((report.drained, report.forced), (0, 1), "{report:?}");
    stuck.await.expect("no panic").expect_err("it was cut");
}

#[tokio::test]
async fn zero_and_very_long_mean_never() {
    for age in [Duration::ZERO, Duration::MAX] {
        let config = ServerConfig { max_connection_age: age, max_connection_age_grace: age, ..config(1) };
        let (server, _) = serve(&config).await;
        let mut client = client(&address(&server)).await;
        for _ in 0..100 {
            call(&mut client, "", 0).await.expect("answered");
        }
        assert_eq!((server.stats().aged_out(), server.stats().accepted()), (0, 1));
    }
}
