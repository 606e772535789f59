//! HTTP/2 with every kind of peer: the complete program behind a real Envoy, grpcio, and raw frames.
#![allow(missing_docs, missing_debug_implementations, unreachable_pub, reason = "a test")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures that a test measured")]

mod attacks;
mod channels;
mod clients;
mod envoys;
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
mod tap;
mod windows;

use testkit::{http::Client, process::Tollgate};

/// The series of rejected calls that are not 0, as on the metrics page.
pub async fn rejections(tollgate: &Tollgate) -> Vec<String> {
    let page = Client::new().get(tollgate.address("metrics"), "/metrics").await.body;
    let lines = page.lines().filter_map(|line| line.strip_prefix("tollgate_rejected_calls_total"));
    lines.map(str::to_owned).collect()
}
