//! What whole-program tests share: the service as a child process, a real Envoy, an HTTP client, waiting.
#![allow(dead_code, unreachable_pub, clippy::panic, missing_docs)]

pub mod balancer;
pub mod certificates;
pub mod echo;
pub mod envoy;
pub mod health;
pub mod http;
pub mod ports;
pub mod process;
pub mod raw;
pub mod rls;
pub mod upstream;

use std::time::{Duration, Instant};

/// Longer than any condition takes to come true on a machine that does not hang, however busy it is.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until `check` gives something; a test that waits in vain fails saying `what` it waited for.
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
