//! What integration tests share: the service as a child process, real servers (Envoy, Redis, ADS), clients,
//! certificates, and waiting for conditions.
//!
//! Depends on no code of the service. A test of the program begins with [`tollgate!`]; a server is killed when it is
//! dropped; a test waits for a condition with [`eventually`] or [`until`], never for a fixed time.
#![allow(
    clippy::new_without_default,
    clippy::panic,
    missing_debug_implementations,
    missing_docs,
    reason = "helpers of tests fail by panicking, and say what they are by their names"
)]

pub mod balancer;
pub mod certificates;
pub mod echo;
pub mod envoy;
pub mod frames;
pub mod health;
pub mod http;
pub mod pages;
pub mod ports;
pub mod process;
pub mod raw;
pub mod redis;
pub mod rls;
pub mod scrape;
pub mod tls;
pub mod upstream;
pub mod xds;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// Longer than any condition takes on a machine that works, however busy it is.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The program under test, whose path only the package that builds it knows: a [`process::Builder`], or a running
/// program if rules are given.
#[macro_export]
macro_rules! tollgate {
    () => {
        $crate::process::Builder::new(env!("CARGO_BIN_EXE_tollgate"))
    };
    ($rules:expr $(,)?) => {
        $crate::tollgate!().rules($rules).start()
    };
}

/// The path of a file of the repository, relative to its top level.
pub fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

/// Waits until `check` returns a value. Otherwise fails and names `what` it waited for.
pub async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Like [`eventually`] outside of an async runtime: blocks the thread.
pub fn eventually_blocking<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a condition holds that can be checked synchronously.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
