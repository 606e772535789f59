//! HTTP/2 as peers of every kind speak it: the whole program behind a real Envoy, grpcio, and raw frames.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod attacks;
mod channels;
mod clients;
mod envoys;
#[allow(dead_code, reason = "a frame as it is read, for messages of failed tests")]
mod frames;
mod grpcio;
mod idle;
mod inputs;
mod leaving;
mod messages;
mod oracle;
mod rejected;
mod rig;
mod routed;
mod service;
mod stalled;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod tap;
mod windows;

use support::{http::Client, process::Tollgate};

/// A metric that has no labels.
pub async fn metric(tollgate: &Tollgate, name: &str) -> u64 {
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {page}"))
}

/// The series of rejected calls that have moved, as the metrics page has them.
pub async fn rejections(tollgate: &Tollgate) -> Vec<String> {
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let lines = page.lines().filter_map(|line| line.strip_prefix("tollgate_rejected_calls_total"));
    lines.map(str::to_owned).collect()
}
